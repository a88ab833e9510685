"""The adaptive throttle against real servers that can take so much and no more, as they count it themselves.

How near it settles is told by `test_throttle.py`, whose hosts no busy machine makes slow: here, that answers and
refusals reach it, and that what it says is kept.
"""

from __future__ import annotations

from statistics import fmean

from crawler.engine.manners.politeness import HostManners
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import CrawlOutcome, Ending
from tests.servers.capacity import CapacityServer

from .crawling import finish, make_crawler, make_definition

SECONDS = 0.05
PAGES = 300


async def crawl(host: CapacityServer, *, concurrency: int, adaptive: bool = True) -> tuple[CrawlOutcome, HostManners]:
    async with host, make_crawler() as crawler:
        manners = {"obey_robots": False, "concurrency_per_host": concurrency, "adaptive_throttle": adaptive}
        storage = MemoryStorage()
        outcome = await finish(crawler.crawl(make_definition(host.url + "/", manners=manners), storage))
        return outcome, storage.hosts[host.url]


def make_host(capacity: int, *, refuses: bool = False) -> CapacityServer:
    return CapacityServer(capacity=capacity, seconds=SECONDS, pages=PAGES, refuses=refuses)


async def test_a_host_with_a_queue_is_asked_for_less_than_the_spider_allows() -> None:
    host = make_host(2)
    outcome, manners = await crawl(host, concurrency=12)
    assert outcome.counts.pages == PAGES + 1
    assert max(host.at_once) <= 12
    assert fmean(host.at_once[PAGES // 2 :]) < 8
    assert manners.throttle_cuts >= 1


async def test_a_host_that_refuses_is_asked_for_what_it_takes() -> None:
    host = make_host(3, refuses=True)
    outcome, manners = await crawl(host, concurrency=12)
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.pages_failed == 0
    assert 0 < host.refused <= 0.1 * PAGES
    assert manners.unavailable == host.refused
    assert manners.throttle_limit <= 4, "three, or four while that is tried again"
    assert max(host.at_once[PAGES // 2 :]) <= 4
    assert max(host.at_once) <= 12


async def test_a_host_that_takes_all_gets_all_that_the_spider_allows() -> None:
    host = make_host(100)
    await crawl(host, concurrency=8)
    assert max(host.at_once) == 8


async def test_without_it_the_same_host_is_asked_for_all_at_once() -> None:
    host = make_host(3)
    _, manners = await crawl(host, concurrency=12, adaptive=False)
    assert fmean(host.at_once[PAGES // 2 :]) > 10
    assert manners.throttle_cuts == 0
