"""Pages of a day and quiet hours in a whole crawl, by a clock that the test sets."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crawler.engine.manners.budget import MAX_WAIT, Budget, Calendar
from crawler.engine.manners.slots import host_key
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import CrawlOutcome, Ending, PageState
from crawler.engine.spider import Manners

from .crawling import LONGEST, Crawler, finish, make_crawler, make_definition
from .site import Reply, Site, page
from .test_crawl import Gate, binary_tree, flaky
from .test_manners import list_of, taking

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2027, 1, 1, 12, 0, tzinfo=SHANGHAI)


class Wall:
    """A wall clock that runs with the real one, from where the test sets it."""

    def __init__(self, start: datetime) -> None:
        self.set(start)

    def set(self, moment: datetime) -> None:
        self._moment, self._since = moment, time.monotonic()

    def __call__(self) -> datetime:
        return self._moment + timedelta(seconds=time.monotonic() - self._since)


def at(crawler: Crawler, moment: datetime) -> Wall:
    wall = Wall(moment)
    crawler.calendar = Calendar(SHANGHAI, wall)
    return wall


async def run(crawler: Crawler, storage: MemoryStorage, *urls: str, **manners: object) -> CrawlOutcome:
    definition = make_definition(*urls, manners={"obey_robots": False} | manners)
    return await finish(crawler.crawl(definition, storage, checkpoint_pages=10))


# -- pages of a day ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 30])
async def test_no_host_is_asked_more_often_on_a_day(limit: int) -> None:
    async with Site(binary_tree(7)) as site, Site(binary_tree(4)) as other, make_crawler() as crawler:
        at(crawler, NOON)
        storage = MemoryStorage()
        outcome = await run(crawler, storage, site.url + "/", other.url + "/", pages_per_day=limit)
        assert site.asked.total() == limit
        assert other.asked.total() == min(limit, 16)
        assert storage.days[host_key(site.url), date(2027, 1, 1)] == limit
        url = site.url
    assert outcome.ending is Ending.LIMITED
    until = f"pages_per_day = {limit} is used up until 2027-01-02 00:00 (Asia/Shanghai) for {url}"
    assert until in outcome.message
    assert outcome.message.endswith("pages were left in the frontier")
    assert outcome.counts.reasons["day_budget"] >= 1
    assert PageState.PENDING in {stored.state for stored in storage.pages.values()}
    assert storage.hosts[url].closed_by == "day_budget"
    assert storage.hosts[url].closed_until == "2027-01-01T16:00:00+00:00"


async def test_a_budget_that_is_not_in_the_way_leaves_the_crawl_completed() -> None:
    async with Site(binary_tree(4)) as site, make_crawler() as crawler:
        outcome = await run(crawler, MemoryStorage(), site.url + "/", pages_per_day=16)
    assert outcome.ending is Ending.COMPLETED


async def test_the_next_crawl_of_the_day_finds_what_is_left_and_the_next_day_begins_anew() -> None:
    async with Site(binary_tree(5)) as site, make_crawler() as crawler:
        wall = at(crawler, NOON)
        storage = MemoryStorage()
        await run(crawler, storage, site.url + "/", pages_per_day=20)
        storage.begin()
        second = await run(crawler, storage, site.url + "/", pages_per_day=25)
        assert site.asked.total() == 25
        storage.begin()
        third = await run(crawler, storage, site.url + "/", pages_per_day=25)
        assert site.asked.total() == 25
        storage.begin()
        wall.set(NOON + timedelta(hours=12))
        await run(crawler, storage, site.url + "/", pages_per_day=25)
        assert site.asked.total() == 50
    assert second.ending is third.ending is Ending.LIMITED
    assert third.counts.pages == 0, "it got nowhere, and that is no failure"


async def test_further_attempts_count() -> None:
    pages = binary_tree(3) | {"/1": flaky(500, 500, then=page("/2", "/3"))}
    async with Site(pages) as site, make_crawler() as crawler:
        await run(crawler, MemoryStorage(), site.url + "/", pages_per_day=5)
        assert site.asked.total() == 5
        assert site.asked["/1"] == 3


async def test_a_day_that_ends_during_the_crawl_gives_new_pages() -> None:
    async with Site(binary_tree(6)) as site, make_crawler() as crawler:
        wall = at(crawler, datetime(2027, 1, 1, 23, 59, 59, 500_000, tzinfo=SHANGHAI))
        gate = Gate(page("/2", "/3"))
        site.pages["/1"] = gate
        running = asyncio.create_task(run(crawler, MemoryStorage(), site.url + "/", pages_per_day=2))
        await gate.arrived.wait()
        while wall().date() == date(2027, 1, 1):
            await asyncio.sleep(0.01)
        gate.open()
        outcome = await running
        # Pages that were under way at midnight count for the day on which they are stored: never more, perhaps fewer.
        assert 2 < site.asked.total() <= 4
    assert "until 2027-01-03 00:00" in outcome.message


async def test_pages_that_others_fetch_meanwhile_are_heard_of() -> None:
    async with Site(binary_tree(7)) as site, make_crawler() as crawler:
        at(crawler, NOON)
        storage = MemoryStorage()
        await asyncio.gather(*(run(crawler, storage_of(storage), site.url + "/", pages_per_day=60) for _ in range(2)))
        assert 60 <= site.asked.total() <= 60 + 2 * (10 + 5)


async def test_a_crawl_whose_pages_of_the_day_are_used_up_holds_up_no_other_at_the_host() -> None:
    gate = Gate(page())
    async with Site(list_of(60, taking(0.005))) as site, Site({"/": gate}) as other, make_crawler() as crawler:

        async def go_on() -> None:
            await run(crawler, MemoryStorage(), site.url + "/", concurrency_per_host=1)

        others = asyncio.gather(go_on(), go_on())
        while site.asked.total() < 6:
            await asyncio.sleep(0.001)
        limits = {"pages_per_day": 3, "concurrency_per_host": 1}
        limited = asyncio.create_task(run(crawler, MemoryStorage(), other.url + "/", site.url + "/", **limits))
        await asyncio.wait_for(others, LONGEST / 5)
        assert not limited.done()
        assert site.asked.total() == 2 * 61 + 3
        assert crawler.slots._slots[host_key(site.url)].line == []
        gate.open()
        await limited


def storage_of(shared: MemoryStorage) -> MemoryStorage:
    """Another spider's storage that counts days with the first."""
    storage = MemoryStorage()
    storage.days = shared.days
    return storage


