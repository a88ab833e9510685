"""Sitemaps in real crawls: found, fetched with manners, handed over in batches, believed with care."""

from __future__ import annotations

import asyncio
import gzip
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from crawler.engine.documents.definition import dump, parse
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, Notice, PageState, SitemapResult
from crawler.engine.sitemap import fetching as sitemap_fetch
from crawler.engine.sitemap import walk as sitemap_walk

from .crawling import LONGEST, crawl_once, finish, make_crawler, make_definition, page_of
from .site import Handler, Reply, Seen, Site, page, redirect

ITEM = {"type": "page", "fields": {"text": {"css": "p", "required": True}}}
DAY = 86_400.0


def urlset(*paths: str, lastmod: Sequence[str] = ()) -> Reply:
    dates = [f"<lastmod>{each}</lastmod>" for each in lastmod] or [""] * len(paths)
    urls = "".join(f"<url><loc>{path}</loc>{date}</url>" for path, date in zip(paths, dates, strict=True))
    return Reply(f"<?xml version='1.0'?><urlset>{urls}</urlset>", headers={"Content-Type": "application/xml"})


def index(*paths: str) -> Reply:
    return Reply("<sitemapindex>" + "".join(f"<sitemap><loc>{p}</loc></sitemap>" for p in paths) + "</sitemapindex>")


def robots(*lines: str) -> Reply:
    return Reply("\n".join(lines), headers={"Content-Type": "text/plain"})


def notices(storage: MemoryStorage) -> list[Notice]:
    return [notice for batch in storage.checkpoints for notice in batch.notices]


def read(storage: MemoryStorage) -> dict[str, SitemapResult]:
    """By path."""
    results = [result for batch in storage.checkpoints for result in batch.sitemaps]
    return {"/" + result.url.split("/", 3)[3]: result for result in results}


async def test_pages_of_a_sitemap_are_seeds_at_depth_0_judged_by_scope_and_robots() -> None:
    pages = {
        "/": page("/linked", text="home"),
        "/robots.txt": robots("User-agent: *", "Disallow: /private"),
        "/s.xml": urlset("/a", "/b/", "/a#again", "/private/x", "https://elsewhere.example/", "mailto:x@y", "/"),
        "/a": page("/from-a", text="a"),
        "/b/": page(text="b"),
    }
    async with Site(pages) as site:
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps=[site.url + "/s.xml"], limits={"max_depth": 1})
        outcome = await crawl_once(definition, storage)
        assert sorted(site.asked) == ["/", "/a", "/b/", "/from-a", "/linked", "/s.xml"]
        assert (page_of(storage, site.url + "/a").depth, page_of(storage, site.url + "/from-a").depth) == (0, 1)
    reasons = outcome.counts.reasons
    assert (reasons["robots_disallowed"], outcome.counts.pages) == (1, 5)
    assert sum(batch.reasons["out_of_scope"] + batch.reasons["scheme_refused"] for batch in storage.checkpoints) == 2
    assert read(storage)["/s.xml"].addresses == 6
    assert outcome.ending is Ending.COMPLETED


async def test_robots_txt_names_the_sitemaps() -> None:
    async with Site({"/": page(), "/a": page(), "/one.xml": urlset("/a"), "/two.txt": Reply("")}) as site:
        site.pages["/two.txt"] = Reply(f"{site.url}/b\n{site.url}/c")
        site.pages["/robots.txt"] = robots("Sitemap: /one.xml", f"sitemap:{site.url}/two.txt", "Sitemap: ftp://x/y")
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps="robots", manners={"obey_robots": False})
        await crawl_once(definition, storage)
        assert sorted(site.asked) == ["/", "/a", "/b", "/c", "/one.xml", "/two.txt"]
        assert [(notice.url, notice.reason) for notice in notices(storage) if "robots" in notice.url] == [
            (site.url + "/robots.txt", "scheme_refused")
        ]


