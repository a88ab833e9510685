"""Jobs that are due, and ticks at given moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django_apscheduler.models import DjangoJob

from scheduling import definitions
from scheduling.contract import JobHandler
from scheduling.models import JobRun, ScheduledJob
from scheduling.timer import Timer
from tests.db.processes import make_process

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVERY_MINUTE: Mapping[str, object] = {"type": "interval", "minutes": 1, "start": "2026-01-01T00:00:00+00:00"}
EVERY_SECOND: Mapping[str, object] = {"type": "interval", "seconds": 1, "start": "2026-01-01T00:00:00+00:00"}
CRON_MINUTE: Mapping[str, object] = {"type": "cron", "cron": "* * * * *", "timezone": "UTC"}


class IdleJobHandler(JobHandler):
    """Never executed here."""


class LockedJobHandler(JobHandler):
    """Holds what its arguments name."""

    def exclusive_key(self, job_data: Mapping[str, object]) -> str:
        return f"door:{job_data['door']}"


def make_timer() -> tuple[Timer, list[int]]:
    """A timer without a clock, and the ids of the runs that it rang for."""
    rung: list[int] = []
    timer = Timer(ring=rung.extend)
    timer.open()
    return timer, rung


def broken_ring(run_ids: Sequence[int]) -> None:
    raise ZeroDivisionError


def make_job(
    job_id: str = "job",
    *,
    due: datetime | None = NOON,
    trigger: Mapping[str, object] = EVERY_MINUTE,
    handler: str = "idle",
    job_data: Mapping[str, object] | None = None,
    **policies: object,
) -> ScheduledJob:
    """A saved job whose next moment is `due`."""
    document = {"job_id": job_id, "handler": handler, "trigger": trigger, "policies": policies}
    job = definitions.save_job(definitions.parse_job({**document, "job_data": job_data or {}}))
    plan(job_id, due)
    return job


def make_one_off(job_id: str = "once", *, due: datetime = NOON, **fields: object) -> ScheduledJob:
    job = definitions.create_one_off(job_id=job_id, handler="idle", job_data={}, run_date=due)
    if fields:
        ScheduledJob.objects.filter(pk=job.pk).update(**fields)
    return job


def plan(job_id: str, due: datetime | None) -> None:
    assert DjangoJob.objects.filter(pk=job_id).update(next_run_time=due) == 1


def planned(job_id: str = "job") -> datetime | None:
    moment: datetime | None = DjangoJob.objects.get(pk=job_id).next_run_time
    return moment


def make_run(job: ScheduledJob, *, state: str = "queued", moment: datetime = NOON - timedelta(hours=1)) -> JobRun:
    """An active run of a job, asked for by hand."""
    owner = None
    if state == "running":
        owner = make_process(started_at=moment, beat_at=moment)
    return JobRun.objects.create(
        job=job,
        job_key=job.job_id,
        job_name=job.name,
        cause="fanout",
        scheduled_time=moment,
        available_at=moment,
        queued_at=moment,
        state=state,
        owner=owner,
        started_at=moment if owner else None,
        slot=0 if owner else None,
    )


def runs(job_id: str = "job") -> Sequence[JobRun]:
    return list(JobRun.objects.filter(job_key=job_id, cause="schedule").order_by("scheduled_time"))


def states(job_id: str = "job") -> list[tuple[str, datetime]]:
    return [(run.state, run.scheduled_time) for run in runs(job_id)]
