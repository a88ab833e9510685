"""What happened to runs, told after the commit: log lines, and whoever subscribes (APScheduler's listeners, metrics).

Receivers that write rows belong into the transaction: see `scheduling.signals`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from django.db import transaction

from .models import JobRun

if TYPE_CHECKING:
    from .claims import Claimed
    from .endings import Outcome

JOB_STORE = "default"
"""The alias under which stock listeners know our job store."""

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """What happened."""

    STARTED = "run_started"
    ENDED = "run_ended"
    RETURNED = "run_returned"
    CLAIM_LOST = "claim_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One thing that happened to a run, and is committed."""

    kind: Kind
    run_id: int
    job_key: str
    scheduled_time: datetime
    state: str
    message: str = ""
    claim: int = 0
    retry_count: int = 0
    execution_time: float | None = None
    """Seconds; None where the run was not executed to its end by this process."""
    data: object = None
    exception: BaseException | None = None
    traceback: str = ""


Callback = Callable[[RunEvent], None]

_callbacks: list[Callback] = []
_lock = threading.Lock()


def subscribe(callback: Callback) -> Callable[[], None]:
    """Call `callback` after the commit of everything that happens to runs in this process, in the thread that did it.

    It must be quick and not touch the database. What it raises is logged. Returns the function that ends it.
    """
    with _lock:
        _callbacks.append(callback)

    def unsubscribe() -> None:
        with _lock:
            if callback in _callbacks:
                _callbacks.remove(callback)

    return unsubscribe


def publish(event: RunEvent) -> None:
    """Tell everybody at once; for what needs no commit."""
    _log(event)
    for callback in list(_callbacks):
        try:
            callback(event)
        except Exception:  # a listener is somebody else's code: it must not undo what is committed
            logger.exception("Listener failed", extra={"action": "listener_failed", "run_id": event.run_id})


def publish_after_commit(event: RunEvent) -> None:
    """Tell everybody when the current transaction is committed; nobody when it is rolled back."""
    transaction.on_commit(partial(publish, event), robust=True)


def started(claimed: Claimed) -> RunEvent:
    """A run was claimed and begins."""
    return _of_claimed(Kind.STARTED, claimed, JobRun.State.RUNNING)


def claim_lost(claimed: Claimed) -> RunEvent:
    """A run that this process executed was given to another; nothing was written any more."""
    return _of_claimed(Kind.CLAIM_LOST, claimed, "")


def ended(claimed: Claimed, outcome: Outcome) -> RunEvent:
    """A run was executed to its end by this process."""
    return RunEvent(
        kind=Kind.ENDED,
        run_id=claimed.run_id,
        job_key=claimed.job_key,
        scheduled_time=claimed.scheduled_time,
        claim=claimed.claim,
        state=outcome.state,
        message=outcome.message,
        retry_count=outcome.retry_count,
        execution_time=outcome.execution_time,
        data=outcome.data,
        exception=outcome.exception,
        traceback=outcome.error,
    )


def ended_unfinished(run: JobRun) -> RunEvent:
    """A run ended without its handler's word: cancelled in hand-back, or failed as poison."""
    return _of_run(Kind.ENDED, run)


def returned(run: JobRun) -> RunEvent:
    """A run went back to the queue."""
    return _of_run(Kind.RETURNED, run)


def apscheduler_event(event: RunEvent) -> JobExecutionEvent | None:
    """Return what a stock APScheduler listener expects to hear of `event`, if anything."""
    if event.kind is not Kind.ENDED or event.execution_time is None:
        return None
    if event.state == JobRun.State.SUCCEEDED:
        return JobExecutionEvent(EVENT_JOB_EXECUTED, event.job_key, JOB_STORE, event.scheduled_time, retval=event.data)
    exception = event.exception or RuntimeError(event.message)
    return JobExecutionEvent(
        EVENT_JOB_ERROR,
        event.job_key,
        JOB_STORE,
        event.scheduled_time,
        exception=exception,
        traceback=event.traceback,
    )


_MESSAGES = {
    Kind.STARTED: "Run started",
    Kind.ENDED: "Run ended",
    Kind.RETURNED: "Run returned to the queue",
    Kind.CLAIM_LOST: "ClaimLost: run belongs to another process; nothing written",
}


def _log(event: RunEvent) -> None:
    failed = event.state == JobRun.State.FAILED or event.kind is Kind.CLAIM_LOST
    logger.log(
        logging.WARNING if failed else logging.INFO,
        _MESSAGES[event.kind] + " (%s #%s) %s",
        event.job_key,
        event.run_id,
        event.state,
        extra={
            "action": str(event.kind),
            "run_id": event.run_id,
            "job_id": event.job_key,
            "state": event.state,
            "claim": event.claim,
            "retry_count": event.retry_count,
            "execution_time": event.execution_time,
            "detail": event.message,
        },
    )


def _of_claimed(kind: Kind, claimed: Claimed, state: str) -> RunEvent:
    return RunEvent(
        kind=kind,
        run_id=claimed.run_id,
        job_key=claimed.job_key,
        scheduled_time=claimed.scheduled_time,
        claim=claimed.claim,
        state=state,
        retry_count=claimed.retry_count,
    )


def _of_run(kind: Kind, run: JobRun) -> RunEvent:
    return RunEvent(
        kind=kind,
        run_id=run.pk,
        job_key=run.job_key,
        scheduled_time=run.scheduled_time,
        claim=run.claim,
        state=run.state,
        message=run.message,
        retry_count=run.retry_count,
    )
