"""How a run leaves its process: finished, handed back, or recovered from one that died.

Plain synchronous functions of `now`, each one transaction. Whatever else must change with a run's end (its task, its
one-off's removal) changes in the same transaction, through the signals of `scheduling.signals`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from . import events, runlog, signals
from .claims import Claimed, guarded
from .exceptions import ClaimLost, ReceiverFailed
from .models import JobRun, Process, ScheduledJob
from .storable import storable_document, storable_text

MOST_DEATHS = 4
"""The so-manieth death of its process without progress between fails a run: it is taken to be the cause."""
_ERROR_TYPE_LIMIT = 200

State = JobRun.State
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    state: str
    """`JobRun.State.SUCCEEDED`, `FAILED` or `CANCELLED`."""
    message: str = ""
    data: object = None
    falls_short: bool = False
    """See `JobResult.falls_short`."""
    error_type: str = ""
    """The exception's class name."""
    error: str = ""
    """Its traceback."""
    exception: BaseException | None = None
    """For listeners in this process."""
    retry_count: int = 0
    execution_time: float | None = None
    """Seconds that the run executed, under all its claims."""


def timed(outcome: Outcome, seconds: float) -> Outcome:
    """Return the outcome with the time that the run took."""
    return replace(outcome, execution_time=seconds)


def finish(claimed: Claimed, outcome: Outcome, now: datetime, lines: Sequence[str] = ()) -> None:
    """End a run, with its last log lines, whatever receivers of `run_ended` write, and a one-off's removal.

    Doing it twice is harmless: a commit whose answer was lost with the connection is recognised.

    Raises:
        ClaimLost: the run was given to another process, or has ended otherwise; nothing was written.
    """
    fields = {
        "state": outcome.state,
        "slot": None,
        "finished_at": now,
        "execution_time": outcome.execution_time,
        "message": storable_text(outcome.message),
        "data": storable_document(outcome.data),
        "falls_short": outcome.falls_short,
        "error_type": storable_text(outcome.error_type, _ERROR_TYPE_LIMIT),
        "error": storable_text(outcome.error),
        "retry_count": outcome.retry_count,
    }
    with transaction.atomic():
        if claimed.one_time:
            _lock_one_offs([claimed.job_key])
        if guarded(claimed.run_id, claimed.owner, claimed.claim).update(**fields) != 1:
            if not _ended_by_us(claimed, outcome):
                raise ClaimLost(claimed.run_id, claimed.claim)
        else:
            runlog.append(claimed.run_id, lines)
            run = JobRun.objects.select_related("job").get(pk=claimed.run_id)
            signals.tell(signals.run_ended, run)
            if claimed.one_time:
                _remove_one_off(claimed.job_key)
        events.publish_after_commit(events.ended(claimed, outcome))


def hand_back(
    claimed: Claimed,
    now: datetime,
    *,
    message: str,
    seconds: float = 0.0,
    delay: timedelta = timedelta(0),
    lines: Sequence[str] = (),
) -> str:
    """Give a running run back to the queue (drain), or end it where its cancel was asked. Returns its new state.

    `seconds`: how long it has executed, under all its claims. `delay`: how long it must wait before its next attempt.

    Raises:
        ClaimLost: the run was given to another process, or has ended; nothing was written.
    """
    with transaction.atomic():
        if claimed.one_time:
            _lock_one_offs([claimed.job_key])
        run = (
            guarded(claimed.run_id, claimed.owner, claimed.claim)
            .select_related("job")
            .select_for_update(of=("self",))
            .first()
        )
        if run is None:
            raise ClaimLost(claimed.run_id, claimed.claim)
        run.execution_time = seconds
        runlog.append(claimed.run_id, lines)
        if run.cancel_requested_at is not None:
            _end(run, now, State.CANCELLED, _("Cancelled."))
        else:
            if delay:
                run.available_at = now + delay
            _return(run, message=message)
    return run.state


def mark_lost(process_id: int, beat: int) -> bool:
    """Mark a process lost whose beat is still the one that was seen; whether it was ours to mark.

    The row of a process that is just writing its beat is locked and skipped: it is alive.
    """
    with transaction.atomic():
        seen = Process.objects.filter(pk=process_id, state=Process.State.ALIVE, beat=beat)
        if not seen.select_for_update(skip_locked=True).exists():
            return False
        return seen.update(state=Process.State.LOST) == 1


def recover(now: datetime, *, limit: int = 500) -> list[JobRun]:
    """Take back the runs of processes that are no more; returns them as they are now.

    Runs are queued again; one whose cancel was asked is cancelled; one whose process died for the fourth time without
    progress between is failed. A run's row that somebody holds is skipped and found the next time.
    """
    orphans = JobRun.objects.filter(state=State.RUNNING).exclude(owner__state=Process.State.ALIVE).order_by("pk")
    return _take_back(orphans[:limit], now)