@pytest.mark.parametrize(
    ("answer", "reason", "is_whole"),
    [
        (robots("User-agent: *", "Disallow:"), "sitemap_invalid", True),
        (robots(""), "sitemap_invalid", True),
        (Reply("not here", 404), "sitemap_invalid", True),
        (Reply("", 302, headers={"Location": "/robots.txt"}), "sitemap_invalid", True),
        (Reply("no", 500), "robots_unreachable", False),
    ],
)
async def test_a_robots_txt_without_sitemaps_is_named(answer: Reply, reason: str, is_whole: bool) -> None:
    async with Site({"/": page(), "/robots.txt": answer}) as site:
        storage = MemoryStorage()
        await crawl_once(make_definition(site.url + "/", sitemaps="robots"), storage)
        assert {notice.reason for notice in notices(storage)} >= {reason}
        assert read(storage)["/robots.txt"].is_whole is is_whole


async def test_a_robots_txt_that_is_away_may_name_what_it_named_before() -> None:
    storage = MemoryStorage()
    async with Site({"/": page(), "/a": page(), "/s.xml": urlset("/a")}) as site:
        site.pages["/robots.txt"] = robots("Sitemap: /s.xml")
        definition = make_definition(site.url + "/", sitemaps="robots")
        await crawl_once(definition, storage)
        del site.pages["/robots.txt"]
        for is_whole in (False, True):
            storage.begin()
            await crawl_once(definition, storage)
            assert read(storage)["/robots.txt"].is_whole is is_whole


async def test_indexes_are_read_to_their_leaves_and_loops_are_cut() -> None:
    pages = {
        "/": page(),
        "/i.xml": index("/i.xml", "/deep/i2.xml", "a.xml.gz", "https://elsewhere.example/s.xml", "javascript:x"),
        "/deep/i2.xml": index("/i.xml", "i2.xml", "b.xml", "/a.xml.gz"),
        "/a.xml.gz": Reply(gzip.compress(b"<urlset><url><loc>/a</loc></url></urlset>")),
        "/deep/b.xml": urlset("/b"),
        "/a": page(),
        "/b": page(),
    }
    async with Site(pages) as site:
        storage = MemoryStorage()
        outcome = await crawl_once(make_definition(site.url + "/", sitemaps=[site.url + "/i.xml"]), storage)
        assert site.asked == dict.fromkeys(pages, 1)
    assert outcome.ending is Ending.COMPLETED
    assert sorted(result.reason for result in read(storage).values()) == ["", "", "", "", "out_of_scope"]
    assert all(result.is_whole for result in read(storage).values())


async def test_indexes_nested_without_end_and_too_many_sitemaps_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap_walk, "MAX_SITEMAPS", 20)

    class Endless(dict[str, object]):
        def get(self, path: str, default: object = None) -> object:
            if path.startswith("/i"):
                return index(*[f"{path}{n}" for n in range(2)])
            return super().get(path, default)

    async with Site() as site:
        site.pages = Endless({"/": page()})  # type: ignore[assignment]
        storage = MemoryStorage()
        await crawl_once(make_definition(site.url + "/", sitemaps=[site.url + "/i"]), storage)
        assert len(site.asked) <= 21
        assert max(len(path) for path in site.asked) == 2 + sitemap_walk.MAX_LEVELS
    details = {notice.detail for notice in notices(storage)}
    assert "a crawl reads at most 20 sitemaps" in details
    assert "indexes are nested more than 5 deep" in details


async def test_a_late_sitemap_that_names_nothing_in_scope_lets_the_crawl_end() -> None:
    async def late(_: Seen) -> Reply:
        await asyncio.sleep(0.3)  # all pages are through and stored
        return urlset("https://elsewhere.example/", "https://elsewhere.example/x")

    async with Site({"/": page(), "/s.xml": late}) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps=[site.url + "/s.xml"])
        outcome = await finish(crawler.crawl(definition, storage, checkpoint_pages=1, checkpoint_seconds=0.01))
    assert outcome.ending is Ending.COMPLETED
    assert sum(batch.reasons["out_of_scope"] for batch in storage.checkpoints) == 2


