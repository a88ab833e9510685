"""A site as large as one likes, its pages made from their numbers; who asked for what is counted, not kept.

    python -m tests.servers.numbered --pages 1000000 --port 0

prints its URL and serves until it is ended. `/counts` says what was asked for so far, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from dataclasses import dataclass
from typing import cast

from .serving import LocalServer

MENU = 8
"""Pages that every page links to."""
RELATED = 11
"""Links of a page to earlier ones."""
FAN_OUT = 20
"""Links of a hub to the pages below it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which page links to which: a wide half and a deep half, and in both each page leads to about one new page.

    The wide half is a tenth of all pages, reached over hubs of `FAN_OUT` links, each the first of a list of five pages;
    the deep half is `pages / 500` lists of 250 pages each, one after the other. Every page is reached, by many ways.
    """

    pages: int

    @property
    def wide(self) -> int:
        return max(1, self.pages // 10)

    @property
    def deep(self) -> int:
        return max(1, self.pages // 500)

    @property
    def half(self) -> int:
        """The number of the first page of the deep half."""
        return self.pages // 2

    def leads_to(self, number: int) -> list[int]:
        """The pages to which this one is the shortest way."""
        if number >= self.half:
            return [number + self.deep] if number + self.deep < self.pages else []
        found = [number + self.wide] if number and number + self.wide < self.half else []
        if number <= self.wide:
            first = FAN_OUT * number + 1
            found += range(first, min(first + FAN_OUT, self.wide + 1))
        if number < self.deep:
            found.append(self.half + number)
        return found

    def related(self, number: int) -> list[int]:
        """Earlier pages."""
        return [(number * 7919 + at * 104_729) % number for at in range(RELATED)] if number else []


class NumberedSite(LocalServer):
    """Pages 0 to `pages` - 1 as ``/p/NUMBER``; ``/`` is page 0. `asked` counts the requests for each, up to 255."""

    def __init__(self, pages: int, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.shape = Shape(pages)
        self.asked = bytearray(pages)
        self.requests = 0
        """For pages; robots.txt and counts left out."""
        self._open: set[_Connection] = set()
        self._menu = "".join(f'<li><a href="/p/{at}">Section {at}</a></li>' for at in range(min(MENU, pages)))

    async def open(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Connection(self), host, port, backlog=1024)

    async def drop_connections(self) -> None:
        for connection in list(self._open):
            connection.drop()
        await asyncio.sleep(0)

    def counts(self) -> dict[str, float]:
        """What was asked for: requests, pages asked for at least once, more than once; the server's CPU seconds."""
        once = self.asked.count(1)
        distinct = len(self.asked) - self.asked.count(0)
        return {
            "requests": self.requests,
            "distinct": distinct,
            "repeated": distinct - once,
            "cpu_seconds": time.process_time(),
        }

    def answer(self, target: str) -> bytes:
        """The whole answer to a request for `target`."""
        if target == "/counts":
            return _answer(json.dumps(self.counts()).encode(), "application/json")
        number = 0 if target == "/" else _number(target)
        if number is None or number >= self.shape.pages:
            return _answer(b"Not found", "text/plain", status="404 Not Found")
        self.requests += 1
        if self.asked[number] < 255:
            self.asked[number] += 1
        return _answer(self.body(number))

    def body(self, number: int) -> bytes:
        """About 2 KB of HTML."""
        links = self.shape.leads_to(number) + self.shape.related(number)
        listed = "".join(f'<li><a href="/p/{at}">Page {at} of the catalogue</a></li>' for at in links)
        return (
            f"<!DOCTYPE html><html><head><title>Page {number}</title></head><body><nav><ul>{self._menu}</ul></nav>"
            f'<main><h1>Page {number}</h1><p class="price">{number % 977}.{number % 100:02}</p>'
            f"<p>What stands on page {number} is made from its number, so that a site of any size needs no disk, and "
            f"is the same each time that it is asked for.</p></main><ul>{listed}</ul></body></html>"
        ).encode()


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    __slots__ = ("_buffer", "_site", "_transport")

    def __init__(self, site: NumberedSite) -> None:
        self._site = site
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._site.connections += 1
        self._site._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._site._open.discard(self)

    def drop(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            target = self._buffer[: self._buffer.index(b"\r\n")].split(b" ")[1].decode("latin-1")
            self._buffer = self._buffer[end + 4 :]
            self._transport.write(self._site.answer(target))


def _number(target: str) -> int | None:
    digits = target.removeprefix("/p/")
    return int(digits) if digits != target and digits.isascii() and digits.isdigit() else None


def _answer(body: bytes, kind: str = "text/html; charset=utf-8", *, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        kind.encode(),
        len(body),
        body,
    )


async def _serve(site: NumberedSite) -> None:
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    async with site:
        print(site.url, flush=True)
        await end.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a site made from numbers on 127.0.0.1.")
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(_serve(NumberedSite(options.pages, port=options.port)))


if __name__ == "__main__":
    main()
