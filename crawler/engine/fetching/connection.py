"""One HTTP/1.1 connection: bytes out, one answer in, everything bounded.

The parser is llhttp; what it does not judge is judged here: sizes, silence, the deadline, and whether the end of the
stream is the end of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

from crawler.engine.errors import (
    BodyTooLarge,
    BodyTruncated,
    BodyUndecodable,
    ConnectionLost,
    FetchError,
    ProtocolViolation,
    Reason,
    TimedOut,
)

from .body import Decoder
from .spool import Spool
from .wire import Request

MAX_HEADER_BYTES = 65_536
MAX_HEADERS = 256
MAX_INFORMATIONAL = 10
_SET_COOKIE = "set-cookie"
_BODILESS = frozenset({204, 304})
"""Statuses whose Content-Length speaks of a body that does not come."""


_NAMES: dict[bytes, str] = {}
_MOST_NAMES = 1_000
_LONGEST_NAME = 60


class RawAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    """Lower-case names; cookies are left out: who keeps them gives a list for them with the request."""
    body: bytes
    wire_bytes: int


class StaleConnection(ConnectionLost):
    """A kept connection that ended before the first byte of an answer: the request may go out again."""


class Connection(asyncio.Protocol):
    """Carries one request at a time. `on_closed` is told once, when the socket is gone.

    Timers are lazy: one is armed for the earliest moment at which something could be due, and looks then.
    """

    __slots__ = (
        "_body",
        "_cookies",
        "_deadline",
        "_decode",
        "_decoder",
        "_failure",
        "_fed_bytes",
        "_head_only",
        "_header_bytes",
        "_header_lines",
        "_headers",
        "_headers_done",
        "_informational",
        "_keep_seconds",
        "_last_read",
        "_loop",
        "_max_bytes",
        "_on_closed",
        "_parser",
        "_read_timeout",
        "_status",
        "_timer",
        "_timer_due",
        "_transport",
        "_waiter",
        "_wire_bytes",
        "idle_since",
        "served",
    )

    def __init__(self, on_closed: Callable[[Connection], None], keep_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_closed = on_closed
        self._keep_seconds = keep_seconds
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[RawAnswer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._deadline = self._read_timeout = self._last_read = 0.0
        self.idle_since = self._loop.time()
        self.served = 0
        """Answers that this connection has brought."""
        self._status = self._fed_bytes = self._wire_bytes = self._informational = 0
        self._header_bytes = self._header_lines = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] | Spool = []
        self._decoder: Decoder | None = None
        self._failure: FetchError | None = None
        self._headers_done = False
        self._head_only = False
        self._max_bytes = 0
        self._decode = False
        self._cookies: list[str] | None = None

    # what the pool asks

    @property
    def is_usable(self) -> bool:
        return self._waiter is None and self._transport is not None and not self._transport.is_closing()

    def request(self, data: bytes, request: Request, *, now: float, deadline: float) -> asyncio.Future[RawAnswer]:
        """Sends `data`, which is `request` encoded; the future brings the answer or raises a `FetchError`.

        `now` and `deadline` are moments of the loop's clock. Whoever gives up calls `abort`.
        """
        self._expect(request)
        self._waiter = waiter = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            self._fail(ConnectionLost("closed by the server before the request"))
            return waiter
        self._last_read = now
        self._deadline = deadline
        silent = now + self._read_timeout
        due = silent if silent < deadline else deadline
        if self._timer is None or due < self._timer_due:
            self._arm(due)
        self._transport.write(data)
        return waiter

    def abort(self) -> None:
        """Drops the socket at once, with whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.abort()  # an answer to nothing: whatever came next would be taken for somebody's page
            return
        self._last_read = self._loop.time()
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(ProtocolViolation("the server wants to change to another protocol"))
        except httptools.HttpParserError as error:
            self._fail(self._failure or ProtocolViolation(f"not HTTP: {error}"))
        else:
            if self._failure is not None:
                self._fail(self._failure)
            elif self._fed_bytes > MAX_HEADER_BYTES:
                where = "behind the body" if self._headers_done else "of headers"
                self._fail(ProtocolViolation(f"more than {MAX_HEADER_BYTES} bytes {where}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None:
            self._end_of_stream(exc)
        self._on_closed(self)

    # llhttp's side

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self.abort()  # a second answer behind the first, see `data_received`

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headers_done:
            return  # a trailer: RFC 9110, 6.5.1 lets nobody merge it into the headers
        self._header_bytes += len(name) + len(value)
        self._header_lines += 1
        if self._header_lines > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._failure = ProtocolViolation(f"more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them")
            return
        key = _NAMES.get(name) or _name(name)
        if key == _SET_COOKIE:
            if self._cookies is not None:
                self._cookies.append(value.decode("latin-1"))
            return
        text = (_read_location(value) if key == "location" else value.decode("latin-1")).strip()
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < 200 or self._failure is not None:
            return
        self._headers_done = True
        self._fed_bytes = 0
        declared = self._headers.get("content-length", "")
        encoding = self._headers.get("content-encoding", "") if self._decode else ""
        if self._head_only:
            self._complete(keep=False)
        elif self._status in _BODILESS:
            return
        elif declared.isdecimal() and int(declared[:20]) > self._wire_limit(encoding):
            self._failure = BodyTooLarge(
                f"Content-Length says {declared[:20]} bytes, at most {self._max_bytes} are read"
            )
        elif encoding and encoding.lower() != "identity":
            self._open_decoder(encoding)

    def on_body(self, data: bytes) -> None:
        self._fed_bytes = 0
        if self._failure is not None or self._waiter is None:
            return
        self._wire_bytes += len(data)
        if self._decoder is None:
            if self._wire_bytes > self._max_bytes:
                self._failure = BodyTooLarge(f"more than {self._max_bytes} bytes")
                self._body.clear()
            else:
                self._body.append(data)
            return
        try:
            if self._wire_bytes > self._wire_limit("coded"):
                raise BodyTooLarge(f"more than {self._max_bytes} bytes, compressed")
            self._decoder.feed(data)
        except FetchError as error:
            # Its frames hold the decoder, and that its megabytes, until the garbage is collected.
            self._failure = error.with_traceback(None)

    def on_message_complete(self) -> None:
        if self._status < 200:
            self._informational += 1
            if self._status == 101 or self._informational > MAX_INFORMATIONAL:
                self._failure = ProtocolViolation(f"status {self._status} for the {self._informational}th time")
            self._headers.clear()
            if self._cookies:
                self._cookies.clear()
            return
        if self._failure is None and self._waiter is not None:
            self._complete(keep=self._parser.should_keep_alive())

    # what is left is ours

    def _expect(self, request: Request) -> None:
        self._status = self._fed_bytes = self._wire_bytes = self._informational = 0
        self._header_bytes = self._header_lines = 0
        self._headers = {}
        self._decoder = None
        self._failure = None
        self._headers_done = False
        self._read_timeout = request.timeouts.read
        self._head_only = request.method == "HEAD"
        self._max_bytes = request.max_bytes
        self._cookies = request.cookies
        into = request.into
        self._decode = into is None
        if into is None:
            self._body = []
        else:
            into.clear()
            self._body = into

    def _wire_limit(self, encoding: str) -> int:
        # What does not compress grows a little when it is "compressed"; the decompressed size has the last word.
        return self._max_bytes + self._max_bytes // 64 + 1024 if encoding else self._max_bytes

    def _open_decoder(self, encoding: str) -> None:
        try:
            self._decoder = Decoder(encoding, self._max_bytes)
        except BodyUndecodable as error:
            self._failure = error

    def _complete(self, *, keep: bool) -> None:
        waiter, self._waiter = self._waiter, None
        try:
            body = self._decoder.finish() if self._decoder else b"".join(self._body)
        except FetchError as error:
            self._waiter = waiter
            self._fail(error)
            return
        answer = RawAnswer(self._status, self._headers, body, self._wire_bytes)
        # Not cleared: the answer owns them, and what may follow in the same bytes must not touch them.
        self._headers, self._body, self._decoder = {}, [], None
        self.served += 1
        self.idle_since = self._last_read
        if not keep:
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _fail(self, error: FetchError) -> None:
        waiter, self._waiter = self._waiter, None
        self._body = []
        self._decoder = self._failure = None
        self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def _end_of_stream(self, exc: Exception | None) -> None:
        why = "reset by the server" if exc else "closed by the server"
        if not self._headers_done and not self._fed_bytes:
            lost = StaleConnection if self.served else ConnectionLost
            self._fail(lost(f"{why} before an answer"))
        elif not self._headers_done:
            self._fail(ConnectionLost(f"{why} in the headers"))
        elif exc is not None:
            self._fail(ConnectionLost(f"{why} after {self._wire_bytes} bytes of the body: {exc}"))
        elif "content-length" in self._headers or "chunked" in self._headers.get("transfer-encoding", "").lower():
            self._fail(BodyTruncated(f"{why} after {self._wire_bytes} bytes of the body, which goes on"))
        else:
            self._complete(keep=False)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._waiter is None:
            due = self.idle_since + self._keep_seconds
            if due <= now:
                self.abort()
            else:
                self._arm(due)
            return
        silent = self._last_read + self._read_timeout
        if self._deadline <= now:
            self._fail(TimedOut("the whole answer took too long", reason=Reason.TOTAL_TIMEOUT))
        elif silent <= now:
            self._fail(TimedOut(f"silent for {self._read_timeout:g} s", reason=Reason.READ_TIMEOUT))
        else:
            self._arm(min(silent, self._deadline))


def _name(name: bytes) -> str:
    """A header's name in lower-case; remembered, since servers use the same few."""
    text = name.decode("latin-1").lower()
    if len(_NAMES) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _NAMES[name] = text
    return text


def _read_location(value: bytes) -> str:
    """Servers write URLs into this header as they are; browsers read them as UTF-8 where they can."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
