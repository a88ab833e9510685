"""Between the frontier and the hosts: whether a host may be asked now, and what becomes of it where it may not.

A host may have to wait (its slot), to be opened first (robots.txt, what is left of its day), or be left for another
time: its pages then stay in the frontier, and the crawl ends as limited and says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from enum import Enum
from math import inf
from typing import TypeAlias

from crawler.engine.discovery import Scope
from crawler.engine.errors import FetchError, Reason
from crawler.engine.frontier import Frontier, Host
from crawler.engine.reading import failed, refused
from crawler.engine.records import Batch, CheckpointAnswer, PageResult, PendingPage
from crawler.engine.spider import Manners
from crawler.engine.storage import CrawlStorage
from crawler.engine.traps import Quotas
from crawler.engine.urls import origin_of
from crawler.engine.visit import Fetchers

from .budget import MAX_WAIT, Budget, Calendar
from .politeness import HostManners, Politeness
from .robots import ALLOW_ALL, Robots, RobotsRules, product_token
from .slots import MAX_BACKOFF, Guest, Slots

BIG_RULES = 64_000
"""Bytes of a robots.txt whose rules a host of a wide crawl does not keep to itself between two pages."""
NOTE_EVERY = 10.0
"""Seconds between two checkpoints that store how the hosts were treated; the last one does so too."""
FEW_HOSTS, NOTE_FEW_EVERY = 20, 1.0
"""So few cost next to nothing: they are stored so often that people see them at work."""
MAX_NAMED = 3
"""Hosts that are named in the crawl's last sentence."""
LONGEST_NAP = 1.0
"""Seconds between two looks at a slot that is taken: it says when it is free, this is for the case that it cannot."""


Prepare: TypeAlias = Callable[[str], Awaitable[None]]
"""Looks up the name of an origin's host, and raises nothing."""


class NoPlace(FetchError):
    """A host to which another one's robots.txt leads has had no place free for so long as a crawl waits."""

    reason = Reason.ROBOTS_UNREACHABLE
    retriable = False


class Step(Enum):
    """What to do with a host whose turn it is."""

    GO = 0
    OPEN = 1
    LATER = 2