@pytest.mark.parametrize("child", ["/{}.xml", "https://elsewhere.example/{}.xml"], ids=["own", "out of scope"])
async def test_an_index_of_very_many_sitemaps_makes_no_account_of_each(
    monkeypatch: pytest.MonkeyPatch, child: str
) -> None:
    """A million of them stand in 50 MB: each a row of the task, all of them written in one transaction."""
    monkeypatch.setattr(sitemap_walk, "MAX_SITEMAPS", 250)
    monkeypatch.setattr(sitemap_walk, "ACCOUNTS", 20)
    pages: dict[str, Reply | Handler] = {"/": page(), "/i.xml": index(*(child.format(n) for n in range(2_000)))}
    async with Site(pages) as site:
        storage = MemoryStorage()
        await crawl_once(make_definition(site.url + "/", sitemaps=[site.url + "/i.xml"]), storage)
    found = read(storage)
    assert len(found) <= 251
    assert (found["/i.xml"].reason, found["/i.xml"].is_whole) == ("sitemap_limit", False)
    assert max(len(batch.sitemaps) for batch in storage.checkpoints) <= 21


async def test_sitemaps_are_fetched_with_manners_redirects_and_retries() -> None:
    tries = iter([Reply("", 503), Reply("", 503)])
    pages: dict[str, Reply | Handler] = {
        "/": page(),
        "/robots.txt": robots("User-agent: *", "Disallow: /closed"),
        "/old.xml": redirect("/new.xml", 301),
        "/new.xml": lambda seen: next(tries, urlset("/a")),
        "/loop.xml": redirect("/loop2.xml"),
        "/loop2.xml": redirect("/loop.xml"),
        "/away.xml": redirect("https://elsewhere.example/s.xml"),
        "/closed.xml": urlset("/b"),
        "/gone.xml": Reply("", 410),
        "/a": page(),
    }
    names = ["old", "loop", "away", "closed", "gone"]
    async with Site(pages) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        sitemaps = [f"{site.url}/{name}.xml" for name in names]
        definition = make_definition(site.url + "/", sitemaps=sitemaps, manners={"concurrency_per_host": 1})
        crawl = crawler.crawl(definition, storage)
        outcome = await finish(crawl)
        assert site.asked["/new.xml"] == 3
        assert site.asked["/closed.xml"] == 0
        assert site.asked["/a"] == 1
        assert site.most_at_once == 1
        hosts = storage.checkpoints[-1].hosts
        assert hosts is not None
        assert hosts[site.url].requests == len(site.seen) - hosts[site.url].robots_requests
        assert hosts[site.url].unavailable == 2
    found = {path: result.reason for path, result in read(storage).items()}
    assert found == {
        "/old.xml": "",
        "/loop.xml": "redirect_loop",
        "/away.xml": "out_of_scope",
        "/closed.xml": "robots_disallowed",
        "/gone.xml": "sitemap_invalid",
    }
    assert outcome.ending is Ending.COMPLETED


async def test_a_long_rest_that_a_sitemaps_host_asks_for_holds_up_nothing() -> None:
    busy = Reply("", 503, {"Retry-After": "3600"})
    async with Site({"/s.xml": busy, "/t.xml": busy}) as other, Site({"/": page()}) as site:
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps=[other.url + "/s.xml", other.url + "/t.xml"])
        async with asyncio.timeout(LONGEST / 10):
            outcome = await crawl_once(definition, storage)
        assert other.asked == {"/s.xml": 1}
    assert {path: result.reason for path, result in read(storage).items()} == {
        "/s.xml": "host_rest",
        "/t.xml": "host_rest",
    }
    assert outcome.counts.pages == 1


async def test_headers_that_are_private_stay_at_home_and_user_agent_goes_along() -> None:
    async with Site({"/s.xml": urlset()}) as other, Site({"/": page(), "/s.xml": urlset()}) as site:
        manners = {"user_agent": "Mine/1", "headers": {"Authorization": "Basic eDp5"}}
        sitemaps = [site.url + "/s.xml", other.url + "/s.xml"]
        definition = make_definition(site.url + "/", sitemaps=sitemaps, manners=manners)
        async with make_crawler() as crawler:
            await finish(crawler.crawl(definition, MemoryStorage(), headers={"Authorization": "Basic eDp5"}))
        (home,) = (seen for seen in site.seen if seen.path == "/s.xml")
        (abroad,) = (seen for seen in other.seen if seen.path == "/s.xml")
    assert (home.headers["authorization"], home.headers["user-agent"]) == ("Basic eDp5", "Mine/1")
    assert "authorization" not in abroad.headers


