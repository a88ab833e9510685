"""Hosts that are being opened: their names looked up, their robots.txt fetched. None of that holds a crawl's worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from crawler.engine.frontier import Host

MOST = 256
"""Hosts at once; of more the workers open themselves."""


class Openings:
    """One task for each host that is opened. `on_end` hears of each end."""

    def __init__(
        self, open_host: Callable[[Host], Awaitable[None]], on_end: Callable[[asyncio.Task[None]], None]
    ) -> None:
        self._open_host = open_host
        self._on_end = on_end
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, host: Host) -> bool:
        """Open `host`, unless there are too many already."""
        if len(self.tasks) >= MOST:
            return False
        task = asyncio.create_task(self._open(host), name=f"opening {host.origin}")
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return True

    def cancel(self) -> None:
        """No page of these hosts is asked for any more. Who waits for the same name or file elsewhere goes on."""
        for task in self.tasks:
            task.cancel()

    async def _open(self, host: Host) -> None:
        await self._open_host(host)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._on_end(task)
