"""Pages are found by their address and by a part of it, in the admin and over REST, at a cost that is bounded."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler import addresses
from crawler.addresses import find_pages
from crawler.models import CrawlTask, Page, Spider

from .making import make_page, make_spider, make_task

pytestmark = pytest.mark.django_db

LIST = "/admin/crawler/page/"
PATHS = ("catalogue/Emma_12", "catalogue/emma-13", "%E5%9B%BE%E4%B9%A6/1%20a", "search?q=100%25", "p\\q")


@pytest.fixture
def task() -> CrawlTask:
    """A crawl of a spider, the pages of another spider beside it, and an old page of the first."""
    spider = make_spider()
    make_page(spider, "catalogue/old")
    task = make_task(spider)
    for number, path in enumerate(PATHS):
        make_page(spider, path, task=task, state="failed" if number == 1 else "done")
    make_page(make_spider("music"), "catalogue/emma")
    return task


def found(text: str, **where: object) -> list[str]:
    ids = find_pages(text, **where).ids  # type: ignore[arg-type]
    urls = Page.objects.filter(pk__in=ids).order_by("pk").values_list("url", flat=True)
    return [url.removeprefix("https://shop.example/") for url in urls]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EMMA", [PATHS[0], PATHS[1], "catalogue/emma"]),
        (" emma_ ", [PATHS[0]]),  # no other letter stands for it
        ("图书/1 a", [PATHS[2]]),
        ("100%", [PATHS[3]]),
        ("p\\q", [PATHS[4]]),
        ("https://shop.example/catalogue/old", ["catalogue/old"]),
        ("HTTPS://SHOP.EXAMPLE:443/catalogue/old#part", ["catalogue/old"]),
        ("a\0", []),
    ],
)
def test_an_address_is_found_by_any_part_of_it(task: CrawlTask, text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_what_was_asked_for_is_the_only_thing_that_is_looked_at(task: CrawlTask) -> None:
    spider = Spider.objects.get(name="books")
    assert found("catalogue", spider_id=spider.pk) == ["catalogue/old", *PATHS[:2]]
    assert found("catalogue", task_id=task.pk) == [*PATHS[:2]]
    assert found("catalogue", spider_id=spider.pk, state="failed") == [PATHS[1]]
    assert found("https://shop.example/catalogue/old", task_id=task.pk) == []
    assert found("https://shop.example/catalogue/old", spider_id=spider.pk, state="failed") == []


def test_older_pages_are_found_by_the_whole_address_alone(task: CrawlTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LOOKED_AT", 2)
    assert (found("emma"), find_pages("emma").is_cut) == (["catalogue/emma"], True)
    assert found("https://shop.example/catalogue/old") == ["catalogue/old"]
    monkeypatch.setattr(addresses, "LOOKED_AT", 5)
    assert (found("emma", task_id=task.pk), find_pages("emma", task_id=task.pk).is_cut) == ([*PATHS[:2]], False)
    monkeypatch.setattr(addresses, "MOST", 1)
    assert (found("emma", task_id=task.pk), find_pages("emma", task_id=task.pk).is_cut) == ([PATHS[1]], True)


def test_the_list_says_among_how_many_it_looked(
    root: User,
    client: Client,
    task: CrawlTask,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client.force_login(root)
    page = client.get(f"{LIST}?q=emma_").content.decode()
    assert "catalogue/Emma_12" in page
    assert "emma-13" not in page
    assert "Among the newest" not in page
    spider = Spider.objects.get(name="books").pk
    monkeypatch.setattr(addresses, "LOOKED_AT", 2)
    with django_assert_max_num_queries(10):
        page = client.get(f"{LIST}?q=p&spider__id__exact={spider}&state__exact=done").content.decode()
    assert "Among the newest 2 rows" in page
    assert "catalogue/old" not in page
    assert client.get(f"{LIST}?q=+").status_code == 200


def test_rest_finds_pages_of_a_crawl_and_says_whether_there_may_be_more(
    api: APIClient, task: CrawlTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/crawl/tasks/{task.task_id}/pages"
    body = api.get(f"{path}?q=Emma&page_size=1&page=2").json()
    assert (body["count"], body["is_cut"], [page["url"][-7:] for page in body["results"]]) == (2, False, ["emma-13"])
    assert api.get(f"{path}?q=emma&state=failed").json()["count"] == 1
    monkeypatch.setattr(addresses, "LOOKED_AT", 2)
    body = api.get(f"{path}?q=emma").json()
    assert (body["count"], body["is_cut"]) == (0, True)
    assert "is_cut" not in api.get(path).json()
