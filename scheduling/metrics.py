"""What there is to measure, read from the database: right from any process, however many there are.

Every question is answered through an index and bounded: a history of millions of runs costs no more than a short one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone

from .lateness import overdue_seconds
from .liveness import beat_age, database_size, live_processes
from .models import JobRun, Process, ScheduledJob, SchedulerState
from .recent import Window, window

WINDOWS: Mapping[str, timedelta] = {"1h": timedelta(hours=1), "24h": timedelta(hours=24)}
MOST_QUEUED = 100_000
"""A longer queue is told as so long."""

State = JobRun.State


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMetrics:
    """A live process, as of its last beat."""

    id: int
    """`Process.pk`."""
    kind: str
    beat_age_seconds: float
    places: int
    places_used: int
    running: int
    """Runs that it holds, sleeping retries too."""
    tick_lateness_seconds: float
    loop_lag_seconds: float
    abandoned_handlers: int
    is_blocked: bool
    """Whether its event loop was blocked when it was last heard of."""
    rss_bytes: float
    cpu_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One look."""

    at: datetime
    schedulers: int
    """Live ones."""
    is_paused: bool
    lateness_seconds: float
    """Of the most overdue job."""
    jobs: int
    paused_jobs: int
    broken_jobs: int
    queued: int
    """Runs that wait, due or not; at most `MOST_QUEUED`."""
    queue_head_age_seconds: float
    """How long the first due run in the queue waits; 0 where none does."""
    running: int
    database_bytes: int | None
    windows: Mapping[str, Window]
    processes: tuple[ProcessMetrics, ...]

    def as_json(self) -> dict[str, object]:
        """For programs; names no host."""
        return {**asdict(self), "windows": {name: _rated(window) for name, window in self.windows.items()}}


def collect() -> Metrics:
    """Measure now: a dozen statements, whatever there is."""
    live = live_processes()
    owners = Counter(JobRun.objects.filter(state=State.RUNNING).order_by().values_list("owner_id", flat=True))
    sizes = [size for process in live if isinstance(size := process.gauges.get("database_bytes"), int)]
    return Metrics(
        at=timezone.now(),
        schedulers=sum(process.kind == Process.Kind.SCHEDULER for process in live),
        is_paused=SchedulerState.objects.filter(paused_at__isnull=False).exists(),
        lateness_seconds=overdue_seconds(),
        jobs=ScheduledJob.objects.count(),
        paused_jobs=ScheduledJob.objects.filter(paused_at__isnull=False).count(),
        broken_jobs=ScheduledJob.objects.exclude(problem="").count(),
        queued=JobRun.objects.filter(state=State.QUEUED).order_by().values("pk")[:MOST_QUEUED].count(),
        queue_head_age_seconds=_age_of_head(),
        running=owners.total(),
        database_bytes=sizes[0] if sizes else database_size(),
        windows={name: window(length) for name, length in WINDOWS.items()},
        processes=tuple(_process(process, owners[process.pk]) for process in live),
    )


def _age_of_head() -> float:
    waits = ExpressionWrapper(Now() - F("available_at"), DurationField())
    due = JobRun.objects.filter(state=State.QUEUED, available_at__lte=Now()).order_by("available_at", "pk")
    age: timedelta | None = due.annotate(waits=waits).values_list("waits", flat=True).first()
    return max(0.0, age.total_seconds()) if age is not None else 0.0


def _process(process: Process, running: int) -> ProcessMetrics:
    gauges = process.gauges
    blocked_by = gauges.get("blocked_by") or {}
    return ProcessMetrics(
        id=process.pk,
        kind=process.kind,
        beat_age_seconds=beat_age(process),
        places=process.max_workers,
        places_used=int(gauges.get("places_used") or 0),
        running=running,
        tick_lateness_seconds=float(gauges.get("tick_lateness_seconds") or 0.0),
        loop_lag_seconds=float(gauges.get("loop_lag_seconds") or 0.0),
        abandoned_handlers=int(gauges.get("abandoned_handlers") or 0),
        is_blocked=bool(blocked_by) and not blocked_by.get("ended"),
        rss_bytes=float(gauges.get("rss_bytes") or 0),
        cpu_percent=float(gauges.get("cpu_percent") or 0),
    )


def _rated(window: Window) -> dict[str, object]:
    return {**asdict(window), "success_rate": window.success_rate, "error_rate": window.error_rate}
