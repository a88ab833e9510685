"""How hosts are treated, as real servers on loopback count it: at once, how far apart, how long left alone."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from crawler.engine.manners import gate as gate_module
from crawler.engine.manners import slots
from crawler.engine.manners.budget import Calendar
from crawler.engine.manners.robots import Robots
from crawler.engine.manners.robotstxt import MAX_DELAY
from crawler.engine.manners.slots import MAX_BACKOFF, MAX_ROBOTS_DELAY
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Batch, CheckpointAnswer, CrawlOutcome, Ending, PageState

from .crawling import LONGEST, Crawler, finish, make_crawler, make_definition, page_of
from .site import Handler, Reply, Seen, Site, page, redirect
from .test_crawl import Gate, binary_tree, flaky

NO_ROBOTS = {"obey_robots": False}


def taking(seconds: float, reply: Reply | None = None) -> Handler:
    async def handler(_: Seen) -> Reply:
        await asyncio.sleep(seconds)
        return reply or page()

    return handler


def list_of(count: int, handler: Handler | Reply) -> dict[str, Reply | Handler]:
    """A start page with links to so many pages."""
    return {"/": page(*(f"/{n}" for n in range(count)))} | dict.fromkeys((f"/{n}" for n in range(count)), handler)


async def run(crawler: Crawler, site: Site, **manners: object) -> CrawlOutcome:
    return await finish(crawler.crawl(make_definition(site.url + "/", manners=manners), MemoryStorage()))


# -- at once ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_two_crawls_never_ask_more_at_once_than_is_allowed(concurrency: int) -> None:
    """As the server counts it, robots.txt among them, whose rules run out again and again meanwhile."""
    async with Site(list_of(80, taking(0.004))) as site, make_crawler() as crawler:
        site.pages["/robots.txt"] = taking(0.01, Reply("User-agent: *\nDisallow: /no"))
        crawler.robots = Robots(ttl=0.02)
        await asyncio.gather(*(run(crawler, site, concurrency_per_host=concurrency) for _ in range(2)))
        assert site.most_at_once == concurrency
        assert site.asked.total() == 2 * 81
        assert len(site.times("/robots.txt")) > 2


async def test_a_crawl_that_waits_for_its_storage_leaves_its_turn_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no room for another page: a place that was kept for it would be kept in vain, at each checkpoint."""
    monkeypatch.setattr(slots, "TURN", LONGEST)
    may_store = asyncio.Event()

    class Stuck(MemoryStorage):
        async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
            if len(self.pages) > 1:  # the start page's links are stored
                await may_store.wait()
            return await super().checkpoint(batch, room=room)

    async with Site(list_of(60, taking(0.001))) as site, make_crawler() as crawler:
        definition = make_definition(f"{site.url}/", manners=NO_ROBOTS | {"concurrency_per_host": 2})
        stuck = asyncio.create_task(finish(crawler.crawl(definition, Stuck(), checkpoint_pages=5)))
        other = await finish(crawler.crawl(definition, MemoryStorage(), checkpoint_pages=5))
        assert not stuck.done()
        may_store.set()
        assert [outcome.counts.pages_done for outcome in (other, await stuck)] == [61, 61]


async def test_the_stricter_of_two_crawls_binds_both_while_it_runs() -> None:
    gate = Gate(page())
    async with Site(list_of(40, taking(0.004)) | {"/held": gate}) as site, make_crawler() as crawler:
        strict = make_definition(site.url + "/held", manners=NO_ROBOTS | {"concurrency_per_host": 2})
        holding = asyncio.create_task(finish(crawler.crawl(strict, MemoryStorage())))
        await gate.arrived.wait()
        await run(crawler, site, concurrency_per_host=20)
        assert site.most_at_once == 2
        gate.open()
        await holding
        await run(crawler, site, concurrency_per_host=20)
        assert 2 < site.most_at_once <= 20


async def test_robots_txt_waits_for_a_place_like_any_request() -> None:
    gate = Gate(page())
    async with Site({"/": gate}) as site, make_crawler() as crawler:
        first = asyncio.create_task(run(crawler, site, concurrency_per_host=1, **NO_ROBOTS))
        await gate.arrived.wait()
        second = asyncio.create_task(run(crawler, site, concurrency_per_host=1))
        await asyncio.sleep(0.05)
        assert site.times("/robots.txt") == []
        gate.open()
        await asyncio.gather(first, second)
        assert site.most_at_once == 1
        assert len(site.times("/robots.txt")) == 1


