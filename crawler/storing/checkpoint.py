# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""One checkpoint: a batch of pages, links, items and counts, in one transaction behind the run's guard.

Everything here is synchronous and runs in the storage lane. Locks are taken in the order that the whole product keeps:
the run (by its guard), the task, pages, items with their sums, hosts' days.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from django.db import connection, transaction
from django.utils import timezone

from crawler import rawsql
from crawler.engine.errors import Reason
from crawler.engine.manners.politeness import merged
from crawler.engine.records import Batch, Link, PageResult, PageState, PendingPage
from crawler.items.history import Claims, ItemPlan, Standing, plan_items, standing
from crawler.items.rows import write_items
from crawler.models import CrawlTask, TaskFailure

from . import host_days, rule_counts
from .failures import add_failures
from .headway import Headway
from .pending import PENDING_COLUMNS, go_back, pending_page


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlScope:
    """What stays the same over all checkpoints of one crawl."""

    task_id: int
    spider_id: int
    spider_version: int
    guard: Callable[[], None]
    """Takes the run's row inside the transaction; raises when the run is no longer ours."""
    max_depth: int | None = None
    """The spider's: links of pages that lie so deep have no rows."""
    follows_links: bool = True
    """False where given URLs alone are fetched: stored links are neither walked nor replaced, and the pages that were
    read are extracted again when the spider itself runs next."""


@dataclass(slots=True)
class CrawlMemory:
    """What one attempt remembers between checkpoints; replaced after each commit, never before."""

    claims: Claims = field(default_factory=Claims)
    reasons: Counter[str] = field(default_factory=Counter)
    rules: rule_counts.Counts = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Rows by reason."""
    hosts: object = None
    """What earlier attempts have stored in `CrawlTask.hosts`."""
    headway: Headway = field(default_factory=Headway)
    counts_days: bool = False
    """Whether any spider has `pages_per_day`: only then are requests counted by host and day."""


@dataclass(slots=True)
class Stored:
    """What one transaction did."""

    memory: CrawlMemory
    pending: list[PendingPage]
    plan: ItemPlan
    links_cut: int
    failures: list[TaskFailure]
    """Rows that were written."""
    host_pages: dict[str, tuple[int, int]]


def store_batch(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> Stored:
    """Store a batch, all or nothing.

    Raises:
        ClaimLost: from the guard; nothing was written.
    """
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        scope.guard()
        lock_task(scope.task_id)
        plan = plan_items(batch.results, spider_id=scope.spider_id, task_id=scope.task_id, claims=memory.claims)
        _write_pages(scope, batch.results, plan, now)
        walked, links_cut = _walk_stored_links(scope, batch.results)
        back = go_back(batch.results, scope.spider_id, scope.task_id, scope.spider_version)
        pending = [*back, *add_links(scope, list(_links_of(batch.results)), now), *walked]
        write_items(plan.known, plan.freed, spider_id=scope.spider_id, task_id=scope.task_id, now=now)
        reasons = _reasons(batch, plan, links_cut)
        rules = rule_counts.count(batch.results)
        failures = add_failures(scope.task_id, batch, memory.failures, now=now)
        after = replace(
            memory,
            claims=plan.claims,
            reasons=memory.reasons + reasons,
            rules=memory.rules + rules,
            failures=memory.failures + Counter(failure.reason for failure in failures),
            headway=memory.headway.after(joined=len(pending), through=len(batch.results), now=now),
        )
        changes: dict[str, object] = {"headway": after.headway.to_json()}
        if reasons:
            changes["reasons"] = dict(after.reasons)
        if rules:
            changes["rules"] = rule_counts.to_json(after.rules)
        if batch.hosts is not None:
            changes["hosts"] = merged(memory.hosts, batch.hosts)
        _count(scope.task_id, batch, plan, changes)
        host_pages = host_days.count(batch, now) if memory.counts_days or batch.day else {}
    return Stored(after, pending, plan, links_cut, failures, host_pages)


def add_seeds(scope: CrawlScope, seeds: Sequence[Link]) -> None:
    """Put the seeds into the frontier where the task does not know them."""
    with transaction.atomic():
        scope.guard()
        lock_task(scope.task_id)
        add_links(scope, [(link, ()) for link in seeds], timezone.now())


def lock_task(task_id: int) -> None:
    """Take the task's row before any page, where the database locks rows."""
    if connection.features.has_select_for_update:
        list(CrawlTask.objects.select_for_update(no_key=True).filter(pk=task_id).values_list("pk"))


