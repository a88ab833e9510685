"""Jobs and runs as JSON."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers

from scheduling.models import JobRun


class JobRunSerializer(serializers.ModelSerializer[JobRun]):
    """A run, read-only. `job_id` is the schedule's name for programs; it stays when the schedule is gone."""

    job_id = serializers.CharField(source="job_key")
    owner = serializers.SerializerMethodField()

    class Meta:
        model = JobRun
        fields: ClassVar[list[str]] = [
            "id", "job_id", "job_name", "cause", "state", "scheduled_time", "available_at", "queued_at", "started_at",
            "finished_at", "execution_time", "retry_count", "recoveries", "message", "data", "error_type", "error",
            "missed_count", "missed_until", "coalesced_count", "coalesced_from", "cancel_requested_at",
            "cancel_requested_by", "definition_version", "code_version", "owner",
        ]  # fmt: skip

    def get_owner(self, run: JobRun) -> str | None:
        return None if run.owner is None else str(run.owner)
