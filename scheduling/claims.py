"""How a process gets a run, and proves that it still has it: plain synchronous functions of `now`.

Every function here is one transaction (or expects to be called inside one, where it says so; `claim` is one for each
run). The rules that hold against other processes are constraints of the database: one owner per run, one run per slot,
one run per exclusive key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Q, QuerySet

from . import events, signals
from .codeversion import code_version
from .exceptions import ClaimLost, ReceiverFailed, RunBusy
from .models import JobRun, Process
from .sharing import Sharing
from .storable import storable_text

MOST_LEFT = 50
"""Runs that are left to others hide so many behind them at most, for a moment."""
PUT_OFF = timedelta(minutes=1)
"""When a run is tried again whose begin a receiver refused."""

State = JobRun.State

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A run that a process holds, with what it takes to execute it."""

    run_id: int
    owner: int
    """`Process.pk`."""
    claim: int
    """The fencing token: one higher with every claim."""
    job_pk: int | None
    """`ScheduledJob.pk`; None for a run that has no schedule of its own."""
    job_key: str
    job_name: str
    handler: str
    """Empty when the run's schedule was removed before it began."""
    job_data: Mapping[str, object]
    max_retries: int
    timeout: float | None
    """Seconds of the whole run: what it executes under all its claims together."""
    spent: float
    """Seconds that it executed before this claim: in processes that were lost, or that handed it back."""
    one_time: bool
    cause: str
    scheduled_time: datetime
    retry_count: int
    exclusive_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRun:
    """What a process is told of a run that it holds."""

    run_id: int
    owner: int
    claim: int
    cancel_requested: bool


def guarded(run_id: int, owner: int, claim: int) -> QuerySet[JobRun]:
    """Return the run's row, if it is still held under this claim: whatever is written to a run goes through this."""
    return JobRun.objects.filter(pk=run_id, state=State.RUNNING, owner_id=owner, claim=claim)


def guard(run_id: int, owner: int, claim: int) -> None:
    """Lock the run's row inside the caller's transaction, before anything else is written in it.

    What follows is an effect, so that the count of deaths without progress starts again. Raw, for every checkpoint of a
    crawl begins with it: the ORM takes ten times as long to say the same.

    Raises:
        ClaimLost: the run was given to another process, or has ended.
    """
    with connection.cursor() as cursor:
        cursor.execute(_GUARD, [run_id, State.RUNNING.value, owner, claim])
        if cursor.rowcount != 1:
            raise ClaimLost(run_id, claim)


_GUARD = "UPDATE scheduling_jobrun SET recoveries = 0 WHERE id = %s AND state = %s AND owner_id = %s AND claim = %s"
"""Locks the row of `guarded`."""


def claimable(now: datetime) -> QuerySet[JobRun]:
    """Return the queued runs that could begin at `now`, the first due first."""
    running = JobRun.objects.filter(state=State.RUNNING).order_by()
    # Two sets that are small and made once, not two questions for each of the runs that wait: 20,000 that wait for
    # one job must neither hide the others nor cost 20,000 look-ups.
    keys = running.exclude(exclusive_key="").values("exclusive_key")
    full_jobs = (
        running.filter(job__isnull=False)
        .values("job")
        .annotate(count=Count("pk"))
        .filter(count__gte=F("job__max_instances"))
        .values("job")
    )
    return (
        JobRun.objects.filter(state=State.QUEUED, available_at__lte=now)
        .filter(Q(exclusive_key="") | ~Q(exclusive_key__in=keys))
        .filter(Q(job__isnull=True) | ~Q(job__in=full_jobs))
        .select_related("job")
        .order_by("available_at", "pk")
    )


def claim(process: Process, now: datetime, limit: int, *, sharing: Sharing | None = None) -> list[Claimed]:
    """Take up to `limit` queued runs for `process`, but for what `sharing` leaves to others. One query where there is
    nothing to take.

    Another process may take the same run, slot or exclusive key in the same moment: the constraint decides, and who
    comes second simply does not get it now.
    """
    claimed: list[Claimed] = []
    while len(claimed) < limit:
        room = limit - len(claimed)
        candidates = list(claimable(now)[: room + (MOST_LEFT if sharing else 0)])
        if sharing is not None:
            candidates = [run for run in candidates if sharing.takes(run.pk, run.exclusive_key)][:room]
        if not candidates:
            break
        taken = _take(process, now, candidates)
        claimed += taken
        if not taken:
            break
    return claimed


