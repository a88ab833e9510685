"""One visit to one page: a single attempt to fetch it, and what its answer gives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, Self

from .desk import Reading
from .detours import Detours
from .errors import AddressRefused, FetchError, ReadingEnded, Reason, TimedOut, UrlError
from .fetching.cookies import CookieJar
from .fetching.fetcher import is_retriable_status, retry_after
from .fetching.requests import TURNED_AWAY, BodyForgotten, Post, Posts, was_never_sent
from .fetching.spool import Spool
from .frontier import Frontier, Host
from .manners.slots import MAX_BACKOFF
from .reading import PageReader, failed, refused
from .records import Answer, CrawlCounts, Extraction, PageResult, PendingPage
from .spider import SecretRef, SpiderDefinition
from .urls import origin_of

logger = logging.getLogger(__name__)

MANY_LINKS = 2_000
"""Links of a page that are taken over at once; of more the loop's other work has its turn between."""
OVERLOADED = frozenset({429, 503})
"""Statuses by which a host asks for rest; it is the host that rests, not only the page."""
PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Never sent to an origin that no start URL has, and neither is any header whose value is a secret."""


class PageFetcher(Protocol):
    """`fetcher.Fetcher`: one attempt, whole answer or error."""

    @property
    def user_agent(self) -> str: ...

    def fetch(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int | None = None,
        post: Post | None = None,
    ) -> Coroutine[None, None, Answer]: ...

    def fetch_into(self, spool: Spool, url: str, *, max_bytes: int) -> Coroutine[None, None, Answer]: ...

    def without(self, names: Collection[str]) -> Self: ...

    @property
    def jar(self) -> CookieJar | None: ...


class PageExtractor(Protocol):
    """`parsing.PageParser`, or `extractor.Extractor` itself."""

    def extract(
        self, url: str, body: bytes, charset: str, content_type: str
    ) -> Extraction | Coroutine[None, None, Extraction]:
        """What is to be awaited is read in another process, and raises `ReadingEnded`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often a page is tried again after a failure that may pass, and after how many seconds (doubling)."""

    times: int = 2
    delay: float = 1.0


def private_headers(definition: SpiderDefinition) -> frozenset[str]:
    """Lower-case names of the headers that belong to the start URLs' origins alone."""
    headers = definition.manners.headers.items()
    return PRIVATE_HEADERS | {name.lower() for name, value in headers if isinstance(value, SecretRef)}


class Fetchers:
    """Headers that are private go to the start URLs' origins alone."""

    def __init__(self, definition: SpiderDefinition, fetcher: PageFetcher) -> None:
        self._at_home = fetcher
        self.jar = fetcher.jar
        self._abroad = fetcher.without(private_headers(definition))
        self._home = frozenset(map(origin_of, definition.start_pages))

    def for_origin(self, origin: str) -> PageFetcher:
        return self._at_home if origin in self._home else self._abroad


