"""Saving, deleting, pausing and resuming: each one transaction over the job, its DjangoJob and its runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling import registry, triggers
from scheduling.exceptions import JobExists, JobNotFound, RunConflict, VersionNotFound
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob
from scheduling.triggers import DocumentTrigger

from . import rows
from .documents import JobValues, dump_job, dump_values, parse_job, values_of
from .reasons import Why, why
from .settling import forget_ahead, settle
from .versions import record_removal, record_version

MOST_NOTE = 2_000
"""Characters of a pause's note: each row of what it swallows holds a copy."""
HISTORY_BATCH = 2_000
"""Runs that are taken off a job in one transaction when it is deleted."""
_FIELDS = (
    *("name", "handler", "job_data", "trigger", "enabled", "coalesce", "max_instances", "misfire_grace_time"),
    *("max_retries", "timeout", "jitter", "overlap"),
)


def create_job(values: JobValues, *, user: AbstractBaseUser | None = None, comment: str = "") -> ScheduledJob:
    """Create a job and plan its first moment.

    Raises:
        InvalidJob: with every problem.
        JobExists
    """
    values = parse_job(dump_values(values))
    with transaction.atomic():
        stored = rows.lock_stored(values.job_id)
        if ScheduledJob.objects.filter(job_id=values.job_id).exists():
            raise JobExists(values.job_id)
        return _insert(values, stored, user=user, comment=comment)


def save_job(values: JobValues, *, user: AbstractBaseUser | None = None, comment: str = "") -> ScheduledJob:
    """Create or update a job. Saving what is stored already changes nothing, but clears its problem.

    Raises:
        InvalidJob: with every problem.
        RunConflict: the job is a one-off.
    """
    return save_checked(parse_job(dump_values(values)), user=user, comment=comment)


def save_checked(values: JobValues, *, user: AbstractBaseUser | None = None, comment: str = "") -> ScheduledJob:
    """As `save_job`, for who has just asked `parse_job`."""
    try:
        return _save(values, user=user, comment=comment)
    except JobExists:
        # Somebody created it between our look and our insert.
        return _save(values, user=user, comment=comment)


def set_enabled(job_id: str, *, enabled: bool, user: AbstractBaseUser | None = None) -> bool:
    """Let a job fire by its rule, or not: a new version of its document. Says whether that changed anything.

    Raises:
        JobNotFound
        InvalidJob: it cannot be saved as it stands (a handler that is gone).
        RunConflict: the job is a one-off.
    """
    with transaction.atomic():
        # Held until the save: what somebody else saves in this moment is not undone.
        _stored, job = rows.lock(job_id)
        if job.enabled is enabled and not job.one_time:
            return False
        save_job(replace(values_of(job), enabled=enabled), user=user)
    return True


def restore_version(
    job_id: str, number: int, *, user: AbstractBaseUser | None = None, is_new: bool = False
) -> ScheduledJob:
    """Save an older version of a job's document again; also that of a job that was deleted: with `is_new` of such a one
    alone.

    Raises:
        VersionNotFound
        JobExists: with `is_new`, where somebody has made it again.
        InvalidJob: it cannot be saved any more (a handler that is gone).
    """
    kept = DefinitionVersion.objects.filter(kind=DefinitionVersion.Kind.JOB, key=job_id, number=number).first()
    if kept is None:
        raise VersionNotFound(job_id, number)
    comment = _("Version %(number)d restored.") % {"number": number}
    save = create_job if is_new else save_job
    return save(parse_job(kept.document), user=user, comment=comment)


