"""Fetches sitemaps as pages are fetched: by scope, guard, robots.txt, slot, redirects, time-outs and retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf

from crawler.engine.errors import AddressRefused, BodyTooLarge, FetchError, Reason, TimedOut, UrlError, http_reason
from crawler.engine.fetching.fetcher import is_retriable_status, retry_after
from crawler.engine.fetching.redirects import MAX_HOPS
from crawler.engine.fetching.spool import Spool
from crawler.engine.manners.gate import LONGEST_NAP, Gate
from crawler.engine.manners.robots import RobotsRules
from crawler.engine.manners.slots import MAX_BACKOFF, Guest
from crawler.engine.records import REDIRECTS, Answer
from crawler.engine.urls import origin_of, resolve
from crawler.engine.visit import OVERLOADED, Fetchers, RetryRule

from .reader import MAX_WIRE_BYTES


class SitemapFailed(Exception):
    """A sitemap could not be had, or not as a whole. `reason` is counted."""

    def __init__(self, reason: str, detail: str, status_code: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.status_code = status_code


class SitemapFetcher:
    """Of one crawl, with a place of its own in the hosts' slots: `close` gives them back."""

    def __init__(
        self,
        fetchers: Fetchers,
        gate: Gate,
        *,
        may_fetch: Callable[[str, str], bool],
        retry: RetryRule,
        clock: Callable[[], float],
        on_quiet: Callable[[], None] = lambda: None,
    ) -> None:
        """`may_fetch` judges where a redirect leads: the URL, and the one that led there. `on_quiet` is called where
        quiet hours end the crawl."""
        self._fetchers = fetchers
        self._gate = gate
        self._may_fetch = may_fetch
        self._retry = retry
        self._clock = clock
        self._on_quiet = on_quiet
        self._guests: dict[str, Guest] = {}
        self._awake = asyncio.Event()

    async def rules(self, origin: str) -> RobotsRules:
        """A host's robots.txt, whether or not the spider obeys it. Raises `SitemapFailed` where it cannot be read."""
        known = self._gate.known_rules(origin)
        if known is None:
            guest = await self._place(origin)
            try:
                known = await self._gate.rules(origin, guest.manners)
            finally:
                guest.release(self._clock())
            if self._gate.obeys_robots:
                guest.obey(known.crawl_delay(self._gate.agent))
        if known.problem:
            raise SitemapFailed(known.reason, known.problem)
        return known

    async def fetch(self, url: str, spool: Spool) -> Answer:
        """The answer at the end of all redirects; `spool` has its body. Raises `SitemapFailed`."""
        passed = {url}
        for _ in range(MAX_HOPS + 1):
            answer = await self._fetch(url, spool)
            if answer.status_code not in REDIRECTS:
                if answer.status_code in (404, 410):
                    raise SitemapFailed(Reason.SITEMAP_INVALID, "there is nothing at this address", answer.status_code)
                if not 200 <= answer.status_code < 300:
                    raise SitemapFailed(http_reason(answer.status_code), "", answer.status_code)
                return answer
            try:
                target = resolve(answer.headers.get("location", ""), url)
            except UrlError as error:
                raise SitemapFailed(Reason.REDIRECT_INVALID, str(error), answer.status_code) from error
            if not self._may_fetch(target, url):
                raise SitemapFailed(Reason.OUT_OF_SCOPE, f"redirected to {target}", answer.status_code)
            if target in passed:
                break
            passed.add(target)
            url = target
        raise SitemapFailed(Reason.REDIRECT_LOOP, f"to {url}")

    def close(self) -> None:
        now = self._clock()
        for guest in self._guests.values():
            guest.leave(now)
        self._guests.clear()

    async def _fetch(self, url: str, spool: Spool) -> Answer:
        """One hop, tried again where that may help."""
        origin = origin_of(url)
        if self._gate.obeys_robots and not (await self.rules(origin)).allows(url, self._gate.agent):
            raise SitemapFailed(Reason.ROBOTS_DISALLOWED, "")
        failure = SitemapFailed(Reason.CONNECT_ERROR, "")
        for attempt in range(self._retry.times + 1):
            guest = await self._place(origin)
            pause = self._retry.delay * 2**attempt
            try:
                answer = await self._attempt(guest, url, spool)
            except FetchError as error:
                reason = Reason.SITEMAP_LIMIT if isinstance(error, BodyTooLarge) else error.reason
                failure = SitemapFailed(reason, str(error))
                if not error.retriable:
                    raise failure from error
            except (AddressRefused, UrlError) as error:
                raise SitemapFailed(error.reason, str(error)) from error
            else:
                if not is_retriable_status(answer.status_code):
                    return answer
                failure = SitemapFailed(http_reason(answer.status_code), "", answer.status_code)
                pause = retry_after(answer, datetime.now(UTC)) or pause
            # Where the host asked for a longer rest than that, the next place says so.
            if attempt < self._retry.times and not guest.must_leave(self._clock()):
                await asyncio.sleep(min(pause, MAX_BACKOFF))
        raise failure

    async def _attempt(self, guest: Guest, url: str, spool: Spool) -> Answer:
        """Takes back the place in the slot that `guest` was given."""
        manners = guest.manners
        manners.requests += 1
        try:
            fetcher = self._fetchers.for_origin(origin_of(url))
            answer = await fetcher.fetch_into(spool, url, max_bytes=MAX_WIRE_BYTES)
            if spool.problem:
                raise SitemapFailed(Reason.SITEMAP_LIMIT, f"it could not be kept while it was read: {spool.problem}")
            manners.bytes += answer.wire_bytes
            pause = retry_after(answer, datetime.now(UTC))
            if answer.status_code in OVERLOADED or (pause is not None and is_retriable_status(answer.status_code)):
                guest.refused(answer.status_code, self._clock(), pause)
            else:
                guest.answered(answer.seconds)
            return answer
        except TimedOut:
            guest.timed_out()
            raise
        finally:
            guest.release(self._clock())

    async def _place(self, origin: str) -> Guest:
        """A place in the host's slot, taken. Raises `SitemapFailed` where the host asked for too long a rest."""
        guest = self._guests.get(origin)
        if guest is None:
            guest = self._guests[origin] = self._gate.visitor(origin, self._awake.set)
            known = self._gate.known_rules(origin)
            if known is not None and self._gate.obeys_robots:
                guest.obey(known.crawl_delay(self._gate.agent))
        while True:
            self._awake.clear()
            now = self._clock()
            quiet = self._gate.quiet(now)
            until = guest.wait(now) if quiet is None else quiet[0]
            if not until:
                guest.take(now)
                return guest
            if quiet is not None and until == inf:
                self._on_quiet()
            if guest.must_leave(now):
                raise SitemapFailed(Reason.HOST_REST, "the host asked for a longer rest than a crawl waits for")
            nap = LONGEST_NAP if until == inf else min(until - now, LONGEST_NAP)
            try:
                async with asyncio.timeout(nap):
                    await self._awake.wait()
            except TimeoutError:
                continue
