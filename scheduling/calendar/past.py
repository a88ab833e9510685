"""What really ran in days that are over: one query, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduling.account.recorded import of_moments
from scheduling.models import JobRun

MOST = 1_500
"""The newest of them are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A row of a schedule's past."""

    run: int
    job: int
    name: str
    state: str
    at: datetime
    """When it began; when it was due where it has not, or not in these days."""
    end: datetime
    """Of a missed one: the last of its moments."""
    moments: int
    """How many it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    rows: tuple[Ran, ...]
    """By their moment."""
    is_cut: bool
    """There were more than `MOST`."""


def past(jobs: Sequence[int], since: datetime, until: datetime, *, now: datetime) -> Past:
    """The runs of these schedules, by their keys, that were due in ``since <= t < until``."""
    if not jobs or until <= since:
        return Past(rows=(), is_cut=False)
    due = of_moments().filter(job_id__in=jobs, scheduled_time__gte=since, scheduled_time__lt=until)
    names = ("id", "job_id", "job_name", "state", "scheduled_time", "started_at", "finished_at", "missed_until")
    newest = due.order_by("-scheduled_time", "-id").values_list(*names, "missed_count")[: MOST + 1]
    rows = [_ran(row, until, now) for row in newest]
    return Past(rows=tuple(reversed(rows[:MOST])), is_cut=len(rows) > MOST)


def _ran(row: tuple[object, ...], until: datetime, now: datetime) -> Ran:
    run, job, name, state, due, started, finished, missed_until, missed = row
    assert isinstance(run, int) and isinstance(job, int) and isinstance(due, datetime)  # noqa: S101, PT018
    at, end = due, due
    if isinstance(missed_until, datetime):
        end = missed_until
    elif isinstance(started, datetime):
        at = max(due, started) if started < until else due
        end = finished if isinstance(finished, datetime) else now
    return Ran(
        run=run,
        job=job,
        name=str(name),
        state=str(state),
        at=at,
        end=max(at, end, at + timedelta(seconds=1)),
        moments=missed if isinstance(missed, int) and state == JobRun.State.MISSED else 1,
    )
