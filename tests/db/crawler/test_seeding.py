"""What sitemaps name, in the database: seeds, pages that rest, sitemaps that are read, and what is gone."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from crawler.definitions import delete_spider, save_spider
from crawler.engine.errors import Reason
from crawler.engine.records import (
    Batch,
    CheckpointAnswer,
    Ending,
    Notice,
    PageResult,
    Seed,
    SitemapResult,
)
from crawler.engine.urls import hash_url
from crawler.models import CrawlTask, Item, Page, TaskFailure, TaskSitemap
from crawler.storing import seeding
from crawler.storing.checkpoint import CrawlMemory, CrawlScope, Stored, store_batch
from scheduling.exceptions import ClaimLost
from scheduling.lanes import Lane
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import (
    ROOM,
    Crawl,
    attempt,
    get_item,
    make_item,
    make_link,
    make_spider,
    make_task,
    states,
    url_of,
    wait,
)

pytestmark = pytest.mark.django_db(transaction=True)

EARLIER = (timezone.now() - timedelta(days=30)).timestamp()


def seed(path: str, unchanged_since: float | None = EARLIER, rests_since: float = 0.0) -> Seed:
    return Seed(make_link(path), unchanged_since, rests_since)


def plant(crawl: Crawl, *seeds: Seed, results: Sequence[PageResult] = (), room: int = ROOM) -> CheckpointAnswer:
    answer = wait(crawl.storage.checkpoint(Batch(results=list(results), seeds=list(seeds)), room=room))
    crawl._expect(answer.pending)
    return answer


def first_crawl(crawl: Crawl) -> None:
    """Three pages that a sitemap names; one leads to another page."""
    crawl.open()
    crawl.store(crawl.read("/"))
    plant(crawl, seed("/a"), seed("/b"), seed("/c", None))
    crawl.store(
        crawl.read("/a", [make_item("a", price="1")], ["/below"]),
        crawl.read("/b", [make_item("b", price="1")]),
        crawl.read("/c"),
    )
    crawl.store(crawl.read("/below", [make_item("below", price="1")]))
    crawl.mark_gone()


def test_seeds_join_the_frontier_once_and_at_depth_0(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/", "/known")
    answer = plant(crawl, seed("/a"), seed("/known"), seed("/b", None), room=1)
    assert ([page.url for page in answer.pending], answer.pending_dropped) == ([url_of("/a")], 1)
    assert states() == {"/": "pending", "/known": "pending", "/a": "pending", "/b": "pending"}
    assert set(Page.objects.values_list("depth", flat=True)) == {0}
    assert (answer.rested, list(answer.rechecks)) == (0, [])


def test_a_page_that_has_not_changed_rests_and_its_links_are_walked(lane: Lane) -> None:
    spider = make_spider()
    first_crawl(Crawl(spider, lane))
    before = dict(Page.objects.values_list("url", "checked_at"))
    crawl = Crawl(spider, lane)
    crawl.open()
    answer = plant(crawl, seed("/a"), seed("/b"), seed("/c", None), seed("/new"))
    assert answer.rested == 2
    assert sorted(page.url for page in answer.pending) == [url_of(path) for path in ("/below", "/c", "/new")]
    assert states()["/a"] == states()["/b"] == "unchanged"
    page = Page.objects.get(url=url_of("/a"))
    assert (page.checked_at, page.reason, page.status_code) == (before[url_of("/a")], "lastmod_unchanged", None)
    assert Page.objects.get(url=url_of("/below")).depth == 1
    crawl.task.refresh_from_db()
    assert (crawl.task.pages_unchanged, crawl.task.reasons) == (2, {"lastmod_unchanged": 2})
    assert (crawl.task.pages, crawl.task.requests) == (0, 0)
    crawl.store(crawl.unchanged("/"), crawl.unchanged("/c"), crawl.unchanged("/below"), crawl.failed("/new", 404))
    assert crawl.mark_gone() == 0
    assert Item.objects.filter(gone_at=None).count() == 3


def test_what_cannot_be_known_is_asked_for(lane: Lane) -> None:
    spider = make_spider()
    first_crawl(Crawl(spider, lane))
    now = timezone.now()
    Page.objects.filter(url=url_of("/a")).update(state="failed")
    Page.objects.filter(url=url_of("/b")).update(extracted_version=None)
    Page.objects.filter(url=url_of("/c")).update(checked_at=now - timedelta(days=60))
    crawl = Crawl(spider, lane)
    crawl.open()
    later = seed("/below", (now + timedelta(days=1)).timestamp())
    answer = plant(crawl, seed("/a"), seed("/b"), seed("/c"), later)
    assert (answer.rested, len(answer.pending)) == (0, 4)


def test_a_page_whose_last_look_is_long_ago_is_asked_for_and_watched(lane: Lane) -> None:
    spider = make_spider()
    first_crawl(Crawl(spider, lane))
    crawl = Crawl(spider, lane)
    crawl.open()
    tomorrow = (timezone.now() + timedelta(days=1)).timestamp()
    answer = plant(crawl, seed("/a", EARLIER, tomorrow), seed("/b"))
    assert (answer.rested, list(answer.rechecks)) == (1, [hash_url(url_of("/a"))])
    assert states()["/a"] == "pending"


def test_another_version_or_another_spider_rests_on_nothing(lane: Lane) -> None:
    spider = make_spider()
    first_crawl(Crawl(spider, lane))
    spider.version += 1
    spider.save()
    crawl = Crawl(spider, lane)
    crawl.open()
    assert plant(crawl, seed("/a"), seed("/b")).rested == 0
    other = Crawl(make_spider("other"), lane)
    other.open()
    assert plant(other, seed("/a"), seed("/b")).rested == 0


def test_depth_limits_hold_for_pages_that_rest(lane: Lane) -> None:
    spider = make_spider()
    first_crawl(Crawl(spider, lane))
    crawl = Crawl(spider, lane, max_depth=0)
    crawl.open()
    Page.objects.filter(url=url_of("/b")).update(depth=1)
    Page.objects.filter(url=url_of("/a")).update(depth=0)
    # Whatever lay at the last depth had its links cut, and is read again.
    assert plant(crawl, seed("/a"), seed("/b")).rested == 0


def test_nothing_is_written_when_the_run_is_lost(lane: Lane) -> None:
    calls = []

    def guard() -> None:
        calls.append(1)
        if len(calls) > 1:
            raise ClaimLost(1, 1)

    crawl = Crawl(make_spider(), lane, guard=guard)
    crawl.open()
    batch = Batch(seeds=[seed("/a")], sitemaps=[SitemapResult("https://x/s.xml", 1)])
    with pytest.raises(ClaimLost):
        wait(crawl.storage.checkpoint(batch, room=ROOM))
    assert states() == {"/": "pending"}
    assert not TaskSitemap.objects.exists()


def test_a_sitemap_that_was_read_whole_is_remembered_for_its_task(lane: Lane) -> None:
    spider = make_spider()
    crawl = Crawl(spider, lane)
    crawl.open()
    whole = SitemapResult("https://x/s.xml", 11, addresses=5)
    broken = SitemapResult("https://x/t.xml", 12, is_whole=False, reason="sitemap_invalid", detail="cut")
    notice = Notice(broken.url, broken.reason, broken.detail)
    wait(crawl.storage.checkpoint(Batch(sitemaps=[whole, broken], notices=[notice]), room=ROOM))
    again = SitemapResult("https://x/s.xml", 11, addresses=6)
    wait(crawl.storage.checkpoint(Batch(sitemaps=[again]), room=ROOM))
    assert list(TaskSitemap.objects.values_list("url", "addresses", "is_whole", "reason")) == [
        ("https://x/s.xml", 6, True, ""),
        ("https://x/t.xml", 0, False, "sitemap_invalid"),
    ]
    failure = TaskFailure.objects.get()
    assert (failure.url, failure.reason, failure.detail) == ("https://x/t.xml", "sitemap_invalid", "cut")
    memory = wait(crawl.storage.sitemap_memory())
    assert (set(memory.read), memory.trusts_lastmod) == ({11}, True)
    assert not wait(Crawl(spider, lane).storage.sitemap_memory()).read


def test_a_spider_goes_with_the_sitemaps_that_its_crawls_read(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open()
    wait(crawl.storage.checkpoint(Batch(sitemaps=[SitemapResult("https://x/s.xml", 11)]), room=ROOM))
    delete_spider("books")
    assert not TaskSitemap.objects.exists()
    assert not CrawlTask.objects.exists()


def test_a_sitemap_that_told_lies_is_not_believed_in_the_next_crawl(lane: Lane) -> None:
    spider = make_spider()
    make_task(spider, "before", reasons={Reason.LASTMOD_WRONG.value: 1})
    make_task(make_spider("other"), "others")
    crawl = Crawl(spider, lane)
    assert wait(crawl.storage.sitemap_memory()).trusts_lastmod is False
    assert wait(Crawl(spider, lane).storage.sitemap_memory()).trusts_lastmod is True


def test_a_lie_is_remembered_by_the_next_attempt_and_over_crawls_of_given_urls(lane: Lane) -> None:
    spider = make_spider()
    crawl = Crawl(spider, lane)
    CrawlTask.objects.filter(pk=crawl.task.pk).update(reasons={Reason.LASTMOD_WRONG.value: 1})
    assert wait(crawl.storage.sitemap_memory()).trusts_lastmod is False
    CrawlTask.objects.create(task_id="given", spider=spider, task_type="urls")
    assert wait(Crawl(spider, lane).storage.sitemap_memory()).trusts_lastmod is False


def test_a_page_that_sends_its_readers_on_never_rests(lane: Lane) -> None:
    """Where it leads is no stored link: at rest it would hide that page, and its items would be gone."""
    first = Crawl(make_spider(), lane)
    first_crawl(first)
    Page.objects.filter(url=url_of("/a")).update(etag="", content_hash=b"")  # as the reader leaves such pages
    crawl = Crawl(first.spider, lane)
    crawl.open()
    answer = plant(crawl, seed("/a"), seed("/b"))
    assert ([page.url for page in answer.pending], answer.rested) == ([url_of("/a")], 1)


def test_while_a_sitemap_could_not_be_read_nothing_behind_it_is_gone(lane: Lane) -> None:
    spider = make_spider()
    first_crawl(Crawl(spider, lane))
    for is_whole, gone in ((False, 0), (True, 3)):
        crawl = Crawl(spider, lane)
        crawl.open()
        crawl.store(crawl.unchanged("/"))
        wait(crawl.storage.checkpoint(Batch(sitemaps=[SitemapResult("https://x/s", 1, is_whole=is_whole)]), room=ROOM))
        assert crawl.mark_gone() == gone
    assert get_item("a").gone_at is not None


def test_a_spider_with_a_sitemap_is_crawled_twice(settings: Settings, tmp_path: Path) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    with serve_in_thread(server):
        months = [datetime(2025, number % 12 + 1, 1, tzinfo=UTC) for number in range(2_500)]
        urls = "".join(
            f"<url><loc>{server.url}/p/{number}</loc><lastmod>{month:%Y-%m-%d}</lastmod></url>"
            for number, month in enumerate(months)
        )
        server.replace("/s.xml", f"<urlset>{urls}</urlset>".encode(), content_type="application/xml")
        server.replace("/robots.txt", f"Sitemap: {server.url}/s.xml\n".encode(), content_type="text/plain")
        server.replace("/", b"<h1>home</h1>")
        for number in range(2_500):
            server.replace(f"/p/{number}", b"<h1>page %d</h1>" % number)
        items = [{"type": "page", "fields": {"title": {"css": "h1"}}}]
        save_spider({"name": "shop", "start_urls": [f"{server.url}/"], "sitemaps": "robots", "items": items})
        call_command("crawl", "shop", json=True)
        assert len(server.log) == 2_503
        server.log.clear()
        call_command("crawl", "shop", json=True)
        asked = [logged.target for logged in server.log]
    second = CrawlTask.objects.order_by("-pk").first()
    assert second is not None
    assert asked.count("/s.xml") == 1
    assert len(asked) < 100
    assert (second.status, second.pages_unchanged) == ("completed", 2_501)
    assert second.reasons["lastmod_unchanged"] == 2_501 - second.pages
    assert Item.objects.filter(gone_at=None).count() == 2_501


def test_without_robots_txt_a_page_that_is_not_reached_is_gone_once_no_sitemap_named_it(
    settings: Settings, tmp_path: Path
) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    with serve_in_thread(server):
        for path in ("/linked", "/named"):
            server.replace(path, f"<h1>{path}</h1>".encode())
        server.replace("/", b"<h1>/</h1><a href=/linked>x</a>")
        items = [{"type": "page", "fields": {"title": {"css": "h1"}}}]
        document = {"name": "shop", "start_urls": [f"{server.url}/"], "follow": [{}], "items": items}
        save_spider({**document, "sitemaps": "robots"})

        def crawled() -> set[str]:
            call_command("crawl", "shop", json=True)
            return {item.data["title"] for item in Item.objects.filter(gone_at=None)}

        assert crawled() == {"/", "/linked"}
        server.replace("/", b"<h1>/</h1>")
        assert crawled() == {"/"}
        urlset = f"<urlset><url><loc>{server.url}/named</loc></url></urlset>"
        server.replace("/s.xml", urlset.encode(), content_type="application/xml")
        server.replace("/robots.txt", f"Sitemap: {server.url}/s.xml\n".encode(), content_type="text/plain")
        assert crawled() == {"/", "/named"}
        server.remove("/robots.txt")
        assert crawled() == {"/", "/named"}, "the file may be away for a moment"
        assert crawled() == {"/"}


class Crash(Exception):
    """Stands for what ends a process in the middle of a transaction."""


def test_a_crawl_that_dies_among_its_sitemaps_loses_and_doubles_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    with serve_in_thread(server):
        names = [f"/s{number}.xml" for number in range(3)]
        index = "".join(f"<sitemap><loc>{server.url}{name}</loc></sitemap>" for name in names)
        server.replace("/i.xml", f"<sitemapindex>{index}</sitemapindex>".encode(), content_type="application/xml")
        paths = [[f"/{letter}/{number}" for number in range(1_050)] for letter in "abc"]
        for name, named in zip(names, paths, strict=True):
            urls = "".join(f"<url><loc>{server.url}{path}</loc></url>" for path in named)
            server.replace(name, f"<urlset>{urls}</urlset>".encode(), content_type="application/xml")
            for path in named:
                server.replace(path, f"<h1>{path}</h1>".encode())
        server.replace("/", b"<h1>home</h1>")
        items = [{"type": "page", "fields": {"title": {"css": "h1"}}}]
        start = {"name": "shop", "start_urls": [f"{server.url}/"], "sitemaps": [f"{server.url}/i.xml"], "items": items}
        task = make_task(save_spider(start), "crawl_spider_1")
        for deaths in (2, 4):
            _die_at(deaths, monkeypatch)
            with pytest.raises(Crash):
                attempt(task, checkpoint_pages=500)
        monkeypatch.undo()
        read = set(TaskSitemap.objects.filter(is_whole=True).values_list("url", flat=True))
        stored = set(Page.objects.exclude(state="pending").values_list("url", flat=True))
        server.log.clear()
        assert attempt(task, checkpoint_pages=500).ending is Ending.COMPLETED
        asked = [server.url + logged.target for logged in server.log if logged.target != "/robots.txt"]
    assert len(asked) == len(set(asked))
    assert not (read | stored).intersection(asked)
    task.refresh_from_db()
    assert (task.pages, task.items_new) == (3 * 1_050 + 1, 3 * 1_050 + 1)
    assert Page.objects.filter(state="done", depth=0).count() == Item.objects.count() == 3 * 1_050 + 1
    assert TaskSitemap.objects.filter(is_whole=True).count() == 4


def _die_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction of that number does all that it should, and is not committed."""
    count = iter(range(1, 1_000_000))

    def store_and_die(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> Stored:
        with transaction.atomic():
            stored = store_batch(scope, batch, memory)
            if next(count) == number:
                raise Crash
        return stored

    monkeypatch.setattr(seeding, "store_batch", store_and_die)
