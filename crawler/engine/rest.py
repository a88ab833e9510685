"""Where workers wait that find nothing to do, and the one timer that wakes them for what is due by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class RestRoom:
    """`wake_one` is cheap where nobody rests, so that it may be called on every occasion."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._resting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    async def rest(self) -> None:
        """Until `wake_one` or the timer chooses this worker."""
        future = asyncio.get_running_loop().create_future()
        self._resting.append(future)
        await future

    def wake_one(self) -> None:
        """The one that lay down last: its memory is warm."""
        while self._resting:
            future = self._resting.pop()
            if not future.done():
                future.set_result(None)
                return

    def wake_at(self, at: float) -> None:
        """Wake one when the clock shows `at` (infinite: never), unless one is woken earlier anyway."""
        if at >= self._timer_at:
            return
        self.close()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._clock()), self._on_time)

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = inf

    def _on_time(self) -> None:
        self._timer = None
        self._timer_at = inf
        self.wake_one()
