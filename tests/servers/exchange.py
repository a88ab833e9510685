"""One request of the misbehaving server, and the register of what may become of it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from .serving import Logged

PAGE = b"<!doctype html><html><head><title>Page</title></head><body><h1>Page</h1></body></html>"
"""What is answered where nothing is wrong."""


class Exchange:
    """One request, and the connection to answer it on."""

    def __init__(
        self,
        head: bytes,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        counts: dict[str, int],
        earlier: int,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.counts = counts
        """Requests by path, this one included."""
        self.earlier = earlier
        """Requests on this connection before this one."""
        line, _, _ = head.partition(b"\r\n")
        self.method, self.target, _ = line.decode("latin-1").split(" ", 2)
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.logged = Logged(time.time(), self.method, self.target, 0, head)
        self.headers = self.logged.headers

    @property
    def argument(self) -> str:
        """The path's part behind the fault's name: ``3`` of ``/redirect/3``."""
        return self.path.lstrip("/").partition("/")[2]

    def number(self, name: str, default: float) -> float:
        """A number of the query."""
        return float(self.query.get(name, default))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def answer(self, body: bytes = PAGE, *, status: int = 200, **headers: str) -> None:
        """A correct answer; names of headers with underscores for hyphens."""
        named = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))}
        named |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unnamed"
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.send(f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1"))
        if self.method != "HEAD":
            self.send(body)

    async def slowly(self, pieces: Iterator[bytes], seconds: float) -> None:
        """Each piece `seconds` after the one before, until the client goes."""
        for piece in pieces:
            self.send(piece)
            await self.writer.drain()
            await asyncio.sleep(seconds)

    async def hang(self) -> None:
        """Nothing more, until the client goes."""
        while await self.reader.read(65_536):
            pass

    def reset(self) -> None:
        """RST instead of FIN."""
        plain: socket.socket = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Fault: TypeAlias = Callable[[Exchange], Awaitable[bool | None]]
"""Returns True where the connection may be used again."""
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Registers what happens on ``/name``."""

    def register(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return register