def test_a_spider_without_either_has_no_budget() -> None:
    assert Budget.of(Manners(), Calendar(), MemoryStorage()) is None


# -- quiet hours ------------------------------------------------------------------------------------------------------


async def test_nothing_is_fetched_in_quiet_hours() -> None:
    async with Site(binary_tree(3)) as site, make_crawler() as crawler:
        at(crawler, NOON)
        outcome = await run(crawler, MemoryStorage(), site.url + "/", obey_robots=True, quiet_hours=["08:00-20:00"])
        assert site.seen == []
    assert outcome.ending is Ending.LIMITED
    assert outcome.message == (
        "Stopped at quiet_hours until 2027-01-01 20:00 (Asia/Shanghai); pages were left in the frontier"
    )
    assert outcome.counts.reasons == {"quiet_hours": 1}


async def test_a_crawl_that_comes_into_quiet_hours_finishes_what_is_under_way_and_ends() -> None:
    async with Site(binary_tree(5)) as site, make_crawler() as crawler:
        wall = at(crawler, datetime(2027, 1, 1, 7, 59, 59, 800_000, tzinfo=SHANGHAI))
        gate = Gate(page("/2", "/3"))
        site.pages["/1"] = gate
        storage = MemoryStorage()
        running = asyncio.create_task(run(crawler, storage, site.url + "/", quiet_hours=["08:00-20:00"]))
        await gate.arrived.wait()
        while wall().hour == 7:
            await asyncio.sleep(0.01)
        gate.open()
        outcome = await running
        assert site.asked == {"/": 1, "/1": 1}
    assert outcome.ending is Ending.LIMITED
    assert outcome.counts.pages == 2
    assert outcome.counts.reasons == {"quiet_hours": 2}


