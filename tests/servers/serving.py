"""What the test servers share: a port of 127.0.0.1, in this loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self


class Logged(NamedTuple):
    """One request as it came."""

    time: float
    """Wall clock, seconds."""
    method: str
    target: str
    status: int
    """What was answered; 0 where that is no HTTP."""
    head: bytes
    """Request line and headers."""

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}


class LocalServer(ABC):
    """An async context manager; `url` is its origin while it is open.

    `connections` counts those accepted; `log` holds the requests in their order (its `append` is thread-safe).
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.connections = 0
        self.log: list[Logged] = []
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def targets(self) -> list[str]:
        """Of all requests so far."""
        return [logged.target for logged in self.log]

    @abstractmethod
    async def open(self, host: str, port: int) -> asyncio.Server: ...

    @abstractmethod
    async def drop_connections(self) -> None:
        """Ends every open connection."""

    async def __aenter__(self) -> Self:
        self._server = await self.open(self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._server is not None:
            self._server.close()
            await self.drop_connections()
            await self._server.wait_closed()
            self._server = None


@contextmanager
def serve_in_thread(server: LocalServer) -> Iterator[str]:
    """Runs `server` in a thread with a loop of its own, and gives its URL."""
    ready = threading.Event()
    failure: list[BaseException] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        end = asyncio.Event()
        try:
            async with server:
                stop.append((asyncio.get_running_loop(), end))
                ready.set()
                await end.wait()
        except OSError as error:
            failure.append(error)
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="test-server", daemon=True)
    thread.start()
    ready.wait()
    if failure:
        raise failure[0]
    try:
        yield server.url
    finally:
        loop, end = stop[0]
        loop.call_soon_threadsafe(end.set)
        thread.join(60)
