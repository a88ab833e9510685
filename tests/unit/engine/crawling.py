"""A whole crawl in a test: the real client, guard, extractor and scope over a memory storage."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from crawler.engine.crawl import Crawl
from crawler.engine.documents.definition import parse
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.fetcher import Timeouts
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.session import SessionValues, make_fetcher
from crawler.engine.fetching.transport import CrawlTransport
from crawler.engine.manners.budget import Calendar
from crawler.engine.manners.robots import Robots
from crawler.engine.manners.slots import Slots
from crawler.engine.memory import MemoryStorage, StoredPage
from crawler.engine.pages.parsing import Helpers, PageParser
from crawler.engine.records import CrawlCounts, CrawlOutcome
from crawler.engine.scope import Scope
from crawler.engine.spider import SpiderDefinition
from crawler.engine.storage import CrawlStorage
from crawler.engine.tools import CrawlTools, Pace
from crawler.engine.visit import RetryRule

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
USER_AGENT = "Lamplighter/0.1 (+https://lamplighter.example/)"
QUICK = RetryRule(times=2, delay=0.02)
LONGEST = 300.0
"""Seconds: a crawl of a test that takes longer hangs, however busy the machine is."""


def make_definition(*start_urls: object, **sections: object) -> SpiderDefinition:
    """Follows every link unless `follow` says otherwise."""
    return parse({"name": "test", "start_urls": list(start_urls), "follow": [{}], **sections})


@dataclass(slots=True)
class Crawler:
    """What the crawls of one process share."""

    client: CrawlClient
    helpers: Helpers = field(default_factory=lambda: Helpers(seconds=LONGEST))
    slots: Slots = field(default_factory=Slots)
    robots: Robots = field(default_factory=lambda: Robots(retry_delay=0.01))
    calendar: Calendar = field(default_factory=Calendar)
    guard: Guard | None = None

    def crawl(
        self,
        definition: SpiderDefinition,
        storage: CrawlStorage,
        *,
        headers: Mapping[str, str] | None = None,
        session: SessionValues | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryRule = QUICK,
        checkpoint_pages: int = 500,
        checkpoint_seconds: float = 2.0,
        max_concurrency: int = 64,
        window: int = 50_000,
        drain_seconds: float = 10.0,
        on_progress: Callable[[CrawlCounts], None] | None = None,
    ) -> Crawl:
        fetcher = make_fetcher(
            self.client,
            definition,
            user_agent=definition.manners.user_agent or USER_AGENT,
            headers=headers or {},
            session=session or SessionValues(),
            timeouts=timeouts,
        )
        tools = CrawlTools(
            fetcher=fetcher,
            extractor=PageParser(definition, self.helpers, user_agent=USER_AGENT),
            scope=Scope(definition),
            storage=storage,
            slots=self.slots,
            robots=self.robots,
            calendar=self.calendar,
            prepare=None if self.guard is None else self.guard.prepare,
        )
        pace = Pace(
            retry=retry,
            checkpoint_pages=checkpoint_pages,
            checkpoint_seconds=checkpoint_seconds,
            max_concurrency=max_concurrency,
            window=window,
            drain_seconds=drain_seconds,
        )
        return Crawl(definition, tools, pace, on_progress=on_progress)


@asynccontextmanager
async def make_crawler(*, allow_loopback: bool = True, guard: Guard | None = None) -> AsyncIterator[Crawler]:
    """`guard` in place of one that asks this machine's resolver, and allows loopback or not."""
    guard = guard or Guard(LOOPBACK if allow_loopback else ())
    client = CrawlClient(CrawlTransport(guard))
    crawler = Crawler(client, guard=guard)
    try:
        yield crawler
    finally:
        await crawler.robots.close()
        await client.aclose()
        await crawler.helpers.close()
        guard.close()


async def finish(crawl: Crawl) -> CrawlOutcome:
    return await asyncio.wait_for(crawl.run(), LONGEST)


async def crawl_once(
    definition: SpiderDefinition, storage: MemoryStorage, *, allow_loopback: bool = True
) -> CrawlOutcome:
    async with make_crawler(allow_loopback=allow_loopback) as crawler:
        return await finish(crawler.crawl(definition, storage))


def page_of(storage: MemoryStorage, url: str) -> StoredPage:
    (found,) = (page for page in storage.pages.values() if page.url == url)
    return found