async def test_quiet_hours_that_begin_among_the_sitemaps_end_the_crawl() -> None:
    """All workers rest meanwhile: nobody but the walk meets the quiet hours."""
    empty = "<?xml version='1.0'?><urlset></urlset>"
    async with Site({"/": page(), "/late.xml": Reply(empty)}) as site, make_crawler() as crawler:
        wall = at(crawler, datetime(2027, 1, 1, 7, 59, 59, 500_000, tzinfo=SHANGHAI))
        gate = Gate(Reply(empty))
        site.pages["/slow.xml"] = gate
        definition = make_definition(
            site.url + "/",
            sitemaps=[f"{site.url}/slow.xml", f"{site.url}/late.xml"],
            manners={"obey_robots": False, "quiet_hours": ["08:00-20:00"]},
        )
        running = asyncio.create_task(finish(crawler.crawl(definition, MemoryStorage(), checkpoint_seconds=0.01)))
        await gate.arrived.wait()
        while wall().hour == 7:
            await asyncio.sleep(0.01)
        gate.open()
        outcome = await running
        assert site.asked == {"/": 1, "/slow.xml": 1}
    assert outcome.ending is Ending.LIMITED
    assert outcome.message.startswith("Stopped at quiet_hours until 2027-01-01 20:00")


async def test_a_crawl_waits_for_quiet_hours_that_are_nearly_over() -> None:
    async with Site(binary_tree(3)) as site, make_crawler() as crawler:
        at(crawler, datetime(2027, 1, 1, 19, 59, 59, 700_000, tzinfo=SHANGHAI))
        started = asyncio.get_running_loop().time()
        outcome = await run(crawler, MemoryStorage(), site.url + "/", quiet_hours=["08:00-20:00"])
        assert min(seen.at for seen in site.seen) - started >= 0.29
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.pages == 8


async def test_a_crawl_that_waits_for_the_end_of_quiet_hours_rests_whatever_is_due() -> None:
    reads = 0
    async with Site(list_of(9, page())) as site, make_crawler() as crawler:
        wall = at(crawler, datetime(2027, 1, 1, 19, 56, 59, 700_000, tzinfo=SHANGHAI))

        def now() -> datetime:
            nonlocal reads
            reads += 1
            return wall()

        crawler.calendar = Calendar(SHANGHAI, now)
        manners = {"obey_robots": False, "delay": 0.4, "quiet_hours": ["19:57-20:00"]}
        crawl = crawler.crawl(make_definition(site.url + "/", manners=manners), MemoryStorage())
        running = asyncio.create_task(finish(crawl))
        while wall().minute == 56:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # the host's delay is over
        before = reads
        await asyncio.sleep(0.2)
        assert reads - before < 10, "each look at a page reads the clock"
        crawl.request_stop()
        assert (await running).counts.pages == 1


async def test_the_wall_clock_is_read_once_a_minute() -> None:
    reads = 0

    def now() -> datetime:
        nonlocal reads
        reads += 1
        return NOON

    manners = Manners(quiet_hours=("20:00-21:00",))
    budget = Budget(manners, Calendar(UTC, now), MemoryStorage())
    before = reads
    for second in range(600):
        assert budget.quiet_until(float(second)) is None
    assert reads - before == 10
    assert MAX_WAIT == 300.0


async def test_a_step_of_the_clock_over_their_end_is_seen_at_once() -> None:
    wall = NOON.replace(hour=20, minute=10)
    budget = Budget(Manners(quiet_hours=("20:00-21:00",)), Calendar(SHANGHAI, lambda: wall), MemoryStorage())
    assert budget.quiet_until(100.0) == NOON.replace(hour=21)
    wall = NOON.replace(hour=21, minute=5)
    assert budget.quiet_until(100.1) is None


async def test_quiet_hours_begin_to_the_minute() -> None:
    wall = NOON.replace(hour=19, minute=59, second=30)
    budget = Budget(Manners(quiet_hours=("20:00-21:00",)), Calendar(SHANGHAI, lambda: wall), MemoryStorage())
    assert budget.quiet_until(100.0) is None
    wall = NOON.replace(hour=20)
    assert budget.quiet_until(129.9) is None, "not looked at before the minute is over"
    assert budget.quiet_until(130.0) == NOON.replace(hour=21)
