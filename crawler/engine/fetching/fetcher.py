"""One attempt at one page. Retries, redirects, slots and robots are the crawl loop's."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping
from copy import copy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from crawler.engine.records import Answer

from .body import ACCEPT_ENCODING
from .cookies import CookieJar
from .requests import Post
from .spool import Spool
from .wire import MAX_BYTES, Request, Timeouts, encode_headers

__all__ = ["Fetcher", "Timeouts", "is_retriable_status", "retry_after"]

DEFAULT_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_RETRIABLE = frozenset({408, 429, 500, 502, 503, 504, 522, 524})
_LONGEST_WAIT = 86_400.0


class FetchClient(Protocol):
    """`client.CrawlClient`, or `session.CookieClient` around it."""

    def fetch(self, request: Request) -> Coroutine[None, None, Answer]: ...


class Fetcher:
    """Fetches pages for one crawl: its client, its headers, its limits."""

    def __init__(
        self,
        client: FetchClient,
        *,
        user_agent: str,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Raises `ValueError` for headers that cannot be sent."""
        self._client = client
        self._timeouts = timeouts or Timeouts()
        self._max_bytes = max_bytes
        own = {"User-Agent": user_agent, "Accept": DEFAULT_ACCEPT, "Accept-Encoding": ACCEPT_ENCODING}
        given = dict(headers or {})
        taken = {name.lower() for name in given}
        self._headers = {name: value for name, value in own.items() if name.lower() not in taken} | given
        self._head = encode_headers(tuple(self._headers.items()))
        self.jar: CookieJar | None = None
        """What servers set, where that is kept."""

    @property
    def user_agent(self) -> str:
        """What the requests say, which is also what robots.txt is asked about."""
        return next(value for name, value in self._headers.items() if name.lower() == "user-agent")

    def without(self, names: Collection[str]) -> Fetcher:
        """The same, but never sending the headers of these (lower-case) names: for origins they are not meant for."""
        fetcher = copy(self)
        fetcher._headers = {name: value for name, value in self._headers.items() if name.lower() not in names}
        fetcher._head = encode_headers(tuple(fetcher._headers.items()))
        return fetcher

    def fetch(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int | None = None,
        post: Post | None = None,
    ) -> Coroutine[None, None, Answer]:
        """The answer for a normalised URL, whatever its status; the body whole and decompressed.

        `max_bytes` holds for this request in place of the crawl's own; with `post` it is a POST.
        Raises `FetchError` and `AddressRefused`.
        """
        head = self._head
        if post is not None or etag or last_modified:
            head = self._head_with(etag, last_modified, post)
        return self._client.fetch(
            Request(url, head, self._timeouts, max_bytes or self._max_bytes, post, "GET" if post is None else "POST")
        )

    def fetch_into(self, spool: Spool, url: str, *, max_bytes: int) -> Coroutine[None, None, Answer]:
        """The answer for a normalised URL, its body empty: `spool` has it, as it came over the wire.

        Raises `FetchError` and `AddressRefused`.
        """
        return self._client.fetch(Request(url, self._head, self._timeouts, max_bytes, into=spool))

    def _head_with(self, etag: str, last_modified: str, post: Post | None) -> bytes:
        """The header lines of a request that differs from the others."""
        headers = self._headers
        extra = {}
        if etag and etag.isprintable():
            extra["If-None-Match"] = etag
        if last_modified and last_modified.isprintable():
            extra["If-Modified-Since"] = last_modified
        if post is not None:
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            if post.content_type:
                extra["Content-Type"] = post.content_type
        return encode_headers(tuple(headers.items())) + encode_headers(tuple(extra.items()))


def is_retriable_status(status: int) -> bool:
    """Whether the server says that it might answer better later."""
    return status in _RETRIABLE


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds that the server asks us to wait, at most a day; None where it does not say, or says none.

    Zero is no leave to come back at once: RFC 9110, 10.2.3 lets a server name the least that it wants, and that it has
    too much, its status says; so our own back-off holds, as without the header. A date is counted from the answer's own
    `Date` where it has one: what is meant is a span, and the server's clock may differ from ours. Else from `now`
    (aware).
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), _LONGEST_WAIT) or None
    moment = _read_date(value)
    if moment is None:
        return None
    sent = _read_date(answer.headers.get("date", "")) or now
    return min(max((moment - sent).total_seconds(), 0.0), _LONGEST_WAIT) or None


def _read_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a year of twenty digits is no number of C
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
