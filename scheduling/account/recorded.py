"""Which row stands for a planned moment: its own, or one that covers it.

A missed row covers its moments up to `missed_until`, a run that others were coalesced into those from `coalesced_from`.
Spans do not overlap, so that the nearest rows tell.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from scheduling.models import JobRun, ScheduledJob

State = JobRun.State
BODIES = ("data", "error", "work")
"""What is large, and not needed to account for a moment."""
_NEIGHBOURS = 3
"""Rows before a moment that are looked at: one would do, if no clock were ever set back."""


class Recorded:
    """Rows of one job's schedule, by their moments."""

    def __init__(self, runs: Iterable[JobRun]) -> None:
        self._runs = sorted(runs, key=lambda run: run.scheduled_time)
        self._moments = [run.scheduled_time for run in self._runs]

    def __iter__(self) -> Iterator[JobRun]:
        return iter(self._runs)

    def of(self, moment: datetime) -> JobRun | None:
        """The row that stands for a moment; None where there is none."""
        here = bisect_right(self._moments, moment)
        before = list(reversed(self._runs[max(0, here - _NEIGHBOURS) : here]))
        exact = next((run for run in before if run.scheduled_time == moment), None)
        if exact is not None:
            return exact
        missed = next((run for run in before if run.missed_until is not None and moment <= run.missed_until), None)
        if missed is not None:
            return missed
        following = self._runs[bisect_left(self._moments, moment) :][:1]
        return next((run for run in following if run.coalesced_from and run.coalesced_from <= moment), None)


def of_moments() -> QuerySet[JobRun]:
    """The rows of planned moments, run or filled in: what the index `run_once` holds."""
    # Word for word the index's own condition: SQLite recognises it in no other form, and would read a whole history.
    return JobRun.objects.extra(where=["scheduling_jobrun.cause IN ('schedule', 'backfill')"])


def scheduled(job_id: str, job: ScheduledJob | None) -> list[QuerySet[JobRun]]:
    """The rows of a job's schedule: of the job that is there, and of those of its id that were removed."""
    rows = of_moments().filter(cause=JobRun.Cause.SCHEDULE).defer(*BODIES)
    removed = rows.filter(job__isnull=True, job_key=job_id)
    return [removed] if job is None else [rows.filter(job=job), removed]


def around(job_id: str, job: ScheduledJob | None, moment: datetime, *, is_one_off: bool = False) -> Recorded:
    """The rows next to a moment: four look-ups in indexes. A one-off's moment may be the one at which it was asked for,
    which takes one more."""
    found: list[JobRun] = []
    if is_one_off:
        asked = JobRun.objects.filter(job_key=job_id, cause=JobRun.Cause.MANUAL).defer(*BODIES)
        found += asked.order_by("-pk")[:_NEIGHBOURS]
    for rows in scheduled(job_id, job):
        found += rows.filter(scheduled_time__lte=moment).order_by("-scheduled_time")[:_NEIGHBOURS]
        found += rows.filter(scheduled_time__gt=moment).order_by("scheduled_time")[:1]
    return Recorded(found)


def between(job_id: str, job: ScheduledJob | None, since: datetime, until: datetime) -> Recorded:
    """The rows that stand for the moments of a stretch of time."""
    found: list[JobRun] = []
    for rows in scheduled(job_id, job):
        found += rows.filter(scheduled_time__lt=since).order_by("-scheduled_time")[:_NEIGHBOURS]
        found += rows.filter(scheduled_time__gte=since, scheduled_time__lte=until)
        found += rows.filter(scheduled_time__gt=until).order_by("scheduled_time")[:1]
    return Recorded(found)


def filled_in(job_id: str, job: ScheduledJob | None, moments: Sequence[datetime]) -> dict[datetime, JobRun]:
    """The back-fill runs of some moments."""
    if not moments:
        return {}
    rows = of_moments().filter(cause=JobRun.Cause.BACKFILL, scheduled_time__range=(min(moments), max(moments)))
    of_job = Q(job__isnull=True, job_key=job_id)
    scopes = [rows.filter(of_job)] if job is None else [rows.filter(of_job), rows.filter(job=job)]
    return {run.scheduled_time: run for scope in scopes for run in scope.defer(*BODIES)}
