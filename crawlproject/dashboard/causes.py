"""Why pages failed in the last 24 hours: the reasons that crawls counted, added up by the database, as causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db import connection
from django.urls import reverse
from django_stubs_ext import StrOrPromise

from crawler import rawsql
from crawler.account.amounts import amount
from crawler.causes import BY_KEY, Severity, cause_of
from crawler.workshop.form_labels import cause_by_label
from scheduling.hours import DAY

MOST_CRAWLS = 2_000
"""The newest, whose reasons are added up: a busier day's are those of its newest crawls."""
MOST_GROUPS = 500
SHOWN = 8

# The newest crawls first, and of them those of the day: so no more are read, however many there are. Of a reason in a
# spider the last crawl that counted it has the example.
_SQL = """
SELECT reason, name, number, last, (
    SELECT f.url FROM crawler_taskfailure f WHERE f.task_id = last AND f.reason = counted.reason ORDER BY f.id LIMIT 1
)
FROM (
    SELECT e.key AS reason, s.name AS name, SUM({value}) AS number, MAX(t.id) AS last
    FROM (SELECT id, spider_id, reasons, finished_at FROM crawler_crawltask ORDER BY id DESC LIMIT %s) t
    JOIN crawler_spider s ON s.id = t.spider_id
    {reasons}
    WHERE t.finished_at IS NULL OR t.finished_at >= %s
    GROUP BY e.key, s.name ORDER BY 3 DESC, 1, 2 LIMIT %s
) counted
"""
_DIALECT = {
    "postgresql": {"value": "CAST(e.value AS bigint)", "reasons": "CROSS JOIN LATERAL jsonb_each_text(t.reasons) e"},
    "sqlite": {"value": "e.value", "reasons": "JOIN json_each(t.reasons) e"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A cause, over all crawls of the day."""

    title: StrOrPromise
    remedy: str
    """By the labels of the spider's form."""
    count: str
    """“214 pages”."""
    spider: str
    """Where it was counted most."""
    example: str
    url: str
    """Of the last crawl there that counted it."""


_Row = tuple[str, str, int, int, "str | None"]


def causes(now: datetime) -> list[Failing]:
    """The most frequent first, what was left out as the spider asks left aside. One statement."""
    with connection.cursor() as cursor:
        sql = _SQL.format(**_DIALECT[connection.vendor])
        cursor.execute(sql, [MOST_CRAWLS, rawsql.moment(now - DAY), MOST_GROUPS])
        rows = cast("list[_Row]", cursor.fetchall())
    return _folded(rows)


def _folded(rows: Iterable[_Row]) -> list[Failing]:
    total: Counter[str] = Counter()
    of_spider: dict[str, Counter[str]] = {}
    told: dict[tuple[str, str], tuple[int, str]] = {}
    for reason, spider, number, last, example in rows:
        cause = cause_of(reason)
        if cause.severity is Severity.AS_ASKED:
            continue
        total[cause.key] += int(number)
        of_spider.setdefault(cause.key, Counter())[spider] += int(number)
        before = told.get((cause.key, spider))
        if before is None or (example and not before[1]):
            told[cause.key, spider] = (last, example or "")
    found = []
    for key, count in total.most_common(SHOWN):
        cause = BY_KEY[key]
        [(spider, _most)] = of_spider[key].most_common(1)
        task, example = told[key, spider]
        url = reverse("admin:crawler_crawltask_change", args=[task])
        found.append(
            Failing(
                title=cause.title,
                remedy=cause_by_label(cause.remedy),
                count=amount(cause.unit, count),
                spider=spider,
                example=example,
                url=url,
            )
        )
    return found
