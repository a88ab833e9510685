"""Retention in small batches, sums that are counted anew, and a cheap check of what everything stands on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from . import hours, signals
from .contract import JobContext, RunStopped
from .definitions import versions
from .liveness import LOST_SECONDS
from .models import JobRun, Process
from .recent import HasEnded

BATCH = 500
"""Rows of one transaction: a tick must never wait long behind a retention."""
LEAST_FREE_BYTES = 500 * 1024 * 1024
LARGEST_CLOCK_DIFFERENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    name: str
    ok: bool
    message: str


async def retain(context: JobContext) -> dict[str, int]:
    """Remove what is older than `RUN_RETENTION_DAYS`, batch by batch; returns how many rows of each kind.

    Raises:
        RunStopped: the process ends; what is left waits for the next time.
    """
    before = timezone.now() - timedelta(days=settings.RUN_RETENTION_DAYS)
    steps: dict[str, Callable[[datetime], int]] = {
        "runs": remove_runs,
        "versions": remove_versions,
        "processes": remove_processes,
        "hours": remove_hours,
        "others": remove_others,
    }
    # What ended before a long downtime may be older than runs are kept, and not summed up yet: its hours come first.
    await context.effects(hours.fill)
    removed = dict.fromkeys(steps, 0)
    for name, step in steps.items():
        while count := await context.effects(step, before):
            removed[name] += count
            context.progress(None, _("%d old rows removed") % sum(removed.values()))
            if context.stopping.is_set():
                raise RunStopped("Stopped between two batches.")
    return removed


def remove_runs(before: datetime) -> int:
    """Remove one batch of runs that ended before, with their logs; returns how many."""
    old = JobRun.objects.filter(HasEnded("state"), finished_at__lt=before).order_by("finished_at")
    batch = list(old.values_list("pk", flat=True)[:BATCH])
    if batch:
        JobRun.objects.filter(pk__in=batch).delete()
    return len(batch)


def remove_versions(before: datetime) -> int:
    """Remove one batch of schedules' versions that were superseded before; returns how many."""
    return versions.remove_versions(before, limit=BATCH)


def remove_processes(before: datetime) -> int:
    """Remove the rows of processes that are long gone; returns how many.

    Those still named by a run stay: the run says who executed it.
    """
    gone = Process.objects.exclude(state=Process.State.ALIVE).filter(beat_at__lt=before, runs__isnull=True)
    batch = list(gone.values_list("pk", flat=True)[:BATCH])
    if batch:
        Process.objects.filter(pk__in=batch).delete()
    return len(batch)


def remove_hours(before: datetime) -> int:
    """Remove one batch of old sums of runs; returns how many."""
    return hours.remove_hours(before, limit=BATCH)


def remove_others(before: datetime) -> int:
    """Let other apps remove one batch of theirs (signal `retention`); returns how many rows went."""
    answers = signals.retention.send(sender=None, before=before, limit=BATCH)
    return sum(int(count or 0) for _receiver, count in answers)


async def recount(context: JobContext) -> int:
    """Count sums anew that have drifted away from what is there (signal `sums_checked`); returns how many.

    Raises:
        RunStopped: the process ends; what is left waits for the next time.
    """
    mends = await sync_to_async(_drifted, thread_sensitive=True)()
    for number, mend in enumerate(mends, 1):
        await context.effects(mend)
        context.log(f"Counted anew, because it was not what is there: sum {number} of {len(mends)}")
        if context.stopping.is_set():
            raise RunStopped("Stopped between two sums.")
    return len(mends)


def _drifted() -> list[Callable[[], None]]:
    answers: list[object] = [answer for _receiver, answer in signals.sums_checked.send(sender=None)]
    return [mend for answer in answers if isinstance(answer, list) for mend in answer]


def check() -> list[Finding]:
    """Look at database, disk, clock and processes; cheap enough for every few minutes."""
    return [_check_database(), _check_disk(), _check_clock(), _check_processes()]


def _check_database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        ok = cursor.fetchone() == (1,)
    return Finding("database", ok, _("The database answers.") if ok else _("The database gives a wrong answer."))


def _check_disk() -> Finding:
    free = shutil.disk_usage(_existing(Path(settings.DATA_DIR))).free
    message = _("%(free)d MB free in %(place)s.") % {"free": free // 1_048_576, "place": settings.DATA_DIR}
    return Finding("disk", free >= LEAST_FREE_BYTES, message)


def _check_clock() -> Finding:
    """The database's clock against this machine's, asked through a row that any process here has: its own."""
    row = Process.objects.annotate(database_now=Now()).order_by("-pk").values_list("database_now", flat=True).first()
    difference = abs(timezone.now() - row) if row is not None else timedelta(0)
    message = _("This machine's clock and the database's differ by %.1f s.") % difference.total_seconds()
    return Finding("clock", difference <= LARGEST_CLOCK_DIFFERENCE, message)


def _check_processes() -> Finding:
    stale = [
        str(process)
        for process in Process.objects.filter(
            state=Process.State.ALIVE, beat_at__lt=Now() - timedelta(seconds=LOST_SECONDS * 2)
        )
    ]
    message = _("Without a beat, and not yet taken for lost: %s.") % ", ".join(stale)
    return Finding("processes", not stale, message if stale else _("All processes beat."))


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
