"""How the newest crawl of each spider went: one query, and an account of each from its own row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import cast

from django.db import connection

from crawler.account.explaining import at_a_glance
from crawler.account.explanation import Explanation
from crawler.models import CrawlTask

MOST = 500
"""Spiders that the page looks at."""
ENDED = 16
"""Crawls of each among which one is looked for that completed."""

_FIELDS = (
    "id", "task_id", "run_id", "task_type", "status", "spider_version", "message", "pages", "pages_unchanged",
    "pages_failed", "pages_refused", "pages_redirected", "items", "items_rejected", "reasons",
)  # fmt: skip
# The last that ended, and, where that completed, the last that completed before it: among the newest by the index
# (spider, -id). One that read given addresses alone says nothing of the spider.
_LATEST = """
    SELECT id FROM (
        SELECT id, status, row_number() OVER (ORDER BY id DESC) AS place,
            row_number() OVER (PARTITION BY status ORDER BY id DESC) AS place_in_status FROM (
            SELECT c.id, c.status FROM crawler_crawltask c
            WHERE {own} AND c.status IN ('completed', 'failed') AND c.task_type <> 'urls' ORDER BY {order} LIMIT {most}
        ) ended
    ) placed WHERE place = 1 OR (status = 'completed' AND place_in_status = 2)
"""
# PostgreSQL: between a number and itself, for the reason that stands in `scheduling.rounds`; SQLite takes the index
# anyway.
_OF_POSTGRESQL = _LATEST.format(own="c.spider_id BETWEEN s.id AND s.id", order="c.spider_id, c.id DESC", most=ENDED)
_OF_SQLITE = _LATEST.format(own="c.spider_id = s.id", order="c.id DESC", most=ENDED)
_JOIN = {
    "postgresql": f"LEFT JOIN LATERAL ({_OF_POSTGRESQL}) latest ON true "
    "LEFT JOIN crawler_crawltask t ON t.id = latest.id",
    "sqlite": f"LEFT JOIN crawler_crawltask t ON t.id IN ({_OF_SQLITE})",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """A spider and its newest crawl that ended."""

    pk: int
    name: str
    enabled: bool
    task: CrawlTask | None
    """None: no crawl of it has ended yet."""
    account: Explanation | None


def spiders() -> list[Crawled]:
    """By their names. One statement."""
    columns = ", ".join(f"t.{name}" for name in _FIELDS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.id, s.name, s.enabled, {columns} FROM "  # noqa: S608  # constants alone
            f"(SELECT id, name, enabled FROM crawler_spider ORDER BY name LIMIT %s) s {_JOIN[connection.vendor]} "
            "ORDER BY s.name, t.id DESC",
            [MOST],
        )
        rows = cursor.fetchall()
    return [_crawled(list(own)) for _pk, own in groupby(rows, key=lambda row: row[0])]


def _crawled(rows: list[tuple[object, ...]]) -> Crawled:
    pk, name, enabled = cast("tuple[int, str, object]", rows[0][:3])
    tasks = [_task(pk, row[3:]) for row in rows if row[3] is not None]
    task = tasks[0] if tasks else None
    account = at_a_glance(task, tasks[1] if len(tasks) > 1 else None) if task is not None else None
    return Crawled(pk=pk, name=name, enabled=bool(enabled), task=task, account=account)


def _task(spider: int, row: tuple[object, ...]) -> CrawlTask:
    values = dict(zip(_FIELDS, row, strict=True))
    reasons = values["reasons"]
    values["reasons"] = json.loads(reasons) if isinstance(reasons, str) else reasons
    return CrawlTask(spider_id=spider, **values)
