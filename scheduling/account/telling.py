"""Telling many rows at once: what their words need beside themselves, in a few queries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db.models.functions import Left

from scheduling.models import JobRun, RunLog, ScheduledJob

from .downtime import Span, downtimes, last_alive, may_have_made_late
from .waiting import Queue, jobs_of
from .words import Known, Outage, reason_in_words, reason_of, waits_since

State = JobRun.State
_LEAST_OUTAGE = timedelta(seconds=3)
_STAMP = len("2026-01-01T00:00:00.000000Z")
"""What a line of a log begins with."""
_LOOK_BACK = timedelta(days=1)
"""How long before a late moment an outage's begin is looked for."""


class Teller:
    """Rows, of one job or of several, and what is known of schedulers at their times."""

    def __init__(
        self, runs: Sequence[JobRun], *, now: datetime, job: ScheduledJob | None = None, clock: datetime | None = None
    ) -> None:
        """Who has the `job` of them all gives it. Processes are judged as of `clock`; None: by the database's."""
        _fetch_what_is_told(runs)
        self._outages = _outages(runs, now)
        self._begun = _begun(runs)
        self._queue = Queue(runs, now=now, clock=clock)
        self._made = _made(runs) if job is None else {job.pk: job.created_at}

    def sentence(self, run: JobRun) -> str:
        """Why the row's moments did not run, what it waits for, or how it ended."""
        waits = self._queue.waits(run) if run.state == State.QUEUED else None
        known = Known(
            outage=self._outage_of(run),
            made=self._made.get(run.job_id or 0),
            waits=waits.sentence if waits is not None else waits_since(run),
            begun=self._begun.get(run.pk),
        )
        return reason_in_words(run, known)

    def _outage_of(self, run: JobRun) -> Outage | None:
        """The last outage between the row's first moment and the tick that found it late."""
        if not _is_late(run):
            return None
        seen = run.finished_at or run.queued_at
        touching = [span for span in self._outages if span[0] <= seen and span[1] >= run.scheduled_time]
        return touching[-1] if touching and may_have_made_late(touching[-1][1], seen) else None


def _is_late(run: JobRun) -> bool:
    return run.state == State.MISSED and reason_of(run) == JobRun.Reason.LATE


def _begun(runs: Sequence[JobRun]) -> dict[int, datetime]:
    """When those began that were interrupted and went on: their log tells."""
    again = [run.pk for run in runs if run.claim > 1 and run.started_at is not None]
    if not again:
        return {}
    first = RunLog.objects.filter(run__in=again, seq=1).annotate(at=Left("text", _STAMP)).values_list("run", "at")
    found: dict[int, datetime] = {}
    for run, at in first:
        # A line may be any text: one that a hand wrote.
        with suppress(ValueError):
            moment = datetime.fromisoformat(at)
            found[run] = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return found


def _made(runs: Sequence[JobRun]) -> dict[int, datetime]:
    """When the schedules of late rows were made, by their keys."""
    return {pk: job.created_at for pk, job in jobs_of(run for run in runs if _is_late(run)).items()}


def _fetch_what_is_told(runs: Sequence[JobRun]) -> None:
    """Who paused, since when; what is wrong with a definition: small, and of a few rows."""
    untold = {run.pk: run for run in runs if _is_told_by_a_body(run) and run.get_deferred_fields() & {"data", "error"}}
    for pk, data, error in JobRun.objects.filter(pk__in=untold).values_list("pk", "data", "error"):
        untold[pk].data, untold[pk].error = data, error


def _is_told_by_a_body(run: JobRun) -> bool:
    return run.state == State.MISSED or run.reason == JobRun.Reason.BROKEN


def _outages(runs: Sequence[JobRun], now: datetime) -> list[Span]:
    late = [run for run in runs if _is_late(run)]
    if not late:
        return []
    first = min(run.scheduled_time for run in late)
    since = first - _LOOK_BACK
    until = max(run.finished_at or run.queued_at for run in late)
    spans = [(start, end) for start, end in downtimes(since, until, now=now) if end - start >= _LEAST_OUTAGE]
    if spans and spans[0][0] == since:
        # It began before we looked; where no scheduler was ever alive, with what it made late.
        spans[0] = (last_alive(since) or first, spans[0][1])
    return spans
