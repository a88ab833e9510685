"""Runs that somebody asks for, one-offs, and cancelling."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling import registry, triggers
from scheduling.exceptions import InvalidJobData, RunConflict, RunNotFound, WaitsAlready
from scheduling.models import JobRun, ScheduledJob

from . import rows
from .documents import JobValues, dump_values, parse_job
from .jobs import insert_rows, remove_rows, work_of


def run_now(job_id: str, *, by: str = "") -> JobRun:
    """Queue a run of a job at once, whatever its schedule; also of a paused or disabled one.

    Raises:
        JobNotFound
        WaitsAlready
        RunConflict: the job is a one-off.
        UnknownHandler
    """
    now = timezone.now()
    with transaction.atomic():
        _stored, job = rows.lock(job_id)
        if job.one_time:
            raise RunConflict(_("“%(id)s” is a one-off: it runs once, at its time.") % {"id": job_id})
        run = queued(job, now, cause=JobRun.Cause.MANUAL, moment=now, message=_asked_by(by), by=by)
        try:
            with transaction.atomic():
                run.save(force_insert=True)
        except IntegrityError as error:
            waiting = JobRun.objects.filter(job=job, state=JobRun.State.QUEUED, cause=JobRun.Cause.MANUAL).first()
            if waiting is None:
                raise
            raise WaitsAlready(waiting.pk, job_id) from error
        rows.tell("Run asked for", "run_asked", job_id=job_id, run_id=run.pk, by=by)
    return run


def can_run_again(run: JobRun) -> bool:
    """Whether it is still known what the run was to do: by its schedule, or by the work that it carries."""
    return run.state in JobRun.TERMINAL and (_is_recurring(run) or _own_work(run) is not None)


def run_again(run_id: int, *, by: str = "") -> JobRun:
    """Ask for the work of a run that has ended once more: by its schedule as it is now, else by the work it carried.

    Raises:
        RunNotFound
        RunConflict: it has not ended, nothing tells any more what it did, or such a run waits already.
        UnknownHandler, InvalidJob: what it did cannot be done now.
    """
    run = JobRun.objects.select_related("job").filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(run_id)
    if run.state not in JobRun.TERMINAL:
        message = _("Run #%(run)d has not ended (%(state)s); cancel it, or wait for its end.")
        raise RunConflict(message % {"run": run.pk, "state": run.get_state_display()})
    if _is_recurring(run):
        return run_now(run.job_key, by=by)
    work = _own_work(run)
    if work is None:
        message = _("The definition of run #%(run)d is gone: nothing tells any more what it did.")
        raise RunConflict(message % {"run": run.pk})
    handler, job_data = work
    job_id = f"again_{run.pk}_{timezone.now():%Y%m%d_%H%M%S}"
    return run_once(job_id=job_id, handler=handler, job_data=job_data, name=run.job_name, by=by)


def _is_recurring(run: JobRun) -> bool:
    return run.job is not None and not run.job.one_time


def _own_work(run: JobRun) -> tuple[str, Mapping[str, object]] | None:
    """Handler and arguments of a run without a schedule."""
    work = run.work if isinstance(run.work, Mapping) else {}
    handler, job_data = work.get("handler"), work.get("job_data")
    if not isinstance(handler, str) or not handler or not isinstance(job_data, Mapping):
        return None
    return handler, job_data


def run_once(*, job_id: str, handler: str, job_data: Mapping[str, object], name: str = "", by: str = "") -> JobRun:
    """Queue one run of a handler at once, with a one-off that goes with the run's end: what no schedule does.

    The run is there from the beginning, so that it says who asked for it, and what it waits for.

    Raises:
        InvalidJob: with every problem.
        JobExists
    """
    now = timezone.now()
    with transaction.atomic():
        job = create_one_off(job_id=job_id, handler=handler, job_data=job_data, name=name, by=by)
        DjangoJob.objects.filter(pk=job_id).update(next_run_time=None)
        run = queued(job, now, cause=JobRun.Cause.MANUAL, moment=now, message=_asked_by(by), by=by)
        # What it did is known after its one-off is gone.
        run.work = work_of(job)
        run.save(force_insert=True)
        rows.tell("Run asked for", "run_asked", job_id=job_id, run_id=run.pk, by=by)
    return run


def create_one_off(
    *,
    job_id: str,
    handler: str,
    job_data: Mapping[str, object],
    run_date: datetime | None = None,
    name: str = "",
    by: str = "",
) -> ScheduledJob:
    """Plan one run of a handler; its definition goes with the run's end.

    Without `run_date` it is due now and waits for a scheduler, however long. A naive one is in the scheduler's zone.

    Raises:
        InvalidJob: with every problem.
        JobExists
    """
    now = timezone.now()
    if run_date is not None and timezone.is_naive(run_date):
        moment = triggers.build({"type": "date", "run_date": run_date.isoformat()}).get_next_fire_time(None, now) or now
    else:
        moment = (run_date or now).astimezone(UTC)
    document: dict[str, object] = {"type": "date", "run_date": moment.isoformat()}
    policies = {"misfire_grace_time": None} if run_date is None else {}
    values = parse_job(
        {
            "job_id": job_id,
            "name": name or job_id,
            "handler": handler,
            "job_data": job_data,
            "trigger": document,
            "policies": policies,
        }
    )
    job = _one_off(values, now)
    with transaction.atomic():
        insert_rows(job, rows.lock_stored(job_id), triggers.build(document), moment)
        rows.tell("One-off created", "one_off_created", job_id=job_id, by=by)
    return job


def finish_one_off(job_id: str) -> None:
    """Remove a one-off's definition: inside the transaction that ends its run, its rows being locked. Idempotent."""
    job = ScheduledJob.objects.filter(job_id=job_id, one_time=True).first()
    if job is not None:
        remove_rows(job)


