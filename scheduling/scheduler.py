"""`TaskScheduler`: the façade over timer, runner and definitions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ParamSpec, TypedDict, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import close_old_connections
from django.utils import timezone

from . import definitions, hours, registry
from .alerts import LookOut
from .conf import SchedulerSettings
from .dispatch import make_dispatcher
from .lanes import Lane
from .lateness import overdue_seconds
from .liveness import Liveness, beat_age, live_processes
from .models import JobRun, Process, ScheduledJob, SchedulerState
from .runner import Runner
from .sharing import Sharing
from .storable import utc_text
from .timer import Timer

P = ParamSpec("P")
T = TypeVar("T")

RESTORE_SECONDS = 3600.0
"""How often jobs are looked for whose row for the timer somebody deleted."""
LOOK_OUT_SECONDS = 60.0
"""How often it is looked whether many runs fail, and past hours are summed up."""

logger = logging.getLogger(__name__)


class ProcessStatus(TypedDict):
    """A live process, as it is shown."""

    id: int
    kind: str
    host: str
    pid: int
    started_at: str
    beat_age: float
    """Seconds, by the database's clock."""
    running: int
    max_workers: int
    code_version: str
    lateness: float
    """Seconds: the worst of its ticks, between the two beats before."""
    gauges: Mapping[str, object]


class SchedulerStatus(TypedDict):
    """What `get_status` says."""

    status: str
    """running · paused · stopped (no scheduler is alive)"""
    paused_at: str | None
    """Since when everything is paused, be a scheduler alive or not."""
    paused_by: str
    note: str
    """Why everything is paused, as far as somebody said."""
    job_count: int
    running_jobs: int
    """Runs that execute now."""
    paused_jobs: int
    uptime: float
    """Seconds since the oldest live scheduler began; 0 when none is alive."""
    lateness: float
    """Seconds that the most overdue job is late now; 0 while everything is paused."""
    queued_runs: int
    broken_jobs: int
    """Jobs with a problem."""
    processes: list[ProcessStatus]


class TaskScheduler:
    """Starts and stops a scheduler in this process, and edits what all schedulers of this database run.

    Coroutines (`start`, `shutdown`, `add_job`, `add_one_time_job`) belong to an event loop; the others are plain
    functions for synchronous callers, in any process: they read and write the database.
    """

    def __init__(self, settings: SchedulerSettings | None = None, *, companions: int = 0) -> None:
        """`companions`: so many other processes are being started together with this one."""
        self.settings = settings or SchedulerSettings()
        self._sharing = Sharing(expected=companions)
        self._control: Lane | None = None
        self._liveness: Liveness | None = None
        self._runner: Runner | None = None
        self._timer: Timer | None = None
        self._rounds: list[asyncio.Task[None]] = []

    @property
    def timer(self) -> Timer | None:
        """The APScheduler scheduler of this process while it runs, for listeners."""
        return self._timer

    async def start(self) -> None:
        """Tick and execute in this process, within the running event loop. Starting twice changes nothing."""
        if self._control is not None:
            return
        control, _runner, timer = await self._assemble()
        timer.start()
        self._rounds = [
            asyncio.create_task(_restore_for_ever(control), name="restore-rows"),
            asyncio.create_task(_look_out_for_ever(control), name="look-out"),
        ]

    async def shutdown(self, drain_seconds: float | None = None) -> None:
        """Plan and claim nothing more, let running handlers end, hand back what is left, end the process's row.

        `drain_seconds`: default `SCHEDULER_DRAIN_SECONDS`.
        """
        if self._control is None:
            return
        drain = float(django_settings.SCHEDULER_DRAIN_SECONDS) if drain_seconds is None else drain_seconds
        for task in self._rounds:
            task.cancel()
        if self._timer is not None:
            await self._timer.stop()
        if self._runner is not None:
            await self._runner.stop(drain)
        if self._liveness is not None:
            await self._liveness.stop()
        await asyncio.to_thread(self._control.close)
        self._control = self._liveness = self._runner = self._timer = None
        self._rounds = []

    async def run_once(self) -> None:
        """Tick until nothing is due any more, execute what is due now, and end."""
        try:
            control, runner, timer = await self._assemble()
            timer.open()
            while (await control.run_patiently(timer.tick)).more:
                pass
            await runner.wait_until_idle()
            await control.run(hours.fill)
        finally:
            await self.shutdown()

    async def add_job(
        self,
        *,
        job_id: str,
        handler_class_name: str,
        trigger: Mapping[str, object],
        job_data: Mapping[str, object] | None = None,
        name: str | None = None,
        **policies: object,
    ) -> ScheduledJob:
        """Save a new job; every scheduler of this database runs it from now on.

        `trigger` is a document such as ``{"type": "interval", "seconds": 30}``; `policies` are those of a document.

        Raises:
            JobExists: there is a job of this id.
            InvalidJob: with every problem.
        """
        document: dict[str, object] = {
            "job_id": job_id,
            "handler": handler_class_name,
            "trigger": trigger,
            "job_data": dict(job_data or {}),
            "policies": policies,
        }
        if name is not None:
            document["name"] = name

        def create() -> ScheduledJob:
            return definitions.create_job(definitions.parse_job(document))

        return await self._edit(create)

    async def add_one_time_job(
        self,
        *,
        job_id: str,
        handler_class_name: str,
        job_data: Mapping[str, object] | None = None,
        run_date: datetime | None = None,
    ) -> ScheduledJob:
        """Plan one run, now (however long it has to wait for a scheduler) or at `run_date`; the job goes with its end.

        Raises:
            JobExists: there is a job of this id.
            InvalidJob: with every problem.
        """
        return await self._edit(
            definitions.create_one_off,
            job_id=job_id,
            handler=handler_class_name,
            job_data=dict(job_data or {}),
            run_date=run_date,
        )

    def remove_job(self, job_id: str) -> None:
        """Remove a job; its runs stay as history. Raises JobNotFound."""
        definitions.delete_job(job_id)

    def pause_job(self, job_id: str) -> ScheduledJob:
        """Plan nothing more for a job until it is resumed. Raises JobNotFound."""
        return definitions.pause_job(job_id)

    def resume_job(self, job_id: str) -> ScheduledJob:
        """Plan a paused job from now on. Raises JobNotFound."""
        return definitions.resume_job(job_id)

    def get_job(self, job_id: str) -> ScheduledJob | None:
        """Return a job's definition, or None."""
        return ScheduledJob.objects.filter(job_id=job_id).first()

    def get_status(self) -> SchedulerStatus:
        """Say how the schedulers of this database are; from any process, the web's too."""
        return get_status()

    async def _assemble(self) -> tuple[Lane, Runner, Timer]:
        registry.load()
        self._control = control = Lane("control")
        self._liveness = liveness = Liveness(
            kind=Process.Kind.SCHEDULER, control=control, max_workers=self.settings.max_workers
        )
        await liveness.start()
        await _restore(control)
        self._runner = runner = Runner(
            liveness=liveness, control=control, max_workers=self.settings.max_workers, sharing=self._sharing
        )
        await runner.start()
        self._timer = timer = Timer(ring=make_dispatcher(runner.wake).ring, control=control)
        liveness.gauge_sources.append(timer.lateness.gauges)
        return control, runner, timer

    async def _edit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write in the control lane where there is one, else in asgiref's thread for synchronous code."""
        if self._control is not None:
            return await self._control.run(function, *args, **kwargs)
        return await sync_to_async(_on_a_usable_connection)(function, *args, **kwargs)


