"""The schedules, each with how long it usually takes and what holds it: one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from statistics import median

from django.db import connection
from django.db.models import CharField
from django.db.models.expressions import RawSQL

from scheduling import triggers
from scheduling.models import ScheduledJob
from scheduling.rounds import latest_runs
from scheduling.triggers import DocumentTrigger
from scheduling.upcoming import Hold

MOST = 1_000
"""Schedules that are looked at, by their id."""
LOOKED_AT = 15
"""Last runs of a schedule from which its usual length is taken."""
UNKNOWN = timedelta(minutes=15)
"""How long one is taken to run that has never succeeded."""

_FIELDS = (
    "job_id", "name", "handler", "job_data", "trigger", "anchor_at", "enabled", "paused_at", "problem", "overlap",
    "max_instances",
)  # fmt: skip
"""What the calendar, and who is asked for the reach of a schedule, look at."""
_TOOK = "(SELECT {aggregate} FROM {runs} latest WHERE took IS NOT NULL AND state = 'succeeded')"
_AGGREGATE = {"postgresql": "string_agg(CAST(took AS text), ',')", "sqlite": "group_concat(took, ',')"}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    job: ScheduledJob
    usual: timedelta
    """The median of those of its last runs that succeeded."""
    is_known: bool
    """Whether there were any."""
    hold: Hold | None
    """Why it would not run as things stand."""

    @cached_property
    def rule(self) -> DocumentTrigger:
        """Its trigger, of which intervals count from `job.anchor_at`; raises `InvalidTrigger`."""
        return triggers.build(self.job.trigger)

    @cached_property
    def is_live(self) -> bool:
        return self.hold is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    all: tuple[Schedule, ...]
    is_cut: bool
    """There are more than `MOST`."""


def schedules(*, is_paused: bool) -> Schedules:
    """`is_paused`: whether the whole scheduler is."""
    runs = latest_runs("r.execution_time AS took, r.state", count=LOOKED_AT)
    took = _TOOK.format(aggregate=_AGGREGATE[connection.vendor], runs=runs)
    rows = ScheduledJob.objects.order_by("job_id").only(*_FIELDS)
    found = rows.annotate(
        took=RawSQL(took, [], output_field=CharField()),  # noqa: S611  # constants alone
    )[: MOST + 1]
    read = [_read(job, job.took or "", is_paused=is_paused) for job in found]
    return Schedules(all=tuple(read[:MOST]), is_cut=len(read) > MOST)


def usual_length(took: list[float]) -> timedelta:
    """The median; `UNKNOWN` of nothing."""
    return timedelta(seconds=max(1.0, median(took))) if took else UNKNOWN


def _read(job: ScheduledJob, text: str, *, is_paused: bool) -> Schedule:
    took = [float(one) for one in filter(None, text.split(","))]
    return Schedule(job=job, usual=usual_length(took), is_known=bool(took), hold=_hold(job, is_paused=is_paused))


def _hold(job: ScheduledJob, *, is_paused: bool) -> Hold | None:
    if not job.enabled:
        return Hold.DISABLED
    if job.paused_at is not None:
        return Hold.PAUSED
    if job.problem:
        return Hold.QUARANTINED
    return Hold.PAUSED_ALL if is_paused else None
