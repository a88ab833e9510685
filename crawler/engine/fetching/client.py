"""The one HTTP client of a process."""

from __future__ import annotations

from collections.abc import Coroutine

import httpx

from crawler.engine.records import Answer

from .transport import CrawlTransport
from .wire import Request, Timeouts


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

    def fetch(self, request: Request) -> Coroutine[None, None, Answer]:
        """One request, without httpx's objects. Raises `FetchError` and `AddressRefused`."""
        return self._crawl_transport.exchange(request)
