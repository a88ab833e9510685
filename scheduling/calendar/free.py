"""A moment near by at which nobody is in the way; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate
from zoneinfo import ZoneInfo

from scheduling.signals import Reach
from scheduling.triggers.zones import changes, instant_of

from .firings import Firing
from .reach import NOWHERE
from .spans import clock_at

STEP = 10
"""Minutes between two moments that are looked at."""
A_STEP = timedelta(minutes=STEP)
A_DAY = 24 * 60 // STEP
FARTHEST = A_DAY // 2
"""Steps that a proposal may lie away."""
LONGEST = 36
"""Steps that are looked at; what usually takes longer meets somebody anyway."""


class Occupancy:
    """What is going on in each ten minutes of some days, by the clock of one zone.

    It is counted when somebody asks, and at those hosts alone that are asked for: most pages ask for few.
    """

    def __init__(
        self,
        firings: Iterable[Firing],
        reaches: Mapping[int | None, Reach],
        *,
        first: date,
        days: int,
        tz: ZoneInfo,
        places: float,
    ) -> None:
        self._firings = firings
        self._reaches = reaches
        self._begin = datetime.combine(first, time())
        self._tz = tz
        self._places = places
        self._size = (days + 1) * A_DAY
        self._hosts: dict[str, list[int]] = {}
        start, end = (instant_of(tz, self._begin + timedelta(days=day)) for day in (0, days + 1))
        self._start = None if any(changes(tz, start, end)) else start
        """None: a change of the clock lies within these days."""

    def free_near(
        self, wall: time, days: Collection[date], *, steps: int, reach: Reach = NOWHERE, own: Sequence[Firing] = ()
    ) -> time | None:
        """The nearest time of day, sooner a later one, at which on each of the days nothing else begins, a place is
        left, and none of its hosts is asked, for so many steps. `own`: firings that would be moved."""
        hosts = [self._at(name) for name in (*reach.hosts, *reach.alone)]
        for firing in own:
            self._add(firing, -1)
        try:
            return self._search(wall, days, min(max(steps, 1), LONGEST), runs=reach.runs, hosts=hosts)
        finally:
            for firing in own:
                self._add(firing, 1)

    def _search(
        self, wall: time, days: Collection[date], steps: int, *, runs: int, hosts: Sequence[Sequence[int]]
    ) -> time | None:
        here = (wall.hour * 60 + wall.minute) // STEP
        bases = [(day - self._begin.date()).days * A_DAY for day in days]
        for away in sorted((*range(1, FARTHEST), *range(1 - FARTHEST, 0)), key=_strain):
            at = (here + away) % A_DAY
            if all(self._is_free(base + at, steps, runs, hosts) for base in bases):
                return time(at * STEP // 60, at * STEP % 60)
        return None

    def _is_free(self, index: int, steps: int, runs: int, hosts: Sequence[Sequence[int]]) -> bool:
        if not 0 <= index < self._size or self._starts[index]:
            return False
        taken = range(index, min(index + steps, self._size))
        return all(
            self._busy[one] + runs <= max(self._places, runs) and not any(host[one] for host in hosts) for one in taken
        )

    @cached_property
    def _spans(self) -> dict[int, list[tuple[int, int]]]:
        """The steps of each firing, by the keys of the schedules."""
        spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for firing in self._firings:
            spans[firing.schedule.job.id].append(self._span(firing))
        return spans

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0] * self._size
        for own in self._spans.values():
            for first, _last in own:
                if 0 <= first < self._size:
                    starts[first] += 1
        return starts

    @cached_property
    def _busy(self) -> list[int]:
        return self._count((own, self._reaches.get(key, NOWHERE).runs) for key, own in self._spans.items())

    def _at(self, name: str) -> list[int]:
        """Who is at a host, or holds what one run alone may hold."""
        if name not in self._hosts:
            asking = [key for key, reach in self._reaches.items() if name in reach.hosts or name in reach.alone]
            self._hosts[name] = self._count((self._spans[key], 1) for key in asking if key in self._spans)
        return self._hosts[name]

    def _count(self, every: Iterable[tuple[Iterable[tuple[int, int]], int]]) -> list[int]:
        """How many there are in each step, of spans with how many they are."""
        changes = [0] * (self._size + 1)
        for spans, many in every:
            for first, last in spans:
                changes[max(0, min(first, self._size))] += many
                changes[max(0, min(last, self._size))] -= many
        return list(accumulate(changes))[:-1]

    def _add(self, firing: Firing, sign: int) -> None:
        """Where it is counted already."""
        reach, (first, last) = self._reaches.get(firing.schedule.job.id, NOWHERE), self._span(firing)
        if 0 <= first < self._size:
            self._starts[first] += sign
        taken = range(max(0, first), min(last, self._size))
        hosts = [self._hosts[name] for name in (*reach.hosts, *reach.alone) if name in self._hosts]
        for index in taken:
            self._busy[index] += sign * reach.runs
            for host in hosts:
                host[index] += sign

    def _span(self, firing: Firing) -> tuple[int, int]:
        """The steps in which it is at work, as a range."""
        if self._start is None:
            first = (clock_at(self._tz, firing.at) - self._begin) // A_STEP
            last = -((self._begin - clock_at(self._tz, firing.end)) // A_STEP)
        else:
            first = (firing.at - self._start) // A_STEP
            last = -((self._start - firing.end) // A_STEP)
        return first, max(first + 1, last)


def _strain(away: int) -> int:
    """Later is liked twice as much as earlier: what was to be read is there by then."""
    return away if away > 0 else -2 * away