def recover_strays(held: Collection[tuple[int, int]], now: datetime) -> list[JobRun]:
    """Take back (run, claim) pairs that a living process owns and does not execute; returns them as they are now.

    A run that cannot be ended would come back for ever; it counts as a death, so that the fourth time ends it.
    """
    running = JobRun.objects.filter(state=State.RUNNING, pk__in=[run_id for run_id, _claim in held]).order_by("pk")
    strays = [pk for pk, claim in running.values_list("pk", "claim") if (pk, claim) in held]
    return _take_back(running.filter(pk__in=strays), now)


def _take_back(orphans: QuerySet[JobRun], now: datetime) -> list[JobRun]:
    found = list(orphans.values_list("pk", "job_key", "job__one_time", "claim"))
    if not found:
        return []
    with transaction.atomic():
        _lock_one_offs(key for _pk, key, one_time, _claim in found if one_time)
        # Asked again under the lock: between, another process may have taken them back, or they may have ended.
        claims = {pk: claim for pk, _key, _one_time, claim in found}
        locked = JobRun.objects.filter(state=State.RUNNING, pk__in=claims).order_by("pk")
        locked = locked.select_related("job", "owner").select_for_update(skip_locked=True, of=("self",))
        runs = [run for run in locked if run.claim == claims[run.pk]]
        return [run for run in runs if _recover_one(run, now)]


def _recover_one(run: JobRun, now: datetime) -> bool:
    """Take one locked run back; False where a receiver refused that: the others are not held up by it.

    A receiver that refuses for ever must not keep the run (with its slot and its key) for ever: each refusal counts
    like a death, and after the last one the run ends without its receivers.
    """
    deaths = run.recoveries + 1
    try:
        with transaction.atomic():
            _take_back_one(run, now)
    except ReceiverFailed as error:
        logger.exception("Run not recovered", extra={"action": "run_not_recovered", "run_id": run.pk})
        row = JobRun.objects.select_related("job").get(pk=run.pk)
        row.recoveries = deaths
        if deaths < MOST_DEATHS:
            row.save(update_fields=["recoveries"])
            return False
        row.error_type = type(error).__name__
        state = State.FAILED if row.cancel_requested_at is None else State.CANCELLED
        _end(row, now, state, _("Ended without its receivers, which refused every end. %s") % error, tells=False)
    return True


def _take_back_one(run: JobRun, now: datetime) -> None:
    run.recoveries += 1
    run.execution_time = (run.execution_time or 0.0) + _executed(run)
    owner = str(run.owner)
    if run.cancel_requested_at is not None:
        _end(run, now, State.CANCELLED, _("Cancelled; its process was lost before it could stop."))
    elif run.recoveries >= MOST_DEATHS:
        message = _("Its process died %(count)d times without progress between; the last was %(process)s.")
        run.error_type = "PoisonRun"
        _end(run, now, State.FAILED, message % {"count": run.recoveries, "process": owner})
    else:
        _return(run, message=_("Recovered: its process (%(process)s) was lost.") % {"process": owner})


def _executed(run: JobRun) -> float:
    """Return how long a lost process executed the run, in seconds: until its last beat, as far as anybody knows."""
    if run.owner is None or run.started_at is None:
        return 0.0
    return max(0.0, (run.owner.beat_at - run.started_at).total_seconds())


def _return(run: JobRun, *, message: str) -> None:
    """Write a locked running run back to the queue, inside the caller's transaction."""
    run.state, run.owner, run.slot, run.message = State.QUEUED, None, None, storable_text(message)
    run.save(update_fields=["state", "owner", "slot", "available_at", "message", "recoveries", "execution_time"])
    signals.tell(signals.run_returned, run)
    events.publish_after_commit(events.returned(run))


def _end(run: JobRun, now: datetime, state: str, message: str, *, tells: bool = True) -> None:
    """End a locked running run that no handler ended, inside the caller's transaction."""
    run.state, run.slot, run.finished_at, run.message = state, None, now, storable_text(message)
    run.save(update_fields=["state", "slot", "finished_at", "message", "recoveries", "error_type", "execution_time"])
    if tells:
        signals.tell(signals.run_ended, run)
    if run.job is not None and run.job.one_time:
        _remove_one_off(run.job_key)
    events.publish_after_commit(events.ended_unfinished(run))


def _ended_by_us(claimed: Claimed, outcome: Outcome) -> bool:
    return JobRun.objects.filter(
        pk=claimed.run_id, owner_id=claimed.owner, claim=claimed.claim, state=outcome.state
    ).exists()


def _lock_one_offs(job_keys: Iterable[str]) -> None:
    """Lock what goes with a one-off's end before the run's row: the lock order is the same everywhere."""
    keys = sorted(set(job_keys))
    if keys:
        list(DjangoJob.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
        jobs = ScheduledJob.objects.select_for_update().filter(job_id__in=keys)
        list(jobs.order_by("job_id").values_list("pk"))


def _remove_one_off(job_key: str) -> None:
    # Imported here: definitions imports claims' neighbours for "run now" and cancel.
    from .definitions import finish_one_off

    finish_one_off(job_key)