async def test_a_sitemap_on_a_refused_address_is_refused_and_counted() -> None:
    async with Site({"/": page()}) as site, make_crawler(allow_loopback=False) as crawler:
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps=[site.url + "/s.xml"])
        await finish(crawler.crawl(definition, storage))
        assert site.seen == []
    result = read(storage)["/s.xml"]
    # Names lead elsewhere tomorrow, and networks are allowed: what it names is not known, so nothing of it is gone.
    assert (result.reason, result.is_whole) == ("address_refused", False)


@pytest.mark.parametrize("declares_length", [True, False])
async def test_a_sitemap_that_is_too_large_on_the_wire_is_cut_by_limit(
    monkeypatch: pytest.MonkeyPatch, declares_length: bool
) -> None:
    monkeypatch.setattr(sitemap_fetch, "MAX_WIRE_BYTES", 50_000)
    body = "<urlset>" + "<url><loc>/a</loc></url>" * 10_000
    headers = {} if declares_length else {"Content-Encoding": "gzip"}
    large = Reply(body if declares_length else os.urandom(100_000), headers=headers)
    async with Site({"/": page(), "/s.xml": large}) as site:
        storage = MemoryStorage()
        await crawl_once(make_definition(site.url + "/", sitemaps=[site.url + "/s.xml"]), storage)
        assert site.asked == {"/": 1, "/s.xml": 1}
    assert read(storage)["/s.xml"].reason == "sitemap_limit"


async def test_a_disk_without_room_fails_the_sitemap_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    large = Reply("<urlset>" + "<url><loc>/a</loc></url>" * 100_000 + "</urlset>")
    async with Site({"/": page("/b"), "/b": page(), "/s.xml": large, "/t.xml": urlset("/c")}) as site:
        storage = MemoryStorage()
        sitemaps = [site.url + "/s.xml", site.url + "/t.xml"]
        outcome = await crawl_once(make_definition(site.url + "/", sitemaps=sitemaps), storage)
        assert sorted(site.asked) == ["/", "/b", "/c", "/s.xml", "/t.xml"]
    assert "could not be kept" in read(storage)["/s.xml"].detail
    assert outcome.ending is Ending.COMPLETED


async def test_what_was_read_before_a_fault_counts_and_the_fault_is_named() -> None:
    pages = {"/": page(), "/s.xml": Reply("<urlset><url><loc>/a</loc></url><url><loc>/b</loc></url>"), "/a": page()}
    async with Site(pages) as site:
        storage = MemoryStorage()
        outcome = await crawl_once(make_definition(site.url + "/", sitemaps=[site.url + "/s.xml"]), storage)
        assert sorted(site.asked) == ["/", "/a", "/b", "/s.xml"]
        (notice,) = notices(storage)
        assert (notice.url, notice.reason) == (site.url + "/s.xml", "sitemap_invalid")
    assert "no element found" in notice.detail
    assert read(storage)["/s.xml"].is_whole is False
    assert outcome.ending is Ending.COMPLETED


async def test_a_large_sitemap_goes_to_the_storage_in_batches_while_pages_are_fetched() -> None:
    count = 3_456
    body = "<urlset>" + "".join(f"<url><loc>/p/{n}</loc></url>" for n in range(count)) + "</urlset>"

    class Pages(dict[str, object]):
        def get(self, path: str, default: object = None) -> object:
            return Reply("<p>x") if path.startswith("/p/") else super().get(path, default)

    async with Site() as site, make_crawler() as crawler:
        site.pages = Pages({"/": page(), "/s.xml": Reply(gzip.compress(body.encode()))})  # type: ignore[assignment]
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps=[site.url + "/s.xml"])
        outcome = await finish(crawler.crawl(definition, storage, window=500, checkpoint_pages=100))
        assert len(site.asked) == count + 2
        assert max(site.asked.values()) == 1
    planted = [len(batch.seeds) for batch in storage.checkpoints if batch.seeds]
    assert (sum(planted), max(planted)) == (count, sitemap_walk.BATCH)
    assert outcome.counts.pages == count + 1
    first = next(number for number, batch in enumerate(storage.checkpoints) if len(batch.results) > 1)
    last = max(number for number, batch in enumerate(storage.checkpoints) if batch.seeds)
    assert first < last


