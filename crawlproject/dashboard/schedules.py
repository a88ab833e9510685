"""The schedules, each with its next moment and its last rounds: one query, however long their histories are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from django.db import connection
from django.db.models import CharField, OuterRef, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left
from django_apscheduler.models import DjangoJob

from scheduling.models import JobRun, ScheduledJob

MOST = 500
"""Schedules that the page looks at."""
ROUNDS = 16
MESSAGE = 300
"""Characters of the last run's message."""

# One look at the index (job, -id) for each schedule. Between a number and itself, and ordered by the job too, because
# PostgreSQL would else walk down all runs to find those of one job, whole millions where it has none. The percent sign
# of a format is doubled for Django.
_LAST = """(SELECT {aggregate} FROM (
    SELECT r.id, r.state, r.execution_time, r.scheduled_time FROM scheduling_jobrun r
    WHERE r.job_id BETWEEN scheduling_scheduledjob.id AND scheduling_scheduledjob.id AND r.state <> 'queued'
    ORDER BY r.job_id, r.id DESC LIMIT {rounds}
) latest)"""
_AGGREGATE = {
    "postgresql": "string_agg(concat_ws(',', id, state, COALESCE(CAST(execution_time AS text), ''), "
    "CAST(EXTRACT(EPOCH FROM scheduled_time) AS bigint)), ';')",
    "sqlite": "group_concat(id || ',' || state || ',' || COALESCE(execution_time, '') || ',' || "
    "strftime('%%s', scheduled_time), ';')",
}


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a schedule."""

    run: int
    state: str
    seconds: float | None
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    job: ScheduledJob
    next_time: datetime | None
    rounds: tuple[Round, ...]
    """The last of them, the oldest first."""
    message: str
    """Of the last run, or the type of its error."""

    @property
    def failures(self) -> tuple[Round, ...]:
        """Those at the end of the rounds that failed, one after the other; what still runs is left aside."""
        ended = [one for one in self.rounds if one.state != JobRun.State.RUNNING]
        failed: list[Round] = []
        for one in reversed(ended):
            if one.state != JobRun.State.FAILED:
                break
            failed.insert(0, one)
        return tuple(failed)

    @property
    def usual_seconds(self) -> float | None:
        """How long a run takes; None where none has succeeded lately."""
        took = [one.seconds for one in self.rounds if one.state == JobRun.State.SUCCEEDED and one.seconds is not None]
        return fmean(took) if took else None

    @property
    def spider(self) -> str:
        """The name of the one spider that it crawls, or nothing."""
        data = self.job.job_data
        is_of_one = self.job.handler == "crawl" and isinstance(data, dict) and data.get("type") == "spider"
        return str(data.get("target", "")) if is_of_one else ""


def schedules() -> list[Schedule]:
    """The enabled ones that recur, by their id."""
    next_time = DjangoJob.objects.filter(id=OuterRef("job_id")).values("next_run_time")
    own = JobRun.objects.filter(job__gte=OuterRef("pk"), job__lte=OuterRef("pk"))
    last = own.exclude(state=JobRun.State.QUEUED).order_by("job_id", "-id")
    rounds = _LAST.format(aggregate=_AGGREGATE[connection.vendor], rounds=ROUNDS)
    jobs = ScheduledJob.objects.filter(one_time=False, enabled=True).order_by("job_id")
    found = jobs.annotate(
        next_time=Subquery(next_time[:1]),
        last_rounds=RawSQL(rounds, [], output_field=CharField()),  # noqa: S611  # constants alone
        last_message=Subquery(last.values(text=Left("message", MESSAGE))[:1]),
        last_error=Subquery(last.values("error_type")[:1]),
    )
    return [
        Schedule(
            job=job,
            next_time=job.next_time,
            rounds=_read(job.last_rounds or ""),
            message=(job.last_message or job.last_error or "").strip(),
        )
        for job in found[:MOST]
    ]


def _read(text: str) -> tuple[Round, ...]:
    """“41,failed,2.5,1790000000;…”, in any order."""
    found = []
    for one in filter(None, text.split(";")):
        run, state, seconds, due = one.split(",")
        found.append(Round(int(run), state, float(seconds) if seconds else None, datetime.fromtimestamp(int(due), UTC)))
    return tuple(sorted(found, key=lambda one: one.run))
