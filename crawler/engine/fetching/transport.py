"""How requests reach servers: pooled connections to addresses that the guard has checked.

`exchange` is the short way, for crawling: no httpx objects, errors under their own names. `CrawlTransport` is the same
as an httpx transport, so that an ordinary `httpx.AsyncClient` goes through the same guard and the same limits.

Errors of the httpx way are httpx's, chained to ours; but `AddressRefused` and `UrlError` stay what they are: whoever
retries httpx's transport errors must not retry a refusal.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import certifi
import httpx

from crawler.engine.errors import (
    BodyTooLarge,
    BodyTruncated,
    BodyUndecodable,
    ConnectFailed,
    ConnectionLost,
    DnsError,
    FetchError,
    ProtocolViolation,
    Reason,
    TimedOut,
    TlsFailed,
    quoted,
)
from crawler.engine.urls import Target, normalise, split

from .connection import Connection, RawAnswer, StaleConnection
from .guard import Guard
from .spool import Spool

KEEP_SECONDS = 15.0
"""How long a connection waits for its next request; below what servers commonly allow."""
MAX_IDLE = 256
MAX_BYTES = 10_485_760
_MAX_PREFERRED = 10_000
_ROUNDS_TO_CLOSE = 4
"""Of the loop, until a protocol hears of its abort(): one, and one more for each TLS around it."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"})
_IDEMPOTENT = frozenset({"GET", "HEAD"})
_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` covers the name, TCP and TLS; `read` one silence; `total` everything, retries of a stale
    connection included."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 180.0


class CrawlTransport(httpx.AsyncBaseTransport):
    """Keep-alive connections by scheme, host and port. Belongs to one event loop."""

    def __init__(
        self,
        guard: Guard,
        *,
        ssl_context: ssl.SSLContext | None = None,
        max_bytes: int = MAX_BYTES,
        total_timeout: float = 180.0,
        keep_seconds: float = KEEP_SECONDS,
        max_idle: int = MAX_IDLE,
    ) -> None:
        """`max_bytes` and `total_timeout` hold for requests that come the httpx way."""
        self._guard = guard
        self._ssl_context = ssl_context
        self._max_bytes = max_bytes
        self._total_timeout = total_timeout
        self._keep_seconds = keep_seconds
        self._max_idle = max_idle
        self._idle: dict[_Key, list[Connection]] = {}
        self._idle_order: dict[Connection, _Key] = {}
        """All idle ones, the longest idle first."""
        self._open: set[Connection] = set()
        self._preferred: dict[_Key, str] = {}
        self.connections_made = 0

    async def exchange(
        self,
        method: str,
        target: Target,
        head: bytes,
        *,
        max_bytes: int,
        timeouts: Timeouts,
        content: bytes = b"",
        decode: bool = True,
        cookies: list[str] | None = None,
        into: Spool | None = None,
    ) -> RawAnswer:
        """One request and its answer. `head` are encoded header lines (see `encode_headers`), Host left out.
        `cookies` gets the answer's Set-Cookie lines; without it nobody reads them. `into` gets its body.

        What is not idempotent goes out on a new connection: it could not be repeated if a kept one proved dead.

        Raises `FetchError` and `AddressRefused`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeouts.total
        key = (target.scheme, target.host, target.port)
        data = _request_bytes(method, target, head, content)
        connection = self._take(key) if method in _IDEMPOTENT else None
        while True:
            if connection is None:
                connection = await self._connect(key, min(timeouts.connect, deadline - loop.time()))
            try:
                answer = await connection.request(
                    data,
                    head_only=method == "HEAD",
                    max_bytes=max_bytes,
                    decode=decode,
                    read_timeout=timeouts.read,
                    deadline=deadline,
                    cookies=cookies,
                    into=into,
                )
            except StaleConnection:
                connection = None
                continue
            except asyncio.CancelledError:
                connection.abort()
                raise
            if connection.is_usable:
                self._give_back(key, connection)
            return answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = split(normalise(str(request.url)))
        given = request.extensions.get("timeout", {})
        timeouts = Timeouts(
            connect=given.get("connect") or self._total_timeout,
            read=given.get("read") or self._total_timeout,
            total=self._total_timeout,
        )
        content = await request.aread()
        names = [(name, value) for name, value in request.headers.items() if name not in _OURS]
        head = encode_headers(tuple(names))
        try:
            answer = await self.exchange(
                request.method, target, head, max_bytes=self._max_bytes, timeouts=timeouts, content=content
            )
        except FetchError as error:
            raise _as_httpx(error, request) from error
        # The body is decompressed and whole: what said otherwise would be undone, or believed, a second time.
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        }
        return httpx.Response(answer.status, headers=headers, content=answer.body)

    async def aclose(self) -> None:
        """Drops every connection, those in use included."""
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        self._idle_order.clear()
        for _ in range(_ROUNDS_TO_CLOSE):
            if not self._open:
                break
            await asyncio.sleep(0)

    @property
    def connections_open(self) -> int:
        return len(self._open)

    # the pool

    def _take(self, key: _Key) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - self._keep_seconds
        while idle := self._idle.get(key):
            connection = idle[-1]
            self._leave_pool(connection)
            if connection.is_usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    def _give_back(self, key: _Key, connection: Connection) -> None:
        self._idle.setdefault(key, []).append(connection)
        self._idle_order[connection] = key
        if len(self._idle_order) > self._max_idle:
            oldest = next(iter(self._idle_order))
            self._leave_pool(oldest)
            oldest.abort()

    def _leave_pool(self, connection: Connection) -> None:
        key = self._idle_order.pop(connection, None)
        if key is None:
            return
        idle = self._idle[key]
        idle.remove(connection)
        if not idle:
            del self._idle[key]

    def _closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._leave_pool(connection)

    # connecting

    async def _connect(self, key: _Key, seconds: float) -> Connection:
        _, host, port = key
        due = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(due):
                addresses = await self._guard.resolve(host, port)
        except TimeoutError:
            raise DnsError(f"{host} cannot be resolved: no answer within {seconds:g} s") from None
        preferred = self._preferred.get(key)
        if preferred in addresses:
            addresses.remove(preferred)
            addresses.insert(0, preferred)
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                connection = await self._connect_to(address, key, due, left)
            except (ConnectFailed, TimedOut):
                if left == 1:
                    raise
                continue
            if len(addresses) > 1:
                if len(self._preferred) >= _MAX_PREFERRED:
                    self._preferred.clear()
                self._preferred[key] = address
            return connection
        raise DnsError(f"{host} has no address")

    async def _connect_to(self, address: str, key: _Key, due: float, left: int) -> Connection:
        """To this address and no other; it gets its share of the time that is left for all."""
        scheme, host, port = key
        loop = asyncio.get_running_loop()
        now = loop.time()
        where = f"{host}:{port}" if address == host else f"{host}:{port} ({address})"
        context = self._context() if scheme == "https" else None
        try:
            async with asyncio.timeout_at(now + (due - now) / left):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._closed, self._keep_seconds),
                    address,
                    port,
                    ssl=context,
                    server_hostname=host.rstrip(".") if context else None,
                    flags=socket.AI_NUMERICHOST,
                )
        except TimeoutError:
            raise TimedOut(f"{where} did not accept the connection in time", reason=Reason.CONNECT_TIMEOUT) from None
        except ssl.SSLError as error:
            raise tls_failed(where, error) from error
        except OSError as error:
            raise ConnectFailed(f"{where} cannot be connected to: {error}") from error
        self.connections_made += 1
        if connection.is_usable:
            self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = _default_context()
        return self._ssl_context


def tls_failed(where: str, error: ssl.SSLError) -> TlsFailed:
    """What the handshake with `where` failed for, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(f"{where} shows a certificate that is not valid for it: {error.verify_message}")
    return TlsFailed(f"{where} cannot speak TLS with us: {error}")


def unverified_context() -> ssl.SSLContext:
    """TLS with whoever answers: for spiders that say so."""
    context = _default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=1024)
def encode_headers(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header lines as they go over the wire.

    Raises `ValueError` (which names the header and never shows its value) for what is no header, for what could end
    one, and for those that frame the message: they are the transport's.
    """
    lines = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{quoted(name)} is not a header's name; use letters, digits and hyphens")
        if name.lower() in _OURS:
            raise ValueError(f"header {name} is set by the transport; leave it out")
        if _UNSAFE_VALUE.search(value):
            raise ValueError(f"header {name} holds control characters; remove them")
        lines.append(f"{name}: {value.strip()}\r\n")
    # RFC 9110: bytes beyond ASCII are opaque; UTF-8 is what people mean who write them.
    return "".join(lines).encode()


def _request_bytes(method: str, target: Target, head: bytes, content: bytes) -> bytes:
    length = f"Content-Length: {len(content)}\r\n" if content or method in ("POST", "PUT", "PATCH") else ""
    start = f"{method} {target.path_and_query} HTTP/1.1\r\nHost: {target.authority}\r\n{length}"
    return b"%b%b\r\n%b" % (start.encode("ascii"), head, content)


def _default_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


_HTTPX_ERRORS: Mapping[type[FetchError], type[httpx.RequestError]] = {
    DnsError: httpx.ConnectError,
    ConnectFailed: httpx.ConnectError,
    TlsFailed: httpx.ConnectError,
    ConnectionLost: httpx.ReadError,
    StaleConnection: httpx.ReadError,
    ProtocolViolation: httpx.RemoteProtocolError,
    BodyTruncated: httpx.RemoteProtocolError,
    BodyTooLarge: httpx.DecodingError,
    BodyUndecodable: httpx.DecodingError,
}


def _as_httpx(error: FetchError, request: httpx.Request) -> httpx.RequestError:
    if isinstance(error, TimedOut):
        timed_out = httpx.ConnectTimeout if error.reason is Reason.CONNECT_TIMEOUT else httpx.ReadTimeout
        return timed_out(str(error), request=request)
    return _HTTPX_ERRORS.get(type(error), httpx.TransportError)(str(error), request=request)
