# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""Which items no page gives any more, judged once a crawl has seen everything that there is to see.

An item is gone when its owner is known to give it no more, or was not reached at all, and no page that was walked
shares its key. What we do not know is not called gone: a page that failed with a time-out or a 503 keeps its items, and
while a page that leads on to others failed so, pages that were not reached keep theirs too. And a crawl that read no
item at all of a type that had many tells more of a selector that finds nothing any more than of those items: none of
them is called gone, but for those whose own pages answer "not there".

Each function is one transaction in the storage lane, or reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from crawler import rawsql
from crawler.engine.errors import Reason
from crawler.models import CrawlTask, Item, TaskSitemap
from crawler.storing.checkpoint import CrawlScope, lock_task

from . import hours
from .history import UNKNOWN_FAILURES, UNKNOWN_REFUSALS, UNKNOWN_STATUSES, Claim, plan_takeovers, share_hash
from .rows import Key, write_items

PART = 1_000
"""Rows that one transaction changes: a tick must not wait long for the lock."""

MANY = 10
"""Present items of a type: of fewer, a crawl that reads none is believed."""

_GIVES = "p.state IN ('done', 'unchanged')"
_UNKNOWN = (
    "(p.state = 'pending' OR (p.state = 'failed' AND (p.status_code IS NULL OR p.status_code < 400 "
    f"OR p.status_code >= 500 OR p.status_code IN ({', '.join(map(str, UNKNOWN_STATUSES))}) "
    f"OR p.reason IN ({', '.join(map(repr, UNKNOWN_FAILURES))}))) "
    f"OR (p.state = 'refused' AND p.reason IN ({', '.join(repr(reason) for reason in UNKNOWN_REFUSALS)})))"
)
_NOT_REACHED = "(p.task_id IS NULL OR p.task_id <> %s)"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item whose owner gives it no more."""

    item_id: int
    share_hash: int


def is_blind(scope: CrawlScope) -> bool:
    """Whether a page that led on to others could not be read for now: what lies behind it is not known."""
    rows = rawsql.fetch(
        f"SELECT 1 FROM crawler_page p WHERE p.task_id = %s AND p.state IN ('failed', 'refused') AND {_UNKNOWN} "
        f"AND length(p.links) > 0 LIMIT 1",
        [scope.task_id],
    )
    # A sitemap leads on to others too.
    return bool(rows) or TaskSitemap.objects.filter(task_id=scope.task_id, is_whole=False).exists()


def settle_claims(scope: CrawlScope, claims: Mapping[int, Mapping[Key, Claim]], *, blind: bool) -> int:
    """Items whose owners did not come in the whole crawl go to the pages that gave them; returns how many changed."""
    with transaction.atomic():
        scope.guard()
        lock_task(scope.task_id)
        condition, ids = rawsql.among("p.id", sorted(claims))
        unread = f"(p.task_id = %s AND {_UNKNOWN})" + (f" OR {_NOT_REACHED}" if blind else "")
        rows = rawsql.fetch(
            f"SELECT p.id FROM crawler_page p WHERE {condition} AND ({unread})",
            [ids, scope.task_id, *([scope.task_id] if blind else [])],
        )
        unknown = {cast(int, row[0]) for row in rows}
        plan = plan_takeovers(
            scope.spider_id, {owner: owned for owner, owned in claims.items() if owner not in unknown}
        )
        write_items(plan.known, plan.freed, spider_id=scope.spider_id, task_id=scope.task_id, now=timezone.now())
        if plan.items_changed or plan.items_returned:
            CrawlTask.objects.filter(pk=scope.task_id).update(
                items_changed=F("items_changed") + plan.items_changed,
                items_returned=F("items_returned") + plan.items_returned,
            )
    return plan.items_changed


def forget_unreached(scope: CrawlScope) -> int:
    """Pages that a whole crawl did not reach are read anew when they come back: their items may be gone meanwhile.

    Returns how many were changed; call it until that is 0.
    """
    with transaction.atomic():
        scope.guard()
        return rawsql.execute(
            "UPDATE crawler_page SET extracted_version = NULL WHERE id IN (SELECT p.id FROM crawler_page p "
            f"WHERE p.spider_id = %s AND p.extracted_version IS NOT NULL AND {_NOT_REACHED} ORDER BY p.id LIMIT %s)",
            [scope.spider_id, scope.task_id, PART],
        )


def find_unread(scope: CrawlScope, types: Collection[str], *, is_walk: bool) -> list[str]:
    """Those of `types` of which `MANY` items are present, and no unchanged page owns one.

    `types` are those of which the crawl has read none. `is_walk`: whether it goes on with pages that another crawl has
    read, which then may own some, too.
    """
    gives = _GIVES if is_walk else "p.state = 'unchanged'"
    return [
        kind
        for kind in sorted(types)
        if not rawsql.fetch(
            "SELECT 1 FROM crawler_item i JOIN crawler_page p ON p.id = i.page_id WHERE i.spider_id = %s "
            f"AND i.type = %s AND i.gone_at IS NULL AND p.task_id = %s AND {gives} LIMIT 1",
            [scope.spider_id, kind, scope.task_id],
        )
        and len(_present(scope, [kind])[:MANY]) == MANY
    ]


def note_unread(scope: CrawlScope, types: Sequence[str], reasons: Mapping[str, int]) -> None:
    """Count the items of `types` that stay as they are beside the other `reasons` of the crawl."""
    with transaction.atomic():
        scope.guard()
        kept = _present(scope, types).count()
        if kept:
            noted = {**reasons, Reason.NONE_READ.value: kept}
            CrawlTask.objects.filter(pk=scope.task_id).update(reasons=noted)


def _present(scope: CrawlScope, types: Sequence[str]) -> QuerySet[Item, int]:
    items = Item.objects.filter(spider_id=scope.spider_id, type__in=types, gone_at=None)
    return items.order_by().values_list("pk", flat=True)


def find_candidates(scope: CrawlScope, *, after: int, blind: bool, unread: Collection[str] = ()) -> list[Candidate]:
    """The next items, by id, that are present and whose owner gives them no more.

    Of types that are `unread`, those alone whose owner says that it is not there.
    """
    not_reached = "" if blind else f"OR {_NOT_REACHED}"
    of_types, kinds = "", sorted(unread)
    if kinds:
        of_types = f"AND (i.type NOT IN ({', '.join(['%s'] * len(kinds))}) OR (p.task_id = %s AND p.state = 'failed')) "
    params: list[rawsql.Param] = [scope.spider_id, after, scope.task_id]
    params += [] if blind else [scope.task_id]
    params += [*kinds, scope.task_id] if kinds else []
    rows = rawsql.fetch(
        "SELECT i.id, i.type, i.key_hash FROM crawler_item i LEFT JOIN crawler_page p ON p.id = i.page_id "
        "WHERE i.spider_id = %s AND i.id > %s AND i.gone_at IS NULL AND (i.page_id IS NULL "
        f"OR (p.task_id = %s AND NOT {_GIVES} AND NOT {_UNKNOWN}) {not_reached}) {of_types}ORDER BY i.id LIMIT %s",
        [*params, PART],
    )
    return [Candidate(cast(int, row[0]), share_hash((cast(str, row[1]), cast(int, row[2])))) for row in rows]


def read_shares(scope: CrawlScope) -> dict[int, int | None]:
    """Keys that pages gave beside their owners, with such a page; None where it could not be read this time."""
    shares: dict[int, int | None] = {}
    for page_id, shared, gives in rawsql.fetch(
        f"SELECT p.id, p.shared, CASE WHEN {_GIVES} THEN 1 ELSE 0 END FROM crawler_page p "
        f"WHERE p.task_id = %s AND p.shared IS NOT NULL AND ({_GIVES} OR {_UNKNOWN}) ORDER BY p.id",
        [scope.task_id],
    ):
        for hashed in rawsql.unpack(cast(bytes, shared)):
            if shares.get(hashed) is None:
                shares[hashed] = cast(int, page_id) if gives else None
    return shares


def mark_part(
    scope: CrawlScope, candidates: Sequence[Candidate], shares: Mapping[int, int | None], now: datetime
) -> int:
    """Mark items gone, but for those that a walked page shares: that page owns them now, and is read again next time.

    Returns how many are gone, also when it is called again with the same `now` because the answer to its commit was
    lost: they are known by that moment.
    """
    gone = [candidate.item_id for candidate in candidates if candidate.share_hash not in shares]
    marked = 0
    kept: dict[int, list[int]] = {}
    for candidate in candidates:
        page_id = shares.get(candidate.share_hash)
        if page_id is not None:
            kept.setdefault(page_id, []).append(candidate.item_id)
    with transaction.atomic():
        scope.guard()
        lock_task(scope.task_id)
        if kept:
            _hand_over(scope, kept)
        if gone:
            condition, ids = rawsql.among("id", gone)
            values = [rawsql.moment(now), ids]
            marked = rawsql.execute(
                f"UPDATE crawler_item SET gone_at = %s WHERE gone_at IS NULL AND {condition}", values
            )
            if not marked:
                [(before,)] = rawsql.fetch(
                    f"SELECT count(*) FROM crawler_item WHERE gone_at = %s AND {condition}", values
                )
                return cast(int, before)
            hours.add(scope.spider_id, now, gone=marked)
            CrawlTask.objects.filter(pk=scope.task_id).update(items_gone=F("items_gone") + marked)
    return marked


def _hand_over(scope: CrawlScope, kept: Mapping[int, Sequence[int]]) -> None:
    condition, ids = rawsql.among("id", sorted(kept))
    rawsql.execute(f"UPDATE crawler_page SET extracted_version = NULL WHERE {condition}", [ids])
    rows = [(item_id, page_id) for page_id, item_ids in kept.items() for item_id in item_ids]
    rawsql.execute_rows(
        "UPDATE crawler_item SET page_id = v.page_id, task_id = %s FROM v WHERE crawler_item.id = v.id",
        (("id", "bigint"), ("page_id", "bigint")),
        rows,
        [scope.task_id],
    )
