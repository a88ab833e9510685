"""Pages that give their place to their canonical page, stored: what they keep where that fails, and after a death."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from django.db import transaction
from pytest_django import Settings

from crawler.definitions import save_spider
from crawler.engine.records import Batch
from crawler.models import Item, Page, Spider
from crawler.storing import seeding
from crawler.storing.checkpoint import CrawlMemory, CrawlScope, Stored, store_batch
from tests.unit.engine.site import Reply, Site, in_thread

from .making import attempt, make_task

pytestmark = pytest.mark.django_db(transaction=True)

RULE = {"type": "page", "key": ["name"], "fields": {"name": {"css": "h1"}}}


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def site() -> Iterator[Site]:
    """Two variants of one book, whose canonical page is not there."""
    variants = {path: _page(path, "<link rel=canonical href=/book>") for path in ("/1", "/2")}
    with in_thread(Site({"/": _page("/", body="<a href=/1>1</a><a href=/2>2</a>"), **variants})) as site:
        yield site


def _page(name: str, head: str = "", body: str = "") -> Reply:
    html = f"<!doctype html><head>{head}</head><h1>{name}</h1>{body}"
    return Reply(html, headers={"Content-Type": "text/html"})


def make_variants(site: Site) -> Spider:
    manners = {"canonical": "follow", "concurrency_per_host": 1}
    document = {"name": "s", "start_urls": [site.url + "/"], "follow": [{}], "items": [RULE], "manners": manners}
    return save_spider(document)


def names() -> set[str]:
    return {item.data["name"] for item in Item.objects.filter(gone_at=None)}


def test_items_stay_at_their_pages_and_go_when_the_page_gives_them_no_more(site: Site) -> None:
    spider = make_variants(site)
    attempt(make_task(spider, "first"))
    assert names() == {"/", "/1", "/2"}
    site.pages["/1"] = _page("other", "<link rel=canonical href=/book>")
    task = make_task(spider, "second")
    attempt(task)
    assert names() == {"/", "other", "/2"}
    site.pages["/book"] = _page("book")
    attempt(make_task(spider, "third"))
    assert names() == {"/", "book"}
    task.refresh_from_db()
    assert (task.reasons["canonical"], task.reasons["canonical_failed"]) == (2, 2)


class Crash(Exception):
    """Stands for what ends a process in the middle of a transaction."""


@pytest.mark.parametrize("checkpoints", range(1, 6))
def test_a_crawl_that_goes_on_knows_who_waits_and_what_failed(
    site: Site, checkpoints: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(make_variants(site), "crawl")
    done: list[Batch] = []

    def store_and_die(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> Stored:
        with transaction.atomic():
            stored = store_batch(scope, batch, memory)
            done.append(batch)
            if len(done) > checkpoints:
                raise Crash
        return stored

    monkeypatch.setattr(seeding, "store_batch", store_and_die)
    with pytest.raises(Crash):
        attempt(task)
    monkeypatch.undo()
    attempt(task)
    assert names() == {"/", "/1", "/2"}
    assert set(Page.objects.values_list("url", "state")) == {
        (site.url + "/", "done"),
        (site.url + "/1", "done"),
        (site.url + "/2", "done"),
        (site.url + "/book", "failed"),
    }
