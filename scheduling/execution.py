"""One claimed run in this process: its handler, its thread, its time-out and cancel, and what is stored at its end."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from time import monotonic

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.db import connections
from django.utils import timezone
from django.utils.translation import gettext as _

from . import endings, events, log_lines, registry
from .claims import Claimed
from .contract import JobContext, JobHandler, JobResult, call_hook, describe_exception, describe_failure
from .durations import duration
from .endings import Outcome
from .exceptions import ClaimLost, RunStopped, SchedulingError
from .lanes import Lane
from .link import ExecutionLink, OnProgress
from .models import JobRun
from .places import Places
from .watchdog import MOST_FRAMES, WORK, Work

CANCEL_GRACE = 10.0
"""Seconds that a cancelled handler has for its `finally`; then it is abandoned and named."""

State = JobRun.State
logger = logging.getLogger(__name__)

_abandoned: dict[object, Abandoned] = {}
"""By the future that is done once the handler, or its thread, is at an end after all."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A handler that ignored its cancel and still does something in this process."""

    run_id: int
    handler: str
    since: datetime


def abandoned() -> list[Abandoned]:
    """Return the handlers that were abandoned in this process and have not ended yet. From any thread."""
    return list(_abandoned.values())


class RunTimeout(SchedulingError):
    """The whole run took longer than its job's time-out."""


class Abort(StrEnum):
    """Why a handler is cancelled."""

    CANCEL = "cancel"
    """Somebody asked for it."""
    TIMEOUT = "timeout"
    """The run's own time-out."""
    DRAIN = "drain"
    """The process ends, and its limit is over."""
    LOST = "lost"
    """The run is another process's now."""


@dataclass(frozen=True, slots=True)
class _Left:
    """How a handler left: by a result, by an exception, or (neither) cancelled or not at all."""

    result: JobResult | None = None
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _HandBack:
    """The verdict that a run goes back to the queue."""

    message: str


@dataclass(frozen=True, slots=True)
class _Lost:
    """The verdict that a run is another process's."""