async def test_robots_txt_that_leads_to_another_host_waits_for_a_place_there() -> None:
    gate = Gate(page())
    rules = Reply("User-agent: *\nDisallow: /no")
    async with Site({"/": gate, "/r": rules}) as busy, Site({"/": page("/no")}) as site, make_crawler() as crawler:
        site.pages["/robots.txt"] = redirect(busy.url + "/r")
        holding = asyncio.create_task(run(crawler, busy, concurrency_per_host=1, **NO_ROBOTS))
        await gate.arrived.wait()
        crawling = asyncio.create_task(run(crawler, site, concurrency_per_host=1))
        while not site.times("/robots.txt"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert busy.times("/r") == []
        gate.open()
        await asyncio.gather(holding, crawling)
        assert busy.most_at_once == 1
        assert (len(busy.times("/r")), site.asked) == (1, {"/": 1})


async def test_robots_txt_keeps_the_delay_of_the_host_that_it_leads_to() -> None:
    async with Site({"/": page()}) as asked, make_crawler() as crawler, AsyncExitStack() as others:
        sites = [await others.enter_async_context(Site({"/": page()})) for _ in range(3)]
        for number, site in enumerate(sites):
            site.pages["/robots.txt"] = redirect(f"{asked.url}/{number}")
        definition = make_definition(*(site.url + "/" for site in sites), manners={"delay": 0.2})
        begin = asyncio.get_running_loop().time()
        assert (await finish(crawler.crawl(definition, MemoryStorage()))).counts.pages == 3
        times = sorted(seen.at for seen in asked.seen)
    assert len(times) == 3
    assert all(at - begin >= 0.2 * number for number, at in enumerate(times))


async def test_rules_that_are_known_are_not_asked_for_by_whoever_leads_to_them() -> None:
    async with Site({"/robots.txt": Reply("User-agent: *\nDisallow: /no")}) as asked, make_crawler() as crawler:
        await run(crawler, asked)
        async with Site({"/robots.txt": redirect(asked.url + "/robots.txt"), "/": page("/no")}) as site:
            await run(crawler, site)
            assert site.asked == {"/": 1}
        assert len(asked.times("/robots.txt")) == 1


async def test_two_robots_txt_that_lead_to_each_other_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "MAX_BACKOFF", 0.2)
    async with Site({"/": page()}) as one, Site({"/": page()}) as two, make_crawler() as crawler:
        arrived = 0

        async def lead(seen: Seen) -> Reply:
            nonlocal arrived
            arrived += 1
            while arrived < 2:
                await asyncio.sleep(0.01)
            return redirect((two if int(seen.headers["host"].partition(":")[2]) == one.port else one).url + "/r")

        one.pages["/robots.txt"] = two.pages["/robots.txt"] = lead
        definition = make_definition(one.url + "/", two.url + "/", manners={"concurrency_per_host": 1})
        storage = MemoryStorage()
        outcome = await finish(crawler.crawl(definition, storage))
    # Whoever gives up first frees the other's way, where that has not given up at the same time.
    assert outcome.counts.reasons in ({"robots_unreachable": 1}, {"robots_unreachable": 2})
    assert any("may not be asked for now" in page.detail for page in storage.pages.values())


async def test_a_slow_host_costs_the_others_nothing() -> None:
    """All of the quick host's pages are there before the slow one has answered at all."""
    gate = Gate(page())
    slow_pages: dict[str, Reply | Handler] = {f"/{n}": gate for n in range(100)}
    async with Site(slow_pages) as slow, Site(binary_tree(9)) as quick, make_crawler() as crawler:
        starts = [*(f"{slow.url}/{n}" for n in range(100)), quick.url + "/"]
        running = asyncio.create_task(finish(crawler.crawl(make_definition(*starts), MemoryStorage())))
        async with asyncio.timeout(LONGEST):
            while quick.asked.total() < 512:
                await asyncio.sleep(0.002)
        assert slow.asked.total() == 5
        gate.open()
        outcome = await running
    assert outcome.counts.pages == 100 + 512


# -- rests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date", "date by a clock that is an hour late"])
async def test_nothing_of_a_host_is_asked_for_before_its_retry_after_is_over(status: int, form: str) -> None:
    sent = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    headers = {
        "seconds": {"Retry-After": "1"},
        "date": {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)},
        "date by a clock that is an hour late": {
            "Date": format_datetime(sent, usegmt=True),
            "Retry-After": format_datetime(sent + timedelta(seconds=1), usegmt=True),
        },
    }[form]
    pages = list_of(20, page()) | {"/busy": flaky(status, then=page(), headers=headers)}
    async with Site(pages) as site, make_crawler() as crawler:
        definition = make_definition(
            site.url + "/busy", site.url + "/", manners=NO_ROBOTS | {"concurrency_per_host": 1}
        )
        crawl = crawler.crawl(definition, MemoryStorage())
        outcome = await finish(crawl)
        first, second = site.seen[0].at, site.seen[1].at
        assert site.seen[0].path == "/busy"
        assert second - first >= 0.99
        assert site.asked["/busy"] == 2
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.pages == 22


