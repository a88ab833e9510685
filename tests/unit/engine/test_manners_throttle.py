"""The adaptive throttle against real servers that can take so much and no more, as they count it themselves."""

from __future__ import annotations

import asyncio
from statistics import fmean

import pytest

from crawler.engine.memory import MemoryStorage
from crawler.engine.politeness import HostManners
from crawler.engine.records import CrawlOutcome, Ending

from .crawling import finish, make_crawler, make_definition
from .site import Reply, Seen, Site, page

SECONDS = 0.05
PAGES = 400


class Capacity:
    """Works on `capacity` requests at once, `SECONDS` on each. The others wait, or are refused where `refuses`."""

    def __init__(self, capacity: int, *, refuses: bool) -> None:
        self.places = asyncio.Semaphore(capacity)
        self.refuses = refuses
        self.under_way = 0
        self.at_once: list[int] = []
        """Requests under way, at the start of each."""
        self.refused = 0

    async def __call__(self, seen: Seen) -> Reply:
        self.under_way += 1
        self.at_once.append(self.under_way)
        try:
            if self.refuses and self.places.locked():
                self.refused += 1
                return Reply(status=503)
            async with self.places:
                await asyncio.sleep(SECONDS)
                return page()
        finally:
            self.under_way -= 1


async def crawl(host: Capacity, *, concurrency: int, adaptive: bool = True) -> tuple[CrawlOutcome, HostManners]:
    pages = {"/": page(*(f"/{n}" for n in range(PAGES)))} | {f"/{n}": host for n in range(PAGES)}
    async with Site(pages) as site, make_crawler() as crawler:
        manners = {"obey_robots": False, "concurrency_per_host": concurrency, "adaptive_throttle": adaptive}
        storage = MemoryStorage()
        outcome = await finish(crawler.crawl(make_definition(site.url + "/", manners=manners), storage))
        return outcome, storage.hosts[site.url]


@pytest.mark.parametrize("capacity", [2, 4])
async def test_it_settles_near_what_a_host_with_a_queue_takes(capacity: int) -> None:
    host = Capacity(capacity, refuses=False)
    outcome, manners = await crawl(host, concurrency=12)
    assert outcome.counts.pages == PAGES + 1
    assert max(host.at_once) <= 12
    settled = host.at_once[PAGES // 2 :]
    assert 0.75 * capacity <= fmean(settled) <= 1.75 * capacity
    assert manners.throttle_limit <= 2 * capacity
    assert manners.throttle_cuts >= 1


async def test_a_host_that_refuses_is_asked_for_what_it_takes() -> None:
    host = Capacity(3, refuses=True)
    outcome, manners = await crawl(host, concurrency=12)
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.pages_failed == 0
    assert host.refused <= 0.05 * PAGES
    assert manners.unavailable == host.refused
    assert 2 <= manners.throttle_limit <= 4, "three, or four while that is tried again"
    assert max(host.at_once[PAGES // 2 :]) <= 4
    assert max(host.at_once) <= 12


async def test_a_host_that_takes_all_gets_all_that_the_spider_allows() -> None:
    host = Capacity(100, refuses=False)
    _, manners = await crawl(host, concurrency=8)
    assert max(host.at_once) == 8
    assert manners.throttle_limit == 8
    assert manners.throttle_cuts == 0


async def test_without_it_the_same_host_is_asked_for_all_at_once() -> None:
    host = Capacity(3, refuses=False)
    _, manners = await crawl(host, concurrency=12, adaptive=False)
    assert fmean(host.at_once[PAGES // 2 :]) > 10
    assert manners.throttle_cuts == 0
