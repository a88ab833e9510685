"""What is counted, in one statement: sums of past hours, what ended since, the last day, what is overdue, the items.

No part of it reads a whole table. The sums are those of `scheduling.hours` and `crawler.items.hours`; of runs that are
not summed up yet the newest `MOST_RUNS` are looked at, through the index of what has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

from django.db import connection
from django.utils import timezone

from crawler import rawsql
from scheduling.alerts import MOST_RUNS as MOST_OF_HOUR
from scheduling.hours import DAY, HOUR, STATES, hour_of

DAYS = 14
"""Columns of the charts; the last one is today."""
MOST_RUNS = 20_000
MOST_MISSED = 1_000
"""The newest rows of missed moments, of which it is counted how many each stands for."""
MOST_OVERDUE = 100
"""Of the most overdue jobs: more than any hand saves with a date in the past at one time."""

# Missed moments are asked for with all the states of the index `run_unwell` besides: SQLite takes it for nothing less.
# Columns: the part, seconds since 1970, a word, five numbers.
_SQL = """
SELECT 'runs', {hour}, '', succeeded, failed, cancelled, missed, skipped
FROM scheduling_runhour WHERE start_at >= %s AND counted_at <= %s
UNION ALL
SELECT 'since', {minute}, state, number, 0, 0, 0, 0 FROM (
    SELECT {cut} AS minute, state, count(*) AS number FROM (
        SELECT finished_at, state FROM scheduling_jobrun
        WHERE NOT (state IN ('queued', 'running')) AND finished_at >= (
            SELECT COALESCE(MAX(end_at), %s) FROM scheduling_runhour WHERE start_at >= %s AND counted_at <= %s
        ) ORDER BY finished_at DESC LIMIT %s
    ) newest GROUP BY 1, 2
) minutes
UNION ALL
SELECT 'edge', 0, state, count(*), 0, 0, 0, 0 FROM (
    SELECT state FROM scheduling_jobrun
    WHERE NOT (state IN ('queued', 'running')) AND finished_at >= %s AND finished_at < (
        SELECT COALESCE(MIN(start_at), %s) FROM scheduling_runhour WHERE start_at >= %s AND counted_at <= %s
    ) ORDER BY finished_at DESC LIMIT %s
) of_edge GROUP BY state
UNION ALL
SELECT 'last_hour', 0, state, count(*), 0, 0, 0, 0 FROM (
    SELECT state FROM scheduling_jobrun
    WHERE NOT (state IN ('queued', 'running')) AND finished_at >= %s ORDER BY finished_at DESC LIMIT %s
) of_hour GROUP BY state
UNION ALL
SELECT 'moments', 0, '', COALESCE(SUM(missed_count - 1), 0), 0, 0, 0, 0 FROM (
    SELECT missed_count, finished_at FROM scheduling_jobrun
    WHERE state IN ('failed', 'cancelled', 'missed', 'skipped') AND state = 'missed'
    ORDER BY id DESC LIMIT {most_missed}
) newest WHERE finished_at >= %s
UNION ALL
SELECT 'items', {hour}, '', SUM(added), SUM(changed), SUM(gone), SUM(returned), 0
FROM crawler_itemhour WHERE start_at >= %s GROUP BY start_at
UNION ALL
SELECT 'spiders', 0, '', count(DISTINCT spider_id), 0, 0, 0, 0
FROM crawler_itemhour WHERE start_at >= %s AND changed > 0
UNION ALL
SELECT 'overdue', {due}, '', 0, 0, 0, 0, 0 FROM (
    SELECT d.next_run_time, COALESCE(j.updated_at, d.next_run_time) AS saved_at FROM django_apscheduler_djangojob d
    LEFT JOIN scheduling_scheduledjob j ON j.job_id = d.id
    WHERE d.next_run_time <= %s ORDER BY d.next_run_time LIMIT {most_overdue}
) due
UNION ALL
SELECT 'now', 0, '', COALESCE(SUM(present), 0), 0, 0, 0, 0 FROM crawler_itemstock
"""
_DIALECT = {
    "postgresql": {
        "hour": "CAST(EXTRACT(EPOCH FROM start_at) AS bigint)",
        "cut": "date_trunc('minute', finished_at)",
        "minute": "CAST(EXTRACT(EPOCH FROM minute) AS bigint)",
        "due": "CAST(EXTRACT(EPOCH FROM GREATEST(next_run_time, saved_at)) AS bigint)",
    },
    "sqlite": {
        "hour": "CAST(strftime('%%s', start_at) AS integer)",
        "cut": "substr(finished_at, 1, 16)",
        "minute": "CAST(strftime('%%s', minute) AS integer)",
        "due": "CAST(strftime('%%s', MAX(next_run_time, saved_at)) AS integer)",
    },
}


@dataclass(slots=True)
class DayOfRuns:
    """How many runs ended on a day, by their state."""

    day: date
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class DayOfItems:
    """What became of items on a day."""

    day: date
    added: int = 0
    changed: int = 0
    gone: int = 0
    returned: int = 0

    @property
    def new(self) -> int:
        """With those that came back."""
        return self.added + self.returned


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    runs: tuple[DayOfRuns, ...]
    """The last `DAYS`, the oldest first, in the scheduler's zone."""
    items: tuple[DayOfItems, ...]
    last_day: Counter[str]
    """States of what ended in the last 24 hours."""
    last_hour: Counter[str]
    missed_in_day: int
    """Planned moments: a row of a pause, or of a downtime, stands for all of its own."""
    items_now: int
    changed_in_day: int
    """Items, in the last 24 hours: whole hours, the one that is begun among them."""
    changed_spiders: int
    """How many of them had changes in these hours."""
    overdue_since: datetime | None
    """Since when the most overdue job has been due, or saved with a moment in the past; None: nothing is due."""
    is_sample: bool
    """Whether more runs ended than were looked at, because they are not summed up."""


