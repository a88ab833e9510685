"""A fixed set of workers that take pages from the frontier, fetch them, have them read and hand in results.

There is no task, lock or timer for a page. A worker that finds nothing to do rests on a future; it is woken by a
checkpoint that brought pages, by a slot that became free, or by the one timer for whatever is due next.

No worker ever waits for a slot: it takes a page only where the host's slot is free, so that a host that answers slowly
holds as many workers as its concurrency allows and no more. (Thirteen such hosts hold all 64.) A new link of a host
that has no page in memory comes with the next checkpoint: at once where nobody has anything else to do or the page's
own host has run dry, else after `checkpoint_seconds` at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from .canonicals import Canonicals
from .desk import Desk, Reading
from .examples import Examples
from .frontier import Frontier, Host
from .ledger import Ledger
from .manners.gate import Gate, Step
from .manners.openings import Openings
from .reading import PageReader
from .records import Answer, Ending, PageResult, PageState, PendingPage
from .rest import RestRoom
from .sitemap.walk import SitemapWalk
from .tally import Tally
from .tools import Pace
from .traps import Traps
from .visit import Visitor

MOST_IN_HELPER = 4
"""Pages of one host that are in a helper process or wait for it: no more are fetched then, so that a host of hostile
pages does not hold all places."""
HELPER_PAUSE = 0.1
"""Seconds until such a host is looked at again."""
LIMIT_GRACE = 1.0
"""Seconds for which a crawl that a limit ends waits for the pages in flight."""


class Crew:
    """The workers of one crawl. `over` is set when there is nothing left to do, or too little time to do it in."""

    def __init__(
        self,
        *,
        frontier: Frontier,
        gate: Gate,
        room: RestRoom,
        visitor: Visitor,
        tally: Tally,
        traps: Traps,
        canonicals: Canonicals | None,
        max_pages: int | None,
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self._frontier = frontier
        self._gate = gate
        self._room = room
        self._visitor = visitor
        self._tally = tally
        self._traps = traps
        self._canonicals = canonicals
        self._examples = Examples()
        self._max_pages = inf if max_pages is None else max_pages
        self._pace = pace
        self._clock = clock
        self._openings = Openings(gate.open, self._opened)
        self._desk = Desk(self._read, on_result=self._take, on_turn=self.go_on, on_end=self._read_outside, clock=clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._busy = 0
        """Workers that do something, hosts that are opened, and pages that are read or are about to be."""
        self._fetching = 0
        """Pages of these: each may become an answer."""
        self._drain: asyncio.TimerHandle | None = None
        self._is_quiet = False
        """Whether the last look for a page was in quiet hours."""
        self.ledger: Ledger
        self.reader: PageReader
        self.walk: SitemapWalk | None = None
        self.over = asyncio.Event()
        self.ending: Ending | None = None
        """Why no further page is taken; None: there are pages to be taken, or there may be."""
        self.message = ""
        self.failure: BaseException | None = None

    # -- the whole ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Set everybody to work."""
        numbers = range(self._pace.max_concurrency)
        self._tasks = [asyncio.create_task(self._work(), name=f"crawl worker {number}") for number in numbers]
        self._tasks.append(asyncio.create_task(self._desk.run(), name="crawl desk"))
        for task in self._tasks:
            task.add_done_callback(self.hear)

    def hear(self, task: asyncio.Task[None]) -> None:
        """A task of the crawl has ended; where it failed, the crawl has."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self.failure is None:
            self.failure = error
            self.over.set()

    def close(self, ending: Ending, message: str) -> None:
        """Take no further page; let those in flight finish within the limit."""
        if self.ending is not None:
            return
        self.ending = ending
        self.message = message
        self._openings.cancel()
        if self._busy:
            # A page that is cut stays in the frontier.
            seconds = (
                self._pace.drain_seconds if ending is Ending.STOPPED else min(LIMIT_GRACE, self._pace.drain_seconds)
            )
            self._drain = asyncio.get_running_loop().call_later(seconds, self.over.set)
        else:
            self.over.set()

    def close_at_page_limit(self) -> None:
        """Where there are as many answers as the spider may have."""
        if self._tally.answered >= self._max_pages:
            self.close(Ending.LIMITED, f"Stopped at max_pages = {self._max_pages}")

    async def end(self) -> None:
        """Drop whatever is still under way."""
        if self._drain is not None:
            self._drain.cancel()
        await end_tasks([*self._tasks, *self._openings.tasks, *self._desk.tasks])

    @property
    def is_walking(self) -> bool:
        """Whether sitemaps are being read that may name more pages."""
        return self.walk is not None and not self.walk.is_done

    # -- a worker -------------------------------------------------------------------------------------------------

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
        self.hear(task)
        self.go_on()

    def _next(self) -> tuple[Host, PendingPage | None] | None:
        """What to do next: a page to fetch, or a host whose robots.txt comes first (None for the page)."""
        if self.ending is not None:
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
                host.guest.stand_aside(now)
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

    def may_take(self) -> bool:
        """Whether a page would be taken if there was one that its host allows."""
        return self.ending is None and not self._is_quiet and not self._is_full

    @property
    def _is_full(self) -> bool:
        """Whether no page may be taken for now: all places are taken, there may be answers enough, or there is no room
        for results."""
        fetching = self._fetching
        return (
            fetching >= self._pace.max_concurrency
            or self._tally.answered + fetching >= self._max_pages
            or not self.ledger.has_room(self._desk.unread)
        )

    def _keeps_quiet(self, now: float) -> bool:
        """Whether the spider's quiet hours hold. The crawl waits for their end where that is near, else it ends."""
        quiet = self._gate.quiet(now)
        self._is_quiet = quiet is not None
        if quiet is None:
            return False
        until, why = quiet
        if until == inf:
            self.close(Ending.LIMITED, f"Stopped at {why}")
        else:
            self._room.wake_at(until)
        return True

    async def _visit(self, host: Host, page: PendingPage) -> None:
        self._fetching += 1
        try:
            fetched = await self._visitor.fetch(host, page)
        except BaseException:
            self._fetching -= 1
            raise
        finally:
            # The host's place is free before the page is read: reading is no matter of the host.
            now = self._clock()
            host.in_flight -= 1
            host.guest.release(now)
            self._frontier.freed(host, now)
        if isinstance(fetched, Answer):
            self._busy += 1
            self._desk.put(host, page, fetched)
            if self._desk.is_full:
                await self._desk.clear()
            return
        if fetched is not None:
            self._record(host, fetched)
        self._fetching -= 1

    # -- the results ----------------------------------------------------------------------------------------------

    def _read(self, host: Host, page: PendingPage, answer: Answer) -> Reading:
        return self._visitor.read(host, self.reader, page, answer)

    def _take(self, host: Host, result: PageResult) -> None:
        """A page has been read."""
        self._record(host, result)
        self._fetching -= 1
        self._busy -= 1

    def _read_outside(self, task: asyncio.Task[None]) -> None:
        self.hear(task)
        self.go_on()

    def _record(self, host: Host, result: PageResult) -> None:
        if self.walk is not None:
            self.walk.judge(result)
        if self._canonicals is not None:
            self._canonicals.judge(result)
        self._tally.add(result)
        ledger = self.ledger
        if result.links or result.state is PageState.UNCHANGED or result.back:
            host.brought = ledger.number
        ledger.add(result, hungry=host.brought == ledger.number and not host.pages)
        if result.reason or result.reasons:
            ledger.name(self._examples.of(result))
        if self._traps.has_news:
            ledger.name(self._traps.drain())
        self.close_at_page_limit()

    # -- resting and waking ---------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """The storage has done what was asked, or pages were read: there may be pages, room, or nothing left to do."""
        self._wake_next()
        self._look_around()

    def _look_around(self) -> None:
        """What must happen while somebody has nothing to do: store, refill, set the timer, or end."""
        frontier, ledger = self._frontier, self.ledger
        if self.ending is not None:
            if not self._busy:
                self.over.set()
            return
        if frontier.ready:
            return
        is_out_of_pages = not frontier.queued and not frontier.waiting and not self._busy
        if ledger.empty:
            if is_out_of_pages and not ledger.outside and not self.is_walking:
                self.over.set()
        elif ledger.hungry or is_out_of_pages:
            ledger.ask()
        if ledger.needs_refill:
            ledger.ask()
        if not self._is_full and not self._is_quiet:  # else what is due would wake a worker in vain, again and again
            self._room.wake_at(frontier.next_time())

    def _wake_next(self) -> None:
        """Each worker that found work wakes the next one, or sets the timer for it: its own work may take long."""
        if self._frontier.ready:
            self._room.wake_one()
        else:
            self._room.wake_at(self._frontier.next_time())


async def end_tasks(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel them, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
