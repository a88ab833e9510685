"""`manage.py explaincrawl`, and what `crawl` says of causes at its end."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from crawler.account.explaining import explain
from crawler.definitions import save_spider
from crawler.management.telling import closing
from crawler.models import Spider, TaskFailure
from tests.db.crawler.making import make_task
from tests.servers.sites import SiteServer

from .documents import make_spider, site_spider
from .test_commands import refused, run

pytestmark = pytest.mark.django_db(transaction=True)

MANY = ("http_500", "http_404", "dns_error", "noindex", "trap")
HOSTS = {"shop.example": {"requests": 12, "peak_rate": 3, "peak_concurrency": 2, "robots_refused": 4}}


@pytest.fixture
def spider() -> Spider:
    """With two crawls: the newer one lacks pages."""
    spider = save_spider(make_spider())
    make_task(spider, "crawl_old", status="completed", pages=9)
    task = make_task(spider, "crawl_new", status="completed", pages=10, items=5, reasons={"http_500": 4}, hosts=HOSTS)
    TaskFailure.objects.create(
        task=task, url="https://shop.example/x\x1b[2J", reason="http_500", status_code=500, at=timezone.now()
    )
    return spider


def test_a_spiders_name_means_its_newest_crawl(spider: Spider) -> None:
    assert run("explaincrawl", spider.name) == run("explaincrawl", "crawl_new")


def test_the_account_is_told_in_lines(spider: Spider) -> None:
    text, code = run("explaincrawl", "crawl_new")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "10 pages and 5 readings of items, but something is missing: The site's server failed (40%)."
    assert lines[2] == "The site's server failed: 4 pages (40%)"
    assert any(line.startswith("  What to do: ") for line in lines)
    assert "  - https://shop.example/x\\x1b[2J (500)" in lines
    assert any(line.startswith("  shop.example: 12 requests") for line in lines)


def test_programs_get_one_object(spider: Spider) -> None:
    body = json.loads(run("explaincrawl", spider.name, "--json")[0])
    assert (body["task_id"], body["verdict"]) == ("crawl_new", "lacking")
    assert [cause["key"] for cause in body["causes"]] == ["server_error"]
    assert body["politeness"]["hosts"][0]["host"] == "shop.example"


def test_a_crawl_that_is_not_there_is_said(spider: Spider) -> None:
    message, code = refused("explaincrawl", f"{spider.name}s")
    assert (message, code) == (
        f'There is no crawl task and no spider "{spider.name}s". Did you mean "{spider.name}"?',
        2,
    )


def test_a_spider_that_was_never_crawled_is_said() -> None:
    spider = save_spider(make_spider())
    message, code = refused("explaincrawl", spider.name)
    assert code == 2
    assert message == f'spider "{spider.name}" has not been crawled yet: manage.py crawl {spider.name}'


def test_a_crawl_ends_with_its_causes_in_plain_words(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    site.remove("/book/2")
    lines = run("crawl", "books")[0].splitlines()
    assert lines[0].startswith("Completed in ")
    told = next(line for line in lines if line.startswith("- Pages that are gone, "))
    assert told.endswith(f"Example: {site.url}/book/2")
    assert "1 page" in told
    assert not any("http_404" in line for line in lines if line != told), "said once"
    assert lines[-1].startswith("All of it: manage.py explaincrawl crawl_")


def test_a_crawl_that_was_cut_says_so_at_its_end(site: SiteServer) -> None:
    save_spider({**site_spider(site.url), "limits": {"max_pages": 1}, "session": {"verify_tls": False}})
    first = run("crawl", "books")[0].splitlines()[0]
    assert first.endswith(
        "Stopped at max_pages = 1; pages were left in the frontier. "
        "TLS certificates were not checked: the spider says session.verify_tls = false."
    )


def test_a_crawl_without_a_fault_ends_with_its_figures(site: SiteServer) -> None:
    site.replace("/", b"<p>Books</p><a href=/book/1>1</a>")
    save_spider(site_spider(site.url))
    assert len(run("crawl", "books")[0].splitlines()) == 1


def test_a_crawl_with_many_causes_tells_how_many_it_leaves_out() -> None:
    task = make_task(
        save_spider(make_spider()), "crawl_many", status="completed", pages=9, reasons=dict.fromkeys(MANY, 2)
    )
    lines = list(closing(explain(task)))
    assert sum(line.startswith("- ") for line in lines) == 3
    assert lines[-1] == "All of it: manage.py explaincrawl crawl_many (2 more causes)"
