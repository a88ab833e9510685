"""A real proxy: HTTP (absolute form and CONNECT) and SOCKS 5 on one port, with a password or without.

It resolves every name to this machine, as only a proxy may, and logs what it was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from base64 import b64decode

from .serving import LocalServer, Logged


class ProxyServer(LocalServer):
    """`credentials` are ``user:password``; `faults` are answers (whole) to CONNECT and requests by target, in place of
    what the proxy would do; an empty one closes the connection."""

    def __init__(
        self, *, credentials: str = "", tls: ssl.SSLContext | None = None, faults: dict[str, bytes] | None = None
    ) -> None:
        super().__init__(tls=tls)
        self._credentials = credentials
        self._faults = faults or {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve, host, port, ssl=self.tls)

    async def drop_connections(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first = await reader.readexactly(1)
            await (self._serve_socks(reader, writer) if first == b"\x05" else self._serve_http(first, reader, writer))
        self._tasks.discard(task)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _serve_http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = first + await reader.readuntil(b"\r\n\r\n")
            first = b""
            method, target, _ = head.decode("latin-1").split(" ", 2)
            logged = Logged(time.time(), method, target, 0, head)
            self.log.append(logged)
            given = logged.headers.get("proxy-authorization", "").removeprefix("Basic ")
            if self._credentials and b64decode(given).decode() != self._credentials:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                continue
            if target in self._faults:
                writer.write(self._faults[target])
                return
            if method == "CONNECT":
                await self._join(int(target.rpartition(":")[2]), b"HTTP/1.1 200 Joined\r\n\r\n", reader, writer)
                return
            await self._relay(logged, reader, writer)

    async def _relay(self, logged: Logged, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        authority, _, path = logged.target.removeprefix("http://").partition("/")
        theirs, ours = await asyncio.open_connection("127.0.0.1", int(authority.rpartition(":")[2]))
        fields = "".join(f"{k}: {v}\r\n" for k, v in logged.headers.items() if not k.startswith("proxy-"))
        body = await reader.readexactly(int(logged.headers.get("content-length", 0)))
        ours.write(f"{logged.method} /{path} HTTP/1.1\r\n{fields}\r\n".encode("latin-1") + body)
        head = await theirs.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        writer.write(head + await theirs.readexactly(length))
        ours.close()
        await ours.wait_closed()

    async def _serve_socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if self._credentials:
            writer.write(b"\x05\x02" if b"\x02" in methods else b"\x05\xff")
            if b"\x02" not in methods:
                return
            user = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_right = b":".join((user, password)) == self._credentials.encode()
            writer.write(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
        else:
            writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            name = ".".join(map(str, await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.log.append(Logged(time.time(), "SOCKS", f"{name}:{port}", 0, b""))
        if name in self._faults:
            writer.write(self._faults[name])
            return
        await self._join(port, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00", reader, writer)

    async def _join(self, port: int, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        writer.write(answer)
        try:
            await asyncio.gather(_pour(reader, ours), _pour(theirs, writer))
        finally:
            ours.close()
            await ours.wait_closed()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
