"""One tick: what APScheduler decides is collected here, then written in a handful of statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
    JobEvent,
    JobExecutionEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)
from apscheduler.executors.base import MaxInstancesReachedError
from django.db import connection
from django.utils.translation import gettext as _

from . import definitions, events, ledger
from .firing import CATCH_UP, Admission, Gap, Reason, admit, available_at
from .jobstore import DueJob
from .ledger import Definition, Mark, NewRun
from .models import JobRun, ScheduledJob
from .plain import PlainJob
from .signals import run_ended, tell
from .storable import storable_text

MOST_JOBS = 5000
MOST_RUNS = 20_000
MOST_TOLD = 500
"""What one tick takes on, so that its transaction stays short; what is left is due in the next, at once.

A run of which more is to be said than that it is queued (missed, skipped, coalesced) costs ten times a plain one: after
a downtime a tick takes on fewer jobs, and is hardly longer than any.
"""

Ring = Callable[[Sequence[int]], None]
State = JobRun.State


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What a tick did."""

    moment: datetime
    jobs: int = 0
    """Due jobs that were moved on."""
    queued: int = 0
    missed: int = 0
    skipped: int = 0
    failed: int = 0
    more: bool = False
    """More is due: tick again at once."""
    held: bool = False
    """More is due, but somebody else holds it: not at once."""
    is_wordy: bool = False
    """It took on as many runs as a tick may of those of which much is to be said (`MOST_TOLD`)."""
    next_run_time: datetime | None = None
    most_overdue: datetime | None = None
    """The earliest moment that a job was due at."""


