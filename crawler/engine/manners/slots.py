"""One host's manners: how many requests at once, how far apart, and not before when.

A `Slot` belongs to a host, not to a crawl: all crawls of a process that meet at one host share its budget, and the
strictest manners among them hold. ``http`` and ``https`` at their usual ports are one host; another port is another. A
crawl takes part as a `Guest`. Nothing here waits or reads a clock: every question carries the time (monotonic seconds)
and gets a value back, so that a test needs no patience.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from .politeness import HostManners
from .throttle import Throttle, Verdict

FIRST_BACKOFF, MAX_BACKOFF = 1.0, 300.0
"""Seconds: back-offs of our own begin with the one, and double. None stops a host for longer than the other, and no
crawl waits longer for a host that asked for rest."""
MAX_ROBOTS_DELAY = 60.0
"""Seconds: a longer Crawl-delay counts as this."""
TURN = 0.25
"""Seconds for which a free place is kept for the crawl whose turn it is; then it has lost that."""
TIMED_OUT = 30.0
"""Seconds that a request took that was given up, as the throttle sees it."""
SWEEP_EVERY = 1024
"""Slots joined between two searches for slots that nobody uses any more."""


def host_key(origin: str) -> str:
    """The host that an origin belongs to: its name, with the port where that is not the usual one."""
    return origin.partition("://")[2]


class Guest:
    """One crawl's part in a slot. `wake` is called when waiting may be over."""

    __slots__ = ("active", "concurrency", "delay", "is_adaptive", "manners", "may_take", "robots_delay", "slot", "wake")

    def __init__(
        self,
        slot: Slot,
        *,
        concurrency: int,
        delay: float,
        wake: Callable[[], None],
        is_adaptive: bool = False,
        manners: HostManners | None = None,
    ) -> None:
        self.slot = slot
        self.concurrency = concurrency
        self.delay = delay
        self.robots_delay = 0.0
        self.is_adaptive = is_adaptive
        self.wake = wake
        self.may_take: Callable[[], bool] = lambda: True
        """Whether the crawl has room for a page: no place is kept for one that waits for its storage."""
        self.manners = manners or HostManners()
        """What is counted for the report."""
        self.active = 0

    def wait(self, now: float) -> float:
        """0.0: a request may start. Else the time at which to ask again; infinite: when `wake` is called."""
        slot = self.slot
        if slot.active >= slot.concurrency:
            slot.line_up(self)
            # Whoever is first may have left the host alone, and wake nobody.
            return now + TURN if slot.line and slot.line[0] is not self else inf
        free_at = slot.next_start if slot.next_start > slot.blocked_until else slot.blocked_until
        if now < free_at:
            slot.line_up(self)
            return free_at
        while slot.line and (first := slot.line[0]) is not self:
            kept_until = (slot.offered_at if slot.offered_at > free_at else free_at) + TURN
            if now < kept_until and first.may_take():
                slot.line_up(self)
                return kept_until
            # It lines up again when it asks: one that has left the host alone must not cost a wait each time.
            slot.give_turn(first, now)
        return 0.0

    def take(self, now: float) -> None:
        """Start a request; only after `wait` said 0.0 for the same `now`."""
        slot, manners = self.slot, self.manners
        slot.active += 1
        self.active += 1
        slot.next_start = now + slot.delay
        if slot.active > manners.peak_concurrency:
            manners.peak_concurrency = slot.active
        if now - slot.last_start < manners.smallest_gap:
            manners.smallest_gap = now - slot.last_start
        slot.last_start = now
        second = int(now)
        if second != slot.second:
            slot.second = second
            slot.in_second = 0
        slot.in_second += 1
        if slot.in_second > manners.peak_rate:
            manners.peak_rate = slot.in_second
        if slot.line:
            slot.give_turn(self, now)

    def stand_aside(self, now: float) -> None:
        """The crawl has nothing to ask the host for now: whoever waits behind it need not wait for it."""
        if self.slot.line:
            self.slot.give_turn(self, now)

    def release(self, now: float) -> None:
        """A request that was taken is through."""
        slot = self.slot
        slot.active -= 1
        self.active -= 1
        if slot.line:
            slot.offer(now)

    def answered(self, seconds: float) -> None:
        """The host answered well, after `seconds`, a request that has not been released yet."""
        slot, manners = self.slot, self.manners
        slot.strikes = 0
        manners.answers += 1
        manners.answer_seconds += seconds
        if slot.throttle is not None and slot.throttle.answered(seconds, slot.active, slot.allowed):
            slot.settle()

    def timed_out(self) -> None:
        """The host gave no answer in time. To be called before the request is released."""
        throttle = self.slot.throttle
        if throttle is not None and throttle.answered(TIMED_OUT, self.slot.active, self.slot.allowed):
            self.slot.settle()

    def refused(self, status: int, now: float, seconds: float | None = None) -> float:
        """The host asked for rest (429, 503, or by naming a time), for `seconds` if it said so. Gives the end of it.

        To be called before the request is released.
        """
        slot, manners = self.slot, self.manners
        if status == 429:
            manners.too_many += 1
        elif status == 503:
            manners.unavailable += 1
        if seconds is not None:
            manners.retry_after += 1
            manners.longest_retry_after = max(manners.longest_retry_after, seconds)
        if self._is_answered() and seconds is None:
            return max(slot.blocked_until, now)
        before = slot.blocked_until
        until = slot.back_off(now, seconds)
        if before <= now < until:
            manners.rests += 1
        manners.rested += until - max(before, now)
        return until

    def _is_answered(self) -> bool:
        """Whether the throttle's answer to a refusal is enough, unless the host names a time: to one that comes by
        chance, and to the first one since an answer that was well, with its burst."""
        slot = self.slot
        if slot.throttle is None:
            return False
        verdict = slot.throttle.refused(slot.active)
        slot.settle()
        if verdict is Verdict.BURST:
            return True
        if slot.strikes or verdict is Verdict.CHANCE:
            return not slot.strikes
        is_enough = slot.throttle.limit > 1
        # Where pauses are no answer either, a rest of a second is none.
        slot.strikes = int(is_enough or slot.throttle.pause > 0)
        return is_enough

    def obey(self, delay: float | None) -> None:
        """What robots.txt asks of the time between two requests, in seconds; None: nothing."""
        self.robots_delay = min(max(delay or 0.0, 0.0), MAX_ROBOTS_DELAY)
        self.manners.rules_delay = delay or 0.0
        slot = self.slot
        slot.settle()
        slot.next_start = max(slot.next_start, slot.last_start + slot.delay)

    def keep_rest(self, until: float) -> None:
        """The host has asked for rest until then, before this process knew of it."""
        self.slot.blocked_until = max(self.slot.blocked_until, until)

    def must_leave(self, now: float) -> bool:
        """Whether the host asked for a longer rest than any crawl waits for."""
        return self.slot.blocked_until - now > MAX_BACKOFF

    def note(self) -> None:
        """Write into the report what is in force."""
        slot, manners = self.slot, self.manners
        manners.in_use = slot.active
        manners.at_once = slot.concurrency
        manners.delay = slot.delay
        manners.delay_by = slot.delay_by(self)
        if slot.throttle is not None:
            manners.throttle_limit = float(slot.throttle.limit)
            manners.throttle_cuts = slot.throttle.cuts
            if slot.throttle.cuts:
                manners.throttle_lowest = float(slot.throttle.lowest)

    def leave(self, now: float) -> None:
        """The crawl is over: its manners no longer bind the host, its open requests no longer count."""
        slot = self.slot
        slot.active -= self.active
        self.active = 0
        self.note()
        slot.drop(self, now)


