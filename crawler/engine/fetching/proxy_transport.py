"""How requests travel through a spider's proxy: HTTP (absolute form, and CONNECT for https) or SOCKS 5.

The guard holds on both ends. The proxy is connected to at a checked address, as any server is. Of what is fetched
through it, literal addresses are judged, and names by the addresses that they have here; a name that only the proxy
knows is left to it, unless it is one of a local network. What a proxy makes of a name in the end is beyond our sight:
only ``socks5`` is told the very address that was checked.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar, cast

from crawler.engine.errors import AddressRefused, DnsError, ProxyFailed, quoted
from crawler.engine.records import Answer
from crawler.engine.scope import is_address
from crawler.engine.urls import Target

from .connection import Connection
from .guard import Guard, NoName
from .proxy import Proxy
from .transport import CrawlTransport, reason_of_system, tls_failed
from .wire import Request

LOOK_UP_SECONDS = 3.0
"""For a name that the proxy will resolve anyway: a machine that reaches out by a proxy alone often has no DNS."""
MAX_ANSWER = 16_384
"""Bytes of a proxy's answer to CONNECT."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?\r\n")
_LOCAL = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa")
_P = TypeVar("_P", bound=asyncio.BaseProtocol)


class ProxyTransport(CrawlTransport):
    """Connections through one proxy."""

    def __init__(self, guard: Guard, proxy: Proxy, *, ssl_context: ssl.SSLContext | None = None) -> None:
        super().__init__(guard, ssl_context=ssl_context)
        self._proxy = proxy

    async def exchange(self, request: Request) -> Answer:
        answer = await super().exchange(request)
        if answer.status_code == 407 and self._relays(request.url):
            raise self._refused("407 Proxy Authentication Required", retriable=False)
        return answer

    def _encode(self, request: Request, target: Target) -> bytes:
        if not self._relays(request.url):
            return super()._encode(request, target)
        target = target._replace(path_and_query=f"http://{target.authority}{target.path_and_query}")
        return request._replace(head=request.head + self._proxy.head).encode(target)

    def _relays(self, url: str) -> bool:
        """Whether the proxy is asked for the page itself, and not for a way to its host."""
        return url.startswith("http:") and not self._proxy.is_socks

    async def _connect(self, key: tuple[str, str, int], seconds: float) -> Connection:
        scheme, host, port = key
        try:
            async with asyncio.timeout(seconds):
                *others, last = await self._checked(host, port)
                for name in others:
                    try:
                        return await self._open_through(scheme, host, name, port)
                    except ProxyFailed as error:
                        if not error.retriable:
                            raise
                return await self._open_through(scheme, host, last, port)
        except TimeoutError:
            raise ProxyFailed(f"the proxy {self._proxy.url} made no connection to {host}:{port} in time") from None

    async def _checked(self, host: str, port: int) -> list[str]:
        """What the proxy is told to connect to, one after the other: the name, or with ``socks5`` its addresses.

        Raises `AddressRefused` and `NoName`, and with ``socks5`` `DnsError`.
        """
        if self._proxy.scheme == "socks5":
            return await self._guard.resolve(host, port)
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                await self._guard.resolve(host, port)
        except NoName:
            raise
        except (DnsError, TimeoutError):
            name = host.rstrip(".")
            if "." not in name or name.endswith(_LOCAL):
                raise AddressRefused(f"{host} is a name of a local network, and no proxy is asked for it") from None
        return [host]

    async def _open_through(self, scheme: str, host: str, name: str, port: int) -> Connection:
        if scheme == "http" and not self._proxy.is_socks:
            _, connection = await self._reach(self._new_connection)
            return self._opened(connection)
        transport, greeting = await self._reach(_Greeting)
        try:
            if self._proxy.is_socks:
                await self._greet_socks(greeting, name, port)
            else:
                await self._ask_for_tunnel(greeting, f"[{name}]:{port}" if ":" in name else f"{name}:{port}")
            if greeting.received:
                raise ProxyFailed(f"the proxy {self._proxy.url} sent more than its answer")
            connection = self._new_connection()
            if scheme == "https":
                transport = await self._start_tls(transport, connection, host, f"{host}:{port}")
            else:
                transport.set_protocol(connection)
            connection.connection_made(transport)
        except BaseException:
            transport.abort()
            raise
        return self._opened(connection)

    def _new_connection(self) -> Connection:
        return Connection(self._closed, self._keep_seconds)

    def _opened(self, connection: Connection) -> Connection:
        self.connections_made += 1
        if connection.is_usable:
            self._open.add(connection)
        return connection

    async def _reach(self, factory: Callable[[], _P]) -> tuple[asyncio.Transport, _P]:
        """A connection to the proxy itself, at an address that the guard let through."""
        proxy = self._proxy
        try:
            addresses = await self._guard.resolve(proxy.host, proxy.port)
        except AddressRefused as error:
            raise AddressRefused(f"the proxy {proxy.url} may not be used: {error}", proxy=proxy.host) from error
        except DnsError as error:
            raise ProxyFailed(f"the proxy {proxy.url}: {error}") from error
        context = self._context() if proxy.scheme == "https" else None
        problem: OSError = OSError("it has no address")
        for address in addresses:
            try:
                transport, protocol = await asyncio.get_running_loop().create_connection(
                    factory,
                    address,
                    proxy.port,
                    ssl=context,
                    server_hostname=proxy.host.rstrip(".") if context else None,
                    flags=socket.AI_NUMERICHOST,
                )
            except OSError as error:
                problem = error
                continue
            return transport, protocol
        raise ProxyFailed(f"the proxy {proxy.url} cannot be connected to: {reason_of_system(problem)}") from problem

    async def _start_tls(
        self, transport: asyncio.Transport, connection: Connection, host: str, where: str
    ) -> asyncio.Transport:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, connection, self._context(), server_hostname=host.rstrip(".")
            )
        except ssl.SSLError as error:
            raise tls_failed(where, error) from error
        except OSError as error:
            raise ProxyFailed(f"the proxy {self._proxy.url} closed the connection to {where}: {error}") from error
        if secured is None:
            raise ProxyFailed(f"the proxy {self._proxy.url} closed the connection to {where}")
        return secured

    async def _ask_for_tunnel(self, greeting: _Greeting, where: str) -> None:
        greeting.send(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n".encode("ascii") + self._proxy.head + b"\r\n")
        answer = await self._told(greeting.until(b"\r\n\r\n"))
        status = _STATUS.match(answer)
        if status is None:
            raise self._refused("what is not HTTP", retriable=False)
        code = int(status[1])
        if not 200 <= code < 300:
            said = (status[2] or b"").decode("latin-1")
            raise self._refused(f"{code} {said}".strip() + f" for {where}", retriable=code >= 500 or code == 429)

    async def _greet_socks(self, greeting: _Greeting, name: str, port: int) -> None:
        """RFC 1928, and RFC 1929 for the password."""
        proxy = self._proxy
        greeting.send(b"\x05\x02\x00\x02" if proxy.has_credentials else b"\x05\x01\x00")
        version, method = await self._told(greeting.exactly(2))
        if version != 5:
            raise self._refused("what is not SOCKS 5", retriable=False)
        if method == 2 and proxy.has_credentials:
            user, password = proxy.username.encode(), proxy.password.encode()
            greeting.send(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
            if (await self._told(greeting.exactly(2)))[1] != 0:
                raise self._refused("that user name and password are wrong", retriable=False)
        elif method != 0:
            raise self._refused("that it wants a user name and password", retriable=False)
        greeting.send(b"\x05\x01\x00" + _socks_address(name) + port.to_bytes(2, "big"))
        _, code, _, kind = await self._told(greeting.exactly(4))
        if code != 0:
            said = _SOCKS_ERRORS.get(code, f"error {code}")
            raise self._refused(f"{quoted(said)} for {name}:{port}", retriable=code in (1, 3, 4, 5, 6))
        rest = {1: 4, 4: 16}.get(kind)
        if rest is None:
            rest = (await self._told(greeting.exactly(1)))[0]
        await self._told(greeting.exactly(rest + 2))

    async def _told(self, answer: asyncio.Future[bytes]) -> bytes:
        try:
            return await answer
        except ConnectionError as error:
            raise ProxyFailed(f"the proxy {self._proxy.url} {error}") from error

    def _refused(self, what: str, *, retriable: bool) -> ProxyFailed:
        return ProxyFailed(f"the proxy {self._proxy.url} answered {what}", retriable=retriable)


class _Greeting(asyncio.Protocol):
    """What is said to a proxy before the connection is ours."""

    def __init__(self) -> None:
        self.received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._wanted: Callable[[], int | None] | None = None
        self._waiter: asyncio.Future[bytes] | None = None
        self._is_over = False

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def until(self, end: bytes) -> asyncio.Future[bytes]:
        def length() -> int | None:
            at = self.received.find(end)
            return None if at < 0 else at + len(end)

        return self._wait(length)

    def exactly(self, count: int) -> asyncio.Future[bytes]:
        return self._wait(lambda: count if len(self.received) >= count else None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._look()

    def _wait(self, wanted: Callable[[], int | None]) -> asyncio.Future[bytes]:
        self._wanted = wanted
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        self._look()
        return waiter

    def _look(self) -> None:
        waiter, wanted = self._waiter, self._wanted
        if waiter is None or wanted is None or waiter.done():
            return
        length = wanted()
        if length is not None:
            answer = bytes(self.received[:length])
            del self.received[:length]
            waiter.set_result(answer)
        elif self._is_over:
            waiter.set_exception(ConnectionError("closed the connection before it answered"))
        elif len(self.received) > MAX_ANSWER:
            waiter.set_exception(ConnectionError(f"sent more than {MAX_ANSWER} bytes before it answered"))


_SOCKS_ERRORS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "kind of address not supported",
}


def _socks_address(name: str) -> bytes:
    if is_address(name):
        packed = ip_address(name).packed
        return (b"\x01" if len(packed) == 4 else b"\x04") + packed
    return bytes([3, len(name)]) + name.encode("ascii")