def cancel_one_off(job_id: str, by: str = "") -> JobRun:
    """Cancel a one-off. Before its run exists, a run that is born cancelled records it; else that run is cancelled.

    Raises:
        JobNotFound: there is no such one-off (any more).
        RunConflict: its run has ended.
    """
    now = timezone.now()
    with transaction.atomic():
        stored, job = rows.lock(job_id)
        if not job.one_time:
            raise RunConflict(_("“%(id)s” is no one-off; delete or pause it.") % {"id": job_id})
        existing = JobRun.objects.filter(job=job).order_by("-pk").first()
        if existing is not None:
            return _cancel(existing, now, by)
        planned = stored.next_run_time if stored is not None and stored.next_run_time is not None else now
        run = queued(job, now, cause=JobRun.Cause.SCHEDULE, moment=planned, message=_cancelled_by(by), by="")
        run.state, run.finished_at = JobRun.State.CANCELLED, now
        run.cancel_requested_at, run.cancel_requested_by = now, by[:150]
        run.save(force_insert=True)
        rows.ended(run)
        remove_rows(job)
        rows.tell("One-off cancelled", "one_off_cancelled", job_id=job_id, run_id=run.pk, by=by)
    run.job = None
    return run


def cancel_run(run_id: int, *, by: str = "") -> JobRun:
    """Cancel a queued run at once; ask a running one to stop. Asking twice changes nothing.

    Raises:
        RunNotFound
        RunConflict: it has ended.
    """
    now = timezone.now()
    with transaction.atomic():
        run = JobRun.objects.select_related("job").filter(pk=run_id).first()
        if run is None:
            raise RunNotFound(run_id)
        if run.job is not None and run.job.one_time and run.state in JobRun.ACTIVE:
            # Its definition goes with it: locked before the run, as everywhere.
            list(DjangoJob.objects.select_for_update().filter(pk=run.job_key).values_list("pk"))
            list(ScheduledJob.objects.select_for_update().filter(pk=run.job.pk).values_list("pk"))
        return _cancel(run, now, by)


def _cancel(run: JobRun, now: datetime, by: str) -> JobRun:
    asked = {"cancel_requested_at": now, "cancel_requested_by": by[:150]}
    # A draining process may put a running run back between our two looks: then the first one finds it.
    for _attempt in range(3):
        queued = JobRun.objects.filter(pk=run.pk, state=JobRun.State.QUEUED)
        if queued.update(state=JobRun.State.CANCELLED, finished_at=now, message=_cancelled_by(by), **asked) == 1:
            return _cancelled(run.pk, by)
        running = JobRun.objects.filter(pk=run.pk, state=JobRun.State.RUNNING)
        if running.filter(cancel_requested_at=None).update(**asked) == 1:
            rows.tell("Cancel asked for", "cancel_asked", run_id=run.pk, by=by)
        if running.exists():
            break
        run.refresh_from_db(fields=["state"])
        if run.state in JobRun.TERMINAL:
            message = _("Run #%(run)d has ended (%(state)s); there is nothing to cancel.")
            raise RunConflict(message % {"run": run.pk, "state": run.get_state_display()})
    run.refresh_from_db()
    return run


def _cancelled(run_id: int, by: str) -> JobRun:
    run = JobRun.objects.select_related("job").get(pk=run_id)
    rows.ended(run)
    if run.job is not None and run.job.one_time:
        remove_rows(run.job)
        run.job = None
    rows.tell("Run cancelled", "run_cancelled", run_id=run_id, by=by)
    return run


def _cancelled_by(by: str) -> str:
    return _("Cancelled by %(who)s.") % {"who": by} if by else _("Cancelled.")


def _asked_by(by: str) -> str:
    return _("Asked for by %(who)s.") % {"who": by} if by else ""


def queued(job: ScheduledJob, now: datetime, *, cause: str, moment: datetime, message: str, by: str) -> JobRun:
    """A run (not yet written) that somebody asks for: whatever the cause, it is claimed and executed alike."""
    handler = registry.get(job.handler)
    if not isinstance(job.job_data, Mapping):
        # A hand put it there: whoever asks is told, and the handler's code is spared.
        raise InvalidJobData("", _("Write a mapping of the handler's arguments."))
    return JobRun(
        job=job,
        job_key=job.job_id,
        job_name=job.name,
        cause=cause,
        scheduled_time=moment,
        available_at=now,
        state=JobRun.State.QUEUED,
        definition_version=None if job.one_time else job.version,
        exclusive_key=handler.exclusive_key(job.job_data),
        queued_at=now,
        message=message,
        requested_by=by[:150],
    )


def _one_off(values: JobValues, now: datetime) -> ScheduledJob:
    document = dump_values(values)
    policies = document.pop("policies")
    assert isinstance(policies, dict)  # noqa: S101 - ours
    return ScheduledJob(**document, **policies, one_time=True, anchor_at=now)
