"""robots.txt as RFC 9309 reads it: `RobotsRules` decides (pure), `Robots` fetches and remembers.

| what robots.txt answers            | what it means                                   |
|------------------------------------|-------------------------------------------------|
| 2xx                                | its rules; at most the first 500 KiB            |
| 4xx, or more than five redirects   | all allowed                                     |
| 5xx, no answer, too big to be read | all refused for now; asked again after a minute |
| no name, no connection, no TLS     | the same, under the host's own reason           |
| 429                                | the same (as Google reads it): "too many" is no |
|                                    | "there is none"                                 |

Where the host says when it may be asked again (Retry-After), it is not asked before: for as long as `MAX_PATIENCE` the
crawl waits, beyond that all is refused until then.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from hashlib import blake2b
from math import inf
from typing import Protocol as TypingProtocol
from typing import TypeAlias
from weakref import WeakValueDictionary

from crawler.engine.errors import AddressRefused, FetchError, ProxyFailed, Reason, UrlError
from crawler.engine.fetching.fetcher import retry_after
from crawler.engine.records import REDIRECTS, Answer
from crawler.engine.urls import origin_of, resolve

from .robotstxt import RobotsText, read, target_of
from .slots import host_key

MAX_BYTES = 512_000
"""Of rules that are read."""
MAX_FETCHED = 10_485_760
"""Bytes of a file that is fetched, whatever a spider says of its pages: the file holds for all spiders."""
MAX_REDIRECTS = 5
ATTEMPTS = 3
TTL = 3_600.0
"""Seconds for which rules hold. (The RFC allows a day; an owner who forbids something should not wait so long.)"""
TTL_UNREACHABLE = 60.0
MAX_PATIENCE = 5.0
"""Seconds: a longer Retry-After is not waited for, since who waits for it holds a worker of the crawl."""
MAX_KEPT = 50_000
"""Origins remembered; the oldest go first."""
MAX_KEPT_BYTES = 32_000_000
"""Of their files, which take about three times as much once they are read: who has ten thousand names with half a
megabyte of rules each gets no gigabytes of memory."""

_NO_HOST = frozenset(
    {Reason.DNS_ERROR, Reason.CONNECT_ERROR, Reason.CONNECT_TIMEOUT, Reason.TLS_ERROR, Reason.PROXY_ERROR}
)
"""Nothing of the host can be had: that it is the robots.txt which failed first says nothing."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_COMPATIBLE = re.compile(r"compatible;\s*([A-Za-z0-9_-]+)", re.IGNORECASE)


class RobotsFetcher(TypingProtocol):
    """The part of `Fetcher` that robots.txt needs."""

    async def fetch(self, url: str, *, max_bytes: int | None = None) -> Answer: ...


class _RedirectFailed(FetchError):
    """What robots.txt was redirected to, on another host, cannot be had."""

    reason = Reason.ROBOTS_UNREACHABLE

    def __init__(self, message: str, *, retriable: bool = True) -> None:
        super().__init__(message)
        self.retriable = retriable


FetcherFor: TypeAlias = Callable[[str], RobotsFetcher]
"""The fetcher for an origin: what is private to one must not follow a redirect to another."""
Passage: TypeAlias = Callable[[str], AbstractAsyncContextManager[None]]
"""A place in the slot of an origin's host, held while that is asked for the robots.txt of another host. Raises
`FetchError` where none becomes free."""


def _freely(origin: str) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def product_token(user_agent: str) -> str:
    """The name that robots.txt knows a crawler by: ``Lamplighter`` of ``Mozilla/5.0 (compatible; Lamplighter/1.0)``."""
    named = _COMPATIBLE.search(user_agent)
    if named:
        return named[1]
    token = _TOKEN.match(user_agent)
    return token[0] if token else user_agent


