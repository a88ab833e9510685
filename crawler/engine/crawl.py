"""The loop: a fixed set of workers that take pages from the frontier, fetch them, read them and hand in results.

There is no task, lock or timer for a page. A worker that finds nothing to do rests on a future; it is woken by a
checkpoint that brought pages, by a slot that became free, or by the one timer for whatever is due next.

No worker ever waits for a slot: it takes a page only where the host's slot is free, so that a host that answers slowly
holds as many workers as its concurrency allows and no more. (Thirteen such hosts hold all 64.) A new link of a host
that has no page in memory comes with the next checkpoint: at once where nobody has anything else to do or the page's
own host has run dry, else after `checkpoint_seconds` at the latest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf

from .canonicals import Canonicals
from .ending import judge_ending
from .errors import Reason
from .examples import Examples
from .fetching.requests import Posts, start_links
from .frontier import WINDOW, Frontier, Host
from .ledger import Ledger
from .manners.budget import Calendar
from .manners.gate import Gate, Prepare, Step
from .manners.openings import Openings
from .manners.robots import Robots
from .manners.slots import Guest, Slots
from .pages.directives import Directives
from .reading import PageReader, Scope
from .records import (
    Answer,
    Batch,
    CheckpointAnswer,
    CrawlCounts,
    CrawlOutcome,
    Ending,
    Opening,
    PageResult,
    PageState,
    PendingPage,
)
from .rest import RestRoom
from .sitemap.walk import SitemapWalk
from .spider import SpiderDefinition
from .storage import CrawlStorage
from .tally import Tally
from .traps import Traps, count_visited, quotas_of
from .visit import DEFAULT_RETRY, Fetchers, PageExtractor, PageFetcher, RetryRule, Visitor

__all__ = ["MAX_CONCURRENCY", "Crawl", "RetryRule"]

MAX_CONCURRENCY = 64
MOST_IN_HELPER = 4
"""Pages of one host that are in a helper process or wait for it: no more are fetched then, so that a host of hostile
pages does not hold all workers."""
HELPER_PAUSE = 0.1
"""Seconds until such a host is looked at again."""
LIMIT_GRACE = 1.0
"""Seconds for which a crawl that a limit ends waits for the pages in flight."""
STOPPED = "Stopped on request"


class Crawl:
    """One attempt at one crawl. `run` once; `request_stop` from the same loop at any time."""

    def __init__(
        self,
        *,
        definition: SpiderDefinition,
        fetcher: PageFetcher,
        extractor: PageExtractor,
        scope: Scope,
        storage: CrawlStorage,
        slots: Slots,
        robots: Robots,
        checkpoint_pages: int = 500,
        checkpoint_seconds: float = 2.0,
        max_concurrency: int = MAX_CONCURRENCY,
        retry: RetryRule = DEFAULT_RETRY,
        window: int = WINDOW,
        drain_seconds: float = 10.0,
        on_progress: Callable[[CrawlCounts], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        calendar: Calendar | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        """`calendar`: in which days and quiet hours are meant; UTC's where it is not given. `prepare`
        (`Guard.prepare`) is called before a host is asked, so that no worker waits for its name.
        """
        self._definition = definition
        self._scope = scope
        self._storage = storage
        self._max_concurrency = max_concurrency
        self._drain_seconds = drain_seconds
        self._on_progress = on_progress
        self._clock = clock
        self._traps = Traps()
        self._quotas = quotas_of(definition.limits)
        self._directives = Directives(definition.manners, fetcher.user_agent)
        self._canonicals = Canonicals() if definition.manners.canonical == "follow" else None
        self._max_pages = _or_infinite(definition.limits.max_pages)
        self._tally = Tally()
        self._examples = Examples()
        self._fetchers = Fetchers(definition, fetcher)
        self._gate = Gate(
            definition.manners,
            user_agent=fetcher.user_agent,
            fetchers=self._fetchers,
            scope=scope,
            slots=slots,
            robots=robots,
            storage=storage,
            quotas=self._quotas,
            calendar=calendar or Calendar(),
            clock=clock,
            prepare=prepare,
        )
        self._frontier = self._gate.frontier = Frontier(self._join, window=window, forget=self._gate.forget)
        self._visitor = Visitor(
            self._fetchers,
            extractor,
            frontier=self._frontier,
            counts=self._tally.counts,
            retry=retry,
            clock=clock,
            leave=self._gate.leave,
        )
        self._retry = retry
        self._walk: SitemapWalk | None = None
        self._reader: PageReader
        self._ledger = Ledger(
            storage,
            self._frontier,
            pages=checkpoint_pages,
            seconds=checkpoint_seconds,
            on_stored=self._stored,
            on_idle=self._go_on,
            note=self._gate.note,
        )
        self._room = RestRoom(clock)
        self._openings = Openings(self._gate.open, self._opened)
        self._busy = 0
        """Workers that do something, and hosts that are opened."""
        self._fetching = 0
        """Of those, the ones whose page may become an answer."""
        self._drain: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._closing: Ending | None = None
        self._is_stopping = False
        self._limit_message = ""
        self._failure: BaseException | None = None

    # -- the whole ------------------------------------------------------------------------------------------------

    async def run(self) -> CrawlOutcome:
        """Crawl until the frontier is empty, a limit is reached or `request_stop` was called.

        Raises what the storage raises, and defects of ours; what happens to single pages is counted instead.
        """
        started = self._clock()
        opening = await self._storage.open(
            start_links(self._definition), room=self._frontier.window, stopping=lambda: self._closing is not None
        )
        self._begin(opening)
        try:
            await self._ledger.take_in(opening.pending)
            if opening.resumed and self._quotas is not None:
                await count_visited(self._quotas, self._storage, stopping=lambda: self._closing is not None)
            if opening.resumed and self._canonicals is not None:
                self._canonicals.go_on(await self._storage.canonical_memory())
            walk = await self._begin_walk()
        except BaseException:
            self._tidy_up()
            raise
        spent = opening.seconds_spent
        del opening
        keeper = asyncio.create_task(self._ledger.run(), name="crawl keeper")
        workers = [asyncio.create_task(self._work(), name=f"crawl worker {n}") for n in range(self._max_concurrency)]
        for task in (keeper, *walk, *workers):
            task.add_done_callback(self._task_ended)
        try:
            await self._until_over(spent)
            await _end([*walk, *workers, *self._openings.tasks])
            if self._failure is None:
                self._ledger.finish()
                await keeper
        finally:
            await _end([keeper, *walk, *workers, *self._openings.tasks])
            self._tidy_up()
        if self._failure is not None:
            raise self._failure
        return await self._conclude(self._clock() - started)

    def request_stop(self) -> None:
        """Take no further page, let those in flight finish within the limit, store, and end as STOPPED."""
        self._is_stopping = True
        self._close(Ending.STOPPED, STOPPED)

    def _begin(self, opening: Opening) -> None:
        self._frontier.seen = opening.seen
        self._reader = PageReader(
            self._scope,
            max_depth=self._definition.limits.max_depth,
            seen=opening.seen,
            directives=self._directives,
            traps=self._traps,
            may_ask=self._gate.may_ask,
            canonicals=self._canonicals,
        )
        if self._definition.start_posts or opening.resumed:
            self._visitor.posts = self._reader.posts = Posts(self._definition.start_posts)
        self._tally.go_on(opening)
        self._traps.is_unsure = Reason.SAME_CONTENT in opening.reasons
        self._gate.keep_rests(opening.rests)
        self._ledger.outside = opening.pending_dropped > 0
        if self._tally.answered >= self._max_pages:
            self._reach_page_limit()

    async def _begin_walk(self) -> list[asyncio.Task[None]]:
        """The task that reads the sitemaps, where there are any."""
        if not self._definition.sitemaps:
            return []
        walk = self._walk = SitemapWalk(
            self._definition,
            fetchers=self._fetchers,
            gate=self._gate,
            scope=self._scope,
            planter=self._ledger,
            memory=await self._storage.sitemap_memory(),
            seen=self._frontier.seen,
            retry=self._retry,
            clock=self._clock,
            on_quiet=self._room.wake_one,  # a worker then finds that it is quiet, and ends the crawl
        )
        return [asyncio.create_task(walk.run(on_done=self._go_on), name="crawl sitemaps")]

    async def _until_over(self, spent: float) -> None:
        seconds = self._definition.limits.max_seconds
        if seconds is None:
            await self._over.wait()
            return
        handle = asyncio.get_running_loop().call_later(
            max(0.0, seconds - spent), self._close, Ending.LIMITED, f"Stopped at max_seconds = {seconds:g}"
        )
        try:
            await self._over.wait()
        finally:
            handle.cancel()

    def _close(self, ending: Ending, message: str) -> None:
        if self._closing is not None:
            return
        self._closing = ending
        self._limit_message = message
        self._openings.cancel()
        if self._busy:
            # A page that is cut stays in the frontier.
            seconds = self._drain_seconds if ending is Ending.STOPPED else min(LIMIT_GRACE, self._drain_seconds)
            self._drain = asyncio.get_running_loop().call_later(seconds, self._over.set)
        else:
            self._over.set()

    def _reach_page_limit(self) -> None:
        self._close(Ending.LIMITED, f"Stopped at max_pages = {self._definition.limits.max_pages}")

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failure is None:
            self._failure = error
            self._over.set()

    def _tidy_up(self) -> None:
        now = self._clock()
        for host in self._frontier.hosts():
            host.guest.leave(now)
        if self._walk is not None:
            self._walk.close()
        self._room.close()
        if self._drain is not None:
            self._drain.cancel()

    async def _conclude(self, seconds: float) -> CrawlOutcome:
        ending, message = judge_ending(
            self._closing,
            self._limit_message,
            tally=self._tally,
            gate=self._gate,
            traps=self._traps,
            limits=self._definition.limits,
            is_left=bool(self._frontier.held) or self._ledger.outside or self._is_walking,
        )
        if ending is Ending.COMPLETED:
            await self._storage.mark_gone(stopping=lambda: self._is_stopping)
            if (
                self._is_stopping
            ):  # perhaps before all were marked: another attempt finds no page to ask for, and goes on
                ending, message = Ending.STOPPED, STOPPED
        return CrawlOutcome(ending, self._tally.counts, message, seconds)

    # -- the workers ----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            turn = self._next()
            if turn is None:
                self._look_around()
                await self._room.rest()
                continue
            host, page = turn
            self._busy += 1
            if page is None and self._openings.begin(host):
                continue
            try:
                if page is None:
                    await self._gate.open(host)
                else:
                    await self._visit(host, page)
            finally:
                self._busy -= 1

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._busy -= 1
        self._task_ended(task)
        self._go_on()

    def _next(self) -> tuple[Host, PendingPage | None] | None:
        """What to do next: a page to fetch, or a host whose robots.txt comes first (None for the page)."""
        if self._closing is not None:
            return None
        frontier, gate = self._frontier, self._gate
        now = self._clock()
        if gate.budget is not None and self._keeps_quiet(now):
            return None
        while not self._is_full:
            host = frontier.next_host(now)
            if host is None:
                return None
            step = gate.step(host, now)
            if step is Step.LATER:
                continue
            if step is Step.OPEN:
                self._wake_next()
                return host, None
            if host.in_helper >= MOST_IN_HELPER:
                frontier.park(host, now + HELPER_PAUSE)
                continue
            page = frontier.take(host)
            refusal = gate.refusal(host, page)
            if refusal is None:
                host.in_flight += 1
                host.guest.take(now)
                if gate.budget is not None:
                    gate.budget.count(host.origin)
                frontier.settle(host, now)
                self._wake_next()
                return host, page
            # A page that is not asked for takes no place in the slot and no delay.
            self._record(host, refusal)
            frontier.settle(host, now)
        return None

    @property
    def _is_walking(self) -> bool:
        return self._walk is not None and not self._walk.is_done

    @property
    def _is_full(self) -> bool:
        """Whether no page may be taken for now: there may be answers enough, or there is no room for results."""
        return self._ledger.full or self._tally.answered + self._fetching >= self._max_pages

    def _keeps_quiet(self, now: float) -> bool:
        """Whether the spider's quiet hours hold. The crawl waits for their end where that is near, else it ends."""
        quiet = self._gate.quiet(now)
        if quiet is None:
            return False
        until, why = quiet
        if until == inf:
            self._close(Ending.LIMITED, f"Stopped at {why}")
        else:
            self._room.wake_at(until)
        return True

    async def _visit(self, host: Host, page: PendingPage) -> None:
        self._fetching += 1
        try:
            fetched = await self._fetch(host, page)
            if isinstance(fetched, Answer):
                self._record(host, await self._visitor.read(host, self._reader, page, fetched))
            elif fetched is not None:
                self._record(host, fetched)
        finally:
            self._fetching -= 1

    async def _fetch(self, host: Host, page: PendingPage) -> Answer | PageResult | None:
        try:
            return await self._visitor.fetch(host, page)
        finally:
            # The host's place is free before the page is read: reading is no matter of the host.
            now = self._clock()
            host.in_flight -= 1
            host.guest.release(now)
            self._frontier.freed(host, now)

    # -- the results ----------------------------------------------------------------------------------------------

    def _record(self, host: Host, result: PageResult) -> None:
        if self._walk is not None:
            self._walk.judge(result)
        if self._canonicals is not None:
            self._canonicals.judge(result)
        self._tally.add(result)
        ledger = self._ledger
        if result.links or result.state is PageState.UNCHANGED or result.back:
            host.brought = ledger.number
        ledger.add(result, hungry=host.brought == ledger.number and not host.pages)
        if result.reason or result.reasons:
            ledger.name(self._examples.of(result))
        if self._traps.has_news:
            ledger.name(self._traps.drain())
        if self._tally.answered >= self._max_pages:
            self._reach_page_limit()

    def _stored(self, batch: Batch, answer: CheckpointAnswer) -> None:
        self._tally.add_stored(answer)
        if self._walk is not None:
            self._walk.note_rechecks(answer.rechecks)
        self._tally.counts.reasons.update(batch.reasons)
        self._gate.stored(batch, answer)
        if self._on_progress is not None:
            self._on_progress(self._tally.counts)

    # -- resting and waking ---------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """The storage has done what was asked: there may be pages, room for results, or nothing left to do."""
        self._wake_next()
        self._look_around()

    def _look_around(self) -> None:
        """What must happen while somebody has nothing to do: store, refill, set the timer, or end."""
        frontier, ledger = self._frontier, self._ledger
        if self._closing is not None:
            if not self._busy:
                self._over.set()
            return
        if frontier.ready:
            return
        is_out_of_pages = not frontier.queued and not frontier.waiting and not self._busy
        if ledger.empty:
            if is_out_of_pages and not ledger.outside and not self._is_walking:
                self._over.set()
        elif ledger.hungry or is_out_of_pages:
            ledger.ask()
        if ledger.needs_refill:
            ledger.ask()
        if not self._is_full:  # else what is due would wake a worker in vain, again and again
            self._room.wake_at(frontier.next_time())

    def _wake_next(self) -> None:
        """Each worker that found work wakes the next one, or sets the timer for it: its own work may take long."""
        if self._frontier.ready:
            self._room.wake_one()
        else:
            self._room.wake_at(self._frontier.next_time())

    def _join(self, host: Host) -> Guest:
        def wake() -> None:
            if self._frontier.wake(host):
                self._room.wake_one()

        return self._gate.join(host, wake)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _or_infinite(limit: int | None) -> float:
    return inf if limit is None else limit
