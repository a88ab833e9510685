"""Claims runs for this process and executes them in its event loop; also one run in the foreground, for commands.

Everything that touches the database is a plain function of `scheduling.claims`, `scheduling.endings` and
`scheduling.runlog` and goes through the control lane. This module only decides when.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from . import claims, endings, log_lines, registry, runlog
from .claims import Claimed, OwnRun
from .exceptions import ClaimLost, RunBusy, RunStopped
from .execution import CANCEL_GRACE, Abort, Execution, abandoned
from .lanes import Lane
from .link import OnProgress
from .liveness import Liveness
from .models import JobRun, Process
from .places import Places
from .sharing import Sharing
from .storable import utc_text
from .watchdog import Block

POLL_SECONDS = 0.25
"""How often due runs and asked cancels are looked for without being woken."""
FLUSH_SECONDS = 1.0
"""How old a run's log line gets before it is stored."""
STORE_SECONDS = 20.0
"""How long a stopping runner waits for ends to be stored, after its handlers are gone."""
MOST_ABANDONED = 20
"""Of the abandoned handlers, so many are named in the process's row."""

NOTHING_RUN = "Interrupted before it began: nothing was run."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Survey:
    """One look into the database."""

    own: list[OwnRun]
    claimed: list[Claimed]


class Runner:
    """Executes up to `max_workers` runs at once. Every method but `wake` belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        liveness: Liveness,
        control: Lane,
        max_workers: int,
        takes_queued: bool = True,
        sharing: Sharing | None = None,
        poll_seconds: float = POLL_SECONDS,
        cancel_grace: float = CANCEL_GRACE,
    ) -> None:
        self._liveness = liveness
        self._control = control
        self._places = Places(max_workers)
        self._takes_queued = takes_queued
        self._sharing = sharing or Sharing()
        self._poll_seconds = poll_seconds
        self._cancel_grace = cancel_grace
        self._executions: dict[tuple[int, int], Execution] = {}
        self._tasks: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._strangers: set[tuple[int, int]] = set()
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._flusher: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """How many runs this process holds (sleeping retries too)."""
        return len(self._executions)

    async def start(self) -> None:
        """Begin to claim and execute. `Liveness` must have started."""
        self._loop = asyncio.get_running_loop()
        self._liveness.on_recovery = self.wake
        self._liveness.gauge_sources.append(self.gauges)
        self._liveness.watchdog.listeners.append(self._note_block)
        self._main = asyncio.create_task(self._look_for_ever(), name="runner")
        self._flusher = asyncio.create_task(self._flush_for_ever(), name="runner-log")

    def wake(self) -> None:
        """Look for runs now. From any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody to wake
                self._loop.call_soon_threadsafe(self._wake.set)

    async def wait_until_idle(self) -> None:
        """Return when nothing runs here and nothing that is due could be claimed."""
        self._idle.clear()
        self.wake()
        await self._idle.wait()

    def adopt(self, claimed: Claimed, *, on_progress: OnProgress | None = None) -> asyncio.Task[None]:
        """Execute a run that this process has claimed; the task ends when the run's end is stored."""
        key = (claimed.run_id, claimed.claim)
        self._places.hold()
        execution = Execution(
            claimed,
            control=self._control,
            places=self._places,
            on_full=self._full.set,
            on_progress=on_progress,
            cancel_grace=self._cancel_grace,
        )
        self._executions[key] = execution
        task = asyncio.create_task(self._execute(key, execution), name=f"execution-{claimed.run_id}")
        self._tasks[key] = task
        return task

    def cancel(self, run_id: int) -> None:
        """Cancel a run of this process at once, without waiting for the poll to see the wish in the database."""
        for (own_id, _claim), execution in self._executions.items():
            if own_id == run_id:
                execution.abort(Abort.CANCEL)

    async def stop(self, drain_seconds: float) -> None:
        """Claim nothing more; let handlers end for `drain_seconds`, then cancel them and hand back what is left."""
        self._stopping.set()
        self._wake.set()
        if self._main is not None:
            await self._main
        for execution in self._executions.values():
            execution.drain()
        await self._wait_for_tasks(drain_seconds)
        for execution in self._executions.values():
            execution.abort(Abort.DRAIN)
        await self._wait_for_tasks(self._cancel_grace * 3 + STORE_SECONDS)
        for run_id, _claim in self._executions:
            logger.error("Run left behind", extra={"action": "run_left_behind", "run_id": run_id})
        self._full.set()
        if self._flusher is not None:
            await self._flusher

    async def _wait_for_tasks(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=seconds)

    async def _execute(self, key: tuple[int, int], execution: Execution) -> None:
        try:
            await execution.run()
        except Exception:  # the runner's boundary: whatever failed is this run's affair, the others go on
            logger.exception("Run could not be ended", extra={"action": "run_not_ended", "run_id": key[0]})
        finally:
            del self._executions[key], self._tasks[key]
            self._wake.set()

    async def _look_for_ever(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                await self._look()
            except (OperationalError, InterfaceError) as error:
                logger.warning("Database unavailable", extra={"action": "look_failed", "error": str(error)})
            except Exception:  # the outermost loop: it must go on whatever one look met
                logger.exception("Looking for runs failed", extra={"action": "look_failed"})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._poll_seconds)

    async def _look(self) -> None:
        """Learn what was asked of the own runs, and claim as many new ones as there are places."""
        process = self._liveness.process
        free = self._places.free if self._liveness.may_claim and self._takes_queued else 0
        known = dict(self._executions)
        owners = {execution.claimed.owner for execution in known.values()}
        if process is not None:
            owners.add(process.pk)
        watched = sorted(owners) if known or self._strangers or self._takes_queued else []
        long_ones = sum(1 for execution in known.values() if execution.claimed.exclusive_key)
        self._sharing.look(held=long_ones, others=self._liveness.others)
        survey = await self._control.run(_survey, watched, process, free, self._sharing)
        for claimed in survey.claimed:
            self.adopt(claimed)
        self._compare(known, survey.own)
        await self._return_strangers(known, survey)
        if free and not self._executions and not survey.claimed:
            self._idle.set()

    def _compare(self, known: Mapping[tuple[int, int], Execution], own: Sequence[OwnRun]) -> None:
        """Cancel what was asked to be cancelled, and what the database says is no longer ours."""
        held = {(run.run_id, run.claim): run for run in own}
        for key, execution in known.items():
            run = held.get(key)
            if run is None:
                execution.abort(Abort.LOST)
            elif run.cancel_requested:
                execution.abort(Abort.CANCEL)

    async def _return_strangers(self, known: Mapping[tuple[int, int], Execution], survey: _Survey) -> None:
        """Give back what the database says is ours but nobody here executes.

        So it is after a claim whose commit's answer was lost with the connection, or an end that could not be stored.
        Seen twice before it is believed: a run that ends in this very moment looks the same.
        """
        here = {*known, *self._executions, *((one.run_id, one.claim) for one in survey.claimed)}
        strangers = {(run.run_id, run.claim) for run in survey.own} - here
        twice, self._strangers = strangers & self._strangers, strangers
        if twice:
            await self._control.run(endings.recover_strays, sorted(twice), timezone.now())

    async def _flush_for_ever(self) -> None:
        """Store the runs' new log lines and progress, at the latest after a second."""
        while not (self._stopping.is_set() and not self._executions):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), FLUSH_SECONDS)
            self._full.clear()
            for execution in list(self._executions.values()):
                if execution.link.buffer.waits:
                    await self._control.run(_flush, execution)

    def _note_block(self, block: Block) -> None:
        """Write into a run's log that it blocks the loop; from the watchdog's thread, while the loop has no turn."""
        work = block.work
        execution = self._executions.get((work.run_id, work.claim)) if work is not None else None
        if execution is None:
            return
        if block.ended:
            line = log_lines.FREE_AGAIN % {"seconds": block.seconds}
        else:
            line = f"WARNING: {log_lines.BLOCKED % {'seconds': block.seconds}}\n{block.stack}"
        execution.link.buffer.add(line)
        with suppress(RuntimeError):  # the lane is closed
            self._control.submit(_flush, execution)

    def gauges(self) -> dict[str, object]:
        """Return what goes into the process's row with a beat. From any thread."""
        left = abandoned()
        gauges: dict[str, object] = {"places_used": self._places.used, "abandoned_handlers": len(left)}
        if left:
            gauges["abandoned"] = [
                {"run": one.run_id, "handler": one.handler, "since": utc_text(one.since)}
                for one in left[:MOST_ABANDONED]
            ]
        return gauges