class Slot:
    """The state of one host. Only `Guest` and `Slots` touch it."""

    __slots__ = (
        "active",
        "allowed",
        "blocked_until",
        "concurrency",
        "delay",
        "guests",
        "in_second",
        "last_start",
        "line",
        "next_start",
        "offered_at",
        "second",
        "strikes",
        "throttle",
    )

    def __init__(self) -> None:
        self.active = 0
        self.allowed = 1
        """Requests at once by the guests' manners."""
        self.concurrency = 1
        """The same, or what the throttle found right where that is less."""
        self.delay = 0.0
        self.next_start = 0.0
        self.last_start = -inf
        self.second = 0
        self.in_second = 0
        """Requests that began in that second of the clock."""
        self.blocked_until = 0.0
        self.offered_at = 0.0
        self.strikes = 0
        self.throttle: Throttle | None = None
        self.guests: list[Guest] = []
        self.line: list[Guest] = []
        """Guests that wait, first come first served; kept only while the slot is shared: there are few, and slots are
        many."""

    def back_off(self, now: float, seconds: float | None = None) -> float:
        """Rest for 1, 2, 4 … seconds, or for `seconds` where the host named more. Gives the end."""
        if seconds is None and now < self.blocked_until:
            return self.blocked_until  # one burst: the requests that were under way when it began
        if now >= self.blocked_until:
            self.strikes += 1
        own = min(FIRST_BACKOFF * 2.0 ** min(self.strikes - 1, 16), MAX_BACKOFF)
        self.blocked_until = max(self.blocked_until, now + max(seconds or 0.0, own))
        return self.blocked_until

    def settle(self) -> None:
        """The strictest manners of all guests hold."""
        guests = self.guests
        self.allowed = self.concurrency = min((guest.concurrency for guest in guests), default=1)
        self.delay = max((max(guest.delay, guest.robots_delay) for guest in guests), default=0.0)
        if any(guest.is_adaptive for guest in guests):
            throttle = self.throttle = self.throttle or Throttle()
            self.concurrency = min(self.concurrency, throttle.limit)
            self.delay = max(self.delay, throttle.pause)
        else:
            self.throttle = None

    def delay_by(self, guest: Guest) -> str:
        """Whose wish the delay is, as `guest` sees it."""
        if not self.delay:
            return ""
        if guest.robots_delay == self.delay:
            return "robots"
        if guest.delay == self.delay:
            return "spider"
        if self.throttle is not None and self.throttle.pause == self.delay:
            return "throttle"
        return "crawl"

    def line_up(self, guest: Guest) -> None:
        if len(self.guests) > 1 and guest not in self.line:
            self.line.append(guest)

    def give_turn(self, taker: Guest, now: float) -> None:
        """`taker` has had its turn; the next in line hears of it, to take what is left or to wait on."""
        if taker in self.line:
            self.line.remove(taker)
        if self.line:
            self.offer(now)

    def offer(self, now: float) -> None:
        """Wake the first in line. Who has no room for a page leaves the line, and asks again when it has."""
        self.offered_at = now
        while self.line:
            first = self.line[0]
            first.wake()
            if first.may_take():
                return
            self.line.remove(first)

    def drop(self, guest: Guest, now: float) -> None:
        if guest in self.guests:
            self.guests.remove(guest)
        self.give_turn(guest, now)
        if self.guests:
            self.settle()

    def is_idle(self, now: float) -> bool:
        return not self.guests and now >= self.blocked_until and now >= self.next_start


class Slots:
    """The slots of a process, by host."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}
        self._until_sweep = SWEEP_EVERY

    def __len__(self) -> int:
        return len(self._slots)

    def join(
        self,
        origin: str,
        *,
        concurrency: int,
        delay: float,
        wake: Callable[[], None],
        now: float,
        is_adaptive: bool = False,
        manners: HostManners | None = None,
    ) -> Guest:
        """Take part in the slot of the host of `origin`, which is made at need. Ends with `Guest.leave`."""
        key = host_key(origin)
        slot = self._slots.get(key)
        if slot is None:
            self._until_sweep -= 1
            if self._until_sweep <= 0:
                self._sweep(now)
            slot = self._slots[key] = Slot()
        guest = Guest(
            slot,
            concurrency=max(1, concurrency),
            delay=max(0.0, delay),
            wake=wake,
            is_adaptive=is_adaptive,
            manners=manners,
        )
        slot.guests.append(guest)
        slot.settle()
        return guest

    def _sweep(self, now: float) -> None:
        """Forget hosts that nobody crawls and that asked for no rest: their state says nothing any more."""
        self._slots = {key: slot for key, slot in self._slots.items() if not slot.is_idle(now)}
        self._until_sweep = SWEEP_EVERY
