"""What the crawl loop asks of a storage. `crawler.storing.storage.DatabaseStorage` is the real one; `MemoryStorage`
serves tests and previews."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Protocol

from .records import Batch, CanonicalMemory, CheckpointAnswer, Link, Opening, PendingPage, SitemapMemory

LOOK_CHARACTERS = 16_000_000
"""Of the URLs that one look into the frontier brings, about: 2,000 of the longest that there are."""


def never() -> bool:
    """For who does not stop."""
    return False


class CrawlStorage(Protocol):
    """Coroutines, called by one task at a time but for `checkpoint`, of which at most two wait."""

    async def open(self, seeds: Sequence[Link], *, room: int, stopping: Callable[[], bool] = never) -> Opening:
        """Begin, or go on with, the crawl.

        Puts `seeds` into the frontier where the task does not know them, and returns at most `room` pending pages,
        fewer where their URLs have `LOOK_CHARACTERS` together. Where it takes long, it asks now and then whether the
        crawl is `stopping`, and then returns an empty opening: another attempt goes on with what is done by then.
        """
        ...

    async def window(self, *, room: int, held: Collection[int]) -> Sequence[PendingPage]:
        """At most `room` pending pages whose `page_id` is not in `held` (in memory or in flight).

        Fewer where their URLs have `LOOK_CHARACTERS` together; else only where there are no more.
        """
        ...

    async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
        """Store `batch` in one transaction: page rows, new links, items with versions, counters.

        Raises `ClaimLost` (the storage's own) when this process no longer owns the run: nothing was written.
        """
        ...

    async def pages_on(self, host: str, day: date) -> int:
        """How many requests for pages `host` (`slots.host_key`) has had on that day, as far as they are stored."""
        ...

    async def sitemap_memory(self) -> SitemapMemory:
        """What is known of the spider's sitemaps. Asked once, and only where it has any."""
        ...

    async def canonical_memory(self) -> CanonicalMemory:
        """What this task knows of canonical pages. Asked once, where a crawl goes on whose spider follows them."""
        ...

    async def visited(self, *, after: int) -> Sequence[tuple[int, str]]:
        """Id and URL of the next pages, by id, behind `after`, that this task has fetched; none at the end."""
        ...

    async def mark_gone(self, *, stopping: Callable[[], bool] = never) -> int:
        """After a crawl that ended completed with an empty frontier and under no limit: items that no page gave.

        Where it takes long, it asks now and then whether the crawl is `stopping`, and then leaves the rest: called
        again, it goes on.
        """
        ...
