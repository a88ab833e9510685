"""What was planned up to now and did not run is put on record before a job is changed: nothing is silent.

While a job is planned, what is due stands in its `DjangoJob`. While it is held (paused, disabled) nothing does: then
all its moments since the last that is on record are settled whenever it is released, changed or removed.
"""

from __future__ import annotations

from datetime import datetime

from django_apscheduler.models import DjangoJob

from scheduling.account.rules import MICROSECOND, history_of, last_before
from scheduling.models import JobRun, ScheduledJob, SchedulerState

from . import rows
from .reasons import Why, everything_was_paused, why

Reason = JobRun.Reason


def settle(job: ScheduledJob, stored: DjangoJob | None, *, now: datetime, otherwise: Why) -> JobRun | None:
    """Record the moments up to `now` that have no row, the job and its `DjangoJob` being locked and not yet changed.

    `otherwise`: why they will not run, where neither the job nor everything was paused.
    """
    if job.paused_at is not None or not job.enabled:
        since, held = _held(job)
        return rows.record_missed(job, first=_first_since(job, since), now=now, why=held)
    if stored is None or stored.next_run_time is None or stored.next_run_time > now:
        return None
    return rows.record_missed(job, first=stored.next_run_time, now=now, why=_paused_all() or otherwise)


def _paused_all() -> Why | None:
    state = SchedulerState.objects.filter(pk=1, paused_at__isnull=False).first()
    return None if state is None else everything_was_paused(state)


def _held(job: ScheduledJob) -> tuple[datetime, Why]:
    if job.paused_at is not None:
        return job.paused_at, why(Reason.PAUSED, by=job.paused_by, since=job.paused_at, note=job.note)
    rule = history_of(job.job_id, job).rules[-1]
    return rule.enabled_since, why(Reason.DISABLED, by=rule.by, since=rule.enabled_since)


def _first_since(job: ScheduledJob, since: datetime) -> datetime | None:
    """The first moment of a held job that is not on record."""
    trigger = rows.trigger_of(job)
    if trigger is None:
        return None
    # An edit of the trigger, which sets the anchor, settled all before it.
    known = [since, job.anchor_at, rows.on_record_until(job)]
    return trigger.following(max(moment for moment in known if moment is not None))


def forget_ahead(job: ScheduledJob, now: datetime) -> None:
    """Take back what was written off ahead of time for a job that was set aside: it is mended before."""
    if not job.problem:
        return
    ahead = rows.on_record(job).filter(reason=Reason.BROKEN, state=JobRun.State.MISSED, missed_until__gt=now)
    trigger = rows.trigger_of(job)
    for run in ahead.order_by("-scheduled_time")[:1]:
        last = None if trigger is None else last_before(trigger, now + MICROSECOND, floor=run.scheduled_time)
        if trigger is not None and last is not None:
            run.missed_until, run.missed_count = last, 1 + trigger.count_between(run.scheduled_time, last)
            run.save(update_fields=["missed_until", "missed_count"])
