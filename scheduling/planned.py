"""Schedules as pages show them that are about something else: how they stand, in words, and when they fire next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery
from django_apscheduler.models import DjangoJob

from . import triggers
from .exceptions import InvalidTrigger
from .models import ScheduledJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One schedule."""

    job: ScheduledJob
    state: str
    """As `state_of` says."""
    in_words: str
    next_run_time: datetime | None
    """None: it is paused, off, or at its end."""


def with_following(jobs: QuerySet[ScheduledJob]) -> QuerySet[ScheduledJob]:
    """Schedules that bring with them when they fire next: what `planned` needs of each."""
    rows = DjangoJob.objects.filter(id=OuterRef("job_id"))
    return jobs.annotate(following=Subquery(rows.values("next_run_time")[:1]))


def planned(jobs: Iterable[ScheduledJob]) -> list[Planned]:
    """Of schedules read by `with_following`; asks the database nothing."""
    return [
        Planned(job=job, state=state_of(job), in_words=rule_in_words(job), next_run_time=job.following)  # type: ignore[attr-defined]  # as annotated
        for job in jobs
    ]


def state_of(job: ScheduledJob) -> str:
    """The one word for how a schedule is: `problem`, `off`, `paused` or `active`."""
    if job.problem:
        return "problem"
    if not job.enabled:
        return "off"
    return "paused" if job.paused_at else "active"


def rule_in_words(job: ScheduledJob) -> str:
    """What is wrong with it, where it cannot be read."""
    try:
        return triggers.describe(job.trigger)
    except InvalidTrigger as error:
        return str(error)
