"""A crawl of one host by a clock that only the simulation moves: the real slot and throttle, a host of arithmetic."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Protocol

from crawler.engine.manners.slots import Guest, Slots


class SimulatedHost(Protocol):
    def ask(self, now: float, at_once: int) -> tuple[int, float]:
        """The status of a request that begins now, `at_once` of them (it too) being under way; and its seconds."""
        ...


@dataclass(slots=True)
class Queueing:
    """Works on `capacity` requests at once, `seconds` on each; the others wait in its queue."""

    capacity: int
    seconds: float
    noise: Callable[[], float] = lambda: 1.0
    _free_at: list[float] = field(default_factory=list)

    def ask(self, now: float, at_once: int) -> tuple[int, float]:
        begin = now if len(self._free_at) < self.capacity else max(now, heappop(self._free_at))
        end = begin + self.seconds * self.noise()
        heappush(self._free_at, end)
        return 200, end - now


@dataclass(slots=True)
class Refusing:
    """Answers 503 at once to all beyond `capacity` requests."""

    capacity: int
    seconds: float

    def ask(self, now: float, at_once: int) -> tuple[int, float]:
        return (200, self.seconds) if at_once <= self.capacity else (503, 0.005)


@dataclass(slots=True)
class RateLimited:
    """Answers 429 to what comes faster than `rate` a second, beyond a burst."""

    rate: float
    seconds: float
    burst: float = 10.0
    _tokens: float = 10.0
    _at: float = 0.0

    def ask(self, now: float, at_once: int) -> tuple[int, float]:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return 429, 0.005
        self._tokens -= 1
        return 200, self.seconds


@dataclass(slots=True)
class Hiccuping:
    """Another host, but for a share of the requests that is refused whatever it is asked."""

    host: SimulatedHost
    share: float
    chance: random.Random

    def ask(self, now: float, at_once: int) -> tuple[int, float]:
        return (503, 0.02) if self.chance.random() < self.share else self.host.ask(now, at_once)


@dataclass(slots=True)
class Course:
    """How a crawl went."""

    ended: float = 0.0
    refused: list[float] = field(default_factory=list)
    """When."""
    at_once: list[int] = field(default_factory=list)
    """Requests under way, at the start of each."""
    waits: list[float] = field(default_factory=list)
    """Seconds of each good answer."""


def simulate(
    host: SimulatedHost,
    *,
    pages: int,
    concurrency: int,
    guest: Guest | None = None,
    now: float = 0.0,
    change: tuple[int, SimulatedHost] | None = None,
) -> Course:
    """Fetch `pages` from `host`; once so many are done as `change` says, from another."""
    guest = guest or adaptive(concurrency)
    course = Course()
    under_way: list[tuple[float, int, int, float]] = []
    tie = count()
    left, done = pages, 0
    while done < pages:
        wait = guest.wait(now) if left else inf
        if not wait:
            guest.take(now)
            left -= 1
            course.at_once.append(guest.slot.active)
            status, seconds = host.ask(now, guest.slot.active)
            heappush(under_way, (now + seconds, next(tie), status, seconds))
            continue
        if not under_way or wait < under_way[0][0]:
            now = wait
            continue
        now, _, status, seconds = heappop(under_way)
        if status == 200:
            guest.answered(seconds)
            course.waits.append(seconds)
            done += 1
            if change is not None and done == change[0]:
                host = change[1]
        else:
            guest.refused(status, now)
            course.refused.append(now)
            left += 1
        guest.release(now)
    course.ended = now
    return course


def adaptive(concurrency: int) -> Guest:
    return Slots().join(
        "https://a.example", concurrency=concurrency, delay=0.0, wake=lambda: None, now=0.0, is_adaptive=True
    )


def wavering(seed: int, spread: float) -> Callable[[], float]:
    """Factors around one: answers are never all alike."""
    chance = random.Random(seed)
    return lambda: chance.lognormvariate(0.0, spread)