def delete_job(job_id: str, *, user: AbstractBaseUser | None = None) -> None:
    """Remove a job. Its runs stay: queued ones end cancelled, running ones run on with what they need.

    Raises:
        JobNotFound
    """
    _detach_history(job_id)
    now = timezone.now()
    with transaction.atomic():
        stored, job = rows.lock(job_id)
        settle(job, stored, now=now, otherwise=why(JobRun.Reason.REMOVED, by=str(user or ""), since=now))
        queued = list(JobRun.objects.select_for_update().filter(job=job, state=JobRun.State.QUEUED).order_by("pk"))
        message = _("Cancelled: its schedule was removed.")
        for run in queued:
            run.state, run.finished_at, run.message = JobRun.State.CANCELLED, now, message
            run.reason = JobRun.Reason.REMOVED
        if queued:
            hit = JobRun.objects.filter(pk__in=[run.pk for run in queued], state=JobRun.State.QUEUED).update(
                state=JobRun.State.CANCELLED, finished_at=now, message=message, reason=JobRun.Reason.REMOVED
            )
            if hit != len(queued):
                raise RunConflict(_("Runs of “%(id)s” changed at the same time; try again.") % {"id": job_id})
        for run in queued:
            rows.ended(run)
        # Should their process die, another can go on without the schedule.
        JobRun.objects.filter(job=job, state=JobRun.State.RUNNING).update(work=work_of(job))
        record_removal(DefinitionVersion.Kind.JOB, job_id, at=now, by=str(user or ""))
        remove_rows(job)
        rows.tell("Job deleted", "job_deleted", job_id=job_id, user=str(user or ""))


def pause_job(job_id: str, *, by: str = "", note: str = "") -> ScheduledJob:
    """Plan nothing more until `resume_job`. Pausing a paused job changes nothing.

    Raises:
        JobNotFound
        RunConflict: the job is a one-off.
    """
    now = timezone.now()
    with transaction.atomic():
        stored, job = rows.lock(job_id)
        if job.one_time:
            raise RunConflict(_("“%(id)s” is a one-off; cancel it instead.") % {"id": job_id})
        if job.paused_at is not None:
            return job
        settle(job, stored, now=now, otherwise=why(JobRun.Reason.PAUSED, by=by, since=now, note=note))
        rows.change(job, where={"paused_at": None}, paused_at=now, paused_by=by[:150], note=note, updated_at=now)
        rows.plan(job, stored, None)
        rows.tell("Job paused", "job_paused", job_id=job_id, by=by)
    return job


def resume_job(job_id: str, *, by: str = "") -> ScheduledJob:
    """Plan from now on; what the pause swallowed becomes one missed run. Resuming a running job changes nothing.

    Raises:
        JobNotFound
    """
    now = timezone.now()
    with transaction.atomic():
        stored, job = rows.lock(job_id)
        since = job.paused_at
        if since is None:
            return job
        settle(job, stored, now=now, otherwise=why(JobRun.Reason.PAUSED))
        rows.change(job, where={"paused_at": since}, paused_at=None, paused_by="", note="", updated_at=now)
        if job.enabled:
            trigger = rows.trigger_of(job)
            # A trigger that cannot be built is planned for now: the tick quarantines it, visibly.
            rows.plan(job, stored, trigger.following(now) if trigger is not None else now)
        rows.tell("Job resumed", "job_resumed", job_id=job_id, by=by)
    return job


def predefine() -> list[str]:
    """Create the jobs that handlers bring along, unless a version of their key ever existed; returns their ids.

    Raises:
        InvalidJob: a handler declares a document that is wrong.
    """
    documents = [dict(document) for name in registry.names() for document in registry.get(name).predefined_jobs]
    keys = [str(document.get("job_id")) for document in documents]
    versions = DefinitionVersion.objects.filter(kind=DefinitionVersion.Kind.JOB, key__in=keys)
    known = set(versions.values_list("key", flat=True)) | set(
        ScheduledJob.objects.filter(job_id__in=keys).values_list("job_id", flat=True)
    )
    created: list[str] = []
    for document in documents:
        values = parse_job(document)
        if values.job_id in known:
            continue
        try:
            create_job(values, comment=_("Comes with its handler."))
        except JobExists:
            continue
        created.append(values.job_id)
    return created