class Visitor:
    """Fetches and reads for one crawl. What failed and may get better goes back into the frontier from here."""

    def __init__(
        self,
        fetchers: Fetchers,
        extractor: PageExtractor,
        *,
        frontier: Frontier,
        counts: CrawlCounts,
        retry: RetryRule,
        clock: Callable[[], float],
        leave: Callable[[Host, float], None],
    ) -> None:
        """`leave` hears of a host that asked for a longer rest than a crawl waits."""
        self._leave = leave
        self._fetchers = fetchers
        self._extractor = extractor
        self._frontier = frontier
        self._counts = counts
        self._retry = retry
        self._clock = clock
        self.posts: Posts | None = None
        """Bodies of start pages; None where there are none, nor were when the crawl began."""
        self._detours = None if fetchers.jar is None else Detours(fetchers.jar)

    async def fetch(self, host: Host, page: PendingPage) -> Answer | PageResult | None:
        """The answer to be read; or the result where none came; or None if the page is to be tried again."""
        manners = host.guest.manners
        self._counts.requests += 1
        manners.requests += 1
        fetcher = self._fetchers.for_origin(host.origin)
        post = None
        try:
            if self.posts is not None and page.depth == 0:
                post = self.posts.of(page)
            if post is not None:
                answer = await fetcher.fetch(page.url, post=post)
            elif page.may_revalidate:
                answer = await fetcher.fetch(page.url, etag=page.etag, last_modified=page.last_modified)
            else:
                answer = await fetcher.fetch(page.url)
        except AddressRefused as error:
            return refused(page, Reason.ADDRESS_REFUSED, str(error))
        except UrlError as error:
            return refused(page, error.reason, str(error))
        except BodyForgotten as error:
            return refused(page, Reason.BODY_FORGOTTEN, str(error))
        except FetchError as error:
            if isinstance(error, TimedOut):
                host.guest.timed_out()
            if error.retriable and (post is None or was_never_sent(error)) and self._try_again(host, page, None):
                return None
            return failed(page, error.reason, str(error))
        self._counts.bytes += answer.wire_bytes
        manners.bytes += answer.wire_bytes
        status = answer.status_code
        if not is_retriable_status(status):
            host.guest.answered(answer.seconds)
            if status == 304 and page.may_revalidate:
                manners.not_modified += 1
                manners.bytes_saved += page.size
            return answer
        may_repeat = post is None or status in TURNED_AWAY
        return self._put_off(host, page, answer, may_repeat=may_repeat)

    def read(self, host: Host, reader: PageReader, page: PendingPage, answer: Answer) -> Reading:
        """What the answer means for its page, extracted where it is to be."""
        result = reader.judge(page, answer)
        if self._detours is not None:
            self._detours.judge(result, answer)
        if not result.extracted or result.reason:
            return result
        try:
            extraction = self._extractor.extract(answer.url, answer.body, answer.charset, answer.content_type)
        except Exception as error:  # a page that breaks the extractor must not end the crawl of all others
            return _unread(page, answer, error)
        if not isinstance(extraction, Extraction):
            host.in_helper += 1
            return self._read_outside(host, reader, result, answer, extraction)
        reader.hear(extraction, answer)
        if len(extraction.links) > MANY_LINKS:
            return self._take_over(reader, result, extraction)
        reader.absorb(result, extraction)
        return result

    async def _read_outside(
        self,
        host: Host,
        reader: PageReader,
        result: PageResult,
        answer: Answer,
        reading: Coroutine[None, None, Extraction],
    ) -> PageResult:
        try:
            extraction = await reading
        except Exception as error:  # as above
            return _unread(result.page, answer, error)
        finally:
            host.in_helper -= 1
        reader.hear(extraction, answer)
        if len(extraction.links) > MANY_LINKS:
            return await self._take_over(reader, result, extraction)
        reader.absorb(result, extraction)
        return result

    async def _take_over(self, reader: PageReader, result: PageResult, extraction: Extraction) -> PageResult:
        """The links of a page that has very many, in portions."""
        links, extraction.links = extraction.links, []
        is_echo = reader.absorb(result, extraction)
        for start in range(0, len(links), MANY_LINKS):
            reader.discovery.take(result, links[start : start + MANY_LINKS], is_echo=is_echo)
            await asyncio.sleep(0)
        return result

    def _put_off(self, host: Host, page: PendingPage, answer: Answer, *, may_repeat: bool) -> Answer | None:
        """The host cannot answer now: None if the page is asked for again, in this crawl or in another."""
        now = self._clock()
        pause = retry_after(answer, datetime.now(UTC))
        if answer.status_code in OVERLOADED or pause is not None:
            host.guest.refused(answer.status_code, now, pause)
            if may_repeat and host.guest.must_leave(now):
                self._leave(host, now)
                self._frontier.leave_page(host, page)
                return None
        return None if may_repeat and self._try_again(host, page, pause) else answer

    def _try_again(self, host: Host, page: PendingPage, pause: float | None) -> bool:
        if page.attempts >= self._retry.times:
            return False
        if pause is None:
            pause = self._retry.delay * 2**page.attempts
        page.attempts += 1
        self._counts.retries += 1
        host.guest.manners.retries += 1
        self._frontier.return_later(page, self._clock() + min(pause, MAX_BACKOFF))
        return True


def _unread(page: PendingPage, answer: Answer, error: Exception) -> PageResult:
    if isinstance(error, ReadingEnded):
        reason, detail = error.reason, str(error)
    else:
        logger.error("Extraction failed", exc_info=error, extra={"action": "extraction_failed", "url": page.url})
        reason, detail = Reason.EXTRACTION_ERROR, f"{type(error).__name__}: {error}"
    return failed(page, reason, detail, status_code=answer.status_code, wire_bytes=answer.wire_bytes)
