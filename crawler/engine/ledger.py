"""The results that are not stored yet, and the one task that speaks to the storage while the crawl goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from .frontier import Frontier
from .records import Batch, CheckpointAnswer, Notice, PageResult, PendingPage, Seed, SitemapResult
from .storage import LOOK_CHARACTERS, CrawlStorage

AT_ONCE = 2_000
"""Pages that the frontier takes in within a few milliseconds."""
BATCH_CHARACTERS = 16_000_000
"""Of the URLs and items in a batch: it is stored at once though it has few pages. One page may have 10 MB of them."""


class Ledger:
    """At most two batches wait here: one is being written, one is filling.

    A batch is let go only after its commit. `on_stored` is called after every commit with the storage's answer,
    `on_idle` each time that the task has done what was asked of it. `note` may add to a batch, just before it is
    stored, what is kept beside its pages; the last batch is stored even if it holds no page.
    """

    def __init__(
        self,
        storage: CrawlStorage,
        frontier: Frontier,
        *,
        pages: int,
        seconds: float,
        on_stored: Callable[[Batch, CheckpointAnswer], None],
        on_idle: Callable[[], None],
        note: Callable[[Batch, bool], None],
    ) -> None:
        self._storage = storage
        self._frontier = frontier
        self._pages = pages
        self._seconds = seconds
        self._on_stored = on_stored
        self._on_idle = on_idle
        self._note = note
        self._asked = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._filling = Batch()
        self._characters = 0
        """Of the URLs and items that the batch brings."""
        self._planted: asyncio.Future[None] | None = None
        """Done when the seeds in the batch that is filling are stored."""
        self.writing = False
        self.number = 0
        """Of the batch that is filling."""
        self.hungry = False
        """Whether what is unsaved may bring pages for a host that has none left in memory."""
        self.outside = False
        """Whether the storage knows pending pages that are not in memory."""

    @property
    def full(self) -> bool:
        return len(self._filling.results) >= self._pages or self._characters >= BATCH_CHARACTERS

    def has_room(self, coming: int) -> bool:
        """Whether another result has its place in the batch that is filling, when `coming` have been added to it."""
        return len(self._filling.results) + coming < self._pages and self._characters < BATCH_CHARACTERS

    @property
    def empty(self) -> bool:
        """Nothing unsaved: neither filling nor being written."""
        return not self._has_unsaved and not self.writing

    @property
    def _has_unsaved(self) -> bool:
        batch = self._filling
        # Who planted waits for the commit, even where nothing of it was in scope.
        return bool(batch.results or batch.seeds or batch.sitemaps) or self._planted is not None

    @property
    def needs_refill(self) -> bool:
        """Whether the memory is half empty while the storage has more. (At least half: to ask is not free.)"""
        return self.outside and self._frontier.room >= max(1, self._frontier.window // 2)

    def add(self, result: PageResult, *, hungry: bool = False) -> None:
        """Keep the result of one page until the next checkpoint."""
        results = self._filling.results
        results.append(result)
        if hungry:
            self.hungry = True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.ask)
        for link in result.links:
            self._characters += len(link.url)
        for item in result.items:
            self._characters += len(item.data_json)
        if self.full:
            self.ask()

    async def plant(self, seeds: list[Seed], reasons: Counter[str]) -> None:
        """Put what a sitemap names into the frontier, and count what it names in vain; returns when that is stored."""
        self._filling.seeds.extend(seeds)
        self._filling.reasons.update(reasons)
        if self._planted is None:
            self._planted = asyncio.get_running_loop().create_future()
        self.ask()
        await asyncio.shield(self._planted)

    def add_sitemap(self, result: SitemapResult) -> None:
        """A sitemap is through, and all that it names is stored."""
        batch = self._filling
        batch.sitemaps.append(result)
        if result.reason:
            batch.reasons[result.reason] += 1
            batch.notices.append(Notice(result.url, result.reason, result.detail, result.status_code))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.ask)

    def name(self, notices: Iterable[Notice]) -> None:
        """Name them among the task's failures, with the next results."""
        self._filling.notices.extend(notices)

    def ask(self) -> None:
        """Store what is unsaved, and fetch pages where memory has room, as soon as may be."""
        self._asked.set()

    def finish(self) -> None:
        """Let `run` return once everything is stored."""
        self._closing = True
        self.ask()

    async def run(self) -> None:
        """Serve until `finish`. Raises what the storage raises."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            if self._has_unsaved or self._closing:
                await self._store()
            if not self._closing and self.needs_refill:
                await self._refill()
            self._on_idle()
            if self.full:
                self.ask()
            elif self._closing and not self._has_unsaved:
                return

    async def _store(self) -> None:
        batch, self._filling = self._filling, Batch()
        self._characters = 0
        planted, self._planted = self._planted, None
        self.number += 1
        self.hungry = False
        self.writing = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._note(batch, self._closing)
        room = self._frontier.room + len(batch.results)
        answer = await self._storage.checkpoint(batch, room=room)
        self._frontier.release([result.page for result in batch.results])
        self._frontier.admit(answer.pending)
        if answer.pending_dropped:
            self.outside = True
        self.writing = False
        self._on_stored(batch, answer)
        if planted is not None:
            planted.set_result(None)

    async def _refill(self) -> None:
        room = self._frontier.room
        pages = await self._storage.window(room=room, held=self._frontier.held)
        self.outside = len(pages) >= room or sum(len(page.url) for page in pages) >= LOOK_CHARACTERS
        await self.take_in(pages)

    async def take_in(self, pages: Sequence[PendingPage]) -> None:
        """Give the frontier pages, so few at a time that the loop is not held up."""
        for start in range(0, len(pages), AT_ONCE):
            self._frontier.admit(pages[start : start + AT_ONCE])
            await asyncio.sleep(0)