def restore_rows() -> list[str]:
    """Give every job that lost its DjangoJob (deleted by hand, or by a stock reader that could not unpickle it) a new
    one, planned from now; returns their ids. One query where nothing is missing."""
    missing = ScheduledJob.objects.filter(~Exists(DjangoJob.objects.filter(pk=OuterRef("job_id"))))
    restored: list[str] = []
    for job_id in list(missing.order_by("job_id").values_list("job_id", flat=True)):
        # Gone meanwhile, or restored by another process in this moment: so much the better.
        with suppress(JobNotFound, IntegrityError), transaction.atomic():
            if _restore_row(job_id):
                restored.append(job_id)
    return restored


def _restore_row(job_id: str) -> bool:
    stored, job = rows.lock(job_id)
    trigger = rows.trigger_of(job)
    if stored is not None or trigger is None:
        return False
    now = timezone.now()
    if job.enabled and job.paused_at is None and not job.one_time:
        first = trigger.following(max(job.anchor_at or now, rows.on_record_until(job) or job.created_at))
        reason = why(JobRun.Reason.BROKEN, message=_("Its row in django-apscheduler's table was missing."))
        rows.record_missed(job, first=first, now=now, why=reason)
    rows.write_stored(job, None, trigger, _planned_anew(job, trigger, now))
    rows.tell("Job planned anew: its row was missing", "job_restored", job_id=job_id)
    return True


def _planned_anew(job: ScheduledJob, trigger: DocumentTrigger, now: datetime) -> datetime | None:
    if not job.enabled or job.paused_at is not None:
        return None
    if not job.one_time:
        return trigger.following(now)
    # A one-off has one moment: still to come, or overdue, or its run is there already.
    return None if JobRun.objects.filter(job=job).exists() else trigger.get_next_fire_time(None, now)


def _detach_history(job_id: str) -> None:
    """Take all but a job's newest runs off it in short transactions: in one, a million would hold up every tick."""
    runs = JobRun.objects.filter(job__job_id=job_id).values_list("pk", flat=True)
    newest = runs.order_by("-pk")[HISTORY_BATCH : HISTORY_BATCH + 1]
    for bound in newest:
        old = runs.filter(pk__lte=bound, state__in=JobRun.TERMINAL).order_by("pk")
        while batch := list(old[:HISTORY_BATCH]):
            JobRun.objects.filter(pk__in=batch).update(job=None)


def remove_rows(job: ScheduledJob) -> None:
    """Delete a job's two rows inside the caller's transaction; its runs stay, with their copies of id and name."""
    job_id = job.job_id
    ScheduledJob.objects.filter(pk=job.pk).delete()
    DjangoJob.objects.filter(pk=job_id).delete()


def one_off_stays(job_id: str) -> RunConflict:
    """Why a one-off is not saved as a schedule."""
    return RunConflict(_("“%(id)s” is a one-off; cancel it and ask for another.") % {"id": job_id})


def _save(values: JobValues, *, user: AbstractBaseUser | None, comment: str) -> ScheduledJob:
    with transaction.atomic():
        try:
            stored, job = rows.lock(values.job_id)
        except JobNotFound:
            # Without its ScheduledJob a DjangoJob is nobody's: it is taken over.
            return _insert(values, rows.lock_stored(values.job_id), user=user, comment=comment)
        if job.one_time:
            raise one_off_stays(values.job_id)
        _update(job, stored, values, user=user, comment=comment)
        return job


def _insert(
    values: JobValues, stored: DjangoJob | None, *, user: AbstractBaseUser | None, comment: str
) -> ScheduledJob:
    now = timezone.now()
    trigger = triggers.build(values.trigger, anchor=now)
    job = new_job(values, trigger, now)
    insert_rows(job, stored, trigger, trigger.get_next_fire_time(None, now) if values.enabled else None)
    document = dump_values(values)
    version = record_version(DefinitionVersion.Kind.JOB, job.job_id, document, user=user, comment=comment, at=now)
    if version != job.version:
        # Not the first job of this id: numbers go on.
        rows.change(job, where={"version": job.version}, version=version)
    rows.tell("Job created", "job_created", job_id=job.job_id, user=str(user or ""))
    return job


