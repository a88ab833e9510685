"""The report says which spiders lack something, and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from crawler.models import CrawlTask
from scheduling import report

from .making import make_spider, make_task

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture(autouse=True)
def _english() -> object:
    with translation.override("en"):
        yield


def ended(spider: str, task_id: str, *, status: str = "completed", days: float = 1, **fields: object) -> CrawlTask:
    known = CrawlTask.objects.filter(spider__name=spider).first()
    owner = known.spider if known is not None else make_spider(spider)
    return make_task(owner, task_id, status=status, finished_at=NOW - timedelta(days=days), **fields)


def test_a_period_without_a_crawl_is_not_spoken_of() -> None:
    made = report.make("week", NOW)
    assert made.sections == ()
    assert "crawls" not in made.document()
    assert report.in_words(made) == "No run was executed; 0 wait."


def test_the_newest_crawl_of_each_spider_counts() -> None:
    ended("books", "books-1", pages=10, reasons={"http_500": 9})
    ended("books", "books-2", pages=10, items=10)
    ended("lamps", "lamps-1", pages=10, items=10)
    ended("lamps", "lamps-2", pages=10, items=2, reasons={"http_500": 5, "http_404": 1})
    ended("maps", "maps-1", status="failed", message="Timed out.", days=6)
    ended("news", "news-1", status="failed", days=8)
    make_task(make_spider("plays"), "plays-1", status="cancelled", finished_at=NOW)
    made = report.make("week", NOW)
    assert report.in_words(made).endswith(" 2 of 3 crawled spiders need a look: lamps, maps.")
    crawls = made.document()["crawls"]
    assert isinstance(crawls, dict)
    assert (crawls["crawls"], crawls["failed"], crawls["spiders"], crawls["troubled"]) == (5, 1, 3, 2)
    assert [(cause["key"], cause["count"]) for cause in crawls["causes"]] == [("server_error", 14), ("not_found", 1)]
    lamps, maps = crawls["troubles"]
    assert (lamps["spider"], lamps["task_id"], lamps["verdict"]) == ("lamps", "lamps-2", "lacking")
    assert [cause["key"] for cause in lamps["causes"]] == ["server_error"]
    assert maps["sentence"] == "The crawl failed: Timed out."


def test_a_week_without_a_fault_is_said() -> None:
    ended("books", "books-1", pages=10, items=10)
    assert report.in_words(report.make("week", NOW)).endswith(" 1 spider was crawled: all is well.")
