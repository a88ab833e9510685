"""What did not run last."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling.models import JobRun

from .explaining import explain
from .rules import MICROSECOND
from .subject import Subject, load
from .values import Explanation

MOST_ROWS = 10_000
"""Rows that are looked through, the newest first."""
_PATIENCE = timedelta(seconds=5)
"""What is due, or queued, for no longer than this is on its way."""
State = JobRun.State


def explain_last(job_id: str, *, now: datetime | None = None) -> Explanation | None:
    """Account for the last moment that did not run: held now, due and not looked at, waiting, or on record so.

    None: none that is looked at; `nothing_found` says so.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    subject = load(job_id)
    at = now or timezone.now()
    moment = _held(subject, at) or _due(subject, at) or _on_record(job_id, at)
    return None if moment is None else explain(job_id, moment, now=now)


def nothing_found(job_id: str) -> str:
    """The sentence for no such moment: whether all that is on record was looked at."""
    older = JobRun.objects.filter(job_key=job_id).order_by("-pk").values("pk")[MOST_ROWS : MOST_ROWS + 1]
    if not older.exists():
        return _("All that was planned and is on record ran.")
    return _("All of the newest %(count)d runs on record ran; ask with a moment for what was before.") % {
        "count": MOST_ROWS
    }


def _held(subject: Subject, now: datetime) -> datetime | None:
    """The last moment that a pause, or being off, has swallowed up to now."""
    job = subject.job
    if job is None or (job.enabled and job.paused_at is None) or not subject.history.rules:
        return None
    rule = subject.history.rules[-1]
    moment = rule.before(now + MICROSECOND)
    since = job.paused_at or rule.enabled_since
    return moment if moment is not None and moment > since else None


def _due(subject: Subject, now: datetime) -> datetime | None:
    due = subject.next_run_time
    return due if due is not None and due < now - _PATIENCE else None


def _on_record(job_id: str, now: datetime) -> datetime | None:
    newest = JobRun.objects.filter(job_key=job_id).order_by("-pk").values("pk")[:MOST_ROWS]
    has_a_moment = Q(cause=JobRun.Cause.SCHEDULE) | Q(job__one_time=True)
    waits = has_a_moment & Q(state=State.QUEUED, queued_at__lt=now - _PATIENCE)
    broken = Q(state=State.FAILED, reason=JobRun.Reason.BROKEN)
    not_run = JobRun.objects.filter(Q(state__in=(State.MISSED, State.SKIPPED)) | waits | broken, pk__in=newest)
    found = not_run.order_by("-pk").values_list("scheduled_time", "missed_until").first()
    return None if found is None else found[1] or found[0]