def new_job(values: JobValues, trigger: DocumentTrigger, now: datetime) -> ScheduledJob:
    """The row of a new job, not saved yet."""
    job = ScheduledJob(job_id=values.job_id, anchor_at=now, start_at=trigger.start, end_at=trigger.end)
    for name in _FIELDS:
        setattr(job, name, getattr(values, name))
    return job


def insert_rows(
    job: ScheduledJob, stored: DjangoJob | None, trigger: DocumentTrigger, next_run_time: datetime | None
) -> None:
    """Write a new job's two rows, the DjangoJob first: that is the lock order. Raises JobExists."""
    try:
        with transaction.atomic():
            rows.write_stored(job, stored, trigger, next_run_time)
            job.save(force_insert=True)
    except IntegrityError as error:
        if not ScheduledJob.objects.filter(job_id=job.job_id).exists():
            raise
        raise JobExists(job.job_id) from error


def _update(
    job: ScheduledJob,
    stored: DjangoJob | None,
    values: JobValues,
    *,
    user: AbstractBaseUser | None,
    comment: str,
) -> None:
    document = dump_values(values)
    if document == dump_job(job) and not job.problem and stored is not None:
        return
    now = timezone.now()
    same_trigger = job.trigger == dict(values.trigger)
    was_planned = job.enabled and job.paused_at is None and stored is not None and not job.problem
    if not same_trigger or values.enabled != job.enabled or job.problem:
        # What was planned by the old definition and did not run yet will not: it was asked to be otherwise.
        forget_ahead(job, now)
        settle(job, stored, now=now, otherwise=_why_changed(job, values, now, by=str(user or "")))
    anchor = job.anchor_at if same_trigger and job.anchor_at is not None else now
    trigger = triggers.build(values.trigger, anchor=anchor)
    version = record_version(DefinitionVersion.Kind.JOB, job.job_id, document, user=user, comment=comment, at=now)
    rows.change(
        job,
        where={"version": job.version},
        **{name: getattr(values, name) for name in _FIELDS},
        start_at=trigger.start,
        end_at=trigger.end,
        anchor_at=anchor,
        problem="",
        problem_at=None,
        version=version,
        updated_at=now,
    )
    next_run_time: datetime | None = None
    if values.enabled and job.paused_at is None:
        if not same_trigger:
            next_run_time = _first_planned(job, trigger, now)
        elif was_planned and stored is not None:
            next_run_time = stored.next_run_time
        else:
            next_run_time = trigger.following(now)
    rows.write_stored(job, stored, trigger, next_run_time)
    rows.tell("Job saved", "job_saved", job_id=job.job_id, version=version, user=str(user or ""))


def _why_changed(job: ScheduledJob, values: JobValues, now: datetime, *, by: str) -> Why:
    if job.trigger != dict(values.trigger):
        return why(JobRun.Reason.CHANGED, by=by, since=now)
    if not values.enabled:
        return why(JobRun.Reason.DISABLED, by=by, since=now)
    return why(JobRun.Reason.BROKEN, since=job.problem_at, message=job.problem)


def _first_planned(job: ScheduledJob, trigger: DocumentTrigger, now: datetime) -> datetime | None:
    """The new trigger's first moment; not the present instant if that is on record by the old one."""
    planned = trigger.get_next_fire_time(None, now)
    return trigger.following(now) if planned == now and rows.on_record_until(job) == now else planned


def work_of(job: ScheduledJob) -> Mapping[str, object]:
    """What a run carries that may have to go on, or be done again, without its schedule."""
    return {
        "handler": job.handler,
        "job_data": job.job_data,
        "max_retries": job.max_retries,
        "timeout": job.timeout,
    }
