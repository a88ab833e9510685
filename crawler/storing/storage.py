# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""The storage of a real crawl: pages, items and progress in the database, written by checkpoints.

Coroutines hand synchronous functions to the storage lane; the event loop never runs a query.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from time import monotonic
from typing import cast

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from crawler import rawsql
from crawler.engine.errors import Reason
from crawler.engine.known import KnownHashes
from crawler.engine.records import (
    MAX_CANONICALS,
    Batch,
    CanonicalMemory,
    CheckpointAnswer,
    Link,
    Opening,
    PageResult,
    PendingPage,
    SitemapMemory,
)
from crawler.engine.storage import LOOK_CHARACTERS, never
from crawler.engine.tally import is_start_answer
from crawler.engine.urls import hash_url
from crawler.models import CrawlTask, Page, Spider, TaskFailure

from . import continuation, host_days, rule_counts, seeding
from .checkpoint import CrawlMemory, CrawlScope, Stored, add_seeds
from .headway import Headway
from .lanes import PART_PAUSE, LaneRun
from .pending import PENDING_COLUMNS, pending_page
from .vanished import Marking

MOST_ROWS, FEWEST_ROWS = 3_000, 200
"""Rows that one transaction writes, about: more in a batch are written in several, so that a tick of the scheduler
waits less than 100 ms for SQLite's one write lock. How many these are is the machine's affair: see `Portions`."""
LONG_SECONDS, SHORT_SECONDS = 0.05, 0.025

ROWS_AT_ONCE = 10_000
"""Of a long answer, fetched together."""
LOG_PAGES = 4_000
"""Pages of SQLite's log after which a crawl writes it back into the database itself: half of what others wait for, so
that it is hardly ever a tick that does."""
CACHE_KIBIBYTES, CACHE_STEP = 16_000, 1_000
"""Of the database that the storage lane keeps in memory at most: hashes fall all over an index. With SQLite's own 2,000
a checkpoint of a crawl of a million pages takes a tenth more CPU, and reads its files again and again. A crawl of
16,000 pages is as quick with those, and 12 MB smaller: the cache grows with the crawl."""
CACHED_BYTES = 100
"""Of each page that a crawl knows."""
VISITED = 10_000
"""Pages that are looked up at once to go on counting where an earlier attempt ended."""