class Execution:
    """Executes one run. Made and used in the event loop; `run()` returns when the end is stored."""

    def __init__(
        self,
        claimed: Claimed,
        *,
        control: Lane,
        places: Places,
        on_full: Callable[[], None],
        on_progress: OnProgress | None = None,
        cancel_grace: float = CANCEL_GRACE,
    ) -> None:
        self.claimed = claimed
        self.link = ExecutionLink(claimed, control=control, places=places, on_full=on_full, on_progress=on_progress)
        self._control = control
        self._cancel_grace = cancel_grace
        self._why: Abort | None = None
        self._aborted = asyncio.Event()
        self._handler: JobHandler | None = None
        self._is_abandoned = False

    def drain(self) -> None:
        """Ask the handler to stop at its next good point."""
        self.link.stopping.set()

    def abort(self, why: Abort) -> None:
        """Cancel the handler; the first reason counts, but for the loss of the run."""
        if self._why is None or why is Abort.LOST:
            self._why = why
        self.link.stopping.set()
        self._aborted.set()

    async def run(self) -> None:
        """Execute the run to its end and store that end."""
        began = monotonic()
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"run-{self.claimed.run_id}")
        try:
            async with ThreadSensitiveContext(executor=thread):
                verdict = await self._verdict()
        finally:
            self.link.give_place_back()
            await self._close(thread)
        await self._store(verdict, self.claimed.spent + monotonic() - began)

    async def _verdict(self) -> Outcome | _HandBack | _Lost:
        try:
            self._handler = self._find_handler()
        except SchedulingError as error:
            return self._failed(error, message=str(error))
        left = await self._supervise(self._handler)
        verdict = self._judge(left)
        if isinstance(verdict, Outcome) and verdict.state == State.FAILED and left.result is None:
            await self._tell_failure(self._handler, verdict)
        return verdict

    @property
    def _time_left(self) -> float | None:
        """Seconds; the time-out is of the whole run: it does not begin anew where another process goes on."""
        timeout = self.claimed.timeout
        return None if timeout is None else max(0.0, timeout - self.claimed.spent)

    def _find_handler(self) -> JobHandler:
        if not self.claimed.handler:
            raise SchedulingError(_("The schedule was removed before this run began."))
        return registry.get(self.claimed.handler)

    async def _supervise(self, handler: JobHandler) -> _Left:
        """Let the handler work until it leaves, its time is over, or it is aborted."""
        if self._time_left == 0:
            self.abort(Abort.TIMEOUT)
            return _Left()
        work = Work(self.claimed.run_id, self.claimed.claim, self.claimed.handler)
        task = asyncio.create_task(_leave(handler, self._context(), work), name=f"run-{self.claimed.run_id}")
        aborted = asyncio.create_task(self._aborted.wait())
        try:
            await asyncio.wait({task, aborted}, timeout=self._time_left, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                if self._why is None:
                    self.abort(Abort.TIMEOUT)
                task.cancel()
                await asyncio.wait({task}, timeout=self._cancel_grace)
        finally:
            aborted.cancel()
        if not task.done():
            self._abandon(task)
            return _Left()
        return _Left() if task.cancelled() else task.result()

    def _judge(self, left: _Left) -> Outcome | _HandBack | _Lost:
        if self._why is Abort.LOST or isinstance(left.exception, ClaimLost):
            return _Lost()
        if self._why is Abort.TIMEOUT:
            limit = RunTimeout(
                _("The run took longer than its time-out of %(time)s.") % {"time": duration(self.claimed.timeout or 0)}
            )
            return self._failed(limit, message=self._also_abandoned(str(limit)))
        if left.result is not None and (left.result.success or self._why is not Abort.CANCEL):
            return self._outcome(left.result)
        if self._why is Abort.CANCEL:
            message = self._also_abandoned(_("Cancelled."))
            return Outcome(state=State.CANCELLED, message=message, retry_count=self.link.retry_count)
        stopped = left.exception is None or isinstance(left.exception, RunStopped)
        if stopped and self.link.stopping.is_set():
            return _HandBack(self._also_abandoned(_("Handed back: its process was ending.")))
        return self._failed(left.exception or asyncio.CancelledError("The handler cancelled itself."))

    def _outcome(self, result: JobResult) -> Outcome:
        exception = result.exception
        return Outcome(
            state=State.SUCCEEDED if result.success else State.FAILED,
            message=result.message or ("" if result.success else describe_failure(result)),
            data=result.data,
            falls_short=result.falls_short,
            error_type=type(exception).__name__ if exception is not None else "",
            error=_traceback(exception) if exception is not None else "",
            exception=exception,
            retry_count=result.retry_count,
        )

    def _failed(self, error: BaseException, *, message: str = "") -> Outcome:
        return Outcome(
            state=State.FAILED,
            message=message or describe_exception(error),
            error_type=type(error).__name__,
            error=_traceback(error),
            exception=error,
            retry_count=self.link.retry_count,
        )

    async def _tell_failure(self, handler: JobHandler, outcome: Outcome) -> None:
        """A failure that the handler has not seen itself (time-out, `SystemExit` …) reaches its `on_failure` too."""
        result = JobResult(
            success=False, message=outcome.message, exception=outcome.exception, retry_count=outcome.retry_count
        )
        hook = call_hook(handler.on_failure(self._context(), result), name="on_failure", run_id=self.claimed.run_id)
        task = asyncio.create_task(_swallow(hook))
        await asyncio.wait({task}, timeout=self._cancel_grace)
        if not task.done():
            task.cancel()

    async def _store(self, verdict: Outcome | _HandBack | _Lost, seconds: float) -> None:
        lines, _progress = self.link.buffer.take()
        try:
            if isinstance(verdict, _HandBack):
                await self._control.run_patiently(
                    endings.hand_back,
                    self.claimed,
                    timezone.now(),
                    message=verdict.message,
                    seconds=seconds,
                    delay=self.link.rest_of_delay,
                    lines=lines,
                )
            elif isinstance(verdict, Outcome):
                await self._finish(verdict, seconds, lines)
            else:
                events.publish(events.claim_lost(self.claimed))
        except ClaimLost:
            events.publish(events.claim_lost(self.claimed))

    async def _finish(self, outcome: Outcome, seconds: float, lines: list[str]) -> None:
        now = timezone.now()
        finished = endings.timed(outcome, seconds)
        try:
            await self._control.run_patiently(endings.finish, self.claimed, finished, now, lines)
        except ClaimLost:
            raise
        except Exception as error:  # a receiver's or the database's refusal: the run must end all the same, and say so
            logger.exception("Run's end refused", extra={"action": "finish_failed", "run_id": self.claimed.run_id})
            refused = self._failed(error, message=_("The run's end could not be stored: %s") % error)
            await self._control.run_patiently(
                endings.finish, self.claimed, endings.timed(refused, seconds), timezone.now(), lines
            )

    def _context(self) -> JobContext:
        claimed = self.claimed
        return JobContext(
            job_id=claimed.job_key,
            job_name=claimed.job_name,
            trigger_time=timezone.now(),
            scheduled_time=claimed.scheduled_time,
            job_data=claimed.job_data,
            executor=settings.SCHEDULER_EXECUTOR,
            retry_count=self.link.retry_count,
            max_retries=claimed.max_retries,
            run_id=claimed.run_id,
            claim=claimed.claim,
            stopping=self.link.stopping,
            link=self.link,
        )

    def _also_abandoned(self, message: str) -> str:
        if not self._is_abandoned:
            return message
        return _("%(message)s Its handler %(handler)s ignores its cancel and was abandoned.") % {
            "message": message,
            "handler": self.claimed.handler,
        }

    def _abandon(self, task: asyncio.Task[_Left]) -> None:
        """Leave a handler that ignores its cancel: its writes are refused by the guard, but it holds what it holds."""
        self._is_abandoned = True
        _abandoned[task] = Abandoned(self.claimed.run_id, self.claimed.handler, timezone.now())
        task.add_done_callback(_forget)
        stack = "".join(f"  {frame.f_code.co_filename}:{frame.f_lineno}\n" for frame in task.get_stack())
        logger.error(
            "Handler %s ignores its cancel and is abandoned (run #%s), at:\n%s",
            self.claimed.handler,
            self.claimed.run_id,
            stack,
            extra={"action": "handler_abandoned", "run_id": self.claimed.run_id, "handler": self.claimed.handler},
        )
        self.link.buffer.add(f"ERROR: {log_lines.ABANDONED}\n{stack}")

    async def _close(self, thread: ThreadPoolExecutor) -> None:
        """Close the run's connection in its thread; a thread that is stuck is left behind, and named."""
        closed = asyncio.wrap_future(thread.submit(connections.close_all))
        thread.shutdown(wait=False)
        await asyncio.wait({closed}, timeout=self._cancel_grace)
        if closed.done():
            return
        _abandoned[closed] = Abandoned(self.claimed.run_id, self.claimed.handler, timezone.now())
        closed.add_done_callback(_forget)
        stack = _stack_of_thread(f"run-{self.claimed.run_id}_")
        logger.error(
            "A thread of handler %s does not end and is left behind (run #%s), at:\n%s",
            self.claimed.handler,
            self.claimed.run_id,
            stack,
            extra={"action": "thread_abandoned", "run_id": self.claimed.run_id, "handler": self.claimed.handler},
        )
        self.link.buffer.add(f"ERROR: {log_lines.LEFT_BEHIND}\n{stack}")


async def _leave(handler: JobHandler, context: JobContext, work: Work) -> _Left:
    """Run the handler, and keep whatever it raises from the loop: `SystemExit` in a task would end the process."""
    WORK.set(work)
    try:
        return _Left(result=await handler.execute_with_retry(context))
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # the boundary to other people's code
        return _Left(exception=error)


def _forget(future: asyncio.Task[_Left] | asyncio.Future[None]) -> None:
    _abandoned.pop(future, None)


def _stack_of_thread(prefix: str) -> str:
    thread = next((one for one in threading.enumerate() if one.name.startswith(prefix)), None)
    frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None
    return "".join(traceback.format_stack(frame)[-MOST_FRAMES:]) if frame is not None else "(no such thread)"


async def _swallow(hook: Awaitable[None]) -> None:
    try:
        await hook
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException:
        logger.exception("Handler hook failed", extra={"action": "hook_failed"})


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
