"""Pausing and resuming the whole scheduler."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from scheduling.models import JobRun, ScheduledJob, SchedulerState

from . import rows
from .jobs import remove_rows
from .reasons import Why, everything_was_paused

BATCH = 500
"""Jobs whose times move in one transaction: a short one, so that edits get through."""


def pause_all(by: str = "", *, note: str = "") -> SchedulerState:
    """No tick plans or runs anything until `resume_all`; what runs, runs on. Pausing twice changes nothing.

    `note` says why, to whoever finds everything paused; what is longer than `SchedulerState.MOST_NOTE` is cut.
    """
    with transaction.atomic():
        state = _lock_state()
        if state.paused_at is None:
            state.paused_at, state.paused_by = timezone.now(), by[:150]
            state.note = note[: SchedulerState.MOST_NOTE]
            state.save(update_fields=["paused_at", "paused_by", "note"])
            rows.tell("Scheduler paused", "scheduler_paused", by=by)
    return state


def resume_all(by: str = "") -> SchedulerState:
    """Plan from now on; what the pause swallowed becomes one missed run per job. Resuming twice changes nothing.

    One-offs that were asked for "now" still run: they wait for a scheduler, however long.
    """
    now = timezone.now()
    done = ""
    while True:
        with transaction.atomic():
            state = _lock_state()
            if state.paused_at is None:
                return state
            last = _settle_batch(now, after=done, why=everything_was_paused(state))
            if last is None:
                state.paused_at, state.paused_by, state.note = None, "", ""
                state.save(update_fields=["paused_at", "paused_by", "note"])
                rows.tell("Scheduler resumed", "scheduler_resumed", by=by)
                return state
            done = last


def _lock_state() -> SchedulerState:
    SchedulerState.objects.get_or_create(pk=1)
    return SchedulerState.objects.select_for_update().get(pk=1)


def _settle_batch(now: datetime, *, after: str, why: Why) -> str | None:
    """Settle some due jobs behind the id `after`: returns the last one's id, None when there are no more."""
    due = DjangoJob.objects.select_for_update().filter(next_run_time__lte=now, pk__gt=after).defer("job_state")
    stored: dict[str, DjangoJob] = {row.pk: row for row in due.order_by("pk")[:BATCH]}
    if not stored:
        return None
    waiting = Q(one_time=True, misfire_grace_time=None)
    jobs = ScheduledJob.objects.select_for_update().filter(~waiting, job_id__in=stored).order_by("job_id")
    missed: list[tuple[DjangoJob, ScheduledJob, JobRun]] = []
    for job in jobs:
        row = stored[job.job_id]
        run = rows.missed_run(job, first=row.next_run_time, until=now, now=now, why=why)
        trigger = rows.trigger_of(job)
        # A trigger that cannot be built stays due: the tick quarantines it, visibly.
        if run is not None and trigger is not None:
            row.next_run_time = trigger.following(now)
            missed.append((row, job, run))
    DjangoJob.objects.bulk_update([row for row, _job, _run in missed], ["next_run_time"])
    for run in _write_missed([run for _row, _job, run in missed], now, why):
        rows.ended(run)
    for _row, job, _run in missed:
        if job.one_time:
            remove_rows(job)
    return max(stored)


def _write_missed(runs: list[JobRun], now: datetime, why: Why) -> list[JobRun]:
    """Insert them; of one whose moment has a row (a clock that was set back brings it twice) what comes after."""
    same = JobRun.objects.filter(
        job__in=[run.job for run in runs],
        scheduled_time__in={run.scheduled_time for run in runs},
        cause=JobRun.Cause.SCHEDULE,
    )
    taken = set(same.values_list("job_id", "scheduled_time"))
    created = JobRun.objects.bulk_create([run for run in runs if (run.job_id, run.scheduled_time) not in taken])
    for run in runs:
        if run.job is not None and (run.job_id, run.scheduled_time) in taken:
            rest = rows.missed_run(run.job, first=rows.after_record(run.job), until=now, now=now, why=why)
            created += JobRun.objects.bulk_create([rest] if rest is not None else [])
    return created
