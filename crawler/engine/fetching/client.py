"""The one HTTP client of a process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache

import httpx

from crawler.engine.records import Answer
from crawler.engine.urls import split

from .requests import Post
from .spool import Spool
from .transport import CrawlTransport, Timeouts, encode_headers

_CHARSET = re.compile(r""";\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))""", re.IGNORECASE)


class CrawlClient(httpx.AsyncClient):
    """An ordinary httpx client without proxies from the environment, cookies and redirects, and with `fetch`."""

    def __init__(self, transport: CrawlTransport, *, timeouts: Timeouts | None = None) -> None:
        limits = timeouts or Timeouts()
        super().__init__(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(limits.read, connect=limits.connect),
        )
        self._crawl_transport = transport
        self._known_headers: Mapping[str, str] = {}
        self._known_head = b""
        """Encoded: they are the same for nearly every request."""

    async def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        max_bytes: int,
        timeouts: Timeouts,
        extra: Mapping[str, str] | None = None,
        post: Post | None = None,
        head: bytes = b"",
        cookies: list[str] | None = None,
        into: Spool | None = None,
    ) -> Answer:
        """One GET of a normalised URL, without httpx's objects; or the `post` to it.

        `headers` are those of every request and are encoded once for equal values; `extra` are this request's own,
        and so are the header lines in `head`. `cookies` gets the answer's Set-Cookie lines. `into`
        gets the body as it came over the wire, with whatever coding it has.
        Raises `FetchError`, `AddressRefused`, and `ValueError` for headers that cannot be sent.
        """
        loop = asyncio.get_running_loop()
        begin = loop.time()
        if headers is not self._known_headers:
            self._known_headers, self._known_head = headers, encode_headers(tuple(headers.items()))
        head += self._known_head
        if extra:
            head += encode_headers(tuple(extra.items()))
        if post is None and cookies is None and into is None:
            raw = await self._crawl_transport.exchange("GET", split(url), head, max_bytes=max_bytes, timeouts=timeouts)
        else:
            raw = await self._crawl_transport.exchange(
                "GET" if post is None else "POST",
                split(url),
                head,
                max_bytes=max_bytes,
                timeouts=timeouts,
                content=b"" if post is None else post.content,
                decode=into is None,
                cookies=cookies,
                into=into,
            )
        content_type, charset = read_content_type(raw.headers.get("content-type", ""))
        return Answer(
            url, raw.status, raw.headers, raw.body, raw.wire_bytes, loop.time() - begin, charset, content_type
        )


@lru_cache(maxsize=256)
def read_content_type(value: str) -> tuple[str, str]:
    """(type in lower-case without parameters, charset or an empty string) of a Content-Type header."""
    essence = value.partition(";")[0].strip().lower()
    found = _CHARSET.search(value)
    return essence, (found[1] or found[2] or "").strip() if found else ""
