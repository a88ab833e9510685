"""All that the author of a handler imports.

A handler is a class with `execute(context) -> JobResult`, registered by `@register` in a module named `job_handlers`
of an installed app::

    from scheduling.contract import JobContext, JobHandler, JobResult, register

    @register
    class TidyJobHandler(JobHandler):
        description = "Tidies the attic."

        async def execute(self, context: JobContext) -> JobResult:
            count = await context.effects(tidy)     # in a thread, in one transaction, only while the run is still ours
            return JobResult(success=True, message=f"{count} boxes", data={"boxes": count})

Handlers keep no state between runs (one instance serves all), may be run again after a crash (use `context.run_id` as
an idempotency key and write through `context.effects`), and release what they hold in `finally`. Every command loads
the modules `job_handlers`: what only the work needs is imported in `load` and where it is used.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, ParamSpec, Protocol, TypeVar

from django.utils import timezone

from . import retry
from .exceptions import ClaimLost, InvalidJobData, RunStopped
from .formfields import FormField
from .registry import register

__all__ = [
    "ClaimLost",
    "FormField",
    "InvalidJobData",
    "JobContext",
    "JobHandler",
    "JobResult",
    "RunLink",
    "RunStopped",
    "register",
]

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What an attempt came to."""

    success: bool
    message: str = ""
    """One line for people."""
    data: object = None
    """For programs: what JSON can hold; kept with the run."""
    falls_short: bool = False
    """Whether it succeeded, and something is missing of what it should have brought: lists show that as incomplete."""
    exception: BaseException | None = None
    execution_time: float = 0.0
    """Seconds of the attempt; filled in by `execute_with_retry`."""
    timestamp: datetime = field(default_factory=timezone.now)
    retry_count: int = 0
    """Attempts before this one; filled in by `execute_with_retry`."""


