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
from scheduling.rounds import latest_runs

MOST = 500
"""Schedules that the page looks at."""
ROUNDS = 16
_EXECUTED = (JobRun.State.SUCCEEDED, JobRun.State.FAILED)
MESSAGE = 300
"""Characters of a failed run's message."""

# The percent sign of a format is doubled for Django.
_AGGREGATE = {
    "postgresql": "string_agg(concat_ws(',', id, state, COALESCE(CAST(execution_time AS text), ''), "
    "CAST(EXTRACT(EPOCH FROM scheduled_time) AS bigint)), ';')",
    "sqlite": "group_concat(id || ',' || state || ',' || COALESCE(execution_time, '') || ',' || "
    "strftime('%%s', scheduled_time), ';')",
}
_LAST = "(SELECT {aggregate} FROM {runs} latest)"
_WHY = """(
    SELECT COALESCE(NULLIF(message, ''), error_type) FROM {runs} latest WHERE state = 'failed' ORDER BY id DESC LIMIT 1
)"""


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
    """Of the last run that failed, or the type of its error."""

    @property
    def failures(self) -> tuple[Round, ...]:
        """Those that failed, one after the other, since one succeeded. What was skipped, missed or cancelled, or still
        runs, says nothing: a run that always fails late has others behind it that were skipped meanwhile.
        """
        executed = [one for one in self.rounds if one.state in _EXECUTED]
        failed: list[Round] = []
        for one in reversed(executed):
            if one.state != JobRun.State.FAILED:
                break
            failed.insert(0, one)
        return tuple(failed)

    @property
    def has_run(self) -> bool:
        """Whether one of its last rounds was executed."""
        return any(one.state in _EXECUTED for one in self.rounds)

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
    runs = latest_runs("r.id, r.state, r.execution_time, r.scheduled_time, r.message, r.error_type", count=ROUNDS)
    last = _LAST.format(aggregate=_AGGREGATE[connection.vendor], runs=runs)
    why = _WHY.format(runs=runs)
    jobs = ScheduledJob.objects.filter(one_time=False, enabled=True).order_by("job_id")
    found = jobs.annotate(
        next_time=Subquery(next_time[:1]),
        last_rounds=RawSQL(last, [], output_field=CharField()),  # noqa: S611  # constants alone
        why=Left(RawSQL(why, [], output_field=CharField()), MESSAGE),  # noqa: S611
    )
    return [
        Schedule(
            job=job,
            next_time=job.next_time,
            rounds=_read(job.last_rounds or ""),
            message=(job.why or "").strip(),
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
