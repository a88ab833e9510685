"""One host's manners: how many requests at once, how far apart, and not before when.

A `Slot` belongs to an origin, not to a crawl: all crawls of a process that meet at one origin share its budget, and
the strictest manners among them hold. A crawl takes part as a `Guest`. Nothing here waits or reads a clock: every
question carries the time (monotonic seconds) and gets a value back, so that a test needs no patience.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

MAX_BACKOFF = 300.0
"""Seconds: no Retry-After and no back-off of ours stops a host for longer."""
MAX_ROBOTS_DELAY = 60.0
"""Seconds: a longer Crawl-delay counts as this."""
TURN = 0.25
"""Seconds for which a free place is kept for the crawl whose turn it is."""
SWEEP_EVERY = 1024
"""Slots joined between two searches for slots that nobody uses any more."""


class Guest:
    """One crawl's part in a slot. `wake` is called when waiting may be over."""

    __slots__ = ("active", "concurrency", "delay", "slot", "wake")

    def __init__(self, slot: Slot, *, concurrency: int, delay: float, wake: Callable[[], None]) -> None:
        self.slot = slot
        self.concurrency = concurrency
        self.delay = delay
        self.wake = wake
        self.active = 0

    def wait(self, now: float) -> float:
        """0.0: a request may start. Else the time at which to ask again; infinite: when `wake` is called."""
        slot = self.slot
        if slot.active >= slot.concurrency:
            slot.line_up(self)
            return inf
        free_at = slot.next_start if slot.next_start > slot.blocked_until else slot.blocked_until
        if now < free_at:
            slot.line_up(self)
            return free_at
        if slot.line and slot.line[0] is not self:
            kept_until = (slot.offered_at if slot.offered_at > free_at else free_at) + TURN
            if now < kept_until:
                slot.line_up(self)
                return kept_until
        return 0.0

    def take(self, now: float) -> None:
        """Start a request; only after `wait` said 0.0 for the same `now`."""
        slot = self.slot
        slot.active += 1
        self.active += 1
        slot.next_start = now + slot.delay
        if slot.line:
            slot.give_turn(self, now)

    def release(self, now: float) -> None:
        """A request that was taken is through."""
        slot = self.slot
        slot.active -= 1
        self.active -= 1
        if slot.line:
            slot.offered_at = now
            slot.line[0].wake()

    def leave(self, now: float) -> None:
        """The crawl is over: its manners no longer bind the host, its open requests no longer count."""
        slot = self.slot
        slot.active -= self.active
        self.active = 0
        slot.drop(self, now)


class Slot:
    """The state of one origin. Only `Guest` and `Slots` touch it, but for `back_off`, `calm` and `obey`."""

    __slots__ = (
        "active",
        "blocked_until",
        "concurrency",
        "delay",
        "guests",
        "line",
        "next_start",
        "offered_at",
        "robots_delay",
        "strikes",
    )

    def __init__(self) -> None:
        self.active = 0
        self.concurrency = 1
        self.delay = 0.0
        self.robots_delay = 0.0
        self.next_start = 0.0
        self.blocked_until = 0.0
        self.offered_at = 0.0
        self.strikes = 0
        self.guests: list[Guest] = []
        self.line: deque[Guest] = deque()
        """Guests that wait, first come first served; kept only while the slot is shared."""

    def back_off(self, now: float, seconds: float | None = None) -> float:
        """The host asked for rest (429, 503): for `seconds` if it said so, else 1, 2, 4 … seconds. Gives the end."""
        if seconds is None and now < self.blocked_until:
            return self.blocked_until  # one burst: the requests that were under way when it began
        self.strikes += 1
        pause = float(2 ** min(self.strikes - 1, 16)) if seconds is None else max(0.0, seconds)
        self.blocked_until = max(self.blocked_until, now + min(pause, MAX_BACKOFF))
        return self.blocked_until

    def calm(self) -> None:
        """The host answered well: the next back-off begins small again."""
        self.strikes = 0

    def obey(self, crawl_delay: float | None, now: float) -> None:
        """What robots.txt says of the delay; None: nothing. The request for robots.txt was itself a start."""
        self.robots_delay = min(max(crawl_delay or 0.0, 0.0), MAX_ROBOTS_DELAY)
        self.settle()
        self.next_start = max(self.next_start, now + self.delay)

    def settle(self) -> None:
        """The strictest manners of all guests hold."""
        self.concurrency = min((guest.concurrency for guest in self.guests), default=1)
        self.delay = max(self.robots_delay, max((guest.delay for guest in self.guests), default=0.0))

    def line_up(self, guest: Guest) -> None:
        if len(self.guests) > 1 and guest not in self.line:
            self.line.append(guest)

    def give_turn(self, taker: Guest, now: float) -> None:
        """`taker` has had its turn; the next in line hears of it, to take what is left or to wait on."""
        if taker in self.line:
            self.line.remove(taker)
        if self.line:
            self.offered_at = now
            self.line[0].wake()

    def drop(self, guest: Guest, now: float) -> None:
        if guest in self.guests:
            self.guests.remove(guest)
        self.give_turn(guest, now)
        if self.guests:
            self.settle()

    def is_idle(self, now: float) -> bool:
        return not self.guests and now >= self.blocked_until and now >= self.next_start


class Slots:
    """The slots of a process, by origin."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}
        self._until_sweep = SWEEP_EVERY

    def __len__(self) -> int:
        return len(self._slots)

    def join(self, origin: str, *, concurrency: int, delay: float, wake: Callable[[], None], now: float) -> Guest:
        """Take part in the slot of `origin`, which is made at need. Ends with `Guest.leave`."""
        slot = self._slots.get(origin)
        if slot is None:
            self._until_sweep -= 1
            if self._until_sweep <= 0:
                self._sweep(now)
            slot = self._slots[origin] = Slot()
        guest = Guest(slot, concurrency=max(1, concurrency), delay=max(0.0, delay), wake=wake)
        slot.guests.append(guest)
        slot.settle()
        return guest

    def _sweep(self, now: float) -> None:
        """Forget hosts that nobody crawls and that asked for no rest: their state says nothing any more."""
        self._slots = {origin: slot for origin, slot in self._slots.items() if not slot.is_idle(now)}
        self._until_sweep = SWEEP_EVERY