def begin(process: Process, now: datetime, *, work: Mapping[str, object], job_key: str, exclusive_key: str) -> Claimed:
    """Write a run that is born claimed by `process` (a foreground command's).

    `work` holds handler, job_data, max_retries and timeout, so that another process can go on when this one dies.

    Raises:
        RunBusy: another run holds the exclusive key.
    """
    run = JobRun(
        job_key=job_key,
        job_name=job_key,
        cause=JobRun.Cause.COMMAND,
        scheduled_time=now,
        available_at=now,
        queued_at=now,
        state=State.RUNNING,
        work=dict(work),
        exclusive_key=exclusive_key,
        owner=process,
        claim=1,
        started_at=now,
        attempt_at=now,
        code_version=code_version(),
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            signals.tell(signals.run_started, run)
            claimed = _claimed(run, process)
            events.publish_after_commit(events.started(claimed))
    except IntegrityError as error:
        holder = JobRun.objects.filter(state=State.RUNNING, exclusive_key=exclusive_key).first()
        if not exclusive_key or holder is None:
            raise
        raise RunBusy(holder.pk, exclusive_key) from error
    return claimed


def own_runs(owners: Sequence[int]) -> list[OwnRun]:
    """Return what the database says that these processes hold: one query for all of a process's runs."""
    rows = JobRun.objects.filter(state=State.RUNNING, owner_id__in=owners)
    return [
        OwnRun(run_id=run_id, owner=owner or 0, claim=claim, cancel_requested=asked is not None)
        for run_id, owner, claim, asked in rows.values_list("pk", "owner_id", "claim", "cancel_requested_at")
    ]


def store_retry(claimed: Claimed, retry_count: int, message: str) -> None:
    """Count a retry before its delay, so that it survives a crash in the delay.

    Raises:
        ClaimLost: nothing was written.
    """
    _write(claimed, retry_count=retry_count, message=message)


def store_attempt(claimed: Claimed, now: datetime) -> None:
    """Note when the next attempt began.

    Raises:
        ClaimLost: nothing was written.
    """
    _write(claimed, attempt_at=now)


def _write(claimed: Claimed, **fields: object) -> None:
    if guarded(claimed.run_id, claimed.owner, claimed.claim).update(**fields) != 1:
        raise ClaimLost(claimed.run_id, claimed.claim)


def _take(process: Process, now: datetime, candidates: Sequence[JobRun]) -> list[Claimed]:
    """Give each candidate the lowest free slot in its job, in the order of `candidates`.

    A transaction for each: two processes that take several runs in one wait for each other's slots and keys in
    whatever order the runs are, which is a deadlock.
    """
    taken_slots = _taken_slots(candidates)
    claimed: list[Claimed] = []
    keys: set[str] = set()
    for run in candidates:
        if run.exclusive_key and run.exclusive_key in keys:
            continue
        if run.job is not None:
            slots = taken_slots.setdefault(run.job.pk, set())
            run.slot = next((slot for slot in range(run.job.max_instances) if slot not in slots), None)
            if run.slot is None:
                continue
            slots.add(run.slot)
        keys.add(run.exclusive_key)
        one = _take_one(process, now, run)
        if one is not None:
            claimed.append(one)
    return claimed


def _taken_slots(candidates: Iterable[JobRun]) -> dict[int, set[int]]:
    jobs = {run.job_id for run in candidates if run.job_id is not None}
    slots: dict[int, set[int]] = {}
    if jobs:
        running = JobRun.objects.filter(state=State.RUNNING, job_id__in=jobs, slot__isnull=False)
        for job, slot in running.values_list("job_id", "slot"):
            slots.setdefault(job or 0, set()).add(slot or 0)
    return slots


def _take_one(process: Process, now: datetime, run: JobRun) -> Claimed | None:
    version = run.definition_version if run.job is None else None if run.job.one_time else run.job.version
    try:
        with transaction.atomic():
            hit = JobRun.objects.filter(pk=run.pk, state=State.QUEUED, available_at__lte=now).update(
                state=State.RUNNING,
                owner=process,
                claim=F("claim") + 1,
                slot=run.slot,
                started_at=now,
                attempt_at=now,
                code_version=code_version(),
                definition_version=version,
            )
            if hit != 1:
                return None
            run.state, run.owner, run.claim = State.RUNNING, process, run.claim + 1
            run.started_at = run.attempt_at = now
            run.definition_version, run.code_version = version, code_version()
            signals.tell(signals.run_started, run)
            claimed = _claimed(run, process)
            events.publish_after_commit(events.started(claimed))
    except IntegrityError as error:
        logger.info("Run not claimed now", extra={"action": "run_not_claimed", "run_id": run.pk, "error": str(error)})
        return None
    except ReceiverFailed as error:
        # Put off first: at the head of the queue it would stop all the runs behind it.
        JobRun.objects.filter(pk=run.pk, state=State.QUEUED).update(
            available_at=now + PUT_OFF, message=storable_text(str(error))
        )
        logger.exception("Run put off", extra={"action": "run_put_off", "run_id": run.pk})
        return None
    return claimed


def _claimed(run: JobRun, process: Process) -> Claimed:
    job, work = run.job, run.work or {}
    return Claimed(
        run_id=run.pk,
        owner=process.pk,
        claim=run.claim,
        job_pk=job.pk if job else None,
        job_key=run.job_key,
        job_name=run.job_name,
        handler=job.handler if job else str(work.get("handler", "")),
        job_data=(job.job_data if job else work.get("job_data")) or {},
        max_retries=job.max_retries if job else int(work.get("max_retries", 0)),
        timeout=job.timeout if job else work.get("timeout"),
        spent=run.execution_time or 0.0,
        one_time=bool(job and job.one_time),
        cause=run.cause,
        scheduled_time=run.scheduled_time,
        retry_count=run.retry_count,
        exclusive_key=run.exclusive_key,
    )