@dataclass(slots=True)
class Tick:
    """An open tick. Everything is in memory until `flush`, and void if that fails."""

    moment: datetime
    ring: Ring
    limit: int = MOST_JOBS
    heard: list[SchedulerEvent] = field(default_factory=list)
    """APScheduler's events, to be told after the commit."""
    failure: Exception | None = None
    report: TickReport | None = None
    plain: list[PlainJob] = field(default_factory=list)
    """Nearly all: each becomes a queued run of which nothing else is to be said."""
    _locked: int = 0
    _most_overdue: datetime | None = None
    _jobs: list[DueJob] = field(default_factory=list)
    _moves: dict[str, datetime | None] = field(default_factory=dict)
    _quiet: list[NewRun] = field(default_factory=list)
    """Queued runs of which nothing else is to be said, of jobs that are not plain."""
    _told: list[NewRun] = field(default_factory=list)
    _one_offs: dict[int, str] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return len(self._told) >= MOST_TOLD or len(self.plain) + len(self._quiet) + len(self._told) >= MOST_RUNS

    def locked(self, count: int, most_overdue: datetime | None) -> None:
        self._locked, self._most_overdue = count, most_overdue

    def fail(self, error: Exception) -> None:
        """Remember an error that APScheduler would swallow; the first one is raised when the tick is written."""
        self.failure = self.failure or error

    def move(self, job_id: str, next_run_time: datetime | None) -> None:
        self._moves[job_id] = next_run_time

    def hear(self, event: SchedulerEvent) -> None:
        """Keep an event for after the commit.

        Not the removal of a job whose trigger is at its end: the row stays, with nothing planned.
        """
        if event.code != EVENT_JOB_REMOVED or not isinstance(event, JobEvent):
            self.heard.append(event)

    def record(self, job: DueJob) -> None:
        """Turn a due job's plan into runs.

        Raises:
            MaxInstancesReachedError: all of its moments are skipped (and noted so): APScheduler tells its listeners.
        """
        self._jobs.append(job)
        plan = job.plan
        if plan is None:
            raise RuntimeError("APScheduler submitted a job without asking when it is due.")
        if job.definition.one_time:
            self._one_offs[job.definition.pk] = job.id
        if plan.missed is not None:
            self._miss(job, plan.missed)
        if not plan.moments:
            return
        if job.error is not None:
            moment = plan.moments[-1]
            self._add(job, moment, State.FAILED, error=job.error, reason=JobRun.Reason.BROKEN.value)
            self.heard.append(
                JobExecutionEvent(EVENT_JOB_ERROR, job.id, events.JOB_STORE, moment, exception=job.error, traceback="")
            )
            return
        admission = admit(
            plan.moments,
            active=job.active,
            max_instances=job.max_instances,
            wait=job.definition.overlap == "wait",
        )
        for moment in admission.queued:
            self._add(job, moment, State.QUEUED)
        if admission.skipped:
            self._skip(job, admission)

    def flush(self) -> datetime | None:
        """Write runs, times and problems, ring for the queued runs; returns the next planned moment.

        Raises:
            Exception: whatever failed before, or fails now; nothing of the tick may be kept then.
        """
        if self.failure is not None:
            raise self.failure
        # What was missed lies before what is caught up: its rows come first, so that a time line is in order.
        ids = ledger.insert([run for run in self._told if run.state == State.MISSED], self.moment)
        queued = ledger.queue_plain([(job.pk, job.due_at) for job in self.plain], self.moment)
        queued += ledger.queue(self._quiet, self.moment)
        ids |= ledger.insert([run for run in self._told if run.state != State.MISSED], self.moment)
        told = [run for run in self._told if (run.pk, run.scheduled_time) in ids]
        ledger.move(list(self._moves.items()))
        ledger.mark(self._marks())
        queued += [ids[run.pk, run.scheduled_time] for run in told if run.state == State.QUEUED]
        if queued:
            self.ring(queued)
        self._end(told, ids)
        earliest, _paused = ledger.look()
        self.report = self._reported(told, len(queued), earliest)
        return earliest

    def _miss(self, job: DueJob, gap: Gap) -> None:
        if gap.reason is Reason.LATE:
            message = _("Later than the grace of %(seconds)s s.") % {"seconds": job.misfire_grace_time}
        else:
            message = _("Beyond catch-up: only the newest %(count)d moments of a job are run.") % {"count": CATCH_UP}
        self._told.append(
            NewRun(
                pk=job.definition.pk,
                job_key=job.id,
                job_name=job.name,
                scheduled_time=gap.first,
                available_at=gap.first,
                state=State.MISSED.value,
                definition_version=job.definition.version,
                message=message,
                missed_count=gap.count,
                missed_until=gap.last,
                reason=gap.reason.value,
            )
        )
        self.heard.append(JobExecutionEvent(EVENT_JOB_MISSED, job.id, events.JOB_STORE, gap.first))

    def _skip(self, job: DueJob, admission: Admission) -> None:
        in_way: int | None = None
        if admission.reason is Reason.OVERLAP:
            in_way = job.active.run_id
            names = {"run": job.active.run_id, "state": job.active.state}
            message = _("Run #%(run)s of this job is still %(state)s.") % names
        else:
            message = _("The queue is full: %(count)d runs of this job wait already.") % {"count": job.active.queued}
        reason = (admission.reason or Reason.OVERLAP).value
        for moment in admission.skipped:
            self._add(job, moment, State.SKIPPED, message=message, reason=reason, in_way=in_way)
        if not admission.queued:
            raise MaxInstancesReachedError(job)
        skipped = list(admission.skipped)
        self.heard.append(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, job.id, events.JOB_STORE, skipped))

    def _add(
        self,
        job: DueJob,
        moment: datetime,
        state: State,
        *,
        message: str = "",
        error: Exception | None = None,
        reason: str = "",
        in_way: int | None = None,
    ) -> None:
        definition = job.definition
        plan = job.plan
        coalesced = plan.coalesced if plan is not None and moment is plan.moments[-1] else None
        runs = self._quiet if state is State.QUEUED and coalesced is None else self._told
        runs.append(
            NewRun(
                definition.pk,
                job.id,
                job.name,
                moment,
                available_at(job.id, moment, definition.jitter),
                definition.version,
                job.exclusive_key,
                state.value,
                message,
                type(error).__name__ if error else "",
                storable_text(str(error)) if error else "",
                None,
                None,
                coalesced.count if coalesced else 0,
                coalesced.first if coalesced else None,
                reason,
                in_way,
            )
        )

    def _marks(self) -> list[Mark]:
        marks = []
        for job in self._jobs:
            definition = job.definition
            if job.error is not None:
                since = definition.problem_at or self.moment
                text = storable_text(f"{type(job.error).__name__}: {job.error}")
                marks.append(Mark(definition.pk, text, since))
            elif definition.problem:
                marks.append(Mark(definition.pk, "", None))
        return marks

    def _end(self, runs: list[NewRun], ids: dict[tuple[int, datetime], int]) -> None:
        """Tell of the runs that are born ended, and take the one-offs among them away."""
        jobs = {job.definition.pk: job.definition for job in self._jobs}
        for new in runs:
            if new.state == State.QUEUED:
                continue
            run = JobRun(
                id=ids[new.pk, new.scheduled_time],
                cause=JobRun.Cause.SCHEDULE,
                queued_at=self.moment,
                finished_at=self.moment,
                **{name: value for name, value in new._asdict().items() if name != "pk"},
            )
            run._state.adding = False
            run.job = _told_of(jobs[new.pk])
            tell(run_ended, run)
            events.publish_after_commit(events.ended_unfinished(run))
            if new.pk in self._one_offs:
                definitions.finish_one_off(self._one_offs[new.pk])

    def _reported(self, told: list[NewRun], queued: int, earliest: datetime | None) -> TickReport:
        states = [run.state for run in told]
        left = earliest is not None and earliest <= self.moment
        more = left and (self._locked >= self.limit or self.is_full)
        return TickReport(
            moment=self.moment,
            jobs=len(self._moves),
            queued=queued,
            missed=states.count(State.MISSED),
            skipped=states.count(State.SKIPPED),
            failed=states.count(State.FAILED),
            more=more,
            held=left and not more,
            is_wordy=len(self._told) >= MOST_TOLD,
            next_run_time=earliest,
            most_overdue=self._most_overdue,
        )


def _told_of(definition: Definition) -> ScheduledJob:
    """A run's job for receivers, without a query for each; what they ask beyond these fields is fetched."""
    values = {
        "id": definition.pk,
        "job_id": definition.job_id,
        "name": definition.name,
        "handler": definition.handler,
        "one_time": bool(definition.one_time),
    }
    return ScheduledJob.from_db(connection.alias, tuple(values), tuple(values.values()))