def _flush(execution: Execution) -> None:
    lines, progress = execution.link.buffer.take()
    try:
        runlog.write(execution.claimed, lines, progress)
    except ClaimLost:
        pass  # lost, or just ended: the execution itself knows which
    except Exception as error:  # a log line is no reason to end anything
        execution.link.buffer.put_back(lines, progress)
        logger.warning("Run log not stored", extra={"action": "run_log_failed", "error": str(error)})


def _survey(owners: Sequence[int], process: Process | None, free: int, sharing: Sharing) -> _Survey:
    own = claims.own_runs(owners) if owners else []
    if process is None or not free:
        return _Survey(own, [])
    claimed = claims.claim(process, timezone.now(), free, sharing=sharing)
    return _Survey(own, claimed)


def run_in_foreground(
    handler_name: str,
    job_data: Mapping[str, object],
    *,
    wait: bool = False,
    on_progress: OnProgress | None = None,
    timeout: float | None = None,
    max_retries: int = 0,
    job_key: str = "",
) -> JobRun:
    """Run a handler now, in this process, as a scheduled run would be; returns the run as it ended.

    The run is born claimed by a `Process` of its own (kind `command`), so that a live scheduler takes it over when
    this process is killed. Ctrl-C (or SIGTERM) cancels it; a second one ends the process. `timeout` is in seconds.

    Raises:
        UnknownHandler, InvalidJobData: nothing was run.
        RunBusy: another run holds the handler's exclusive key, and `wait` is false.
        RunStopped: interrupted before it began, so while it waited for the database or for that other run.
    """
    handler = registry.get(handler_name)
    handler.validate(job_data)
    work = {"handler": handler.name, "job_data": dict(job_data), "max_retries": max_retries, "timeout": timeout}
    key = handler.exclusive_key(job_data)
    handler.load()
    return asyncio.run(
        _in_foreground(work, job_key=job_key or key or handler.name, key=key, wait=wait, on_progress=on_progress)
    )