class RunLink(Protocol):
    """What ties a context to its run: given by the runner, never called by handlers directly."""

    def guard(self) -> None: ...

    def log(self, line: str) -> None: ...

    def progress(self, fraction: float | None, message: str) -> None: ...

    async def effects(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def pause_before_retry(self, retry_count: int, delay: float, error: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a handler is told of its run, and what it may do in it."""

    job_id: str
    job_name: str
    trigger_time: datetime
    """When this attempt really began."""
    scheduled_time: datetime
    """The moment that was planned."""
    job_data: Mapping[str, object]
    executor: str
    """Where the run executes: the setting `SCHEDULER_EXECUTOR`."""
    retry_count: int = 0
    max_retries: int = 0
    run_id: int
    """The `JobRun`'s id: the same for every attempt and after every recovery, so good as an idempotency key."""
    claim: int
    """The fencing token: one higher each time that the run is taken by a process."""
    stopping: asyncio.Event
    """Set when the process drains or the run is to be cancelled. A handler that honours it stores what it has and
    raises `RunStopped`; one that does not is cancelled (after the drain's limit, or at once for a cancel)."""
    link: RunLink = field(repr=False)

    def guard(self) -> None:
        """Prove that the run is still ours: synchronous, inside a transaction, before its first write.

        Raises:
            ClaimLost: the run was given to another process, or has ended. Let it rise: nothing may be written.
        """
        self.link.guard()

    async def effects(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a synchronous `function` in the run's own thread, in one transaction behind the guard.

        Raises:
            ClaimLost: as `guard`; `function` was not called.
        """
        return await self.link.effects(function, *args, **kwargs)

    def log(self, line: str) -> None:
        """Add a line to the run's log; stored within about a second. May be called from any thread.

        One that begins with ``WARNING: `` or ``ERROR: `` is shown as that, and found by it.
        """
        self.link.log(line)

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Show how far the run is: a fraction from 0 to 1 where it is known, and a few words."""
        self.link.progress(fraction, message)


class JobHandler:
    """The strategy that does a job's work. Subclass, write `execute`, and `@register` it."""

    name: ClassVar[str] = ""
    """The short name used in documents; default: the class name without "JobHandler", in lower case."""
    description: ClassVar[str] = ""
    predefined_jobs: ClassVar[tuple[Mapping[str, object], ...]] = ()
    """Documents of jobs that come with the handler; each is created once and stays deleted when deleted."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = (cls.__name__.removesuffix("JobHandler") or cls.__name__).lower()

    def load(self) -> None:
        """Import what the work needs and other commands do not.

        Called in every process that executes runs, before it executes the first one: what `execute` imports by itself
        keeps the event loop, and so all other runs, waiting meanwhile.
        """

    async def execute(self, context: JobContext) -> JobResult:
        """Do the work once."""
        raise NotImplementedError(f"{type(self).__name__} must define `async def execute(self, context)`.")

    def validate(self, job_data: Mapping[str, object]) -> None:
        """Refuse arguments that cannot work, when the job is saved.

        Raises:
            InvalidJobData: naming the place and what would be right.
        """

    def form(self, user: User | AnonymousUser) -> Iterable[FormField]:
        """What people fill in who make a schedule; none: they write `job_data` as JSON.

        `user`: who fills it in; what they may not see is not offered. What the fields say is judged by `validate`,
        whose places are shown at the fields of their keys.
        """
        return ()

    def exclusive_key(self, job_data: Mapping[str, object]) -> str:
        """Name what two runs may not hold at once (at most 255 characters); empty: nothing."""
        return ""

    def should_retry(self, exception: BaseException | None, attempt: int) -> bool:
        """Whether a failure is worth another attempt: connection errors and time-outs, if not overridden.

        `attempt` is the number of the one that failed, from 1. `exception` is None when `execute` returned a result
        without success and named no exception.
        """
        return retry.is_transient(exception)

    def get_retry_delay(self, attempt: int) -> float:
        """Seconds to wait after the attempt number `attempt` failed."""
        return retry.doubling_delay(attempt)

    async def on_success(self, context: JobContext, result: JobResult) -> None:
        """Called after the attempt that succeeded, while the run is still running."""

    async def on_failure(self, context: JobContext, result: JobResult) -> None:
        """Called after the last attempt, or the run's time-out, when the run is going to fail."""

    async def on_retry(self, context: JobContext, exception: BaseException | None, attempt: int) -> None:
        """Called after a failed attempt that will be followed by another, before the delay."""

    async def execute_with_retry(self, context: JobContext) -> JobResult:
        """Execute until success, a failure that is not worth another attempt, or the end of the retries.

        Both ways of failing (a raised exception, a result without success) are judged by one decision. The count of
        retries is stored before each delay, so that it survives a crash.

        Raises:
            ClaimLost, RunStopped, asyncio.CancelledError: they are no failures of the work; the runner knows them.
        """
        while True:
            result = await self._attempt(context)
            attempt = context.retry_count + 1
            decision = retry.decide(
                self,
                success=result.success,
                exception=result.exception,
                attempt=attempt,
                max_retries=context.max_retries,
            )
            if isinstance(decision, retry.Stop):
                hook = self.on_success if result.success else self.on_failure
                await call_hook(hook(context, result), name=hook.__name__, run_id=context.run_id)
                return result
            await call_hook(self.on_retry(context, result.exception, attempt), name="on_retry", run_id=context.run_id)
            await context.link.pause_before_retry(attempt, decision.delay, describe_failure(result))
            context = replace(context, retry_count=attempt, trigger_time=timezone.now())

    async def _attempt(self, context: JobContext) -> JobResult:
        started = monotonic()
        try:
            result: object = await self.execute(context)
        except (ClaimLost, RunStopped):
            raise
        except Exception as error:  # the runner's own boundary: whatever a handler raises is the run's outcome
            result = JobResult(success=False, message=describe_exception(error), exception=error)
        if not isinstance(result, JobResult):
            wrong = TypeError(f"{type(self).__name__}.execute returned {type(result).__name__}, not a JobResult.")
            result = JobResult(success=False, message=str(wrong), exception=wrong)
        return replace(result, execution_time=monotonic() - started, retry_count=context.retry_count)


def describe_failure(result: JobResult) -> str:
    """One line that says why a result is no success."""
    if result.exception is not None:
        return describe_exception(result.exception)
    return result.message or "The handler returned a result without success."


def describe_exception(error: BaseException) -> str:
    """One line: the exception's type and text; also of one whose text cannot be made."""
    return traceback.format_exception_only(error)[-1].strip()


async def call_hook(call: Awaitable[None], *, name: str, run_id: int) -> None:
    """Await an `on_…` method: its own error is logged and changes nothing about the run's outcome."""
    try:
        await call
    except (ClaimLost, RunStopped):
        raise
    except Exception:
        logger.exception("Handler hook failed", extra={"action": "hook_failed", "hook": name, "run_id": run_id})
