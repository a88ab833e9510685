"""A site that changes under its selectors: what a crawl cannot read any more is not gone for that."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils.translation import override
from pytest_django import Settings

from crawler.account.explaining import explain
from crawler.account.explanation import Verdict
from crawler.definitions import save_spider
from crawler.engine.records import ValueProblem
from crawler.models import CrawlTask, Item, Page
from scheduling.lanes import Lane
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import Crawl, make_item, make_spider, owner_of

pytestmark = pytest.mark.django_db(transaction=True)

BOOK: dict[str, object] = {
    "type": "book",
    "each": "li.book",
    "key": ["sku"],
    "fields": {"sku": {"css": "::attr(data-sku)"}, "name": {"css": "b"}},
}
FIRST, SECOND = range(1, 9), range(9, 15)
"""Numbers of the books that each of two pages gives."""


@pytest.fixture
def shop(tmp_path: Path, settings: Settings) -> Iterator[SiteServer]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    fill(server, FIRST, SECOND)
    with serve_in_thread(server):
        yield server


def fill(shop: SiteServer, first: Iterable[int], second: Iterable[int] | None, book: str = "") -> None:
    """Two pages of books, or one without a way to the other."""
    book = book or '<li class="book" data-sku="{}"><b>Book</b></li>'
    following = "" if second is None else '<a rel="next" href="/?page=2">more</a>'
    books = ["".join(book.format(number) for number in numbers) for numbers in (first, second or ())]
    shop.replace("/", f"<html><body><h1>All books</h1><ul>{books[0]}</ul>{following}</body></html>".encode())
    shop.replace("/?page=2", f"<html><body><h1>All books</h1><ul>{books[1]}</ul></body></html>".encode())


def save(shop: SiteServer, **rule: object) -> None:
    follow, items = [{"css": "a[rel=next]"}], [BOOK | rule]
    save_spider({"name": "shop", "start_urls": [f"{shop.url}/"], "follow": follow, "items": items})


def crawl() -> CrawlTask:
    return CrawlTask.objects.get(run=run_in_foreground("crawl", {"type": "spider", "target": "shop"}))


def present() -> int:
    return Item.objects.filter(gone_at=None).count()


DRIFTS = {
    "the key's attribute": '<li class="book" data-id="{}"><b>Book</b></li>',
    "each": '<li class="card" data-sku="{}"><b>Book</b></li>',
}


@pytest.mark.parametrize("is_reached", [True, False], ids=["all pages", "the second out of reach"])
@pytest.mark.parametrize("book", DRIFTS.values(), ids=DRIFTS.keys())
def test_items_that_a_selector_misses_are_not_gone_and_do_not_come_back(
    shop: SiteServer, book: str, is_reached: bool
) -> None:
    save(shop)
    assert crawl().items_new == 14
    fill(shop, FIRST, SECOND if is_reached else None, book)
    for _again in range(2):
        task = crawl()
        assert (task.items_gone, present()) == (0, 14)
        assert task.reasons["none_read"] == 14
        account = explain(task)
        assert account.verdict is Verdict.LACKING
        assert "none_read" in {found.cause.key for found in account.causes}
    fill(shop, FIRST, SECOND)
    task = crawl()
    assert (task.items_new, task.items_changed, task.items_returned, task.items_gone) == (0, 0, 0, 0)
    assert (present(), "none_read" in task.reasons) == (14, False)


def test_a_rule_that_takes_no_page_any_more_loses_no_item(shop: SiteServer) -> None:
    save(shop, match=r"/$|page=\d$")
    crawl()
    save(shop, match="/books/")
    task = crawl()
    assert (task.items_gone, task.reasons["none_read"], present()) == (0, 14, 14)


def test_items_that_are_really_gone_are_gone_once_somebody_says_so(shop: SiteServer) -> None:
    save(shop)
    crawl()
    fill(shop, (), ())
    task = crawl()
    assert (task.items_gone, task.reasons) == (0, {"none_read": 14})
    with override("en"):
        assert any("tick may_be_empty" in str(found.cause.remedy) for found in explain(task).causes)
    save(shop, may_be_empty=True)
    assert crawl().items_gone == 14
    assert present() == 0


def test_a_few_items_and_those_whose_pages_are_not_there_go_as_ever(shop: SiteServer) -> None:
    save(shop)
    fill(shop, range(9), None)
    crawl()
    fill(shop, (), None)
    assert crawl().items_gone == 9, "fewer than ten"
    fill(shop, (), range(20, 32))
    crawl()
    shop.remove("/?page=2")
    task = crawl()
    assert (task.items_gone, task.reasons) == (12, {"http_404": 1})


def test_one_item_that_could_not_be_stored_keeps_those_of_its_kind_on_its_page_alone(lane: Lane) -> None:
    spider = make_spider()
    walked = Crawl(spider, lane)
    first = [make_item("a"), make_item("b"), make_item("x", kind="other")]
    walked.open("/1", "/2")
    walked.store(walked.read("/1", first), walked.read("/2", [make_item("c"), make_item("d")]))

    walked = Crawl(spider, lane)
    walked.open("/1", "/2")
    broken = walked.read("/1", [make_item("a")], problems=[ValueProblem("book", "key", "missing_key")])
    broken.rejected, broken.missed = 1, [("book", "key")]
    walked.store(broken, walked.read("/2", [make_item("d")]))
    assert walked.mark_gone() == 2
    assert set(Item.objects.filter(gone_at=None).values_list("key", flat=True)) == {'["a"]', '["b"]', '["d"]'}
    assert owner_of("b") == "/1"
    assert Page.objects.get(url__endswith="/1").extracted_version is None, "it is read again, changed or not"

    walked = Crawl(spider, lane)
    walked.open("/1", "/2")
    walked.store(walked.read("/1", [make_item("a")]), walked.read("/2", [make_item("d")], version="new"))
    assert walked.mark_gone() == 1
    assert set(Item.objects.filter(gone_at=None).values_list("key", flat=True)) == {'["a"]', '["d"]'}


@pytest.mark.parametrize("order", ["/1/2", "/2/1"], ids=["the owner first", "the other page first"])
def test_an_item_that_its_page_may_have_lost_goes_to_the_page_that_gives_it(lane: Lane, order: str) -> None:
    spider = make_spider()
    walked = Crawl(spider, lane)
    walked.open("/1", "/2")
    walked.store(walked.read("/1", [make_item("a", price="1"), make_item("b")]), walked.read("/2"))

    walked = Crawl(spider, lane)
    walked.open("/1", "/2")
    broken = walked.read("/1", [make_item("b")])
    broken.rejected, broken.missed = 1, [("book", "key")]
    results = {"/1": broken, "/2": walked.read("/2", [make_item("a", price="2")])}
    for path in order.replace("/", " /").split():
        walked.store(results[path])
    assert walked.mark_gone() == 0
    assert (owner_of("a"), Item.objects.get(key='["a"]').data["price"]) == ("/2", "2")
    walked.task.refresh_from_db()
    assert (walked.task.items_changed, walked.task.conflicts) == (1, 0)


def test_a_crawl_that_falls_short_is_incomplete_in_every_list(shop: SiteServer, admin_client: Client) -> None:
    save(shop)
    run_in_foreground("crawl", {"type": "spider", "target": "shop"})
    fill(shop, FIRST, SECOND, DRIFTS["the key's attribute"])
    run = run_in_foreground("crawl", {"type": "spider", "target": "shop"})
    task = CrawlTask.objects.get(run=run)
    assert (run.state, run.falls_short, task.status, task.falls_short) == ("succeeded", True, "completed", True)
    assert run.message.endswith("0 new, 0 changed. Not stored: 14 items.")
    addresses = {
        "/admin/scheduling/jobrun/": 1,
        f"/admin/scheduling/jobrun/{run.pk}/change/": 1,
        "/admin/crawler/crawltask/": 1,
        f"/admin/crawler/crawltask/{task.pk}/change/": 1,
        "/admin/crawler/spider/": 1,
        f"/admin/crawler/spider/{task.spider_id}/change/": 1,
    }
    found = {path: admin_client.get(path).content.decode().count("<span>Incomplete</span>") for path in addresses}
    assert found == addresses
    assert "Last 2 firings: 1 Succeeded, 1 Incomplete" in admin_client.get("/admin/crawler/spider/").content.decode()
    fill(shop, FIRST, SECOND)
    run = run_in_foreground("crawl", {"type": "spider", "target": "shop"})
    assert (run.falls_short, CrawlTask.objects.get(run=run).falls_short) == (False, False)
