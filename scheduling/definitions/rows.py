"""The rows of a job, locked in the one order (`DjangoJob`, then `ScheduledJob`), and what is written beside them."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling import events, signals, triggers
from scheduling.account.recorded import of_moments
from scheduling.exceptions import InvalidTrigger, JobNotFound, RunConflict
from scheduling.firing import Timeline
from scheduling.jobstore import pickled_state
from scheduling.models import JobRun, ScheduledJob
from scheduling.triggers import DocumentTrigger

from .reasons import Why

logger = logging.getLogger("scheduling.definitions")


def lock(job_id: str) -> tuple[DjangoJob | None, ScheduledJob]:
    """Lock a job's rows inside the caller's transaction. Its DjangoJob may be missing where somebody deleted it.

    Raises:
        JobNotFound
    """
    stored = lock_stored(job_id)
    if stored is None:
        if not ScheduledJob.objects.filter(job_id=job_id).exists():
            raise JobNotFound(job_id)
        # Created since our first look, or its DjangoJob is really gone.
        stored = lock_stored(job_id)
    job = ScheduledJob.objects.select_for_update().filter(job_id=job_id).first()
    if job is None:
        raise JobNotFound(job_id)
    return stored, job


def lock_stored(job_id: str) -> DjangoJob | None:
    # The pickle is never read: not even fetched.
    return DjangoJob.objects.select_for_update().filter(pk=job_id).defer("job_state").first()


def trigger_of(job: ScheduledJob) -> DocumentTrigger | None:
    """The job's trigger; None where it cannot be built: the job is quarantined, or will be by the next tick."""
    try:
        return triggers.build(job.trigger, anchor=job.anchor_at)
    except InvalidTrigger:
        return None


def write_stored(
    job: ScheduledJob, stored: DjangoJob | None, trigger: DocumentTrigger, next_run_time: datetime | None
) -> None:
    """Write the job's DjangoJob as a whole: when next, and the pickle for stock readers.

    `stored` is the row if it is there, and locked. An UPDATE that might find somebody else's new row would wait for it
    with locks in hand: deadlocks on PostgreSQL.
    """
    state = pickled_state(job, trigger, next_run_time)
    if stored is None:
        DjangoJob.objects.create(pk=job.job_id, next_run_time=next_run_time, job_state=state)
    else:
        DjangoJob.objects.filter(pk=job.job_id).update(next_run_time=next_run_time, job_state=state)


def plan(job: ScheduledJob, stored: DjangoJob | None, next_run_time: datetime | None) -> None:
    """Move the job's next moment alone. A DjangoJob that somebody deleted by hand is made again."""
    if stored is not None:
        DjangoJob.objects.filter(pk=job.job_id).update(next_run_time=next_run_time)
    elif (trigger := trigger_of(job)) is not None:
        write_stored(job, None, trigger, next_run_time)


def change(job: ScheduledJob, *, where: dict[str, object], **fields: object) -> None:
    """One guarded UPDATE of the job's row, and of the object; raises RunConflict when the guard fails."""
    if ScheduledJob.objects.filter(pk=job.pk, **where).update(**fields) != 1:
        message = _("The job “%(id)s” was changed by somebody else at the same time; try again.")
        raise RunConflict(message % {"id": job.job_id})
    for name, value in fields.items():
        setattr(job, name, value)


def missed_run(job: ScheduledJob, *, first: datetime | None, until: datetime, now: datetime, why: Why) -> JobRun | None:
    """The row (not yet written) of the moments in ``first ≤ t ≤ until`` that will not run; None where there are none.

    `first` is a moment at which the job was due, or None for none.
    """
    trigger = trigger_of(job)
    if trigger is None or first is None or first > until:
        return None
    last = Timeline(trigger).newest(first, until)
    return JobRun(
        job=job,
        job_key=job.job_id,
        job_name=job.name,
        cause=JobRun.Cause.SCHEDULE,
        scheduled_time=first,
        available_at=first,
        state=JobRun.State.MISSED,
        definition_version=job.version,
        queued_at=now,
        finished_at=now,
        message=why.message,
        reason=why.reason,
        data=dict(why.data) or None,
        missed_count=1 + trigger.count_between(first, last),
        missed_until=last,
    )


def record_missed(job: ScheduledJob, *, first: datetime | None, now: datetime, why: Why) -> JobRun | None:
    """Write that moments from `first` (a due one, or None) to `now` will not run, and why.

    Moments that have a row already (a clock that was set back brings them twice) are left out.
    """
    run = missed_run(job, first=first, until=now, now=now, why=why)
    if run is not None and _recorded(run):
        run = missed_run(job, first=after_record(job), until=now, now=now, why=why)
    if run is None:
        return None
    run.save(force_insert=True)
    ended(run)
    return run


def ended(run: JobRun) -> None:
    """Tell that a run has ended: receivers of the signal inside the transaction, listeners after the commit."""
    signals.tell(signals.run_ended, run)
    events.publish_after_commit(events.ended_unfinished(run))


def tell(text: str, action: str, **fields: object) -> None:
    """Log what was done, once it is committed; a line names its job or run."""
    what = fields.get("job_id") or (f"#{fields['run_id']}" if "run_id" in fields else "")
    line = f"{text}: {what}" if what else text
    transaction.on_commit(partial(logger.info, "%s", line, extra={"action": action, **fields}))


def on_record_until(job: ScheduledJob) -> datetime | None:
    """The newest moment of a job's schedule that has a row, or is covered by one: one index look-up."""
    newest = on_record(job).order_by("-scheduled_time").values_list("scheduled_time", "missed_until").first()
    return None if newest is None else newest[1] or newest[0]


def on_record(job: ScheduledJob) -> QuerySet[JobRun]:
    """The rows of a job's schedule."""
    return of_moments().filter(job=job, cause=JobRun.Cause.SCHEDULE)


def _recorded(run: JobRun) -> bool:
    return on_record(run.job).filter(scheduled_time=run.scheduled_time).exists() if run.job else False


def after_record(job: ScheduledJob) -> datetime | None:
    """The first moment of a job's schedule after all that is on record."""
    trigger, until = trigger_of(job), on_record_until(job)
    return trigger.following(until) if trigger is not None and until is not None else None