def numbers(now: datetime) -> Numbers:
    """One statement."""
    days = list(_days(now))
    first = _midnight(days[0])
    at = rawsql.moment
    parameters: list[rawsql.Param] = [
        *(at(first), at(now)),
        *(at(first), at(first), at(now), MOST_RUNS),
        *(at(now - DAY), at(now + HOUR), at(now - DAY), at(now), MOST_RUNS),
        *(at(now - HOUR), MOST_OF_HOUR),
        at(now - DAY),
        *(at(first), at(_day_ago(now)), at(now)),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL.format(**_DIALECT[connection.vendor], most_overdue=MOST_OVERDUE, most_missed=MOST_MISSED), parameters
        )
        rows = cursor.fetchall()
    return _read(cast("list[_Row]", rows), days, now)


_Row = tuple[str, int, str, int, int, int, int, int]


def _read(rows: Iterable[_Row], days: list[date], now: datetime) -> Numbers:
    reading = _Reading(days, now)
    for part, seconds, word, *found in rows:
        values = [int(value) for value in found]  # PostgreSQL's sums are decimals
        reading.take(part, datetime.fromtimestamp(seconds, UTC), word, values)
    return reading.numbers()


class _Reading:
    """The rows, part by part."""

    def __init__(self, days: list[date], now: datetime) -> None:
        self._now = now
        self._runs = {day: DayOfRuns(day) for day in days}
        self._items = {day: DayOfItems(day) for day in days}
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in ("edge", "last_hour", "whole", "since")}
        self._single = {"now": 0, "spiders": 0, "changed": 0, "moments": 0}
        self._overdue: list[datetime] = []

    def take(self, part: str, moment: datetime, word: str, values: list[int]) -> None:
        if part in self._single:
            self._single[part] = values[0]
        elif part == "overdue":
            self._overdue.append(moment)
        elif part == "items":
            self._take_items(moment, values)
        elif part == "runs":
            self._take_runs("whole", moment, dict(zip(STATES, values, strict=True)))
        elif part == "since":
            self._take_runs("since", moment, {word: values[0]})
        else:
            self._counts[part][word] += values[0]

    def _take_runs(self, part: str, moment: datetime, counts: dict[str, int]) -> None:
        day = self._runs.get(_day_of(moment))
        if day is not None:
            day.counts.update(counts)
        if part == "since" or moment >= self._now - DAY:
            self._counts[part].update(counts)

    def _take_items(self, moment: datetime, values: list[int]) -> None:
        added, changed, gone, returned, _nothing = values
        if moment >= _day_ago(self._now):
            self._single["changed"] += changed
        day = self._items.get(_day_of(moment))
        if day is not None:
            day.added += added
            day.changed += changed
            day.gone += gone
            day.returned += returned

    def numbers(self) -> Numbers:
        """The last 24 hours are their first, broken hour (`edge`), the sums of whole ones, and what ended since;
        without sums all of it is the edge.
        """
        edge, whole, since = (self._counts[name] for name in ("edge", "whole", "since"))
        last_day = edge + whole + since if whole else edge
        return Numbers(
            runs=tuple(self._runs.values()),
            items=tuple(self._items.values()),
            last_day=last_day,
            last_hour=self._counts["last_hour"],
            missed_in_day=last_day["missed"] + self._single["moments"],
            items_now=self._single["now"],
            changed_in_day=self._single["changed"],
            changed_spiders=self._single["spiders"],
            overdue_since=min(self._overdue, default=None),
            is_sample=max(edge.total(), since.total()) >= MOST_RUNS,
        )


def _day_of(moment: datetime) -> date:
    return timezone.localtime(moment, timezone.get_default_timezone()).date()


def _day_ago(now: datetime) -> datetime:
    """Of items whole hours alone are known: the last 23, and the one that is begun."""
    return hour_of(now - DAY + HOUR)


def _days(now: datetime) -> Iterable[date]:
    today = _day_of(now)
    return (today - timedelta(days=before) for before in range(DAYS - 1, -1, -1))


def _midnight(day: date) -> datetime:
    """When a day begins in the scheduler's zone."""
    return datetime.combine(day, time(), timezone.get_default_timezone()).astimezone(UTC)
