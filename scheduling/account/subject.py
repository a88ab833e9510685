"""The job that is asked about, as far as it exists (still)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django_apscheduler.models import DjangoJob

from scheduling.exceptions import JobNotFound
from scheduling.models import JobRun, ScheduledJob, SchedulerState

from .rules import History, history_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A job, its rules and what is planned."""

    job_id: str
    job: ScheduledJob | None
    """None: it was removed."""
    history: History
    next_run_time: datetime | None
    state: SchedulerState | None
    """Where everything is paused."""

    @property
    def is_one_off(self) -> bool:
        """A one-off has no versions: one that is gone has no rules."""
        return self.job.one_time if self.job is not None else not self.history.rules

    @property
    def paused_all_at(self) -> datetime | None:
        return self.state.paused_at if self.state is not None else None


def load(job_id: str, *, job: ScheduledJob | None = None) -> Subject:
    """Read what there is of a job: four queries, one less with its row.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    job = job or ScheduledJob.objects.filter(job_id=job_id).first()
    history = history_of(job_id, job)
    if not history.rules and not JobRun.objects.filter(job_key=job_id).exists():
        raise JobNotFound(job_id)
    planned = DjangoJob.objects.filter(pk=job_id).values_list("next_run_time", flat=True).first() if job else None
    state = SchedulerState.objects.filter(pk=1, paused_at__isnull=False).first()
    return Subject(job_id=job_id, job=job, history=history, next_run_time=planned, state=state)