# --- pages ------------------------------------------------------------------------------------------------------------


def _write_pages(scope: CrawlScope, results: Sequence[PageResult], plan: ItemPlan, now: datetime) -> None:
    extracted = [result for result in results if result.extracted]
    others = [result for result in results if not result.extracted]
    if extracted:
        _write_extracted(scope, extracted, plan, now)
    if others:
        _write_unread(others, now)
    elsewhere = plan.revisit - {result.page.page_id for result in extracted}
    if elsewhere:
        condition, ids = rawsql.among("id", sorted(elsewhere))
        rawsql.execute(f"UPDATE crawler_page SET extracted_version = NULL WHERE {condition}", [ids])


_OUTCOME = (
    ("id", "bigint"),
    ("state", "text"),
    ("attempts", "smallint"),
    ("status_code", "smallint"),
    ("reason", "text"),
    ("etag", "text"),
    ("last_modified", "text"),
)
"""What is written of any page that the crawl is through with."""


def _outcome(result: PageResult) -> rawsql.Row:
    return (
        result.page.page_id,
        result.state.value,
        result.page.attempts,
        result.status_code,
        rawsql.text(result.reason, 50),
        rawsql.text(result.etag),
        rawsql.text(result.last_modified, 100),
    )


def _write_extracted(scope: CrawlScope, results: Sequence[PageResult], plan: ItemPlan, now: datetime) -> None:
    columns = (
        *_OUTCOME,
        ("content_hash", "bytea"),
        ("links", "bytea"),
        ("shared", "bytea"),
        ("extracted_version", "integer"),
        ("size", "bigint"),
    )
    rows: list[rawsql.Row] = []
    for result in results:
        page_id = result.page.page_id
        is_final = scope.follows_links and page_id not in plan.revisit
        rows.append(
            (
                *_outcome(result),
                result.content_hash,
                result.link_hashes,
                rawsql.pack(plan.shared[page_id]) if page_id in plan.shared else None,
                scope.spider_version if is_final else None,
                result.wire_bytes,
            )
        )
    links = "links = v.links, " if scope.follows_links else ""
    at = rawsql.moment(now)
    rawsql.execute_rows(
        "UPDATE crawler_page SET state = v.state, attempts = v.attempts, "
        "status_code = v.status_code, reason = v.reason, etag = v.etag, last_modified = v.last_modified, "
        f"content_hash = v.content_hash, {links}shared = v.shared, extracted_version = v.extracted_version, "
        "size = v.size, redirected_to = '', checked_at = %s, changed_at = %s FROM v WHERE crawler_page.id = v.id",
        columns,
        rows,
        [at, at],
    )


def _write_unread(results: Sequence[PageResult], now: datetime) -> None:
    """Pages without new content: what was extracted from them stays, unless they are known to give it no more.

    Validators belong to the content that was extracted: those of a page whose extraction failed are not kept.
    """
    columns = (
        *_OUTCOME,
        ("redirected_to", "text"),
        ("is_left", "boolean"),
    )
    rows: list[rawsql.Row] = [
        (
            *_outcome(result),
            rawsql.text(result.redirected_to),
            standing(result.state, result.status_code, result.reason) is Standing.LEFT,
        )
        for result in results
    ]
    rawsql.execute_rows(
        "UPDATE crawler_page SET state = v.state, attempts = v.attempts, "
        "status_code = v.status_code, reason = v.reason, redirected_to = v.redirected_to, checked_at = %s, "
        "etag = CASE WHEN v.state = 'unchanged' THEN v.etag ELSE crawler_page.etag END, "
        "last_modified = CASE WHEN v.state = 'unchanged' THEN v.last_modified ELSE crawler_page.last_modified END, "
        "extracted_version = CASE WHEN v.is_left THEN NULL ELSE crawler_page.extracted_version END "
        "FROM v WHERE crawler_page.id = v.id",
        columns,
        rows,
        [rawsql.moment(now)],
    )


