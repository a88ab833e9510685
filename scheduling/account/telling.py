"""Telling many rows at once: what their words need beside themselves, in a few queries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db.models import Case, CharField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Left

from scheduling.models import JobRun, RunLog, ScheduledJob

from .downtime import Schedulers, Span, may_have_made_late
from .waiting import Queue, jobs_of
from .words import Known, Outage, reason_in_words, reason_of, waits_since

State = JobRun.State
_LEAST_OUTAGE = timedelta(seconds=3)
_FIRST_STAMP = Left("text", len("2026-01-01T00:00:00.000000Z"))
"""What a line of a log begins with."""
_WENT_ON = Q(claim__gt=1, started_at__isnull=False)
_LOOK_BACK = timedelta(days=1)
"""How long before a late moment an outage's begin is looked for."""


class Teller:
    """Rows, of one job or of several, and what is known of schedulers at their times."""

    def __init__(
        self, runs: Sequence[JobRun], *, now: datetime, job: ScheduledJob | None = None, clock: datetime | None = None
    ) -> None:
        """Who has the `job` of them all gives it. Processes are judged as of `clock`; None: by the database's."""
        _fetch_what_is_told(runs)
        schedulers, self._outages = _outages(runs, now, clock)
        self._begun = _begun(runs)
        self._queue = Queue(runs, now=now, schedulers=schedulers)
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


def with_beginnings(runs: QuerySet[JobRun]) -> QuerySet[JobRun]:
    """Rows that bring with them when they began, if they were interrupted and went on: lists ask so once for all."""
    lines = RunLog.objects.filter(run=OuterRef("pk"), seq=1).annotate(at=_FIRST_STAMP)
    stamp = Case(When(_WENT_ON, then=Subquery(lines.values("at")[:1])), default=Value(""), output_field=CharField())
    return runs.annotate(first_stamp=stamp)


def _begun(runs: Sequence[JobRun]) -> dict[int, datetime]:
    """When those began that were interrupted and went on: their log tells."""
    stamps = {run.pk: str(run.first_stamp or "") for run in runs if hasattr(run, "first_stamp")}
    again = [run.pk for run in runs if run.claim > 1 and run.started_at is not None and run.pk not in stamps]
    if again:
        lines = RunLog.objects.filter(run__in=again, seq=1).annotate(at=_FIRST_STAMP)
        stamps |= dict(lines.values_list("run", "at"))
    found: dict[int, datetime] = {}
    for run, at in stamps.items():
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


def _outages(runs: Sequence[JobRun], now: datetime, clock: datetime | None) -> tuple[Schedulers, list[Span]]:
    """What made rows late; and who was asked, for what else is told of schedulers."""
    late = [run for run in runs if _is_late(run)]
    if not late:
        return Schedulers(now=now, clock=clock), []
    first = min(run.scheduled_time for run in late)
    since = first - _LOOK_BACK
    until = max(run.finished_at or run.queued_at for run in late)
    schedulers = Schedulers(since=since, until=until, now=now, clock=clock)
    spans = [(start, end) for start, end in schedulers.downtimes if end - start >= _LEAST_OUTAGE]
    if spans and spans[0][0] == since:
        # It began before we looked; where no scheduler was ever alive, with what it made late.
        spans[0] = (schedulers.last_before or first, spans[0][1])
    return schedulers, spans
