"""One crawl from its opening to its ending: the frontier, the crew that empties it, and the ledger that stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .canonicals import Canonicals
from .crew import Crew, end_tasks
from .ending import judge_ending
from .errors import Reason
from .fetching.requests import Posts, start_links
from .frontier import Frontier, Host
from .ledger import Ledger
from .manners.gate import Gate
from .manners.slots import Guest
from .pages.directives import Directives
from .reading import PageReader
from .records import Batch, CheckpointAnswer, CrawlCounts, CrawlOutcome, Ending, Opening
from .rest import RestRoom
from .sitemap.walk import SitemapWalk
from .spider import SpiderDefinition
from .tally import Tally
from .tools import CrawlTools, Pace
from .traps import Traps, count_visited, quotas_of
from .visit import Fetchers, Visitor

STOPPED = "Stopped on request"


class Crawl:
    """One attempt at one crawl. `run` once; `request_stop` from the same loop at any time."""

    def __init__(
        self,
        definition: SpiderDefinition,
        tools: CrawlTools,
        pace: Pace | None = None,
        *,
        on_progress: Callable[[CrawlCounts], None] | None = None,
    ) -> None:
        """`on_progress` is given the counts after each checkpoint."""
        pace = pace or Pace()
        self._definition = definition
        self._tools = tools
        self._pace = pace
        self._on_progress = on_progress
        self._clock = tools.clock
        self._storage = tools.storage
        self._tally = Tally()
        self._traps = Traps()
        self._quotas = quotas_of(definition.limits)
        self._canonicals = Canonicals() if definition.manners.canonical == "follow" else None
        self._fetchers = Fetchers(definition, tools.fetcher)
        self._gate = self._make_gate()
        self._frontier = self._gate.frontier = Frontier(self._join, window=pace.window, forget=self._gate.forget)
        self._visitor = Visitor(
            self._fetchers,
            tools.extractor,
            frontier=self._frontier,
            counts=self._tally.counts,
            retry=pace.retry,
            clock=tools.clock,
            leave=self._gate.leave,
        )
        self._room = RestRoom(tools.clock)
        self._crew = self._make_crew()
        self._ledger = self._crew.ledger = self._make_ledger()
        self._walk: SitemapWalk | None = None
        self._is_stopping = False

    def _make_gate(self) -> Gate:
        tools = self._tools
        return Gate(
            self._definition.manners,
            user_agent=tools.fetcher.user_agent,
            fetchers=self._fetchers,
            scope=tools.scope,
            slots=tools.slots,
            robots=tools.robots,
            storage=tools.storage,
            quotas=self._quotas,
            calendar=tools.calendar,
            clock=tools.clock,
            prepare=tools.prepare,
        )

    def _make_crew(self) -> Crew:
        return Crew(
            frontier=self._frontier,
            gate=self._gate,
            room=self._room,
            visitor=self._visitor,
            tally=self._tally,
            traps=self._traps,
            canonicals=self._canonicals,
            max_pages=self._definition.limits.max_pages,
            pace=self._pace,
            clock=self._clock,
        )

    def _make_ledger(self) -> Ledger:
        return Ledger(
            self._storage,
            self._frontier,
            pages=self._pace.checkpoint_pages,
            seconds=self._pace.checkpoint_seconds,
            on_stored=self._stored,
            on_idle=self._crew.go_on,
            note=self._gate.note,
        )

    async def run(self) -> CrawlOutcome:
        """Crawl until the frontier is empty, a limit is reached or `request_stop` was called.

        Raises what the storage raises, and defects of ours; what happens to single pages is counted instead.
        """
        crew = self._crew
        started = self._clock()
        opening = await self._storage.open(
            start_links(self._definition), room=self._frontier.window, stopping=lambda: crew.ending is not None
        )
        self._begin(opening)
        try:
            await self._ledger.take_in(opening.pending)
            if opening.resumed and self._quotas is not None:
                await count_visited(self._quotas, self._storage, stopping=lambda: crew.ending is not None)
            if opening.resumed and self._canonicals is not None:
                self._canonicals.go_on(await self._storage.canonical_memory())
            walk = await self._begin_walk()
        except BaseException:
            self._tidy_up()
            raise
        spent = opening.seconds_spent
        del opening
        keeper = asyncio.create_task(self._ledger.run(), name="crawl keeper")
        for task in (keeper, *walk):
            task.add_done_callback(crew.hear)
        crew.start()
        try:
            await self._until_over(spent)
            await end_tasks(walk)
            await crew.end()
            if crew.failure is None:
                self._ledger.finish()
                await keeper
        finally:
            await end_tasks([keeper, *walk])
            await crew.end()
            self._tidy_up()
        if crew.failure is not None:
            raise crew.failure
        return await self._conclude(self._clock() - started)

    def request_stop(self) -> None:
        """Take no further page, let those in flight finish within the limit, store, and end as STOPPED."""
        self._is_stopping = True
        self._crew.close(Ending.STOPPED, STOPPED)

    def _begin(self, opening: Opening) -> None:
        self._frontier.seen = opening.seen
        reader = self._crew.reader = PageReader(
            self._tools.scope,
            max_depth=self._definition.limits.max_depth,
            seen=opening.seen,
            directives=Directives(self._definition.manners, self._tools.fetcher.user_agent),
            traps=self._traps,
            may_ask=self._gate.may_ask,
            canonicals=self._canonicals,
        )
        if self._definition.start_posts or opening.resumed:
            self._visitor.posts = reader.posts = Posts(self._definition.start_posts)
        self._tally.go_on(opening)
        self._traps.is_unsure = Reason.SAME_CONTENT in opening.reasons
        self._gate.keep_rests(opening.rests)
        self._ledger.outside = opening.pending_dropped > 0
        self._crew.close_at_page_limit()

    async def _begin_walk(self) -> list[asyncio.Task[None]]:
        """The task that reads the sitemaps, where there are any."""
        if not self._definition.sitemaps:
            return []
        walk = self._walk = self._crew.walk = SitemapWalk(
            self._definition,
            fetchers=self._fetchers,
            gate=self._gate,
            scope=self._tools.scope,
            planter=self._ledger,
            memory=await self._storage.sitemap_memory(),
            seen=self._frontier.seen,
            retry=self._pace.retry,
            clock=self._clock,
            on_quiet=self._room.wake_one,  # a worker then finds that it is quiet, and ends the crawl
        )
        return [asyncio.create_task(walk.run(on_done=self._crew.go_on), name="crawl sitemaps")]

    async def _until_over(self, spent: float) -> None:
        crew, seconds = self._crew, self._definition.limits.max_seconds
        if seconds is None:
            await crew.over.wait()
            return
        handle = asyncio.get_running_loop().call_later(
            max(0.0, seconds - spent), crew.close, Ending.LIMITED, f"Stopped at max_seconds = {seconds:g}"
        )
        try:
            await crew.over.wait()
        finally:
            handle.cancel()

    def _tidy_up(self) -> None:
        now = self._clock()
        for host in self._frontier.hosts():
            host.guest.leave(now)
        if self._walk is not None:
            self._walk.close()
        self._room.close()

    async def _conclude(self, seconds: float) -> CrawlOutcome:
        crew = self._crew
        ending, message = judge_ending(
            crew.ending,
            crew.message,
            tally=self._tally,
            gate=self._gate,
            traps=self._traps,
            limits=self._definition.limits,
            is_left=bool(self._frontier.held) or self._ledger.outside or crew.is_walking,
        )
        if ending is Ending.COMPLETED:
            await self._storage.mark_gone(stopping=lambda: self._is_stopping)
            # Perhaps before all were marked: another attempt finds no page to ask for, and goes on.
            if self._is_stopping:
                ending, message = Ending.STOPPED, STOPPED
        return CrawlOutcome(ending, self._tally.counts, message, seconds)

    def _stored(self, batch: Batch, answer: CheckpointAnswer) -> None:
        self._tally.add_stored(answer)
        if self._walk is not None:
            self._walk.note_rechecks(answer.rechecks)
        self._tally.counts.reasons.update(batch.reasons)
        self._gate.stored(batch, answer)
        if self._on_progress is not None:
            self._on_progress(self._tally.counts)

    def _join(self, host: Host) -> Guest:
        def wake() -> None:
            if self._frontier.wake(host):
                self._room.wake_one()

        guest = self._gate.join(host, wake)
        guest.may_take = self._crew.may_take
        return guest
