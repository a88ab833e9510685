"""Sums of the runs that ended, hour by hour: pages show weeks without counting a history of millions.

A live scheduler fills them in, a little each minute (`fill`). An hour is counted some minutes after its end, for a run
may end in one minute and be committed in the next, and a second time a day later, should a clock have been set back
meanwhile. Hours before the first sum are counted backwards, as far as pages look: so it goes after an upgrade. Sums
stay when retention removes the runs; an hour that it has reached is not counted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, F, Q
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
MOST_RECOUNTED = 24
STATES = ("succeeded", "failed", "cancelled", "missed", "skipped")


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


def known(now: datetime) -> Q:
    """The condition of rows that may be believed: none from a time when a clock was ahead."""
    return Q(counted_at__lte=now)


def remove_hours(before: datetime, *, limit: int) -> int:
    """Remove one batch of sums that are older than `before`, and older than any page shows; returns how many."""
    before = min(before, timezone.now() - KEPT)
    batch = list(RunHour.objects.filter(end_at__lt=before).order_by("start_at").values_list("pk", flat=True)[:limit])
    if batch:
        RunHour.objects.filter(pk__in=batch).delete()
    return len(batch)


def _due(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The hours to count: new ones, those that are a day old, then those before the first."""
    rows = RunHour.objects.filter(known(now)).order_by()
    newest = rows.order_by("-end_at").values_list("end_at", flat=True).first()
    over = hour_of(now - SETTLED)
    start = newest if newest is not None else hour_of(over - timedelta(microseconds=1))
    while end_of(start) <= over:
        yield start, end_of(start)
        start = end_of(start)
    yield from _a_day_old(now)
    yield from _before_the_first(now)


def _a_day_old(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    once = RunHour.objects.filter(known(now), counted_at__lt=F("end_at") + DAY, end_at__lte=now - DAY)
    rows = once.filter(start_at__gt=_reached(now)).order_by("start_at")
    yield from rows.values_list("start_at", "end_at")[:MOST_RECOUNTED]


def _before_the_first(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    ended = JobRun.objects.filter(HasEnded("state")).order_by("finished_at")
    oldest = ended.values_list("finished_at", flat=True).first()
    first = RunHour.objects.filter(known(now)).order_by("start_at").values_list("start_at", flat=True).first()
    if oldest is None or first is None:
        return
    least = max(oldest, now - LOOK_BACK, _reached(now))
    while first > least:
        start = hour_of(first - timedelta(microseconds=1))
        yield start, first
        first = start


def _reached(now: datetime) -> datetime:
    """Before it retention may have removed runs."""
    return now - timedelta(days=settings.RUN_RETENTION_DAYS)


def _write(start: datetime, end: datetime, now: datetime) -> None:
    """Count one hour. Two processes may do so at once: they count the same."""
    ended = JobRun.objects.filter(HasEnded("state"), finished_at__gte=start, finished_at__lt=end).order_by()
    counts = dict(ended.values_list("state").annotate(Count("pk")))
    sums = {state: counts.get(state, 0) for state in STATES}
    RunHour.objects.update_or_create(start_at=start, defaults={"end_at": end, "counted_at": now, **sums})
