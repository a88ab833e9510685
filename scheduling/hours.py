"""Sums of the runs that ended, hour by hour: pages show weeks without counting a history of millions.

A live scheduler fills them in, a little each minute (`fill`). An hour is counted some minutes after its end, for a run
may end in one minute and be committed in the next, and a second time a day later, should a clock have been set back
meanwhile. Hours without a sum are counted backwards, as far as pages look: so it goes after an upgrade. Sums
stay when retention removes the runs: a sum never falls, for a run that has ended stays so until it is removed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from .models import JobRun, RunHour
from .recent import HasEnded

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SETTLED = timedelta(minutes=5)
"""After its end an hour is counted: what ended in it is committed by then."""
LOOK_BACK = timedelta(days=15)
"""How far hours are counted that lie before the first sum."""
KEPT = timedelta(days=60)
"""Sums are kept at least so long, and never shorter than runs."""
SECONDS = 0.03
"""Of the lane that one call takes, about: a tick waits behind it."""
STATES = ("succeeded", "failed", "cancelled", "missed", "skipped")
_Row = tuple[datetime, datetime, datetime]
"""Begin and end of an hour, and when it was counted."""


def hour_of(moment: datetime) -> datetime:
    """When the hour began, in the scheduler's zone, that a moment lies in."""
    local = moment.astimezone(timezone.get_default_timezone())
    return moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def end_of(start: datetime) -> datetime:
    """When an hour ends that began at `start`: on the full hour, whatever the zone's clock does in it."""
    return hour_of(start + HOUR)


def fill(now: datetime | None = None, *, seconds: float = SECONDS) -> int:
    """Count what is to be counted, for about so long; returns how many hours were written."""
    now = now or timezone.now()
    end = time.monotonic() + seconds
    written = 0
    for start, until in _due(now):
        _write(start, until, now)
        written += 1
        if time.monotonic() > end:
            break
    return written


def remove_hours(before: datetime, *, limit: int) -> int:
    """Remove one batch of sums that are older than `before`, and older than any page shows; returns how many."""
    before = min(before, timezone.now() - KEPT)
    batch = list(RunHour.objects.filter(end_at__lt=before).order_by("start_at").values_list("pk", flat=True)[:limit])
    if batch:
        RunHour.objects.filter(pk__in=batch).delete()
    return len(batch)


def _due(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The hours to count: those that are over since, then what is wanting before, the newest first."""
    rows: list[_Row] = list(
        RunHour.objects.filter(start_at__gte=now - LOOK_BACK - HOUR)
        .order_by("-end_at")
        .values_list("start_at", "end_at", "counted_at")
    )
    over = hour_of(now - SETTLED)
    newest = next((end for _start, end, counted in rows if counted <= now), None)
    begin = start = newest or hour_of(over - timedelta(microseconds=1))
    while end_of(start) <= over:
        yield start, end_of(start)
        start = end_of(start)
    yield from _wanting(rows, begin, now)


def _wanting(rows: Sequence[_Row], before: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Hours without a sum, and those to be counted again: once they are a day old, and what a clock counted that was
    ahead."""
    least = _least(now)
    for start, end, counted in rows:
        if end > before:  # of a clock that was ahead: not over yet
            continue
        yield from _between(max(end, least), before)
        if counted > now or counted < end + DAY <= now:
            yield start, end
        before = start
    yield from _between(least, before)


def _between(low: datetime, high: datetime) -> Iterator[tuple[datetime, datetime]]:
    while high > low:
        start = max(low, hour_of(high - timedelta(microseconds=1)))
        yield start, high
        high = start


def _least(now: datetime) -> datetime:
    """The begin of the first hour that can be counted: of earlier ones no run is there, or no page wants them."""
    ended = JobRun.objects.filter(HasEnded("state")).order_by("finished_at")
    oldest = ended.values_list("finished_at", flat=True).first()
    reached = now - timedelta(days=settings.RUN_RETENTION_DAYS)
    return hour_of(max(oldest, now - LOOK_BACK, reached)) if oldest is not None else now


def _write(start: datetime, end: datetime, now: datetime) -> None:
    """Count one hour. Two processes may do so at once: they count the same. Of runs that were removed since it was
    counted the earlier sum tells."""
    ended = JobRun.objects.filter(HasEnded("state"), finished_at__gte=start, finished_at__lt=end).order_by()
    counts = dict(ended.values_list("state").annotate(Count("pk")))
    sums = {state: counts.get(state, 0) for state in STATES}
    written = {"end_at": end, "counted_at": now}
    RunHour.objects.update_or_create(
        start_at=start,
        defaults=written | {state: Greatest(state, Value(count)) for state, count in sums.items()},
        create_defaults=written | sums,
    )