# --- the frontier -----------------------------------------------------------------------------------------------------


def _links_of(results: Sequence[PageResult]) -> Iterator[tuple[Link, tuple[int, ...]]]:
    for result in results:
        chain: tuple[int, ...] = ()
        if result.state is PageState.REDIRECTED:
            chain = (*result.page.chain, result.page.url_hash)
        for link in result.links:
            # A page that gave its place to its canonical may have links besides: they are no part of the chain.
            yield link, chain if link.hops else ()


def add_links(scope: CrawlScope, links: Sequence[tuple[Link, tuple[int, ...]]], now: datetime) -> list[PendingPage]:
    """Upsert pages as pending; those that this task has already put into its frontier are left alone."""
    columns = (("url", "text"), ("url_hash", "bigint"), ("depth", "integer"), ("hops", "smallint"), ("chain", "bytea"))
    once: dict[int, rawsql.Row] = {}
    for link, chain in links:
        once.setdefault(
            link.url_hash, (rawsql.text(link.url), link.url_hash, link.depth, link.hops, rawsql.pack(chain))
        )
    empty = empty_blob()
    stored = rawsql.fetch_rows(
        "INSERT INTO crawler_page (spider_id, task_id, state, url, url_hash, depth, hops, chain, "
        "attempts, etag, last_modified, content_hash, links, redirected_to, reason) "
        f"SELECT %s, %s, 'pending', v.url, v.url_hash, v.depth, v.hops, v.chain, 0, '', '', {empty}, {empty}, "
        "'', '' FROM v WHERE true "
        "ON CONFLICT (spider_id, url_hash) DO UPDATE SET task_id = excluded.task_id, state = excluded.state, "
        f"{_read_again(scope, 'excluded.depth')}"
        "depth = excluded.depth, hops = excluded.hops, chain = excluded.chain, attempts = 0 "
        "WHERE crawler_page.task_id IS NULL OR crawler_page.task_id <> excluded.task_id "
        f"RETURNING {PENDING_COLUMNS}",
        columns,
        list(once.values()),
        [scope.spider_id, scope.task_id],
    )
    found = [pending_page(row, scope.spider_version) for row in stored]
    # RETURNING promises no order; the frontier keeps that of the documents.
    place = {url_hash: number for number, url_hash in enumerate(once)}
    found.sort(key=lambda page: place[page.url_hash])
    return found


def empty_blob() -> str:
    """An empty value of a column of bytes, in SQL."""
    return "''::bytea" if connection.vendor == "postgresql" else "x''"


def _read_again(scope: CrawlScope, depth: str) -> str:
    """An assignment: a page that lay so deep that its links were cut, and lies higher now, is read again for them."""
    if scope.max_depth is None:
        return ""
    return (
        f"extracted_version = CASE WHEN crawler_page.depth >= {scope.max_depth:d} AND {depth} < crawler_page.depth "
        "THEN NULL ELSE crawler_page.extracted_version END, "
    )


