"""The places of a runner: how many runs work at once."""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """`max_workers` places, used from the event loop alone.

    A run that sleeps before its next attempt gives its place back and waits for one afterwards; who waits comes before
    new runs.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def used(self) -> int:
        """How many places are taken."""
        return self._held

    @property
    def free(self) -> int:
        """How many new runs may begin."""
        return max(0, self.count - self._held - len(self._waiting))

    def hold(self) -> None:
        """Take a place for a run that was claimed for a free one."""
        self._held += 1

    async def take(self) -> None:
        """Wait for a place and take it."""
        if self._held < self.count and not self._waiting:
            self._held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            else:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Free a place; the first who waits has it at once."""
        self._held -= 1
        if self._waiting and self._held < self.count:
            self._held += 1
            self._waiting.popleft().set_result(None)
