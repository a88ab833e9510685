# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""What sitemaps name, stored: pages that join the frontier, and pages that rest because their sitemap says so.

Synchronous, in the storage lane, in the transaction of the checkpoint that it comes with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from crawler import rawsql
from crawler.engine.errors import Reason
from crawler.engine.records import Batch, PageState, PendingPage, Seed, SitemapMemory, SitemapResult
from crawler.models import CrawlTask, Page, TaskSitemap

from .checkpoint import CrawlMemory, CrawlScope, Stored, add_links, empty_blob, join_frontier, lock_task, store_batch

_RESTING = (PageState.DONE.value, PageState.UNCHANGED.value)


@dataclass(slots=True)
class Planted:
    """What became of the seeds of one batch."""

    pending: list[PendingPage] = field(default_factory=list)
    rested: int = 0
    rechecks: list[int] = field(default_factory=list)
    links_cut: int = 0


def store(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> tuple[Stored, Planted]:
    """Store a batch with its seeds, all or nothing.

    Raises:
        ClaimLost: from the guard; nothing was written.
    """
    if not batch.seeds and not batch.sitemaps:
        return store_batch(scope, batch, memory), Planted()
    with transaction.atomic(savepoint=False):
        scope.guard()
        lock_task(scope.task_id)
        planted = _plant(scope, batch.seeds)
        _write_sitemaps(scope.task_id, batch.sitemaps)
        reasons = batch.reasons.copy()
        reasons[Reason.LASTMOD_UNCHANGED.value] += planted.rested
        reasons[Reason.DEPTH_LIMIT.value] += planted.links_cut
        more = replace(memory, headway=memory.headway.with_more(len(planted.pending)))
        stored = store_batch(scope, replace(batch, reasons=+reasons), more)
        if planted.rested:
            CrawlTask.objects.filter(pk=scope.task_id).update(pages_unchanged=F("pages_unchanged") + planted.rested)
    return stored, planted


def read_memory(scope: CrawlScope) -> SitemapMemory:
    """What this task has read, and what crawls before found: a sitemap that tells lies, sitemaps that named pages."""
    read = TaskSitemap.objects.filter(task_id=scope.task_id, is_whole=True).values_list("url_hash", flat=True)
    crawls = CrawlTask.objects.filter(spider_id=scope.spider_id, pk__lte=scope.task_id).exclude(
        task_type=CrawlTask.Type.URLS  # those read no sitemap
    )
    # An earlier attempt at this very crawl may have found a lie, too.
    lied = any(
        Reason.LASTMOD_WRONG.value in reasons
        for reasons in crawls.order_by("-pk").values_list("reasons", flat=True)[:2]
    )
    return SitemapMemory(frozenset(read), not lied, _had_pages(scope, crawls))


def _had_pages(scope: CrawlScope, crawls: QuerySet[CrawlTask]) -> bool:
    named = TaskSitemap.objects.filter(addresses__gt=0)
    if named.filter(task_id=scope.task_id).exists():
        return True
    with_sitemaps = crawls.filter(Exists(TaskSitemap.objects.filter(task=OuterRef("pk"))), pk__lt=scope.task_id)
    last = with_sitemaps.order_by("-pk").values_list("pk", flat=True).first()
    return last is not None and named.filter(task_id=last).exists()


def _plant(scope: CrawlScope, seeds: Sequence[Seed]) -> Planted:
    planted = Planted()
    resting = _resting(scope, seeds, planted)
    if resting:
        condition, ids = rawsql.among("id", list(resting.values()))
        rows = rawsql.fetch(
            f"UPDATE crawler_page SET task_id = %s, state = 'unchanged', reason = %s, status_code = NULL, depth = 0, "
            f"hops = 0, chain = {empty_blob()}, attempts = 0 WHERE {condition} RETURNING links",
            [scope.task_id, Reason.LASTMOD_UNCHANGED.value, ids],
        )
        planted.rested = len(rows)
        hashes = dict.fromkeys(each for row in rows for each in rawsql.unpack(cast(bytes, row[0])))
        if scope.max_depth == 0:
            planted.links_cut = sum(len(cast(bytes, row[0])) // 8 for row in rows)
        elif hashes:
            planted.pending.extend(join_frontier(scope, list(hashes), 1))
    links = [(seed.link, ()) for seed in seeds if seed.link.url_hash not in resting]
    planted.pending.extend(add_links(scope, links, timezone.now()))
    return planted


def _resting(scope: CrawlScope, seeds: Sequence[Seed], planted: Planted) -> dict[int, int]:
    """Ids, by URL hash, of pages that need not be asked for."""
    claims = {seed.link.url_hash: seed for seed in seeds if seed.unchanged_since is not None}
    if not claims or not scope.follows_links:
        return {}
    condition, hashes = rawsql.among("url_hash", list(claims))
    rows = rawsql.fetch(
        "SELECT id FROM crawler_page WHERE spider_id = %s AND extracted_version = %s AND state IN (%s, %s) "
        # A page without a hash leads on by what is no stored link (a refresh): it is read each time.
        "AND length(content_hash) > 0 "
        f"AND (task_id IS NULL OR task_id <> %s) AND {condition}",
        [scope.spider_id, scope.spider_version, *_RESTING, scope.task_id, hashes],
    )
    known = Page.objects.filter(pk__in=[row[0] for row in rows]).values_list("pk", "url_hash", "checked_at", "depth")
    resting: dict[int, int] = {}
    for page_id, url_hash, checked_at, depth in known:
        seed = claims[url_hash]
        if checked_at is None or (scope.max_depth is not None and depth >= scope.max_depth):
            continue  # never read, or so deep that its links were cut
        if checked_at < _moment(seed.unchanged_since):
            continue
        if checked_at < _moment(seed.rests_since):
            planted.rechecks.append(url_hash)
        else:
            resting[url_hash] = page_id
    return resting


def _moment(seconds: float | None) -> datetime:
    return datetime.fromtimestamp(min(max(seconds or 0.0, 0.0), _LATEST), UTC)


_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def _write_sitemaps(task_id: int, results: Sequence[SitemapResult]) -> None:
    now = timezone.now()
    once = {result.url_hash: result for result in results}
    TaskSitemap.objects.bulk_create(
        [
            TaskSitemap(
                task_id=task_id,
                url_hash=url_hash,
                url=rawsql.text(result.url),
                addresses=result.addresses,
                is_whole=result.is_whole,
                reason=rawsql.text(result.reason, 50),
                at=now,
            )
            for url_hash, result in once.items()
        ],
        update_conflicts=True,
        unique_fields=["task", "url_hash"],
        update_fields=["url", "addresses", "is_whole", "reason", "at"],
    )
