"""Reads a crawl's sitemaps, one after the other, while its workers fetch pages: what they name are seeds at depth 0.

The addresses go to the storage a thousand at a time; the next thousand are read when those are stored. A sitemap counts
as read when all that it names is stored, those of an index included; it is not asked for again when the crawl goes on.

A page that its sitemap calls unchanged since we looked need not be asked for: it rests, and its stored links are
followed. A sitemap's word is taken with care, for an edit must not stay hidden:

* dates that are all alike say nothing, and neither does a date that is no earlier than our last look, by an hour;
* no page rests for longer than a week, each for its own share of that, so that at every crawl some are asked for all
  the same: where one of them turns out to have changed, no sitemap is believed for the rest of this crawl, nor in the
  next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from itertools import chain
from typing import Protocol

from crawler.engine.discovery import Scope
from crawler.engine.errors import Reason, UrlError
from crawler.engine.fetching.spool import Spool
from crawler.engine.known import KnownHashes
from crawler.engine.manners.gate import Gate
from crawler.engine.records import Link, PageResult, Seed, SitemapMemory, SitemapResult
from crawler.engine.spider import SpiderDefinition
from crawler.engine.urls import hash_url, origin_of, resolve
from crawler.engine.visit import Fetchers, RetryRule

from .fetching import SitemapFailed, SitemapFetcher
from .reader import Entry, SitemapReader

BATCH = 1_000
"""Addresses that are handed over together."""
MAX_SITEMAPS = 50_000
"""Of one crawl."""
ACCOUNTS = 100
"""Sitemaps of an index that are told to the storage together at most."""
MAX_LEVELS = 5
"""Indexes in indexes."""
MARGIN = 3_600.0
"""Seconds: clocks differ, and caches are late."""
TRUSTED_FOR = 7 * 86_400.0
"""Seconds."""
MAX_RECHECKS = 100_000
_LEFT_ALONE = frozenset({Reason.OUT_OF_SCOPE, Reason.ROBOTS_DISALLOWED, Reason.INVALID_URL, Reason.SCHEME_REFUSED})
_SHARES = 1_024
_DAY = 86_400.0


class Planter(Protocol):
    """The part of `ledger.Ledger` that takes what is found."""

    async def plant(self, seeds: list[Seed], reasons: Counter[str]) -> None: ...

    def add_sitemap(self, result: SitemapResult) -> None: ...


class SitemapWalk:
    """Of one attempt at one crawl. `run` once; `close` in any case."""

    def __init__(
        self,
        definition: SpiderDefinition,
        *,
        fetchers: Fetchers,
        gate: Gate,
        scope: Scope,
        planter: Planter,
        memory: SitemapMemory,
        seen: KnownHashes,
        retry: RetryRule,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        on_quiet: Callable[[], None] = lambda: None,
    ) -> None:
        """`seen` is the frontier's own. `wall` gives seconds since 1970. `on_quiet` is called where quiet hours end the
        crawl."""
        self._definition = definition
        self._fetcher = SitemapFetcher(
            fetchers, gate, may_fetch=self._may_fetch, retry=retry, clock=clock, on_quiet=on_quiet
        )
        self._scope = scope
        self._planter = planter
        self._memory = memory
        self._seen = seen
        self._wall = wall
        self._visited: set[int] = set()
        self._trusts = definition.manners.trust_lastmod and memory.trusts_lastmod
        self._rechecks: set[int] = set()
        self._found: list[tuple[Link, float | None]] = []
        """Addresses that are not handed over yet, with the latest moment that their `lastmod` may mean."""
        self._reasons: Counter[str] = Counter()
        self.is_done = False

    async def run(self, *, on_done: Callable[[], None]) -> None:
        """Read them all. What goes wrong with one is counted, named, and holds up no other."""
        named = self._definition.sitemaps
        if named == ("robots",):
            for origin in dict.fromkeys(map(origin_of, self._definition.start_pages)):
                for url in await self._named_by(origin):
                    await self._visit(url, 0)
        else:
            for url in named:
                await self._visit(url, 0)
        self.is_done = True
        on_done()

    def close(self) -> None:
        """Give back the places in the hosts' slots."""
        self._fetcher.close()

    def note_rechecks(self, url_hashes: Collection[int]) -> None:
        """Pages that their sitemap calls unchanged, and that are asked for all the same."""
        if len(self._rechecks) < MAX_RECHECKS:
            self._rechecks.update(url_hashes)

    def judge(self, result: PageResult) -> None:
        """Learn from a page that is through whether the sitemap's word was good."""
        if self._rechecks and result.page.url_hash in self._rechecks:
            self._rechecks.discard(result.page.url_hash)
            if result.extracted:
                result.reasons[Reason.LASTMOD_WRONG] += 1
                self._trusts = False

    # -- one sitemap --------------------------------------------------------------------------------------------------

    async def _named_by(self, origin: str) -> list[str]:
        """What the Sitemap lines of a host's robots.txt name: sitemaps of any host, as the protocol has it."""
        address = origin + "/robots.txt"
        urls: dict[str, None] = {}
        try:
            rules = await self._fetcher.rules(origin)
        except SitemapFailed as error:
            self._record(address, 0, error)
            return []
        for written in rules.sitemaps[:MAX_SITEMAPS]:
            try:
                urls[resolve(written, address)] = None
            except UrlError as error:
                self._record(address, 0, SitemapFailed(error.reason, str(error)))
        if not rules.sitemaps:
            why = "robots.txt names no sitemap" if rules.is_there else "there is no robots.txt to name sitemaps"
            # A file that is away for a moment may have named the only way to many pages; not where it named none.
            is_whole = rules.is_there or not self._memory.had_pages
            self._record(address, 0, SitemapFailed(Reason.SITEMAP_INVALID, why), is_whole=is_whole)
        return list(urls)

    async def _visit(self, url: str, level: int) -> bool:
        """Read a sitemap and those that it names. Returns whether that is all read."""
        hashed = hash_url(url)
        if hashed in self._visited or hashed in self._memory.read:
            return True  # an index that names itself, or one that has been read before
        self._visited.add(hashed)
        children: dict[str, None] = {}
        failure: SitemapFailed | None = None
        addresses = 0
        try:
            self._check_limits(level)
            addresses = await self._read(url, children)
        except SitemapFailed as error:
            failure = error
        is_whole = failure is None
        for number, child in enumerate(children, 1):
            if len(self._visited) >= MAX_SITEMAPS:
                failure, is_whole = failure or _too_many(), False
                break
            is_whole = await self._visit_child(child, url, level + 1) and is_whole
            if number % ACCOUNTS == 0:
                await self._planter.plant([], Counter())
        return self._record(url, addresses, failure, is_whole=is_whole)

    def _check_limits(self, level: int) -> None:
        if len(self._visited) > MAX_SITEMAPS:
            raise _too_many()
        if level > MAX_LEVELS:
            raise SitemapFailed(Reason.SITEMAP_LIMIT, f"indexes are nested more than {MAX_LEVELS} deep")

    async def _read(self, url: str, children: dict[str, None]) -> int:
        """Hand over what a sitemap names; returns how many pages that are. `children` gets the sitemaps."""
        addresses = 0
        with Spool() as spool:
            answer = await self._fetcher.fetch(url, spool)
            encoding = answer.headers.get("content-encoding", "")
            reader = SitemapReader(answer.url, content_encoding=encoding, charset=answer.charset)
            for data in chain(spool.pieces(), (None,)):
                for entries in reader.close() if data is None else reader.feed(data):
                    addresses += await self._take(answer.url, entries, children)
        if self._found or self._reasons:
            await self._hand_over()
        if reader.problem is not None:
            raise SitemapFailed(*reader.problem)
        if len(children) > MAX_SITEMAPS:
            raise _too_many()
        return addresses

    async def _visit_child(self, url: str, parent: str, level: int) -> bool:
        if not self._may_fetch(url, parent):
            self._visited.add(hash_url(url))
            return self._record(url, 0, SitemapFailed(Reason.OUT_OF_SCOPE, f"named by {parent}"))
        return await self._visit(url, level)

    def _may_fetch(self, url: str, source: str) -> bool:
        """Whether a sitemap that another one names, or redirects to, may be fetched."""
        return origin_of(url) == origin_of(source) or self._scope.judge(url) is None

    def _record(self, url: str, addresses: int, failure: SitemapFailed | None, *, is_whole: bool = False) -> bool:
        result = SitemapResult(url, hash_url(url), addresses=addresses, is_whole=is_whole)
        if failure is not None:
            # What we leave alone by somebody's wish is known: only what may be read another time is missing.
            result.is_whole = is_whole or failure.reason in _LEFT_ALONE
            result.reason, result.detail, result.status_code = failure.reason, failure.detail[:500], failure.status_code
        self._planter.add_sitemap(result)
        return result.is_whole

    # -- its addresses ------------------------------------------------------------------------------------------------

    async def _take(self, base: str, entries: list[Entry], children: dict[str, None]) -> int:
        """Judge entries, and hand over what there is enough of; returns how many of them are pages."""
        pages = 0
        for entry in entries:
            try:
                url = resolve(entry.address, base)
            except UrlError as error:
                self._reasons[error.reason] += 1
                continue
            if entry.is_sitemap:
                if len(children) <= MAX_SITEMAPS:  # one more than are read, to know that there are
                    children[url] = None
                continue
            pages += 1
            reason = self._scope.judge(url, 0)
            if reason is not None:
                self._reasons[reason] += 1
                continue
            url_hash = hash_url(url)
            if self._seen.add(url_hash):
                self._found.append((Link(url, url_hash, 0), entry.lastmod))
                if len(self._found) >= BATCH:
                    await self._hand_over()
        await asyncio.sleep(0)
        return pages

    async def _hand_over(self) -> None:
        found, self._found = self._found, []
        reasons, self._reasons = self._reasons, Counter()
        await self._planter.plant(self._seeds(found), reasons)

    def _seeds(self, found: list[tuple[Link, float | None]]) -> list[Seed]:
        days = {int(lastmod // _DAY) for _, lastmod in found if lastmod is not None}
        if not self._trusts or len(days) < 2:
            return [Seed(link) for link, _ in found]
        now = self._wall()
        return [
            Seed(link)
            if lastmod is None
            else Seed(link, lastmod + MARGIN, now - TRUSTED_FOR * (link.url_hash % _SHARES + 1) / _SHARES)
            for link, lastmod in found
        ]


def _too_many() -> SitemapFailed:
    return SitemapFailed(Reason.SITEMAP_LIMIT, f"a crawl reads at most {MAX_SITEMAPS:,} sitemaps")
