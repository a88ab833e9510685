"""The handler "crawl" from end to end: run, claim, client, guard, engine, checkpoints, task."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django import Settings

from crawler import reading_version
from crawler.definitions import save_spider
from crawler.engine.records import Batch, Ending
from crawler.models import CrawlTask, Item, ItemVersion, Page, Spider, TaskFailure
from crawler.storing import seeding
from crawler.storing.checkpoint import CrawlMemory, CrawlScope, Stored, store_batch
from scheduling.models import JobRun
from scheduling.runner import run_in_foreground
from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import differences, shop_spider, shop_truth

from .making import attempt, make_task

pytestmark = pytest.mark.django_db(transaction=True)

LIST = '<html><body><a href="/1">1</a> <a href="/2">2</a> <a href="/missing">x</a></body></html>'
BOOK = '<html><body><h1>{name}</h1><p class="price">{price}</p></body></html>'
BOOKS = {
    "follow": [{"css": "a[href]"}],
    "items": [
        {
            "type": "book",
            "match": r"/\d$",
            "key": ["name"],
            "fields": {"name": {"css": "h1"}, "price": {"css": ".price", "type": "decimal"}},
        }
    ],
}


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    """Three pages with validators: a list and two books."""
    server = SiteServer(tmp_path)
    server.replace("/", LIST.encode())
    server.replace("/1", BOOK.format(name="one", price="1.00").encode())
    server.replace("/2", BOOK.format(name="two", price="2.00").encode())
    with serve_in_thread(server):
        yield server


def make_books(site: SiteServer, **sections: object) -> Spider:
    return save_spider({"name": "books", "start_urls": [f"{site.url}/"], **BOOKS, **sections})


def crawl(name: str = "books", **job_data: object) -> tuple[JobRun, CrawlTask]:
    run = run_in_foreground("crawl", job_data or {"type": "spider", "target": name})
    return run, CrawlTask.objects.get(run=run)


def test_a_spiders_crawl_stores_its_items_and_ends_its_task(site: SiteServer) -> None:
    spider = make_books(site)
    run, task = crawl()
    assert (run.state, task.status, task.spider, task.spider_version) == ("succeeded", "completed", spider, 1)
    assert (task.pages, task.items_new, task.pages_failed) == (4, 2, 1)
    assert task.reasons == {"http_404": 1}
    assert {item.data["name"]: item.data["price"] for item in Item.objects.all()} == {"one": "1.00", "two": "2.00"}
    assert isinstance(run.data, dict)
    assert (run.data["task_id"], run.data["pages"], run.data["items"], run.data["errors"]) == (task.task_id, 4, 2, 1)
    assert run.message == task.message == "4 pages, 0 unchanged; 2 items read, 2 new, 0 changed."
    assert TaskFailure.objects.get().url == f"{site.url}/missing"


def test_a_run_says_how_many_items_came_back_where_some_did(site: SiteServer) -> None:
    make_books(site)
    crawl()
    site.remove("/1")
    assert crawl()[0].message == "4 pages, 2 unchanged; 0 items read, 0 new, 0 changed. Gone: 1 item."
    site.replace("/1", BOOK.format(name="one", price="1.00").encode())
    run, task = crawl()
    assert run.message == task.message == "4 pages, 2 unchanged; 1 item read, 0 new, 0 changed, 1 came back."


@pytest.mark.parametrize("generation", [0, 2], ids=["an earlier release", "a later one"])
def test_unchanged_pages_are_read_once_more_after_an_upgrade_that_reads_pages_differently(
    site: SiteServer, monkeypatch: pytest.MonkeyPatch, generation: int
) -> None:
    make_books(site)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(reading_version, "GENERATION", generation)
        crawl()
    assert {page.rules_version for page in Page.objects.filter(state="done")} == {1}
    Item.objects.filter(data__name="one").update(data={"name": "one", "price": None}, data_hash=b"0" * 16)
    _, second = crawl()
    assert (second.pages_unchanged, second.items_changed) == (0, 1)
    assert Item.objects.get(data__name="one").data["price"] == "1.00"
    _, third = crawl()
    assert third.pages_unchanged == 3


def test_a_crawl_that_goes_on_says_how_far_the_whole_of_it_is(site: SiteServer) -> None:
    task = make_task(make_books(site), "crawl_spider_1", pages=40, items=25)
    told: list[str] = []
    run_in_foreground(
        "crawl",
        {"type": "spider", "target": "books"},
        job_key=task.task_id,
        on_progress=lambda _fraction, message: told.append(message),
    )
    task.refresh_from_db()
    assert (task.pages, task.items) == (44, 27)
    assert told[-1] == "44 pages, 27 readings of items"


def test_a_second_crawl_asks_for_changes_only(site: SiteServer) -> None:
    make_books(site)
    crawl()
    items = list(Item.objects.order_by("id").values())
    site.log.clear()
    _run, task = crawl()
    assert [logged.status for logged in site.log if logged.target != "/robots.txt"].count(304) == 3
    assert (task.pages_unchanged, task.items_new, task.items_changed, task.items_gone) == (3, 0, 0, 0)
    assert list(Item.objects.order_by("id").values()) == items


def test_one_changed_price_is_one_version(site: SiteServer) -> None:
    make_books(site)
    crawl()
    site.replace("/2", BOOK.format(name="two", price="9.00").encode())
    _run, task = crawl()
    assert task.items_changed == 1
    version = ItemVersion.objects.select_related("item").get()
    assert (version.data["price"], version.item.data["price"], version.item.version) == ("2.00", "9.00", 2)


def test_an_item_whose_page_is_gone_is_gone(site: SiteServer) -> None:
    make_books(site)
    crawl()
    site.remove("/2")
    assert crawl()[1].items_gone == 1
    assert [item.data["name"] for item in Item.objects.filter(gone_at=None)] == ["one"]


def test_given_urls_are_read_alone(site: SiteServer) -> None:
    make_books(site)
    run, task = crawl(type="urls", target=[f"{site.url}/1", f"{site.url}/"], spider="books")
    assert (run.state, task.task_type, task.pages, task.items_new) == ("succeeded", "urls", 2, 1)
    assert run.exclusive_key == "spider:books"
    # The whole crawl afterwards finds the rest: what was read alone is read again.
    assert crawl()[1].items_new == 1


def test_a_start_page_that_is_not_there_fails_the_crawl(site: SiteServer) -> None:
    make_books(site, start_urls=[f"{site.url}/missing"])
    run, task = crawl()
    assert (run.state, task.status) == ("failed", "failed")
    assert "http_404" in task.message
    assert run.message == task.message


def test_loopback_is_refused_with_its_reason_on_the_task(site: SiteServer, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    make_books(site)
    _run, task = crawl()
    assert task.status == "failed"
    assert task.reasons == {"address_refused": 1}
    assert "CRAWLER_ALLOWED_NETWORKS" in task.message
    assert site.connections == 0


def test_a_secret_that_is_not_stored_fails_the_crawl_by_name(site: SiteServer) -> None:
    make_books(site, manners={"headers": {"X-Token": {"secret": "token"}}})
    run, _task = run_in_foreground("crawl", {"type": "spider", "target": "books"}), None
    assert run.state == "failed"
    assert "token" in run.message
    assert site.targets() == []


def test_a_limit_ends_the_crawl_without_calling_anything_gone(site: SiteServer) -> None:
    make_books(site)
    crawl()
    make_books(site, limits={"max_pages": 1})
    _run, task = crawl()
    assert (task.status, task.pages, task.items_gone) == ("completed", 1, 0)
    assert "max_pages" in task.message


class Crash(Exception):
    """Stands for what ends a process in the middle of a transaction."""


def test_a_crawl_that_dies_in_a_checkpoint_goes_on_without_a_trace(
    site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(make_books(site), "crawl_spider_1")
    done: list[int] = []

    def store_and_die(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> Stored:
        with transaction.atomic():
            stored = store_batch(scope, batch, memory)
            done.append(len(done))
            if len(done) == 2:
                raise Crash("in the middle of a checkpoint")
        return stored

    monkeypatch.setattr(seeding, "store_batch", store_and_die)
    with pytest.raises(Crash):
        attempt(task)
    task.refresh_from_db()
    stored = set(Page.objects.exclude(state="pending").values_list("url", flat=True))
    assert (task.pages, stored) == (1, {f"{site.url}/"})

    monkeypatch.undo()
    site.log.clear()
    outcome = attempt(task)
    assert outcome.ending is Ending.COMPLETED
    task.refresh_from_db()
    assert (task.pages, task.items_new, task.pages_failed) == (4, 2, 1)
    assert {item.data["name"]: item.data["price"] for item in Item.objects.all()} == {"one": "1.00", "two": "2.00"}
    asked = {f"{site.url}{target}" for target in site.targets() if target != "/robots.txt"}
    assert asked == {f"{site.url}{path}" for path in ("/1", "/2", "/missing")}


@pytest.mark.corpora
def test_the_shop_equals_its_database_and_one_price_is_one_version() -> None:
    folder = corpus("shop")
    truth = shop_truth()
    server = SiteServer(folder / "site")
    with serve_in_thread(server) as url:
        save_spider(shop_spider(url))
        _run, first = crawl("shop")
        assert (first.status, first.pages, first.items_new) == ("completed", 1159, 1000)
        assert differences(truth, {item.key: item.data for item in Item.objects.all()}) == []

        server.log.clear()
        _run, second = crawl("shop")
        assert [logged.status for logged in server.log if logged.target != "/robots.txt"] == [304] * 1159
        assert (second.pages_unchanged, second.items, second.items_gone) == (1159, 0, 0)
        assert not ItemVersion.objects.exists()

        item = Item.objects.select_related("page").order_by("id").first()
        assert item is not None
        assert item.page is not None
        target, price = item.page.url.removeprefix(url), str(item.data["price"])
        server.replace(target, server.body_of(target).replace(price.encode(), b"1" + price.encode()))
        _run, third = crawl("shop")
        assert (third.pages_unchanged, third.items_changed, third.items_new) == (1158, 1, 0)
        version = ItemVersion.objects.select_related("item").get()
        assert version.item == item
        assert (version.data["price"], version.item.data["price"]) == (price, "1" + price)