class RobotsRules:
    """What one origin allows."""

    __slots__ = ("_text", "expires_at", "is_there", "problem", "reason", "size")

    def __init__(
        self,
        text: RobotsText | None,
        *,
        problem: str = "",
        reason: Reason = Reason.ROBOTS_UNREACHABLE,
        expires_at: float = inf,
        size: int = 0,
        is_there: bool = False,
    ) -> None:
        self._text = text
        self.is_there = is_there
        """Whether there is a file. What is allowed without one is known; what it would name is not."""
        self.size = size
        """Bytes of the file."""
        self.problem = problem
        """Why nothing may be fetched for now; empty if the rules are known."""
        self.reason = reason
        """Under which the pages are refused while there is a problem."""
        self.expires_at = expires_at
        """Monotonic seconds."""

    @classmethod
    def parse(cls, body: bytes, *, expires_at: float = inf) -> RobotsRules:
        """The rules in `body`: UTF-8, with or without a byte order mark; what is no rule is passed over."""
        if len(body) > MAX_BYTES:
            # The line that the limit cuts is dropped: half of `Disallow: /private` may forbid the whole site.
            body = body[: body.rfind(b"\n", 0, MAX_BYTES) + 1]
        text = _read_once(body)
        if not text.groups and not text.sitemaps:
            return cls(None, expires_at=expires_at, is_there=True)
        return cls(text, expires_at=expires_at, size=len(body), is_there=True)

    def allows(self, url: str, agent: str) -> bool:
        """Whether the crawler that robots.txt knows as `agent` may fetch `url`; never while unreachable."""
        if self._text is None:
            return not self.problem
        group = self._text.group(agent)
        return group is None or group.allows(target_of(url))

    def rule_for(self, url: str, agent: str) -> str:
        """The line that decides about `url`, as it is compared: ``Disallow: /search``; empty where none does."""
        group = None if self._text is None else self._text.group(agent)
        return "" if group is None else group.rule_for(target_of(url))

    def crawl_delay(self, agent: str) -> float | None:
        """Seconds between two requests, by Crawl-delay or Request-rate; None where nothing is said."""
        group = None if self._text is None else self._text.group(agent)
        return None if group is None else group.delay

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """What the file's Sitemap lines name, as written."""
        return () if self._text is None else self._text.sitemaps


_texts: WeakValueDictionary[bytes, RobotsText] = WeakValueDictionary()
"""By their digests, as long as anybody's rules are these: the hosts of one owner mostly have the same file."""


def _read_once(body: bytes) -> RobotsText:
    digest = blake2b(body, digest_size=16).digest()
    text = _texts.get(digest)
    if text is None:
        text = _texts[digest] = read(body)
    return text


ALLOW_ALL = RobotsRules(None)