async def _in_foreground(
    work: Mapping[str, object], *, job_key: str, key: str, wait: bool, on_progress: OnProgress | None
) -> JobRun:
    control = Lane("control")
    liveness = Liveness(kind=Process.Kind.COMMAND, control=control, max_workers=1)
    runner = Runner(liveness=liveness, control=control, max_workers=1, takes_queued=False)
    try:
        try:
            with _interrupts() as interrupted:
                await _start(liveness, interrupted)
                claimed = await _begin(liveness, control, work, job_key, key, interrupted if wait else None)
                await runner.start()
                task = runner.adopt(claimed, on_progress=on_progress)
                waiting = asyncio.create_task(interrupted.wait())
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if not task.done():
                    runner.cancel(claimed.run_id)
                    await asyncio.wait({task})
            await runner.stop(0)
            return await control.run_patiently(JobRun.objects.get, pk=claimed.run_id)
        finally:
            await liveness.stop()
    finally:
        control.close()


async def _start(liveness: Liveness, interrupted: asyncio.Event) -> None:
    """Register the process. An interrupt ends that: a database that does not answer is waited for without end."""
    starting = asyncio.create_task(liveness.start())
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not starting.done():
        starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    if interrupted.is_set():
        raise RunStopped(NOTHING_RUN)


async def _begin(
    liveness: Liveness,
    control: Lane,
    work: Mapping[str, object],
    job_key: str,
    key: str,
    wait_unless: asyncio.Event | None,
) -> Claimed:
    """Write the run. Where another holds its key: wait for that until the event, if there is one."""
    while True:
        process = liveness.process
        try:
            if process is not None:
                return await control.run_patiently(
                    claims.begin, process, timezone.now(), work=work, job_key=job_key, exclusive_key=key
                )
        except RunBusy:
            if wait_unless is None:
                raise
        if wait_unless is not None and wait_unless.is_set():
            raise RunStopped(NOTHING_RUN)
        await asyncio.sleep(POLL_SECONDS)


@contextmanager
def _interrupts() -> Iterator[asyncio.Event]:
    """Let the first SIGINT or SIGTERM set the event and a second one end the process.

    Where signals cannot be had (in another thread than the main one) they stay as they are.
    """
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    caught = (signal.SIGINT, signal.SIGTERM)

    def first() -> None:
        interrupted.set()
        release()

    def release() -> None:
        for number in caught:
            with suppress(RuntimeError, ValueError, NotImplementedError):
                loop.remove_signal_handler(number)

    for number in caught:
        with suppress(RuntimeError, ValueError, NotImplementedError):
            loop.add_signal_handler(number, first)
    try:
        yield interrupted
    finally:
        release()
