"""Which due runs a process leaves to the other processes for a moment, so that long ones spread over all cores.

Runs with an exclusive key (crawls) are taken for long ones: they keep a core busy for minutes. A process that executes
some leaves a further one alone for a while, longer the more it has; the others look several times in that while, and
who has fewer takes it. Runs without a key are taken as soon as there is a place.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

PATIENCE_SECONDS = 0.4
"""For each long run that this process has: longer than `runner.POLL_SECONDS`, within which all others have looked."""
START_SECONDS = 15.0
"""How long a process waits for others that are being started beside it, before it takes more than one long run."""


class Sharing:
    """What one process leaves to others. Asked for one run after the other, in the order in which they are due."""

    def __init__(self, *, expected: int = 0, clock: Callable[[], float] = monotonic) -> None:
        """`expected`: so many other processes are being started together with this one."""
        self._expected = expected
        self._clock = clock
        self._began = clock()
        self._held = 0
        self._others = 0
        self._first_seen: dict[int, float] = {}
        self._seen_now: dict[int, float] = {}

    def look(self, *, held: int, others: int) -> None:
        """Begin a look for due runs: this process executes `held` long ones, and there are `others` beside it."""
        self._held, self._others = held, others
        self._first_seen, self._seen_now = self._seen_now, {}

    def takes(self, run_id: int, exclusive_key: str) -> bool:
        """Whether this process takes the run now; if it does, it counts as held."""
        if not exclusive_key or not self._awaited:
            return True
        now = self._clock()
        first = self._seen_now[run_id] = self._first_seen.get(run_id, now)
        if now - first < self._patience(now):
            return False
        self._held += 1
        return True

    @property
    def _awaited(self) -> int:
        return max(self._others, self._expected if self._clock() - self._began < START_SECONDS else 0)

    def _patience(self, now: float) -> float:
        if self._held and self._others < self._awaited:
            return START_SECONDS  # they come soon, and have nothing to do
        return PATIENCE_SECONDS * self._held
