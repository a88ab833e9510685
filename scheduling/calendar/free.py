"""A moment near by at which nobody is in the way; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from scheduling.signals import Reach

from .firings import Firing
from .reach import NOWHERE
from .spans import clock_at

STEP = 10
"""Minutes between two moments that are looked at."""
A_DAY = 24 * 60 // STEP
FARTHEST = A_DAY // 2
"""Steps that a proposal may lie away."""
LONGEST = 36
"""Steps that are looked at; what usually takes longer meets somebody anyway."""


class Occupancy:
    """What is going on in each ten minutes of some days, by the clock of one zone."""

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
        self._reaches = reaches
        self._begin = datetime.combine(first, time())
        self._tz = tz
        self._places = places
        self._size = (days + 1) * A_DAY
        self._busy = [0] * self._size
        self._starts = [0] * self._size
        self._hosts: dict[str, list[int]] = defaultdict(lambda: [0] * self._size)
        for firing in firings:
            self._add(firing, 1)

    def free_near(
        self, wall: time, days: Collection[date], *, steps: int, reach: Reach = NOWHERE, own: Sequence[Firing] = ()
    ) -> time | None:
        """The nearest time of day, sooner a later one, at which on each of the days nothing else begins, a place is
        left, and none of its hosts is asked, for so many steps. `own`: firings that would be moved."""
        for firing in own:
            self._add(firing, -1)
        try:
            return self._search(wall, days, min(max(steps, 1), LONGEST), reach)
        finally:
            for firing in own:
                self._add(firing, 1)

    def _search(self, wall: time, days: Collection[date], steps: int, reach: Reach) -> time | None:
        here = (wall.hour * 60 + wall.minute) // STEP
        bases = [(day - self._begin.date()).days * A_DAY for day in days]
        names = [*reach.hosts, *reach.alone]
        busy_hosts = [self._hosts[name] for name in names if name in self._hosts]
        for away in sorted((*range(1, FARTHEST), *range(1 - FARTHEST, 0)), key=_strain):
            at = (here + away) % A_DAY
            if all(self._is_free(base + at, steps, reach.runs, busy_hosts) for base in bases):
                return time(at * STEP // 60, at * STEP % 60)
        return None

    def _is_free(self, index: int, steps: int, runs: int, hosts: Sequence[Sequence[int]]) -> bool:
        if not 0 <= index < self._size or self._starts[index]:
            return False
        taken = range(index, min(index + steps, self._size))
        return all(
            self._busy[one] + runs <= max(self._places, runs) and not any(host[one] for host in hosts) for one in taken
        )

    def _add(self, firing: Firing, sign: int) -> None:
        reach = self._reaches.get(firing.schedule.job.id, NOWHERE)
        first = self._index(firing.at)
        last = max(first + 1, self._index(firing.end, is_end=True))
        if 0 <= first < self._size:
            self._starts[first] += sign
        for index in range(max(0, first), min(last, self._size)):
            self._busy[index] += sign * reach.runs
        for name in (*reach.hosts, *reach.alone):
            host = self._hosts[name]
            for index in range(max(0, first), min(last, self._size)):
                host[index] += sign

    def _index(self, moment: datetime, *, is_end: bool = False) -> int:
        minutes = (clock_at(self._tz, moment) - self._begin).total_seconds() / 60
        return int(-(-minutes // STEP)) if is_end else int(minutes // STEP)


def _strain(away: int) -> int:
    """Later is liked twice as much as earlier: what was to be read is there by then."""
    return away if away > 0 else -2 * away
