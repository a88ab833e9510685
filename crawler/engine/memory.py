"""A storage that forgets: for previews and for tests of the engine. It keeps every promise of `CrawlStorage`."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from .errors import Reason
from .known import KnownHashes
from .manners.budget import requests_by_host
from .manners.politeness import HostManners
from .records import (
    Batch,
    CanonicalMemory,
    CheckpointAnswer,
    ItemRecord,
    Json,
    Link,
    Opening,
    PageResult,
    PageState,
    PendingPage,
    Seed,
    SitemapMemory,
    SitemapResult,
)
from .storage import never
from .tally import is_start_answer
from .urls import hash_url


@dataclass(slots=True)
class StoredPage:
    """A URL that the spider knows."""

    page_id: int
    url: str
    url_hash: int
    task: int = 0
    """The crawl that saw it last; `state` is what became of it there."""
    state: PageState = PageState.PENDING
    depth: int = 0
    hops: int = 0
    status_code: int | None = None
    reason: str = ""
    detail: str = ""
    etag: str = ""
    last_modified: str = ""
    content_hash: bytes = b""
    size: int = 0
    links: bytes = b""
    redirected_to: str = ""
    extracted_version: int = 0
    checked_at: float = 0.0
    """Seconds since 1970 when it was asked for last."""
    is_answer: bool = False
    chain: tuple[int, ...] = ()


@dataclass(slots=True)
class _Planted:
    joined: list[StoredPage] = field(default_factory=list)
    rested: int = 0
    rechecks: set[int] = field(default_factory=set)
    cut: int = 0


@dataclass(slots=True)
class StoredItem:
    """An item with the values that it had before."""

    type: str
    key: str
    key_hash: int
    page_id: int
    """The page that owns it."""
    task: int
    """The crawl in which a page gave it last."""
    data: dict[str, Json]
    data_hash: bytes
    versions: list[dict[str, Json]] = field(default_factory=list)
    """Superseded values, the oldest first."""
    gone: bool = False


class MemoryStorage:
    """One spider's pages and items. `begin` starts a new crawl; without it an `open` goes on with the current one."""

    def __init__(self, *, version: int = 1, max_depth: int | None = None) -> None:
        self.version = version
        """Of the spider's definition: pages extracted with another one are not revalidated."""
        self.max_depth = max_depth
        self.task = 1
        self.pages: dict[int, StoredPage] = {}
        self.items: dict[tuple[str, int], StoredItem] = {}
        self.checkpoints: list[Batch] = []
        self.hosts: dict[str, HostManners] = {}
        """How the current crawl has treated each host."""
        self.days: Counter[tuple[str, date]] = Counter()
        self._by_id: dict[int, StoredPage] = {}
        self._keys_of: dict[int, set[tuple[str, int]]] = {}
        self._pending: dict[int, StoredPage] = {}
        self._opened = 0
        self.sitemaps_read: set[int] = set()
        self._sitemaps: list[SitemapResult] = []
        self._had_pages = False
        self._found_lies = False
        self._trusts_lastmod = True
        self._was_cut = False

    def begin(self, *, version: int | None = None) -> None:
        """The next crawl of this spider, perhaps with another version of its definition."""
        self.task += 1
        self.version = version or self.version
        self.checkpoints = []
        self._pending = {}
        self._was_cut = False
        self._trusts_lastmod = not self._found_lies
        self._found_lies = False
        self.sitemaps_read = set()
        if self._sitemaps:
            self._had_pages = any(sitemap.addresses for sitemap in self._sitemaps)
        self._sitemaps = []

    async def open(self, seeds: Sequence[Link], *, room: int, stopping: Callable[[], bool] = never) -> Opening:
        resumed = self._opened == self.task
        self._opened = self.task
        self._join(seeds)
        mine = [page for page in self.pages.values() if page.task == self.task]
        pending = list(self._pending.values())
        stored = [result for batch in self.checkpoints for result in batch.results]
        return Opening(
            seen=KnownHashes(page.url_hash for page in mine),
            pending=[self._as_pending(page) for page in pending[:room]],
            pending_dropped=max(0, len(pending) - room),
            pages_done=sum(1 for page in mine if page.is_answer),
            resumed=resumed,
            start_answered=any(r.page.depth == 0 and is_start_answer(r.status_code, r.reason) for r in stored),
            reasons={reason for result in stored for reason in (result.reason, *result.reasons)},
            depth_limited=self._was_cut or any(Reason.DEPTH_LIMIT in (r.reason, *r.reasons) for r in stored),
        )

    async def window(self, *, room: int, held: Collection[int]) -> Sequence[PendingPage]:
        found: list[PendingPage] = []
        for page_id, page in self._pending.items():
            if len(found) >= room:
                break
            if page_id not in held:
                found.append(self._as_pending(page))
        return found

    async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
        self.checkpoints.append(batch)
        if batch.hosts is not None:
            self.hosts = batch.hosts
        counts = dict.fromkeys(("new", "changed", "unchanged", "conflicts"), 0)
        joined: list[StoredPage] = []
        cut = 0
        for result in batch.results:
            page = self._by_id[result.page.page_id]
            self._store(page, result)
            is_redirected = result.state is PageState.REDIRECTED
            joined += self._join(result.links, (*page.chain, page.url_hash) if is_redirected else ())
            if result.state is PageState.UNCHANGED:
                if self._is_last(page.depth):
                    cut += len(page.links) // 8
                else:
                    joined += self._join_stored(page)
                self._keep_items(page)
            if result.back:
                joined += self._go_back(result)
        planted = self._plant(batch.seeds)
        joined += planted.joined
        cut += planted.cut
        self._sitemaps += batch.sitemaps
        self.sitemaps_read.update(result.url_hash for result in batch.sitemaps if result.is_whole)
        self._found_lies = self._found_lies or any(Reason.LASTMOD_WRONG in r.reasons for r in batch.results)
        self._store_items(batch.results, counts)
        self._was_cut = self._was_cut or cut > 0
        return CheckpointAnswer(
            pending=[self._as_pending(page) for page in joined[:room]],
            pending_dropped=max(0, len(joined) - room),
            items_new=counts["new"],
            items_changed=counts["changed"],
            items_unchanged=counts["unchanged"],
            conflicts=counts["conflicts"],
            links_cut=cut,
            rested=planted.rested,
            rechecks=planted.rechecks,
            host_pages=self._count_day(batch),
        )

    async def pages_on(self, host: str, day: date) -> int:
        return self.days[host, day]

    async def sitemap_memory(self) -> SitemapMemory:
        had_pages = self._had_pages or any(sitemap.addresses for sitemap in self._sitemaps)
        return SitemapMemory(frozenset(self.sitemaps_read), self._trusts_lastmod, had_pages)

    async def canonical_memory(self) -> CanonicalMemory:
        mine = [page for page in self.pages.values() if page.task == self.task]
        failed = [page.url_hash for page in mine if page.state in (PageState.FAILED, PageState.REFUSED)]
        led = [page for page in mine if page.state is PageState.REDIRECTED]
        waiting = {page.url_hash: hash_url(page.redirected_to) for page in led if page.reason == Reason.CANONICAL}
        moved = {page.url_hash: hash_url(page.redirected_to) for page in led if not page.reason}
        return CanonicalMemory(failed, waiting, moved)

    async def visited(self, *, after: int) -> Sequence[tuple[int, str]]:
        left = (PageState.PENDING, PageState.REFUSED)
        mine = [page for page in self.pages.values() if page.task == self.task and page.state not in left]
        return [(page.page_id, page.url) for page in mine if page.page_id > after]

    async def mark_gone(self, *, stopping: Callable[[], bool] = never) -> int:
        gone = [item for item in self.items.values() if item.task != self.task and not item.gone]
        for item in gone:
            item.gone = True
        return len(gone)

    def _count_day(self, batch: Batch) -> dict[str, tuple[int, int]]:
        if batch.day is None:
            return {}
        own = requests_by_host(batch.results)
        for host, count in own.items():
            self.days[host, batch.day] += count
        return {host: (self.days[host, batch.day], count) for host, count in own.items()}

    def _as_pending(self, page: StoredPage) -> PendingPage:
        may_revalidate = page.extracted_version == self.version
        return PendingPage(
            page_id=page.page_id,
            url=page.url,
            url_hash=page.url_hash,
            depth=page.depth,
            hops=page.hops,
            etag=page.etag,
            last_modified=page.last_modified,
            content_hash=page.content_hash,
            may_revalidate=may_revalidate,
            chain=page.chain,
            size=page.size,
        )

    def _join(self, links: Iterable[Link], chain: tuple[int, ...] = ()) -> list[StoredPage]:
        """Put links into the frontier; those that this crawl already knows stay as they are."""
        joined = []
        for link in links:
            page = self.pages.get(link.url_hash)
            if page is None:
                page = StoredPage(len(self.pages) + 1, link.url, link.url_hash)
                self.pages[link.url_hash] = page
                self._by_id[page.page_id] = page
            if page.task != self.task:
                joined.append(self._put(page, link.depth, link.hops, chain))
        return joined

    def _go_back(self, result: PageResult) -> list[StoredPage]:
        """Pages that led on in vain are pending again; those on a detour for a cookie are this crawl's no more."""
        for url_hash in result.forgotten:
            self.pages[url_hash].task = 0
        back = [self.pages[url_hash] for url_hash in result.back]
        back = [page for page in back if page.task == self.task and page.state is PageState.REDIRECTED]
        for page in back:
            page.extracted_version = 0
        return [self._put(page, page.depth, page.hops, page.chain) for page in back]

    def _join_stored(self, parent: StoredPage) -> list[StoredPage]:
        """An unchanged page's links join the frontier as if they had been extracted anew."""
        hashes = struct.unpack(f"<{len(parent.links) // 8}q", parent.links)
        pages = (self.pages.get(url_hash) for url_hash in hashes)
        return [self._put(page, parent.depth + 1, 0) for page in pages if page and page.task != self.task]

    def _plant(self, seeds: Iterable[Seed]) -> _Planted:
        """Put seeds into the frontier, but for those that rest: their stored links join in their place."""
        planted = _Planted()
        links: list[Link] = []
        for seed in seeds:
            page = self.pages.get(seed.link.url_hash)
            since = seed.unchanged_since
            if (
                page is None
                or since is None
                or page.task == self.task
                or page.state not in (PageState.DONE, PageState.UNCHANGED)
                or page.extracted_version != self.version
                or page.checked_at < since
                or self._is_last(page.depth)
            ):
                links.append(seed.link)
            elif page.checked_at < seed.rests_since:
                planted.rechecks.add(page.url_hash)
                links.append(seed.link)
            else:
                self._rest(page)
                planted.rested += 1
                if self._is_last(0):
                    planted.cut += len(page.links) // 8
                else:
                    planted.joined += self._join_stored(page)
                self._keep_items(page)
        planted.joined += self._join(links)
        return planted

    def _rest(self, page: StoredPage) -> None:
        page.task, page.depth, page.hops, page.chain = self.task, 0, 0, ()
        page.state, page.status_code, page.reason = PageState.UNCHANGED, None, Reason.LASTMOD_UNCHANGED
        page.is_answer = False

    def _is_last(self, depth: int) -> bool:
        """Whether the links of a page at this depth lie beyond max_depth."""
        return self.max_depth is not None and depth >= self.max_depth

    def _put(self, page: StoredPage, depth: int, hops: int, chain: tuple[int, ...] = ()) -> StoredPage:
        if self._is_last(page.depth) and depth < page.depth:
            page.extracted_version = 0  # its links were cut and have no pages: it is read again
        page.task = self.task
        page.state = PageState.PENDING
        page.depth = depth
        page.hops = hops
        page.chain = chain
        page.is_answer = False
        self._pending[page.page_id] = page
        return page

    def _store(self, page: StoredPage, result: PageResult) -> None:
        self._pending.pop(page.page_id, None)
        page.state = result.state
        page.status_code = result.status_code
        page.reason = result.reason
        page.detail = result.detail
        page.redirected_to = result.redirected_to
        page.is_answer = result.is_answer
        page.checked_at = time.time()
        if result.state in (PageState.DONE, PageState.UNCHANGED):
            page.etag = result.etag
            page.last_modified = result.last_modified
            page.content_hash = result.content_hash
        if result.extracted:
            page.size = result.wire_bytes
            page.links = result.link_hashes
            page.extracted_version = self.version

    def _keep_items(self, page: StoredPage) -> None:
        for key in self._keys_of.get(page.page_id, ()):
            item = self.items[key]
            if item.page_id == page.page_id:
                item.task = self.task

    def _store_items(self, results: Iterable[PageResult], counts: dict[str, int]) -> None:
        for result in results:
            for record in result.items:
                counts[self._store_item(result.page.page_id, record)] += 1

    def _store_item(self, page_id: int, record: ItemRecord) -> str:
        """Simpler than the database: the first page of a crawl that gives a key owns it for that crawl."""
        key = (record.type, record.key_hash)
        self._keys_of.setdefault(page_id, set()).add(key)
        item = self.items.get(key)
        if item is None:
            self.items[key] = StoredItem(
                record.type, record.key, record.key_hash, page_id, self.task, record.data, record.data_hash
            )
            return "new"
        if item.task == self.task and item.page_id != page_id:
            return "unchanged" if item.data_hash == record.data_hash else "conflicts"
        item.task = self.task
        item.page_id = page_id
        item.gone = False
        if item.data_hash == record.data_hash:
            return "unchanged"
        item.versions.append(item.data)
        item.data = record.data
        item.data_hash = record.data_hash
        return "changed"
