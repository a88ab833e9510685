"""A real HTTP server whose paths are named after what goes wrong on them.

The fault is in the path, and its numbers are in the path or the query: ``/drip?seconds=0.05``, ``/redirect/3``. Every
request is in `log`, every accepted connection is counted. The faults stand in ``*_faults.py``; a new one is a function.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from itertools import count

from . import answer_faults, connection_faults
from .exchange import FAULTS, PAGE, Exchange, Fault
from .serving import LocalServer

__all__ = ["FAULTS", "PAGE", "Exchange", "Fault", "MisbehavingServer", "answer_faults", "connection_faults"]


class MisbehavingServer(LocalServer):
    """Serves every fault under its name, 404 for the rest."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(host=host, port=port, tls=tls)
        self.counts: dict[str, int] = {}
        """Requests by path."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._idle = asyncio.Event()

    async def open(self, host: str, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve, host, port, ssl=self.tls, limit=1 << 20)

    async def drop_connections(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_until_idle(self) -> None:
        """Until no connection is open any more."""
        while self._writers:
            self._idle.clear()
            await self._idle.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        # A cancelled handler ends as if it were done: asyncio's streams report a cancelled one as an error.
        with contextlib.suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            for earlier in count():
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(head, reader=reader, writer=writer, counts=self.counts, earlier=earlier)
                if not await self._handle(exchange):
                    break
        self._tasks.discard(task)
        self._writers.discard(writer)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        self._idle.set()

    async def _handle(self, exchange: Exchange) -> bool:
        self.log.append(exchange.logged)
        self.counts[exchange.path] = self.counts.get(exchange.path, 0) + 1
        name = exchange.path.lstrip("/").partition("/")[0]
        kept = await FAULTS.get(name, _unknown)(exchange)
        await exchange.writer.drain()
        return bool(kept)


async def _unknown(exchange: Exchange) -> bool:
    exchange.answer(b"<h1>Not found</h1>", status=404)
    return True