class _Loading:
    """A file that is being fetched."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[RobotsRules]) -> None:
        self.task = task
        self.waiting = 0
        """Crawls that want it, each with a place in the slot of its host."""


class Robots:
    """The rules of every origin that this process crawls, each fetched once at a time and kept for a while."""

    def __init__(
        self, *, ttl: float = TTL, retry_delay: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl = ttl
        self._retry_delay = retry_delay
        self._clock = clock
        self._known: dict[str, RobotsRules] = {}
        self._bytes = 0
        self._loading: dict[str, _Loading] = {}

    def known(self, origin: str) -> RobotsRules | None:
        """The rules of `origin` where they are here and still hold."""
        rules = self._known.get(origin)
        return rules if rules is not None and rules.expires_at > self._clock() else None

    def is_at_hand(self, origin: str) -> bool:
        """Whether the rules of `origin` are known, or somebody fetches them: `rules` then asks for nothing."""
        return origin in self._loading or self.known(origin) is not None

    async def rules(self, origin: str, fetcher_for: FetcherFor, passage: Passage = _freely) -> RobotsRules:
        """The rules of `origin`, fetched at need. Raises no fetch error: unreachable is an answer.

        The caller holds a place in the slot of `origin`; `passage` gives those in others that redirects lead to.

        The fetch is a task of its own: a crawl that is cancelled while others wait for the same file takes nothing
        away from them. Where nobody waits any more, nobody holds a place for it either, and it ends.
        """
        rules = self.known(origin)
        if rules is not None:
            return rules
        loading = self._loading.get(origin)
        if loading is None:
            task = asyncio.create_task(self._load(origin, fetcher_for, passage), name=f"robots {origin}")
            loading = self._loading[origin] = _Loading(task)
        loading.waiting += 1
        try:
            return await asyncio.shield(loading.task)
        finally:
            loading.waiting -= 1
            if not loading.waiting:
                del self._loading[origin]
                loading.task.cancel()

    async def close(self) -> None:
        """End all fetches."""
        tasks = [loading.task for loading in self._loading.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _load(self, origin: str, fetcher_for: FetcherFor, passage: Passage) -> RobotsRules:
        rules = await self._fetch(origin + "/robots.txt", fetcher_for, passage)
        self._drop(origin)
        self._known[origin] = rules
        self._bytes += rules.size
        while len(self._known) > MAX_KEPT or (self._bytes > MAX_KEPT_BYTES and len(self._known) > 1):
            self._drop(next(iter(self._known)))
        return rules

    def _drop(self, origin: str) -> None:
        rules = self._known.pop(origin, None)
        if rules is not None:
            self._bytes -= rules.size

    async def _fetch(self, url: str, fetcher_for: FetcherFor, passage: Passage) -> RobotsRules:
        problem = ""
        reason = Reason.ROBOTS_UNREACHABLE
        pause = 0.0
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(max(pause, self._retry_delay * 2 ** (attempt - 1)))
            pause = 0.0
            try:
                answer = await self._follow(url, fetcher_for, passage)
            except AddressRefused:
                # The page itself meets the same guard and says so under its own reason.
                return RobotsRules(None, expires_at=self._clock() + TTL_UNREACHABLE)
            except FetchError as error:
                problem = f"{url}: {error}"
                # A host that cannot be reached at all, or a proxy, is not a matter of its robots.txt.
                reason = error.reason if error.reason in _NO_HOST else Reason.ROBOTS_UNREACHABLE
                if not error.retriable:
                    break
                continue
            if isinstance(answer, RobotsRules):
                return answer
            if answer is None or (300 <= answer.status_code < 500 and answer.status_code != 429):
                return RobotsRules(None, expires_at=self._clock() + self._ttl)
            if answer.status_code < 300:
                return RobotsRules.parse(answer.body, expires_at=self._clock() + self._ttl)
            problem = f"{url} answered {answer.status_code}"
            reason = Reason.ROBOTS_UNREACHABLE
            pause = retry_after(answer, datetime.now(UTC)) or 0.0
            if pause > MAX_PATIENCE:
                break
        expires_at = self._clock() + max(TTL_UNREACHABLE, pause)
        return RobotsRules(None, problem=problem, reason=reason, expires_at=expires_at)

    async def _follow(self, url: str, fetcher_for: FetcherFor, passage: Passage) -> Answer | RobotsRules | None:
        """The answer at the end of at most five redirects, or another host's rules where these are known and meant;
        None where they lead nowhere."""
        first = url
        for _ in range(MAX_REDIRECTS + 1):
            origin = origin_of(url)
            is_own = host_key(origin) == host_key(origin_of(first))
            known = self.known(origin) if url == origin + "/robots.txt" and not is_own else None
            if known is not None:
                return known
            try:
                async with _freely(origin) if is_own else passage(origin):
                    answer = await fetcher_for(origin).fetch(url, max_bytes=MAX_FETCHED)
            except AddressRefused as error:
                if url == first:
                    raise
                raise _RedirectFailed(f"redirected to {url}: {error}") from error
            except FetchError as error:
                if origin == origin_of(first) or isinstance(error, ProxyFailed):
                    raise
                # The host itself answered: it is its robots.txt that cannot be read.
                raise _RedirectFailed(f"redirected to {url}: {error}", retriable=error.retriable) from error
            location = answer.headers.get("location", "")
            if answer.status_code not in REDIRECTS or not location:
                return answer
            try:
                url = resolve(location, url)
            except UrlError:
                return None
        return None
