"""Jobs and runs as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from django.db.models import Manager
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from rest_framework import serializers

from scheduling import account, definitions, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.models import JobRun, ScheduledJob

BODIES = ("data", "error")
"""Of a run: long, and not needed to see what became of it."""


class ToldRuns(serializers.ListSerializer[JobRun]):
    """Many runs: what their words need is asked once for all."""

    teller: account.Teller

    def to_representation(self, data: Iterable[JobRun] | Manager[JobRun]) -> list[object]:  # type: ignore[override]  # stubs: one row
        runs = list(data.all() if isinstance(data, Manager) else data)
        self.teller = account.Teller(runs, now=timezone.now())
        return list(super().to_representation(runs))


class JobRunSerializer(serializers.ModelSerializer[JobRun]):
    """A run, read-only. `job_id` is the schedule's name for programs; it stays when the schedule is gone."""

    job_id = serializers.CharField(source="job_key")
    owner = serializers.SerializerMethodField()
    why = serializers.SerializerMethodField()

    class Meta:
        model = JobRun
        list_serializer_class = ToldRuns
        fields: ClassVar[list[str]] = [
            "id", "job_id", "job_name", "cause", "state", "scheduled_time", "available_at", "queued_at", "started_at",
            "finished_at", "execution_time", "retry_count", "recoveries", "message", "data", "error_type", "error",
            "reason", "in_way", "why", "missed_count", "missed_until", "coalesced_count", "coalesced_from",
            "requested_by", "cancel_requested_at", "cancel_requested_by", "definition_version", "code_version", "owner",
        ]  # fmt: skip

    def get_owner(self, run: JobRun) -> str | None:
        return None if run.owner is None else str(run.owner)

    def get_why(self, run: JobRun) -> str:
        """Why it did not run, or how it ended: a sentence in the reader's language."""
        teller = self.parent.teller if isinstance(self.parent, ToldRuns) else account.Teller([run], now=timezone.now())
        return teller.sentence(run)


class RunSummarySerializer(JobRunSerializer):
    """A run as a row of a time line: without its bodies, and without `why`, which the row's sentence is."""

    class Meta(JobRunSerializer.Meta):
        fields: ClassVar[list[str]] = [name for name in JobRunSerializer.Meta.fields if name not in (*BODIES, "why")]


def represent(jobs: Sequence[ScheduledJob]) -> list[dict[str, object]]:
    """Documents as `dumpdefinitions` prints them, with what only the running scheduler knows; two queries."""
    keys = [job.job_id for job in jobs]
    next_times = dict(DjangoJob.objects.filter(id__in=keys).values_list("id", "next_run_time"))
    return [
        definitions.dump_job(job)
        | {
            "version": job.version,
            "one_time": job.one_time,
            "next_run_time": next_times.get(job.job_id),
            "in_words": in_words(job),
            "paused_at": job.paused_at,
            "paused_by": job.paused_by,
            "note": job.note,
            "problem": job.problem or None,
            "problem_at": job.problem_at,
            "created_at": job.created_at,
            "updated_at": job.updated_at,
        }
        for job in jobs
    ]


def in_words(job: ScheduledJob) -> str:
    """The schedule's trigger; empty where it cannot be built: `problem` says why."""
    try:
        return triggers.describe(job.trigger)
    except InvalidTrigger:
        return ""
