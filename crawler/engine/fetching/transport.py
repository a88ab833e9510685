"""How requests reach servers: pooled connections to addresses that the guard has checked.

`exchange` is the short way, for crawling: no httpx objects, errors under their own names. `CrawlTransport` is the same
as an httpx transport, so that an ordinary `httpx.AsyncClient` goes through the same guard and the same limits.

Errors of the httpx way are httpx's, chained to ours; but `AddressRefused` and `UrlError` stay what they are: whoever
retries httpx's transport errors must not retry a refusal.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping

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
)
from crawler.engine.records import Answer
from crawler.engine.urls import Target, normalise, split

from .connection import Connection, StaleConnection
from .guard import Guard
from .requests import Post
from .wire import FRAMING, MAX_BYTES, Request, Timeouts, encode_headers, read_content_type

KEEP_SECONDS = 15.0
"""How long a connection waits for its next request; below what servers commonly allow."""
MAX_IDLE = 256
_MAX_PREFERRED = 10_000
_ROUNDS_TO_CLOSE = 4
"""Of the loop, until a protocol hears of its abort(): one, and one more for each TLS around it."""

_IDEMPOTENT = frozenset({"GET", "HEAD"})
_Key = tuple[str, str, int]


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

    async def exchange(self, request: Request) -> Answer:
        """One request and its answer, whatever its status; the body whole and decompressed.

        What is not idempotent goes out on a new connection: it could not be repeated if a kept one proved dead.

        Raises `FetchError` and `AddressRefused`.
        """
        loop = asyncio.get_running_loop()
        begin = now = loop.time()
        timeouts = request.timeouts
        deadline = begin + timeouts.total
        target = split(request.url)
        key = target[:3]
        data = self._encode(request, target)
        connection = self._take(key, now) if request.method in _IDEMPOTENT else None
        while True:
            if connection is None:
                connection = await self._connect(key, min(timeouts.connect, deadline - loop.time()))
                now = loop.time()
            try:
                status, headers, body, wire_bytes = await connection.request(data, request, now=now, deadline=deadline)
            except StaleConnection:
                connection = None
                continue
            except asyncio.CancelledError:
                connection.abort()
                raise
            if connection.is_usable:
                self._give_back(key, connection)
            content_type, charset = read_content_type(headers.get("content-type", ""))
            seconds = connection.idle_since - begin  # not `now`: this task may have waited for its turn
            return Answer(request.url, status, headers, body, wire_bytes, seconds, charset, content_type)

    def _encode(self, request: Request, target: Target) -> bytes:
        return request.encode(target)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        given = request.extensions.get("timeout", {})
        timeouts = Timeouts(
            connect=given.get("connect") or self._total_timeout,
            read=given.get("read") or self._total_timeout,
            total=self._total_timeout,
        )
        content = await request.aread()
        names = [(name, value) for name, value in request.headers.items() if name not in FRAMING]
        ours = Request(
            normalise(str(request.url)),
            encode_headers(tuple(names)),
            timeouts,
            self._max_bytes,
            Post(content, "") if content else None,
            request.method,
        )
        try:
            answer = await self.exchange(ours)
        except FetchError as error:
            raise _as_httpx(error, request) from error
        # The body is decompressed and whole: what said otherwise would be undone, or believed, a second time.
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        }
        return httpx.Response(answer.status_code, headers=headers, content=answer.body)

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

    def _take(self, key: _Key, now: float) -> Connection | None:
        oldest = now - self._keep_seconds
        while idle := self._idle.get(key):
            connection = idle.pop()
            del self._idle_order[connection]
            if not idle:
                del self._idle[key]
            if connection.is_usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    def _give_back(self, key: _Key, connection: Connection) -> None:
        idle = self._idle.get(key)
        if idle is None:
            idle = self._idle[key] = []
        idle.append(connection)
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
        except ConnectionRefusedError as error:
            at = f"{host}, port {port}" if address == host else f"{host} ({address}), port {port}"
            raise ConnectFailed(f"nobody answers at {at}: the connection is refused") from error
        except OSError as error:
            raise ConnectFailed(f"{where} cannot be connected to: {reason_of_system(error)}") from error
        self.connections_made += 1
        if connection.is_usable:
            self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = _default_context()
        return self._ssl_context


def reason_of_system(error: OSError) -> str:
    """Why the system could not connect, without the address and the number that asyncio puts beside it."""
    number = 0 if isinstance(error, ssl.SSLError) else error.errno or 0
    return os.strerror(number) if number > 0 else str(error)


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
