"""A host that can take so much and no more, and counts what it was asked for.

In its own words: `capacity` requests are worked on at once, `seconds` each. What is more waits in its queue, or is
refused with 503 at once.
"""

from __future__ import annotations

import asyncio
import contextlib

from .serving import LocalServer

_PAGE = b"<!doctype html><title>Page</title><p>Page"


class CapacityServer(LocalServer):
    """``/`` links to `pages` pages, ``/0`` and so on."""

    def __init__(self, *, capacity: int, seconds: float, pages: int, refuses: bool = False) -> None:
        super().__init__()
        self.pages = pages
        self.seconds = seconds
        self.refuses = refuses
        self.at_once: list[int] = []
        """Requests under way, at the start of each, the start page left out."""
        self.refused = 0
        self._capacity = capacity
        self._under_way = 0
        self._places: asyncio.Semaphore
        self._open: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> asyncio.Server:
        self._places = asyncio.Semaphore(self._capacity)
        return await asyncio.start_server(self._serve, host, port)

    async def drop_connections(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b" ", 2)[1].decode("latin-1")))
                await writer.drain()
        self._open.discard(task)
        writer.close()

    async def _answer(self, target: str) -> bytes:
        if target == "/":
            return _bytes(200, "".join(f'<a href="/{n}">{n}</a>' for n in range(self.pages)).encode())
        if not target[1:].isdecimal():
            return _bytes(404, b"")
        self._under_way += 1
        self.at_once.append(self._under_way)
        try:
            if self.refuses and self._places.locked():
                self.refused += 1
                return _bytes(503, b"")
            async with self._places:
                await asyncio.sleep(self.seconds)
                return _bytes(200, _PAGE)
        finally:
            self._under_way -= 1


def _bytes(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Words\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body
