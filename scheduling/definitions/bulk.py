"""Saving many jobs in one short transaction: what can be worked out before it begins is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django_apscheduler.models import DjangoJob

from scheduling import triggers
from scheduling.jobstore import pickled_state
from scheduling.models import DefinitionVersion, ScheduledJob

from . import rows
from .documents import JobValues, dump_values
from .jobs import new_job, save_checked
from .parts import batched
from .versions import record_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """The rows of a job that there is not yet."""

    job: ScheduledJob
    stored: DjangoJob
    document: dict[str, object]


def new_jobs(values: Iterable[JobValues], *, now: datetime) -> list[NewJob]:
    """The rows of new jobs whose values were checked (`parse_job`); nothing is written."""
    return [_new_job(one, now) for one in values]


def lock_jobs(job_ids: Iterable[str]) -> dict[str, int]:
    """Lock what is there of the jobs inside the caller's transaction; the versions of those that are there."""
    versions: dict[str, int] = {}
    for part in batched(sorted(job_ids)):
        # Locks are always taken in this order.
        list(DjangoJob.objects.select_for_update().filter(pk__in=part).order_by("pk").values_list("pk"))
        jobs = ScheduledJob.objects.select_for_update().filter(job_id__in=part).order_by("job_id")
        versions |= dict(jobs.values_list("job_id", "version"))
    return versions


def save_many(
    new: Sequence[NewJob], changed: Iterable[JobValues], *, user: AbstractBaseUser | None, now: datetime
) -> None:
    """Write new jobs, and change others, whose values were checked, inside the caller's transaction.

    Raises:
        IntegrityError: one of the new ones is there already.
    """
    for part in batched(new):
        DjangoJob.objects.bulk_create([one.stored for one in part])
        documents = {one.job.job_id: one.document for one in part}
        numbers = record_versions(DefinitionVersion.Kind.JOB, documents, user=user, at=now)
        for one in part:
            one.job.version = numbers[one.job.job_id]
        ScheduledJob.objects.bulk_create([one.job for one in part])
        for one in part:
            rows.tell("Job created", "job_created", job_id=one.job.job_id, user=str(user or ""))
    for values in changed:
        save_checked(values, user=user)


def _new_job(values: JobValues, now: datetime) -> NewJob:
    trigger = triggers.build(values.trigger, anchor=now)
    job = new_job(values, trigger, now)
    first = trigger.get_next_fire_time(None, now) if values.enabled else None
    stored = DjangoJob(pk=job.job_id, next_run_time=first, job_state=pickled_state(job, trigger, first))
    return NewJob(job=job, stored=stored, document=dump_values(values))