class DatabaseStorage:
    """Implements `engine.storage.CrawlStorage` for one attempt of one task."""

    def __init__(
        self,
        *,
        task: CrawlTask,
        spider: Spider,
        spider_version: int,
        guard: Callable[[], None],
        lane_run: LaneRun,
        max_depth: int | None = None,
        max_pages: int | None = None,
        follows_links: bool = True,
        lasting: Collection[str] = (),
        on_failures: Callable[[Sequence[TaskFailure]], None] = lambda failures: None,
    ) -> None:
        """`guard` is called inside each transaction before its first write, and raises when the run is lost.

        `max_depth` and `max_pages` are the definition's. `follows_links` is False where given URLs alone are fetched.
        `lasting` are the types of items that do not vanish all at once: a crawl that reads none of one calls none gone.
        `on_failures` hears, in the storage lane, of the examples of failures that each commit has stored.
        """
        self.task = task
        self._scope = CrawlScope(
            task_id=task.pk,
            spider_id=spider.pk,
            spider_version=spider_version,
            guard=guard,
            max_depth=max_depth,
            follows_links=follows_links,
        )
        self.goes_on_from = ""
        """Once opened: the task that left the pages with which this one begins."""
        self._max_pages = max_pages
        self._lasting = lasting
        self._on_failures = on_failures
        self._lane_run = lane_run
        self._memory = CrawlMemory()
        self._portions = Portions()
        self._unsure: tuple[Batch, Stored, seeding.Planted] | None = None
        """What a transaction did of which it is not known whether it was committed."""
        self._pages = 0
        """That have joined the frontier."""
        self._cached = 0
        """Kibibytes, as the cache was seen last."""
        # Checkpoints may wait side by side; each batch is stored whole before the next begins.
        self._in_order = asyncio.Lock()

    async def open(self, seeds: Sequence[Link], *, room: int, stopping: Callable[[], bool] = never) -> Opening:
        """Begin, or go on with, the crawl: a task that has pages is gone on with, and so is one that had to leave some.

        (`continuation` says when.)
        """
        before = await self._lane_run(continuation.find, self._scope, max_pages=self._max_pages)
        if before.task_id is not None:
            while await self._lane_run(continuation.take_part, self._scope, before.task_id):
                await asyncio.sleep(PART_PAUSE)
                if stopping():
                    return Opening(KnownHashes(), [], pending_dropped=0, pages_done=0, resumed=False)
        return await self._lane_run(self._open, seeds, room, before)

    async def window(self, *, room: int, held: Collection[int]) -> Sequence[PendingPage]:
        """At most `room` pages of the frontier, in the order in which they joined it, that are not in `held`."""
        return await self._lane_run(self._window, room, set(held))

    async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
        """Store a batch.

        Raises:
            ClaimLost: the run is not ours any more; nothing was written.
        """
        async with self._in_order:
            stored: list[Stored] = []
            planted: list[seeding.Planted] = []
            for part in _parts(batch, self._portions):
                if stored:
                    await asyncio.sleep(PART_PAUSE)
                made, seeds = await self._lane_run(self._store, part)
                stored.append(made)
                planted.append(seeds)
        pending = [page for each in stored for page in each.pending]
        pending += [page for each in planted for page in each.pending]
        return CheckpointAnswer(
            pending=pending[:room],
            pending_dropped=max(len(pending) - room, 0),
            items_new=sum(each.plan.items_new for each in stored),
            items_changed=sum(each.plan.items_changed for each in stored),
            items_unchanged=sum(each.plan.items_unchanged for each in stored),
            conflicts=sum(each.plan.conflicts for each in stored),
            links_cut=sum(each.links_cut for each in stored) + sum(each.links_cut for each in planted),
            rested=sum(each.rested for each in planted),
            rechecks=[url_hash for each in planted for url_hash in each.rechecks],
            host_pages=_host_pages(stored),
        )

    async def pages_on(self, host: str, day: date) -> int:
        """How many requests for pages a host has had on a day, from all spiders and processes."""
        return await self._lane_run(host_days.pages_on, host, day)

    async def sitemap_memory(self) -> SitemapMemory:
        """What this task and the one before know of the spider's sitemaps."""
        return await self._lane_run(seeding.read_memory, self._scope)

    async def canonical_memory(self) -> CanonicalMemory:
        """Which pages of this task could not be read, and which gave their place to others."""
        return await self._lane_run(self._canonical_memory)

    async def visited(self, *, after: int) -> Sequence[tuple[int, str]]:
        """Id and URL of the next 10,000 pages, by id, that this task has fetched."""
        return await self._lane_run(self._visited, after)

    async def mark_gone(self, *, stopping: Callable[[], bool] = never) -> int:
        """Mark the items that no page gave; returns how many. May be called again after a crash, or a stop."""
        if not self._scope.follows_links:
            return 0
        marking = Marking(
            scope=self._scope,
            memory=self._memory,
            lasting=self._lasting,
            is_walk=bool(self.goes_on_from),
            lane_run=self._lane_run,
            stopping=stopping,
        )
        async with self._in_order:
            return await marking.mark()

    def _open(self, seeds: Sequence[Link], room: int, before: continuation.Before) -> Opening:
        task_id = self._scope.task_id
        if connection.vendor == "sqlite":
            rawsql.fetch(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}", [])
        is_resumed = Page.objects.filter(task_id=task_id).exists()
        if not is_resumed:
            before = continuation.Before()  # its pages are not there any more
        self.goes_on_from = before.name
        add_seeds(self._scope, seeds)
        columns = ("reasons", "rules", "hosts", "pages", "run__execution_time", "run__started_at")
        row = CrawlTask.objects.values(*columns).get(pk=task_id)
        failures = TaskFailure.objects.filter(task_id=task_id).order_by().values_list("reason").annotate(Count("pk"))
        waiting = Page.objects.filter(task_id=task_id, state="pending").count()
        self._memory = CrawlMemory(
            reasons=Counter(row["reasons"]),
            rules=rule_counts.from_json(row["rules"]),
            failures=Counter(dict(failures)),
            hosts=row["hosts"],
            headway=Headway.begin(waiting, timezone.now()),
            counts_days=host_days.is_counted(),
        )
        reasons = frozenset(before.reasons + Counter(row["reasons"]))
        pending = self._window(room, set())
        seen = self._known()
        self._joined(len(seen))
        return Opening(
            seen=seen,
            pending=pending,
            pending_dropped=waiting - len(pending),
            pages_done=before.pages + row["pages"],
            resumed=is_resumed,
            start_answered=is_resumed and self._has_start_answer(),
            depth_limited=Reason.DEPTH_LIMIT.value in reasons,
            reasons=reasons,
            seconds_spent=_seconds_spent(row["run__execution_time"], row["run__started_at"]),
            rests=continuation.rests(self._scope),
        )

    def _known(self) -> KnownHashes:
        """Of every page that the task has put into its frontier: a million in a second, and never all rows at once."""
        task_id = self._scope.task_id
        known = KnownHashes(expected=Page.objects.filter(task_id=task_id).count())
        add = known.add
        with connection.chunked_cursor() as cursor:
            cursor.execute("SELECT url_hash FROM crawler_page WHERE task_id = %s", [task_id])
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                for (url_hash,) in rows:
                    add(url_hash)
        return known

    def _has_start_answer(self) -> bool:
        pages = Page.objects.filter(task_id=self._scope.task_id, depth=0, status_code__lt=400).exclude(state="pending")
        return any(is_start_answer(*page) for page in pages.values_list("status_code", "reason"))

    def _window(self, room: int, held: set[int]) -> list[PendingPage]:
        pages: list[PendingPage] = []
        characters = 0
        with connection.chunked_cursor() as cursor:
            cursor.execute(
                f"SELECT {PENDING_COLUMNS} FROM crawler_page WHERE task_id = %s AND state = 'pending' "
                "ORDER BY id LIMIT %s",
                [self._scope.task_id, room + len(held)],
            )
            while rows := cursor.fetchmany(ROWS_AT_ONCE // 10):
                for row in rows:
                    if row[0] not in held:
                        pages.append(pending_page(row, self._scope.spider_version))
                        characters += len(pages[-1].url)
                if len(pages) >= room or characters >= LOOK_CHARACTERS:
                    break
        return pages[:room]

    def _canonical_memory(self) -> CanonicalMemory:
        pages = Page.objects.filter(task_id=self._scope.task_id).order_by("-id")
        failed = pages.filter(state__in=("failed", "refused")).values_list("url_hash", flat=True)
        led: dict[str, dict[int, int]] = {Reason.CANONICAL.value: {}, "": {}}
        for reason, targets in led.items():
            found = pages.filter(state="redirected", reason=reason).values_list("url_hash", "redirected_to")
            targets.update((page, hash_url(target)) for page, target in found[:MAX_CANONICALS])
        return CanonicalMemory(list(failed[:MAX_CANONICALS]), *led.values())

    def _visited(self, after: int) -> list[tuple[int, str]]:
        pages = Page.objects.filter(task_id=self._scope.task_id, id__gt=after).exclude(state__in=("pending", "refused"))
        return list(pages.order_by("id").values_list("id", "url")[:VISITED])

    def _store(self, part: Batch) -> tuple[Stored, seeding.Planted]:
        began = monotonic()
        stored, planted = self._once(part)
        self._portions.took(len(part.seeds) + sum(map(_weight, part.results)), monotonic() - began)
        self._memory = stored.memory
        if stored.failures:
            self._on_failures(stored.failures)
        self._joined(len(stored.pending) + len(planted.pending))
        return stored, planted

    def _once(self, part: Batch) -> tuple[Stored, seeding.Planted]:
        """Store a part, which comes again where the connection broke: perhaps after the commit, with its answer."""
        if self._unsure is not None:
            tried, stored, planted = self._unsure
            if tried is part and self._is_stored(stored):
                return stored, planted
        with transaction.atomic():
            stored, planted = seeding.store(self._scope, part, self._memory)
            self._unsure = (part, stored, planted)
        self._unsure = None
        return stored, planted

    def _is_stored(self, made: Stored) -> bool:
        """Whether the task's row is as this checkpoint, and no other, writes it."""
        rows = CrawlTask.objects.filter(pk=self._scope.task_id).values_list("headway", flat=True)
        return list(rows) == [made.memory.headway.to_json()]

    def _joined(self, pages: int) -> None:
        """Let SQLite's cache grow with the crawl. The lane's connection is other crawls' too: it never shrinks."""
        self._pages += pages
        wanted = min(CACHE_KIBIBYTES, self._pages * CACHED_BYTES // 1024)
        if connection.vendor != "sqlite" or wanted < min(CACHE_KIBIBYTES, self._cached + CACHE_STEP):
            return
        [(present,)] = rawsql.fetch("PRAGMA cache_size", [])
        self._cached = max(wanted, -cast(int, present))
        rawsql.fetch(f"PRAGMA cache_size = -{self._cached}", [])


def _seconds_spent(before: float | None, started_at: datetime | None) -> float:
    """How long a run has executed: under earlier claims, and since it began under this one (retries come later)."""
    since = max(0.0, (timezone.now() - started_at).total_seconds()) if started_at is not None else 0.0
    return (before or 0.0) + since


class Portions:
    """How many rows one transaction may write here: fewer where it takes long, more again where it is quick."""

    def __init__(self) -> None:
        self.rows = MOST_ROWS

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a transaction of `rows` rows."""
        if seconds > LONG_SECONDS:
            self.rows = max(FEWEST_ROWS, min(self.rows, rows) // 2)
        elif seconds < SHORT_SECONDS and rows > self.rows // 2:
            self.rows = min(MOST_ROWS, self.rows * 5 // 4)


def _parts(batch: Batch, portions: Portions) -> Iterator[Batch]:
    """`batch` in pieces of about as many rows as may be; what is kept beside the pages goes with the first."""
    part = replace(batch, results=[], seeds=[])
    weight = 0
    for seed in batch.seeds:
        if weight >= portions.rows and connection.vendor == "sqlite":
            yield part
            part, weight = Batch(day=batch.day), 0
        part.seeds.append(seed)
        weight += 1
    for result in batch.results:
        rows = _weight(result)
        if weight and weight + rows > portions.rows and connection.vendor == "sqlite":
            yield part
            part, weight = Batch(day=batch.day), 0
        part.results.append(result)
        weight += rows
    yield part


def _host_pages(stored: Sequence[Stored]) -> dict[str, tuple[int, int]]:
    """What was counted together after the last part, and how much of it was the batch's."""
    pages: dict[str, tuple[int, int]] = {}
    for each in stored:
        for host, (together, own) in each.host_pages.items():
            pages[host] = (together, own + pages.get(host, (0, 0))[1])
    return pages


def _weight(result: PageResult) -> int:
    return 1 + len(result.items) + len(result.links)
