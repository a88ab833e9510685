"""APScheduler's timer over the definitions: it ticks in the control lane and records firings, running none itself."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import get_ident

from apscheduler.events import SchedulerEvent
from apscheduler.executors.base import BaseExecutor, MaxInstancesReachedError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.base import STATE_PAUSED, BaseScheduler
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from . import events, ledger
from .events import RunEvent, apscheduler_event
from .exceptions import ReceiverFailed
from .jobstore import DefinitionJobStore, DueJob
from .lanes import Lane
from .lateness import TickLateness
from .plain import PlainJob
from .quarantine import set_aside
from .tick import MOST_JOBS, MOST_TOLD, Ring, Tick, TickReport

LONGEST_WAIT = 1.0
"""Seconds. A step of the clock is seen within them."""
HELD_WAIT = 0.5
"""Seconds until a due row that somebody else holds is tried again."""
PROBE_WAIT = 0.05
"""Seconds between two looks for a job that is due earlier than the timer is set for."""

logger = logging.getLogger(__name__)


class RecordingExecutor(BaseExecutor):  # type: ignore[misc]  # APScheduler is untyped
    """Where submitted firings go: into the open tick, from which they become `JobRun` rows."""

    def __init__(self, store: DefinitionJobStore) -> None:
        super().__init__()
        self._store = store

    def submit_job(self, job: DueJob | PlainJob, run_times: Sequence[datetime]) -> None:
        """Note a firing.

        Raises:
            MaxInstancesReachedError: all of it is skipped, and noted so. APScheduler swallows any other error and
                moves the job on, so that those fail the whole tick instead.
        """
        tick = self._store.tick
        if not isinstance(tick, Tick):
            raise RuntimeError("A firing is recorded inside a tick only.")
        if isinstance(job, PlainJob):
            tick.plain.append(job)
            return
        try:
            tick.record(job)
        except MaxInstancesReachedError:
            raise
        except Exception as error:  # raised again by the tick's flush
            tick.fail(error)

    def _do_submit_job(self, job: DueJob, run_times: Sequence[datetime]) -> None:
        raise NotImplementedError("submit_job does it all.")


class Timer(AsyncIOScheduler):  # type: ignore[misc]
    """The clock of one process. `tick` is a plain function; `start` calls it, in the control lane, when it is time."""

    def __init__(self, *, ring: Ring, control: Lane | None = None) -> None:
        """`ring` hears the ids of queued runs inside the tick's transaction. Without a lane only `tick` can be used."""
        self._ring = ring
        self._control = control
        self._store = DefinitionJobStore()
        self._limit = MOST_JOBS
        self._tick_thread: int | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._again = False
        self._armed: datetime | None = None
        self._passed_over = ledger.BEGINNING
        self._unsubscribe: Callable[[], None] | None = None
        self.lateness = TickLateness()
        super().__init__(
            jobstores={events.JOB_STORE: self._store},
            executors={"default": RecordingExecutor(self._store)},
            timezone=settings.SCHEDULER_TIMEZONE,
        )

    # --- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Get ready for `tick` calls, without a loop and without a clock."""
        BaseScheduler.start(self)

    def start(self, paused: bool = False) -> None:
        """Tick from now on, from within a running event loop."""
        if self._control is None:
            raise RuntimeError("A timer without a control lane has no clock; use open() and tick().")
        self._unsubscribe = events.subscribe(self._tell)
        super().start(paused)
        self._watching = self._eventloop.create_task(self._watch(), name="timer-probe")

    async def stop(self) -> None:
        """Plan nothing more and wait for a tick under way."""
        if not self.running:
            return
        if self._watching is not None:
            self._watching.cancel()
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._stop_timer()
        BaseScheduler.shutdown(self, wait=False)
        under_way = [task for task in (self._watching, self._ticking) if task is not None]
        await asyncio.gather(*under_way, return_exceptions=True)

    def wakeup(self) -> None:
        """Tick as soon as possible. May be called from any thread."""
        loop = self._eventloop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    # --- the tick -----------------------------------------------------------------------------------------------------

    def tick(self, now: datetime | None = None) -> TickReport:
        """Do everything that is due at `now`, in one transaction; synchronous, in the calling thread.

        Raises:
            DatabaseError: nothing was changed; it can be tried again.
        """
        earliest, paused = ledger.look()
        moment = now or timezone.now()
        if paused or self.state == STATE_PAUSED or earliest is None or earliest > moment:
            self.lateness.clear(moment)
            return TickReport(moment=moment, next_run_time=None if paused else earliest)
        try:
            report = self._tick(moment)
        except (IntegrityError, DataError, ReceiverFailed) as error:
            if self._limit > 1:
                # One row breaks a rule: fewer jobs at once, until it stands alone.
                self._limit = max(1, self._limit // 8)
                logger.warning("Tick refused", extra={"action": "tick_refused", "limit": self._limit}, exc_info=error)
                return TickReport(moment=moment, more=True, next_run_time=earliest)
            set_aside(moment, error)
            return TickReport(moment=moment, more=True, next_run_time=earliest)
        # More of the same is likely: to read 5,000 due jobs each time, for a tenth of them, would take longer.
        self._limit = min(self._limit, MOST_TOLD) if report.is_wordy else min(MOST_JOBS, self._limit * 2)
        return report

    def _tick(self, moment: datetime) -> TickReport:
        tick = Tick(moment=moment, ring=self._ring, limit=self._limit)
        with _collector_at_rest(), transaction.atomic():
            self._store.tick, self._tick_thread = tick, get_ident()
            try:
                self._process_jobs()
            finally:
                self._store.tick, self._tick_thread = None, None
            if tick.failure is not None:
                raise tick.failure
        report = tick.report or TickReport(moment=moment, next_run_time=moment)
        self.lateness.committed(report.most_overdue, timezone.now(), all_done=not (report.more or report.held))
        for event in tick.heard:
            self._dispatch_event(event)
        return report

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        """Tell listeners, in the calling thread; of what happens inside a tick only after its commit."""
        if not self._listeners:
            return
        tick = self._store.tick
        if isinstance(tick, Tick) and self._tick_thread == get_ident():
            tick.hear(event)
        else:
            super()._dispatch_event(event)

    def _tell(self, event: RunEvent) -> None:
        stock = apscheduler_event(event)
        if stock is not None:
            self._dispatch_event(stock)

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self.running or self._eventloop is None:
            return
        self._stop_timer()
        if self._ticking is not None:
            self._again = True
            return
        self._ticking = self._eventloop.create_task(self._tick_in_lane(), name="timer-tick")

    async def _tick_in_lane(self) -> None:
        """One tick, after which the timer is armed whatever happened."""
        assert self._control is not None  # noqa: S101
        wait = LONGEST_WAIT
        self._again = False
        try:
            report = await self._control.run(self.tick)
            wait = self._wait_after(report)
        except Exception:  # the outermost loop: the timer outlives whatever a tick raises
            logger.exception("Tick failed; nothing of it was kept", extra={"action": "tick_failed"})
            # As for a held row: what is due already is tried again soon, but not by each probe.
            wait, self._passed_over = HELD_WAIT, timezone.now()
        finally:
            self._ticking = None
            if self.running:
                self._arm(0.0 if self._again else wait)

    def _wait_after(self, report: TickReport) -> float:
        self._passed_over = report.moment if report.held else ledger.BEGINNING
        if report.more:
            return 0.0
        if report.held:
            return HELD_WAIT
        if report.next_run_time is None:
            return LONGEST_WAIT
        return min(LONGEST_WAIT, max(0.0, (report.next_run_time - timezone.now()).total_seconds()))

    def _arm(self, wait: float) -> None:
        self._armed = datetime.now(UTC) + timedelta(seconds=wait)
        self._start_timer(wait)

    async def _watch(self) -> None:
        """Look twenty times a second whether something is due earlier than the timer is set for: an edit, a resume."""
        assert self._control is not None  # noqa: S101
        while True:
            await asyncio.sleep(PROBE_WAIT)
            if self._ticking is not None or self._armed is None:
                continue
            try:
                earliest, paused = await self._control.run(ledger.look, self._passed_over)
            except Exception as error:  # as above; the tick that follows within a second logs it in full
                logger.debug("Probe failed", extra={"action": "probe_failed", "error": str(error)})
                continue
            if earliest is not None and not paused and self._armed is not None and earliest < self._armed:
                self._wake()


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """A tick keeps nearly all that it makes until its end: collecting in between finds nothing, again and again."""
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