def _walk_stored_links(scope: CrawlScope, results: Sequence[PageResult]) -> tuple[list[PendingPage], int]:
    """Stored links of unchanged pages join the frontier without reading the pages again; how many max_depth cut."""
    depths = {r.page.page_id: r.page.depth for r in results if r.state is PageState.UNCHANGED}
    if not depths or not scope.follows_links:
        return [], 0
    condition, ids = rawsql.among("id", list(depths))
    stored = dict(
        cast("list[tuple[int, bytes]]", rawsql.fetch(f"SELECT id, links FROM crawler_page WHERE {condition}", [ids]))
    )
    by_depth: dict[int, dict[int, None]] = {}
    cut = 0
    for page_id, depth in depths.items():
        hashes = rawsql.unpack(stored.get(page_id, b""))
        if scope.max_depth is not None and depth >= scope.max_depth:
            cut += len(hashes)
        else:
            by_depth.setdefault(depth + 1, {}).update(dict.fromkeys(hashes))
    found: list[PendingPage] = []
    for depth in sorted(by_depth):
        place = {url_hash: number for number, url_hash in enumerate(by_depth[depth])}
        rows = join_frontier(scope, list(place), depth)
        found.extend(sorted(rows, key=lambda page: place[page.url_hash]))
    return found, cut


def join_frontier(scope: CrawlScope, url_hashes: list[int], depth: int) -> list[PendingPage]:
    """Known pages become pending at this depth, but for those that this task has already put into its frontier."""
    condition, hashes = rawsql.among("url_hash", url_hashes)
    rows = rawsql.fetch(
        f"UPDATE crawler_page SET {_read_again(scope, str(depth))}"
        f"task_id = %s, state = 'pending', depth = %s, hops = 0, chain = {empty_blob()}, attempts = 0 "
        f"WHERE spider_id = %s AND {condition} AND (task_id IS NULL OR task_id <> %s) "
        f"RETURNING {PENDING_COLUMNS}",
        [scope.task_id, depth, scope.spider_id, hashes, scope.task_id],
    )
    return [pending_page(row, scope.spider_version) for row in rows]


# --- counts and failures ----------------------------------------------------------------------------------------------


def _reasons(batch: Batch, plan: ItemPlan, links_cut: int) -> Counter[str]:
    reasons = Counter(batch.reasons)
    for result in batch.results:
        if result.reasons:
            reasons.update(result.reasons)
        if result.reason:
            reasons[result.reason] += 1
    reasons[Reason.KEY_CONFLICT.value] += plan.conflicts
    reasons[Reason.DEPTH_LIMIT.value] += links_cut
    return +reasons


def _count(task_id: int, batch: Batch, plan: ItemPlan, others: dict[str, object]) -> None:
    """Write `others` (documents by column), and add to the task's row: right after any crash, for it is written with
    what it counts. Raw: for so many columns the ORM takes longer than the database.
    """
    states = Counter([result.state for result in batch.results])
    added = {
        "pages": sum([result.is_answer for result in batch.results]),
        "pages_unchanged": states[PageState.UNCHANGED],
        "pages_failed": states[PageState.FAILED],
        "pages_refused": states[PageState.REFUSED],
        "pages_redirected": states[PageState.REDIRECTED],
        "items": sum([len(result.items) for result in batch.results]),
        "items_new": plan.items_new,
        "items_changed": plan.items_changed,
        "items_returned": plan.items_returned,
        "items_rejected": sum([_rejected(result) for result in batch.results if result.reasons]),
        "items_incomplete": sum([not item.complete for result in batch.results for item in result.items]),
        "conflicts": plan.conflicts,
        "requests": sum([result.requests for result in batch.results]),
        "bytes": sum([result.wire_bytes for result in batch.results]),
    }
    changes = [f"{name} = {name} + %s" for name in added]
    changes += [f"{name} = {rawsql.document()}" for name in others]
    documents = [json.dumps(value) for value in others.values()]
    rawsql.execute(
        f"UPDATE crawler_crawltask SET {', '.join(changes)} WHERE id = %s", [*added.values(), *documents, task_id]
    )


def _rejected(result: PageResult) -> int:
    """Items that a page gave and that were not stored: without a key, without a required value."""
    return result.reasons[Reason.MISSING_KEY.value] + result.reasons[Reason.MISSING_REQUIRED.value]
