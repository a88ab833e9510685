"""A site on loopback whose every answer the test writes, and whose every request is on record.

Not a framework: HTTP/1.1 with keep-alive and Content-Length, one function a path.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it."""

    path: str
    headers: Mapping[str, str]
    at: float
    """Of the loop's clock."""
    method: str = "GET"
    body: bytes = b""


@dataclass(slots=True)
class Reply:
    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    """A list is sent as several headers of one name."""


Handler = Callable[[Seen], "Reply | Awaitable[Reply]"]


def page(*links: str, text: str = "") -> Reply:
    """An HTML page with these links; it shows something also without text and links."""
    anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
    html = f"<!doctype html><title>{text}</title><p>{text}</p>{anchors}<address>A page for tests</address>"
    return Reply(html, headers={"Content-Type": "text/html"})


def redirect(target: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": target})


class Site:
    """``async with Site({"/": page("/a")}) as site``: paths (with their query) to replies or handlers; else 404."""

    def __init__(self, pages: Mapping[str, Reply | Handler] | None = None, *, host: str = "127.0.0.1") -> None:
        """`host` is an address of this machine."""
        self._host = host
        self.pages: dict[str, Reply | Handler] = dict(pages or {})
        self.seen: list[Seen] = []
        self.at_once = 0
        self.most_at_once = 0
        self._server: asyncio.Server
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://{self._host}:{self.port}"

    @property
    def asked(self) -> Counter[str]:
        """How often each path was asked for, robots.txt left out."""
        return Counter(seen.path for seen in self.seen if seen.path != "/robots.txt")

    def times(self, path: str) -> list[float]:
        return [seen.at for seen in self.seen if seen.path == path]

    async def __aenter__(self) -> Site:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*list(self._connections))
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await self._serve_one(reader, writer)
        self._connections.discard(task)
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head[0].split(" ")
        seen = Seen(path, headers, asyncio.get_running_loop().time(), method, body)
        self.seen.append(seen)
        writer.write(_bytes(await self._answer(seen)))
        await writer.drain()

    async def _answer(self, seen: Seen) -> Reply:
        reply = self.pages.get(seen.path, Reply("not here", 404, {"Content-Type": "text/plain"}))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if isinstance(reply, Reply):
                return reply
            given = reply(seen)
            return given if isinstance(given, Reply) else await given
        finally:
            self.at_once -= 1


def _bytes(reply: Reply) -> bytes:
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    length = {} if reply.status in (204, 304) else {"Content-Length": str(len(body))}
    lines = (
        f"{name}: {each}\r\n"
        for name, value in {**reply.headers, **length}.items()
        for each in (value if isinstance(value, list) else [value])
    )
    fields = "".join(lines)
    return f"HTTP/1.1 {reply.status} Words\r\n{fields}\r\n".encode("latin-1") + (body if length else b"")


@contextlib.contextmanager
def in_thread(site: Site) -> Iterator[Site]:
    """Runs `site` in a loop of its own, for tests that are no coroutines."""
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with site:
            stop.append(lambda: loop.call_soon_threadsafe(over.set))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="test-site", daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield site
    finally:
        stop[0]()
        thread.join(60)