@pytest.mark.parametrize("value", ["0", "soon", "-5", "1.5", "", "Tue, 99 Nov 2026 12:01:30 GMT"])
async def test_a_retry_after_that_says_nothing_is_a_second(value: str) -> None:
    async with Site({"/": flaky(503, then=page(), headers={"Retry-After": value})}) as site, make_crawler() as crawler:
        await run(crawler, site, **NO_ROBOTS)
        first, second = site.times("/")
    assert 0.99 <= second - first < 5


@pytest.mark.parametrize(
    "value", ["301", "999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["longer", "absurd", "absurd date"]
)
async def test_a_host_that_asks_for_a_long_rest_gets_it_from_this_crawl_and_the_next(value: str) -> None:
    headers = {"Retry-After": value}
    pages = list_of(30, page()) | {"/0": Reply(status=503, headers=headers)}
    async with Site(pages) as resting, Site(binary_tree(5)) as other, make_crawler() as crawler:
        definition = make_definition(
            resting.url + "/", other.url + "/", manners=NO_ROBOTS | {"concurrency_per_host": 1}
        )
        storage = MemoryStorage()
        outcome = await finish(crawler.crawl(definition, storage))
        asked = resting.asked.total()
        assert resting.asked["/0"] == 1
        assert other.asked.total() == 32
        assert outcome.ending is Ending.LIMITED
        assert f"{resting.url} asked to be left alone until " in outcome.message
        assert outcome.counts.reasons["host_rest"] == 31 - (asked - 1)
        assert page_of(storage, resting.url + "/0").state is PageState.PENDING
        manners = storage.hosts[resting.url]
        assert (manners.unavailable, manners.retry_after, manners.closed_by) == (1, 1, "host_rest")
        assert manners.longest_retry_after > MAX_BACKOFF
        again = await run(crawler, resting, **NO_ROBOTS)
        assert resting.asked.total() == asked
    assert again.ending is Ending.FAILED
    assert "asked to be left alone until" in again.message


async def test_an_end_of_a_rest_is_told_in_the_calendars_zone() -> None:
    now = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
    headers = {"Retry-After": "3600"}
    async with Site({"/": page("/a"), "/a": Reply(status=429, headers=headers)}) as site, make_crawler() as crawler:
        crawler.calendar = Calendar(UTC, lambda: now)
        outcome = await run(crawler, site, **NO_ROBOTS)
        assert outcome.message == (
            f"{site.url} asked to be left alone until 2027-01-01 13:00 (UTC); pages were left in the frontier"
        )


async def test_back_offs_of_our_own_never_end_a_crawl() -> None:
    replies = flaky(*[503] * 2, then=page())
    async with Site({"/": replies}) as site, make_crawler() as crawler:
        outcome = await run(crawler, site, **NO_ROBOTS)
    assert outcome.ending is Ending.COMPLETED


# -- what robots.txt asks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["Crawl-delay: 0.15", "Request-rate: 20/3", "Request-rate: 400/1m"])
async def test_delays_and_rates_of_robots_txt_are_kept_by_all_crawls_together(line: str) -> None:
    async with Site({"/": page("/a"), "/a": page()}) as site, make_crawler() as crawler:
        site.pages["/robots.txt"] = Reply(f"User-agent: *\n{line}\n")
        begin = asyncio.get_running_loop().time()
        await asyncio.gather(run(crawler, site), run(crawler, site))
        times = sorted(seen.at for seen in site.seen)
    assert len(times) == 5
    # Each counted from the beginning: a request may come late, but none before its turn.
    assert all(at - begin >= 0.15 * number for number, at in enumerate(times))


@pytest.mark.parametrize(
    ("line", "told"), [("Crawl-delay: 86400", 86_400.0), (f"Request-rate: 1/{'9' * 400}", MAX_DELAY)]
)
async def test_a_longer_delay_than_a_minute_counts_as_one_and_is_told(line: str, told: float) -> None:
    async with Site({"/": page()}) as site, make_crawler() as crawler:
        site.pages["/robots.txt"] = Reply(f"User-agent: *\n{line}\n")
        storage = MemoryStorage()
        crawl = crawler.crawl(make_definition(site.url + "/"), storage)
        running = asyncio.create_task(crawl.run())
        async with asyncio.timeout(LONGEST):
            while not site.seen:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        crawl.request_stop()
        await running
        assert site.asked.total() == 0
        manners = storage.hosts[site.url]
    assert (manners.rules_delay, manners.delay, manners.delay_by) == (told, MAX_ROBOTS_DELAY, "robots")
    assert json.dumps(manners.to_json(), allow_nan=False), "no database takes what is no JSON"
    assert (manners.requests, manners.robots_requests) == (0, 1)


async def test_a_spider_that_does_not_obey_robots_txt_is_not_slowed_by_it() -> None:
    async with Site({"/": page("/a"), "/a": page()}) as site, make_crawler() as crawler:
        site.pages["/robots.txt"] = Reply("User-agent: *\nCrawl-delay: 60\nDisallow: /")
        outcome = await run(crawler, site, **NO_ROBOTS)
        assert site.times("/robots.txt") == []
    assert outcome.counts.pages == 2


# -- the report -------------------------------------------------------------------------------------------------------


async def test_the_report_counts_what_the_server_saw() -> None:
    pages = list_of(30, taking(0.01)) | {
        "/robots.txt": Reply("User-agent: *\nDisallow: /private"),
        "/private": page(),
        "/busy": flaky(429, 503, then=page(), headers={"Retry-After": "1"}),
        "/": page(*(f"/{n}" for n in range(30)), "/private", "/busy"),
    }
    async with Site(pages) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        await finish(crawler.crawl(make_definition(site.url + "/", manners={"concurrency_per_host": 3}), storage))
        manners = storage.hosts[site.url]
        assert manners.requests == site.asked.total()
        assert manners.robots_requests == len(site.times("/robots.txt")) == 1
        assert manners.peak_concurrency == site.most_at_once == 3
        by_second = [int(seen.at) for seen in site.seen]
        assert manners.peak_rate >= max(map(by_second.count, by_second)) - 3, "give or take those on the way"
    assert (manners.too_many, manners.unavailable, manners.retry_after, manners.retries) == (1, 1, 2, 2)
    assert (manners.robots_refused, manners.robots_unreachable) == (1, 0)
    assert manners.delay == 0.0
    assert manners.delay_by == ""


async def test_a_robots_txt_that_two_crawls_wait_for_is_counted_once() -> None:
    async with Site({"/": page(), "/robots.txt": taking(0.05)}) as site, make_crawler() as crawler:
        storages = [MemoryStorage(), MemoryStorage()]
        definition = make_definition(site.url + "/")
        await asyncio.gather(*(finish(crawler.crawl(definition, storage)) for storage in storages))
        assert len(site.times("/robots.txt")) == 1
        assert sum(storage.hosts[site.url].robots_requests for storage in storages) == 1


async def test_bytes_that_a_304_saves_are_those_of_the_last_reading() -> None:
    text = "x" * 10_000

    def conditional(seen: Seen) -> Reply:
        if seen.headers.get("if-none-match") == '"1"':
            return Reply(status=304, headers={"ETag": '"1"'})
        return Reply(f"<p>{text}", headers={"ETag": '"1"', "Content-Type": "text/html"})

    async with Site({"/": conditional}) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", manners=NO_ROBOTS)
        await finish(crawler.crawl(definition, storage))
        first = storage.hosts[site.url]
        assert (first.bytes, first.not_modified, first.bytes_saved) == (10_003, 0, 0)
        storage.begin()
        await finish(crawler.crawl(definition, storage))
        second = storage.hosts[site.url]
    assert (second.bytes, second.not_modified, second.bytes_saved) == (0, 1, 10_003)


async def test_the_delay_of_another_crawl_at_the_same_host_is_told_as_such() -> None:
    gate = Gate(page())
    async with Site({"/": page(), "/held": gate}) as site, make_crawler() as crawler:
        strict = make_definition(site.url + "/held", manners=NO_ROBOTS | {"delay": 0.05})
        running = asyncio.create_task(finish(crawler.crawl(strict, MemoryStorage())))
        await gate.arrived.wait()
        storage = MemoryStorage()
        await finish(crawler.crawl(make_definition(site.url + "/", manners=NO_ROBOTS), storage))
        gate.open()
        await running
        assert (storage.hosts[site.url].delay, storage.hosts[site.url].delay_by) == (0.05, "crawl")