def _on_a_usable_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


async def _restore(control: Lane) -> None:
    """Jobs without a row for the timer (deleted by hand, or by a stock reader) would never fire again, silently."""
    try:
        await control.run(definitions.restore_rows)
    except Exception:  # an outermost loop: whatever one job's row met, the others are to be fired
        logger.exception("Rows not restored", extra={"action": "restore_failed"})


async def _restore_for_ever(control: Lane) -> None:
    while True:
        await asyncio.sleep(RESTORE_SECONDS)
        await _restore(control)


async def _look_out_for_ever(control: Lane) -> None:
    look_out = LookOut()
    while True:
        await asyncio.sleep(LOOK_OUT_SECONDS)
        try:
            await control.run(look_out.look)
            await control.run(hours.fill)
        except Exception:  # an outermost loop: the next look may succeed
            logger.exception("Look-out failed", extra={"action": "look_out_failed"})


def get_status() -> SchedulerStatus:
    """Read from the database how the schedulers are."""
    live = live_processes()
    schedulers = [process for process in live if process.kind == Process.Kind.SCHEDULER]
    pause = SchedulerState.objects.filter(paused_at__isnull=False).first()
    running = JobRun.objects.filter(state=JobRun.State.RUNNING)
    owners = list(running.values_list("owner_id", flat=True))
    status = "stopped"
    if schedulers:
        status = "running" if pause is None else "paused"
    began = min((process.started_at for process in schedulers), default=None)
    return {
        "status": status,
        "paused_at": utc_text(pause.paused_at) if pause is not None and pause.paused_at is not None else None,
        "paused_by": pause.paused_by if pause is not None else "",
        "note": pause.note if pause is not None else "",
        "job_count": ScheduledJob.objects.count(),
        "running_jobs": len(owners),
        "paused_jobs": ScheduledJob.objects.filter(paused_at__isnull=False).count(),
        "uptime": 0.0 if began is None else max(0.0, (timezone.now() - began).total_seconds()),
        "lateness": round(overdue_seconds(), 1),
        "queued_runs": JobRun.objects.filter(state=JobRun.State.QUEUED).count(),
        "broken_jobs": ScheduledJob.objects.exclude(problem="").count(),
        "processes": [_process_status(process, owners.count(process.pk)) for process in live],
    }


def _process_status(process: Process, running: int) -> ProcessStatus:
    return {
        "id": process.pk,
        "kind": process.kind,
        "host": process.host.split("/", 1)[0],
        "pid": process.pid,
        "started_at": utc_text(process.started_at),
        "beat_age": beat_age(process),
        "running": running,
        "max_workers": process.max_workers,
        "code_version": process.code_version,
        "lateness": float(process.gauges.get("tick_lateness_seconds") or 0.0),
        "gauges": process.gauges,
    }
