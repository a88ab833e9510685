"""Runs crawls: one HTTP client, one resolver, one budget per host and one storage lane for the whole process.

The only module that runs the crawl loop: schedule, command, REST and preview meet here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from django.conf import settings

from scheduling.lanes import Lane

from .engine.collector import calm_collector
from .engine.crawl import Crawl
from .engine.errors import Reason
from .engine.fetching.client import CrawlClient
from .engine.fetching.cookies import load_suffixes
from .engine.fetching.fetcher import Fetcher
from .engine.fetching.guard import Guard, Resolver
from .engine.fetching.session import SessionValues, make_fetcher, open_client
from .engine.fetching.transport import CrawlTransport
from .engine.manners.robots import Robots
from .engine.manners.slots import Slots
from .engine.pages.parsing import Helpers, PageParser
from .engine.records import CrawlCounts, CrawlOutcome
from .engine.scope import Scope
from .engine.spider import SpiderDefinition
from .engine.storage import CrawlStorage
from .engine.tools import CrawlTools, Pace
from .engine.urls import normalise
from .one_page import FetchedPage, OnePage
from .storing import host_days

DRAIN_SECONDS = 10.0
"""How long a crawl that is asked to stop waits for the pages in flight."""


@dataclass(frozen=True, slots=True)
class Line:
    """The way out of one crawl."""

    fetcher: Fetcher
    robots: Robots


class CrawlerManager:
    """What all crawls of one event loop share. Made in that loop; `close` it there."""

    def __init__(self, *, resolver: Resolver | None = None) -> None:
        """`resolver` stands in for the system's own (tests)."""
        calm_collector()
        self._guard = Guard(settings.CRAWLER_ALLOWED_NETWORKS, resolver)
        self._transport = CrawlTransport(self._guard)
        self.client = CrawlClient(self._transport)
        self.lane = Lane("storage")
        """Where checkpoints are written."""
        self._helpers = Helpers()
        self._slots = Slots()
        self._robots = Robots()
        self._is_closed = False

    async def crawl(
        self,
        *,
        definition: SpiderDefinition,
        storage: CrawlStorage,
        stopping: asyncio.Event,
        headers: Mapping[str, str] | None = None,
        session: SessionValues | None = None,
        on_progress: Callable[[CrawlCounts], None] | None = None,
        checkpoint_pages: int | None = None,
        checkpoint_seconds: float | None = None,
    ) -> CrawlOutcome:
        """Crawl one spider into `storage`; when `stopping` is set, store what there is and end as STOPPED.

        `headers` and `session` are the spider's own, secrets in clear. Raises what the storage raises.
        """
        async with self._line(definition, session or SessionValues(), headers or {}) as line:
            return await self._crawl(
                line,
                definition=definition,
                storage=storage,
                stopping=stopping,
                on_progress=on_progress,
                checkpoint_pages=checkpoint_pages,
                checkpoint_seconds=checkpoint_seconds,
            )

    async def _crawl(
        self,
        line: Line,
        *,
        definition: SpiderDefinition,
        storage: CrawlStorage,
        stopping: asyncio.Event,
        on_progress: Callable[[CrawlCounts], None] | None,
        checkpoint_pages: int | None,
        checkpoint_seconds: float | None,
    ) -> CrawlOutcome:
        tools = CrawlTools(
            fetcher=line.fetcher,
            extractor=PageParser(definition, self._helpers, user_agent=settings.CRAWLER_USER_AGENT),
            scope=Scope(definition),
            storage=storage,
            slots=self._slots,
            robots=line.robots,
            calendar=host_days.calendar(),
            # A proxy looks names up itself.
            prepare=self._guard.prepare if definition.session.proxy is None else None,
        )
        pace = Pace(
            checkpoint_pages=checkpoint_pages or settings.CRAWLER_CHECKPOINT_PAGES,
            checkpoint_seconds=checkpoint_seconds or settings.CRAWLER_CHECKPOINT_SECONDS,
            drain_seconds=min(DRAIN_SECONDS, settings.SCHEDULER_DRAIN_SECONDS / 2),
        )
        crawl = Crawl(definition, tools, pace, on_progress=on_progress)
        stopper = asyncio.create_task(_stop_when(stopping, crawl), name="crawl stopper")
        try:
            return await crawl.run()
        finally:
            stopper.cancel()

    async def preview_fetch(
        self,
        definition: SpiderDefinition,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        session: SessionValues | None = None,
        seconds: float | None = None,
    ) -> FetchedPage:
        """Fetch one page as a crawl would: guard, robots, scope at each hop of a redirect; nothing is stored.

        After `seconds`, robots.txt and redirects included, the fetch ends as `total_timeout`; without them each request
        has a crawl's own time-outs alone.

        Raises:
            UrlError: `url` is none that may be requested.
        """
        asked = normalise(url)
        async with self._line(definition, session or SessionValues(), headers or {}) as line:
            page = OnePage(definition, fetcher=line.fetcher, robots=line.robots)
            try:
                async with asyncio.timeout(seconds):
                    return await page.fetch(asked)
            except TimeoutError:
                return page.give_up(Reason.TOTAL_TIMEOUT, f"no whole answer within {seconds or 0:g} seconds")

    async def close(self) -> None:
        """Close connections, the resolver, helper processes and the storage lane. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._robots.close()
        await self.client.aclose()
        self._guard.close()
        await self._helpers.close()
        await asyncio.to_thread(self.lane.close)

    @asynccontextmanager
    async def _line(
        self, definition: SpiderDefinition, session: SessionValues, headers: Mapping[str, str]
    ) -> AsyncGenerator[Line, None]:
        """How one crawl's requests go out. A proxy, and certificates that are not checked, take connections and
        robots.txt of their own: nobody else's crawl goes by what came that way."""
        own = definition.session
        if own.cookies:
            await asyncio.to_thread(load_suffixes)
        if session.proxy is None and own.verify_tls:
            yield Line(self._fetcher(definition, self.client, session, headers), self._robots)
            return
        client = open_client(self._guard, proxy=session.proxy, verify_tls=own.verify_tls)
        robots = Robots()
        try:
            yield Line(self._fetcher(definition, client, session, headers), robots)
        finally:
            await robots.close()
            await client.aclose()

    def _fetcher(
        self, definition: SpiderDefinition, client: CrawlClient, session: SessionValues, headers: Mapping[str, str]
    ) -> Fetcher:
        user_agent = definition.manners.user_agent or settings.CRAWLER_USER_AGENT
        return make_fetcher(client, definition, user_agent=user_agent, headers=headers, session=session)


async def get_manager() -> CrawlerManager:
    """The manager of the running event loop, made at the first call and closed with the loop."""
    loop = asyncio.get_running_loop()
    manager = _managers.get(loop)
    if manager is None:
        manager = _managers[loop] = CrawlerManager()
        holder = _holders[loop] = _hold(manager)
        await anext(holder)
    return manager


async def close_manager() -> None:
    """Close the running loop's manager now, if there is one; the next `get_manager` makes another."""
    holder = _holders.pop(asyncio.get_running_loop(), None)
    if holder is not None:
        await holder.aclose()


async def _hold(manager: CrawlerManager) -> AsyncGenerator[None, None]:
    """A loop closes its generators when it ends (`shutdown_asyncgens`), and so the manager, whoever runs the loop."""
    try:
        yield
    finally:
        _managers.pop(asyncio.get_running_loop(), None)
        await manager.close()


_managers: WeakKeyDictionary[asyncio.AbstractEventLoop, CrawlerManager] = WeakKeyDictionary()
_holders: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()


async def _stop_when(stopping: asyncio.Event, crawl: Crawl) -> None:
    await stopping.wait()
    crawl.request_stop()