class Gate:
    """One crawl's way to its hosts."""

    def __init__(
        self,
        manners: Manners,
        *,
        user_agent: str,
        fetchers: Fetchers,
        scope: Scope,
        slots: Slots,
        robots: Robots,
        storage: CrawlStorage,
        quotas: Quotas | None,
        calendar: Calendar,
        clock: Callable[[], float],
        prepare: Prepare | None = None,
    ) -> None:
        self._manners = manners
        self.agent = product_token(user_agent)
        """The name by which robots.txt knows the crawler."""
        self._fetchers = fetchers
        self._scope = scope
        self._slots = slots
        self._robots = robots
        self._quotas = quotas
        self._calendar = calendar
        self._clock = clock
        self._prepare = prepare
        self._politeness = Politeness()
        self._note_at = clock() + NOTE_FEW_EVERY
        self._left: dict[Host, tuple[Reason, datetime]] = {}
        self._told: Counter[str] = Counter()
        """Pages that were left, as far as checkpoints were told."""
        self._ends_in_quiet = False
        self.budget = Budget.of(manners, calendar, storage)
        self.frontier: Frontier

    def join(self, host: Host, wake: Callable[[], None]) -> Guest:
        """Give a new host its part in its slot."""
        if not self._manners.obey_robots:
            host.rules = ALLOW_ALL
        return self._slots.join(
            host.origin,
            concurrency=self._manners.concurrency_per_host,
            delay=self._manners.delay,
            wake=wake,
            now=self._clock(),
            is_adaptive=self._manners.adaptive_throttle,
            manners=self._politeness.begin(host.origin),
        )

    def visitor(self, origin: str, wake: Callable[[], None]) -> Guest:
        """A second part in a host's slot, for what is no page; the host's account is one."""
        return self._slots.join(
            origin,
            concurrency=self._manners.concurrency_per_host,
            delay=self._manners.delay,
            wake=wake,
            now=self._clock(),
            is_adaptive=self._manners.adaptive_throttle,
            manners=self.frontier.host_at(origin).guest.manners,
        )

    def known_rules(self, origin: str) -> RobotsRules | None:
        """A host's robots.txt, where it is known and still holds."""
        return self._robots.known(origin)

    async def rules(self, origin: str, manners: HostManners) -> RobotsRules:
        """A host's robots.txt, whether or not the spider obeys it. `manners` counts the request, where it is ours."""
        manners.robots_requests += not self._robots.is_at_hand(origin)
        return await self._robots.rules(origin, self._fetchers.for_origin, self._passage)

    def may_ask(self, url: str) -> bool | None:
        """Whether its host's robots.txt allows `url`, or the spider does not obey that; None where it is not known."""
        if not self._manners.obey_robots:
            return True
        rules = self._robots.known(origin_of(url))
        return None if rules is None else rules.allows(url, self.agent)

    @property
    def obeys_robots(self) -> bool:
        return self._manners.obey_robots

    def keep_rests(self, rests: Mapping[str, datetime]) -> None:
        """Leave hosts alone that asked an earlier crawl for it, whatever process that was."""
        now, wall = self._clock(), self._calendar.now()
        for origin, until in rests.items():
            if until > wall:
                self.frontier.host_at(origin).guest.keep_rest(now + (until - wall).total_seconds())

    def forget(self, host: Host) -> None:
        """The frontier has forgotten an idle host."""
        self._politeness.end(host.origin)

    def step(self, host: Host, now: float) -> Step:
        """What to do with `host`, which `Frontier.next_host` gave: where it may not be asked, it has found its place.

        After OPEN comes `open`; after GO the slot is free.
        """
        budget, frontier = self.budget, self.frontier
        if not host.is_named and self._prepare is not None:
            frontier.opening(host)
            return Step.OPEN
        if budget is not None and not budget.knows(host.origin):
            frontier.opening(host)
            return Step.OPEN
        guest = host.guest
        wait = guest.wait(now)
        if wait:
            if guest.must_leave(now):
                self.leave(host, now)
            else:
                frontier.park(host, wait)
            return Step.LATER
        rules = host.rules
        if rules is None or rules.expires_at <= now:
            known = self._robots.known(host.origin)
            if known is not None:
                self._obey(host, known, now)
                return Step.LATER
            # To ask for robots.txt is to ask the host.
            guest.take(now)
            frontier.opening(host)
            return Step.OPEN
        if budget is not None and budget.is_spent(host.origin):
            self._leave(host, Reason.DAY_BUDGET, budget.next_day)
            return Step.LATER
        return Step.GO

    async def open(self, host: Host) -> None:
        """Learn what `step` wanted to know."""
        if not host.is_named and self._prepare is not None:
            await self._prepare(host.origin)
            host.is_named = True
            self.frontier.opened(host, host.rules, self._clock())
            return
        if self.budget is not None and not self.budget.knows(host.origin):
            await self.budget.learn(host.origin)
            self.frontier.opened(host, host.rules, self._clock())
            return
        try:
            rules = await self.rules(host.origin, host.guest.manners)
        finally:
            host.guest.release(self._clock())
        self._obey(host, rules, self._clock())

    def refusal(self, host: Host, page: PendingPage) -> PageResult | None:
        """Why a page of an open host is not asked for. None: it is.

        Links were judged when they were found; start pages, and what an unchanged page linked to, were not.
        """
        reason = self._scope.judge(page.url, page.depth)
        if reason is not None:
            return refused(page, reason)
        rules = host.rules
        if rules is not None and rules.size > BIG_RULES and self.frontier.is_wide:
            host.rules = None  # `step` asks for them again: as long as they are known, nobody else is asked
        if rules is None or rules.allows(page.url, self.agent):
            over = self._quotas.refuse(page.url) if self._quotas is not None and not page.attempts else None
            return None if over is None else refused(page, *over)
        if rules.problem:
            if rules.reason is not Reason.ROBOTS_UNREACHABLE:
                return failed(page, rules.reason, rules.problem)  # the host itself is away
            host.guest.manners.robots_unreachable += 1
            return refused(page, rules.reason, rules.problem)
        host.guest.manners.robots_refused += 1
        return refused(page, Reason.ROBOTS_DISALLOWED)

    def leave(self, host: Host, now: float) -> None:
        """The host asked for a rest longer than a crawl waits: nothing more of it is asked for in this crawl."""
        until = self._calendar.now() + timedelta(seconds=max(0.0, host.guest.slot.blocked_until - now))
        # Whole seconds, and never too early.
        self._leave(host, Reason.HOST_REST, (until + timedelta(microseconds=999_999)).replace(microsecond=0))

    def quiet(self, now: float) -> tuple[float, str] | None:
        """In quiet hours: when to ask again (infinite: the crawl should end), and the sentence's part that says so."""
        until = None if self.budget is None else self.budget.quiet_until(now)
        if self.budget is None or until is None:
            return None
        seconds = self.budget.seconds_until(until)
        self._ends_in_quiet = seconds > MAX_WAIT
        return inf if self._ends_in_quiet else now + seconds, self.budget.why(Reason.QUIET_HOURS, until)

    @property
    def kept_away(self) -> bool:
        """Whether the spider's own document kept the crawl from asking: no fault of anybody where it got nowhere."""
        return self._ends_in_quiet or any(reason is Reason.DAY_BUDGET for reason, _until in self._left.values())

    @property
    def why_left(self) -> str:
        """The sentence's part about hosts whose pages were left; empty where there are none."""
        named = []
        for host, (reason, until) in list(self._left.items())[:MAX_NAMED]:
            if reason is Reason.HOST_REST:
                named.append(f"{host.origin} asked to be left alone until {self._calendar.shown(until)}")
            elif self.budget is not None:
                named.append(f"{self.budget.why(reason, until)} for {host.origin}")
        more = len(self._left) - MAX_NAMED
        return "; ".join(named) + (f"; and {more} more hosts" if more > 0 else "")

    # -- what the storage is told -----------------------------------------------------------------------------------

    def note(self, batch: Batch, is_last: bool) -> None:
        """Give a batch what it stores of the hosts, if it is time."""
        now = self._clock()
        if self.budget is not None:
            batch.day = self.budget.day
        left = self._count_left()
        if is_last and self._ends_in_quiet:
            found = sum(len(result.links) for result in batch.results)
            left[Reason.QUIET_HOURS.value] = len(self.frontier.held) - self.frontier.left - len(batch.results) + found
        batch.reasons += left - self._told
        self._told = left
        if now >= self._note_at or is_last:
            batch.hosts = self.hosts()
            self._note_at = now + (NOTE_FEW_EVERY if len(batch.hosts) <= FEW_HOSTS else NOTE_EVERY)

    def stored(self, batch: Batch, answer: CheckpointAnswer) -> None:
        if self.budget is not None:
            self.budget.stored(batch.day, answer.host_pages)

    def hosts(self) -> dict[str, HostManners]:
        """How each host has been treated so far."""
        for host in self.frontier.hosts():
            host.guest.note()
        return self._politeness.totals()

    @asynccontextmanager
    async def _passage(self, origin: str) -> AsyncGenerator[None, None]:
        """A place in the slot of a host to which another one's robots.txt redirects."""
        awake = asyncio.Event()
        manners = self._manners
        guest = self._slots.join(
            origin,
            concurrency=manners.concurrency_per_host,
            delay=manners.delay,
            wake=awake.set,
            now=self._clock(),
            is_adaptive=manners.adaptive_throttle,
        )
        try:
            await self._take_place(guest, awake)
            yield
        finally:
            guest.leave(self._clock())

    async def _take_place(self, guest: Guest, awake: asyncio.Event) -> None:
        give_up_at = self._clock() + MAX_BACKOFF
        while until := guest.wait(now := self._clock()):
            # Two hosts whose robots.txt lead to each other would else wait for each other for ever.
            if now >= give_up_at or give_up_at < until < inf:
                raise NoPlace("the host may not be asked for now")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(until - now, LONGEST_NAP)):
                    await awake.wait()
            awake.clear()
        guest.take(now)

    def _obey(self, host: Host, rules: RobotsRules, now: float) -> None:
        host.guest.obey(rules.crawl_delay(self.agent))
        self.frontier.opened(host, rules, now)

    def _leave(self, host: Host, reason: Reason, until: datetime) -> None:
        if host in self._left:
            return
        self._left[host] = (reason, until)
        host.guest.manners.closed_by = reason.value
        host.guest.manners.closed_until = until.isoformat(timespec="seconds")
        self.frontier.leave(host)

    def _count_left(self) -> Counter[str]:
        left: Counter[str] = Counter()
        for host, (reason, _until) in self._left.items():
            left[reason.value] += host.left
        return left