async def test_page_limits_end_the_walk_too() -> None:
    pages = {"/": page(), "/i.xml": index("/s1.xml", "/s2.xml"), "/s1.xml": urlset(*[f"/{n}" for n in range(50)])}

    async def slow(seen: Seen) -> Reply:
        await asyncio.sleep(2 * LONGEST)
        return urlset("/late")

    async with Site(pages | {"/s2.xml": slow}) as site:
        definition = make_definition(site.url + "/", sitemaps=[site.url + "/i.xml"], limits={"max_pages": 5})
        site.pages |= {f"/{n}": page() for n in range(50)}
        outcome = await crawl_once(definition, MemoryStorage())
    assert (outcome.ending, outcome.counts.pages) == (Ending.LIMITED, 5)


async def test_a_crawl_that_goes_on_reads_no_sitemap_twice_and_loses_nothing() -> None:
    pages = {"/": page(), "/i.xml": index("/s1.xml", "/s2.xml"), "/s1.xml": urlset(*[f"/a{n}" for n in range(30)])}
    pages |= {f"/{letter}{n}": page() for n in range(30) for letter in "ab"}
    async with Site(pages) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", sitemaps=[site.url + "/i.xml"])
        crawl = crawler.crawl(definition, storage, checkpoint_seconds=0.05)

        async def stopping(seen: Seen) -> Reply:
            while not read(storage):
                await asyncio.sleep(0.01)
            crawl.request_stop()
            await asyncio.sleep(2 * LONGEST)
            return urlset()

        site.pages["/s2.xml"] = stopping
        assert (await finish(crawl)).ending is Ending.STOPPED
        assert read(storage).keys() == {"/s1.xml"}
        site.pages["/s2.xml"] = urlset(*[f"/b{n}" for n in range(30)])
        outcome = await finish(crawler.crawl(definition, storage))
        assert outcome.ending is Ending.COMPLETED
        asked = site.asked
        assert (asked["/i.xml"], asked["/s1.xml"], asked["/s2.xml"]) == (2, 1, 2)
        assert {path for path, count in asked.items() if count != 1} == {"/i.xml", "/s2.xml"}
        assert len(asked) == 64


# -- lastmod -----------------------------------------------------------------------------------------------------------


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Dated:
    """A site of four pages with a sitemap, and a storage in which the last crawl was some time ago."""

    def __init__(self, ago: float = 60.0) -> None:
        self.site = Site()
        self.storage = MemoryStorage()
        self.ago = ago
        self.now = time.time()

    async def crawl(self, *ages: float, **sections: object) -> dict[str, int]:
        """The next crawl, with pages that changed so many seconds ago by the sitemap; what was asked for."""
        paths = [f"/{n}" for n in range(len(ages))]
        self.site.pages["/s.xml"] = urlset(*paths, lastmod=[stamp(self.now - age) for age in ages])
        sections = {"items": [ITEM], "sitemaps": [self.site.url + "/s.xml"]} | sections
        self.site.seen.clear()
        self.storage.begin()
        self.outcome = await crawl_once(make_definition(self.site.url + "/", **sections), self.storage)
        for stored in self.storage.pages.values():
            stored.checked_at = min(stored.checked_at, self.now - self.ago) if stored.checked_at else 0.0
        return {path: count for path, count in sorted(self.site.asked.items()) if path not in ("/", "/s.xml")}


@pytest.fixture
async def dated() -> object:
    dated = Dated()
    async with dated.site:
        dated.site.pages |= {"/": page(text="home")} | {f"/{n}": page(f"/below{n}", text=f"page {n}") for n in range(4)}
        dated.site.pages |= {f"/below{n}": page(text=f"below {n}") for n in range(4)}
        yield dated


OLD = (30 * DAY, 40 * DAY, 50 * DAY, 60 * DAY)


async def test_pages_that_their_sitemap_calls_unchanged_rest_and_are_walked(dated: Dated) -> None:
    assert len(await dated.crawl(*OLD)) == 8
    again = await dated.crawl(*OLD)
    assert again == {f"/below{n}": 1 for n in range(4)}
    assert dated.outcome.counts.reasons["lastmod_unchanged"] == 4
    assert (dated.outcome.counts.pages_unchanged, dated.outcome.counts.pages) == (9, 5)
    assert dated.outcome.ending is Ending.COMPLETED
    assert not any(item.gone for item in dated.storage.items.values())
    assert page_of(dated.storage, dated.site.url + "/0").state is PageState.UNCHANGED


async def test_a_page_that_changed_or_has_no_date_is_asked_for(dated: Dated) -> None:
    await dated.crawl(*OLD)
    assert "/1" in await dated.crawl(30 * DAY, 30.0, 50 * DAY, 60 * DAY)
    dated.site.pages["/s.xml"] = urlset("/0", "/1", "/2", "/3")
    dated.storage.begin()
    dated.site.seen.clear()
    await crawl_once(make_definition(dated.site.url + "/", sitemaps=[dated.site.url + "/s.xml"]), dated.storage)
    assert {f"/{n}" for n in range(4)} <= set(dated.site.asked)


async def test_a_look_that_was_just_after_the_date_does_not_count(dated: Dated) -> None:
    dated.ago = 2 * 3_600.0
    await dated.crawl(*OLD)
    asked = await dated.crawl(30 * DAY, 2.5 * 3_600.0, 50 * DAY, 3.5 * 3_600.0)
    assert ("/1" in asked, "/3" in asked) == (True, False)


async def test_dates_that_are_all_alike_say_nothing(dated: Dated) -> None:
    await dated.crawl(*OLD)
    assert len(await dated.crawl(*[30 * DAY] * 4)) == 8


async def test_another_version_of_the_spider_reads_all_pages(dated: Dated) -> None:
    await dated.crawl(*OLD)
    dated.storage.version += 1
    assert len(await dated.crawl(*OLD)) == 8


async def test_a_page_that_failed_last_time_is_asked_for(dated: Dated) -> None:
    await dated.crawl(*OLD)
    good, dated.site.pages["/2"] = dated.site.pages["/2"], Reply("", 404)
    page_of(dated.storage, dated.site.url + "/2").checked_at = 0.0
    assert "/2" in await dated.crawl(*OLD)
    dated.site.pages["/2"] = good
    assert "/2" in await dated.crawl(*OLD)


async def test_distrust_can_be_ordered(dated: Dated) -> None:
    await dated.crawl(*OLD)
    assert len(await dated.crawl(*OLD, manners={"trust_lastmod": False})) == 8


async def test_no_edit_stays_hidden_by_a_wrong_date_and_a_liar_is_not_believed_again(dated: Dated) -> None:
    await dated.crawl(*OLD)
    dated.site.pages["/3"] = page(text="edited")
    assert "/3" not in await dated.crawl(*OLD)
    # A week later at the latest every page is asked for.
    for stored in dated.storage.pages.values():
        stored.checked_at -= sitemap_walk.TRUSTED_FOR
    dated.ago = sitemap_walk.TRUSTED_FOR
    assert "/3" in await dated.crawl(*OLD)
    assert dated.outcome.counts.reasons["lastmod_wrong"] == 1
    assert dated.outcome.counts.items_changed == 1
    dated.ago = 60.0
    for stored in dated.storage.pages.values():
        stored.checked_at = dated.now - 60.0
    assert len(await dated.crawl(*OLD)) == 7
    assert "lastmod_wrong" not in dated.outcome.counts.reasons
    for stored in dated.storage.pages.values():
        stored.checked_at = dated.now - 60.0
    assert "/3" not in await dated.crawl(*OLD)


def test_each_page_rests_for_its_own_share_of_the_week() -> None:
    hashes = [n * 7_919 for n in range(10_000)]
    shares = [sitemap_walk.TRUSTED_FOR * (each % 1_024 + 1) / 1_024 for each in hashes]
    a_day_later = sum(1 for share in shares if share < DAY) / len(shares)
    assert 0.12 < a_day_later < 0.16
    assert max(shares) <= sitemap_walk.TRUSTED_FOR


def test_definition_is_read_and_written() -> None:
    start = "https://site.example/"
    for sitemaps in ("robots", ["https://cdn.example/s.xml"]):
        document = {"name": "a", "start_urls": [start], "sitemaps": sitemaps, "manners": {"trust_lastmod": False}}
        assert dump(parse(document)) == document
