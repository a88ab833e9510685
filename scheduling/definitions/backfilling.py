"""Filling in moments of the past that did not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.account.moments import Standing, standings
from scheduling.account.recorded import of_moments
from scheduling.account.rules import History, history_of
from scheduling.account.words import local
from scheduling.exceptions import JobNotFound, RunConflict
from scheduling.models import JobRun, ScheduledJob

from . import rows
from .runs import queued

MOST_BACKFILLED = 1_000
MOST_LOOKED_AT = 10_000
"""Moments of a range, the newest, that are looked through for those that did not run."""
_NAMED = 5
"""Moments that a refusal names."""

Offer = Standing


class Which(StrEnum):
    """Which moments of a range are filled in."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"
    SELECTED = "selected"


def backfill_offers(job_id: str, since: datetime, until: datetime, *, limit: int = MOST_BACKFILLED) -> list[Offer]:
    """The moments in ``since ≤ t ≤ until`` that can be filled in, oldest first; the newest `limit` of them.

    Raises:
        JobNotFound
        RunConflict: the job is a one-off.
    """
    job = ScheduledJob.objects.filter(job_id=job_id).first()
    if job is None:
        raise JobNotFound(job_id)
    _refuse_one_off(job)
    return standings(job, since, until, now=timezone.now(), limit=limit)


def backfill(job_id: str, moments: Iterable[datetime], *, by: str = "") -> list[JobRun]:
    """Queue runs for past moments, each once; those that were back-filled before are left out.

    Raises:
        JobNotFound
        RunConflict: more than 1,000 moments, one in the future or none of the job's, or the job is a one-off.
        UnknownHandler
    """
    wanted = sorted({moment.astimezone(UTC) for moment in moments})
    _refuse_too_many(len(wanted))
    now = timezone.now()
    with transaction.atomic():
        _stored, job = rows.lock(job_id)
        _refuse_one_off(job)
        _refuse_foreign(job, wanted, now)
        known = set(_of(job, JobRun.Cause.BACKFILL, wanted))
        message = _("Asked for by %(who)s.") % {"who": by} if by else ""
        cause = JobRun.Cause.BACKFILL
        runs = [
            queued(job, now, cause=cause, moment=moment, message=message, by=by)
            for moment in wanted
            if moment not in known
        ]
        JobRun.objects.bulk_create(runs)
        rows.tell("Back-fill asked for", "backfill_asked", job_id=job_id, count=len(runs), by=by)
    return runs


def backfill_range(
    job_id: str,
    since: datetime,
    until: datetime,
    which: str,
    *,
    moments: Iterable[datetime] = (),
    by: str = "",
) -> list[JobRun]:
    """Fill in none, the latest or all of the suggested moments of a range, or those selected.

    Raises:
        JobNotFound
        RunConflict: too many, one that is no moment of the job, a range too long to be looked through, or the job is
            a one-off.
        ValueError: `which` is no `Which`.
    """
    chosen = Which(which)
    if chosen is Which.SELECTED:
        return backfill(job_id, moments, by=by)
    offers = backfill_offers(job_id, since, until, limit=MOST_LOOKED_AT)
    suggested = [offer.moment for offer in offers if offer.suggested]
    if chosen is Which.NONE:
        return []
    if len(offers) >= MOST_LOOKED_AT and (chosen is Which.ALL or not suggested):
        _refuse_unseen(job_id, oldest=offers[0].moment)
    return backfill(job_id, suggested[-1:] if chosen is Which.LATEST else suggested, by=by) if suggested else []


def _refuse_unseen(job_id: str, *, oldest: datetime) -> None:
    """Older moments than the oldest seen may not have run either: nothing must pass for all of the range."""
    history = history_of(job_id, ScheduledJob.objects.filter(job_id=job_id).first())
    if history.rules and history.rules[0].since < oldest:
        message = _("This range has more than %(count)d moments: give a shorter one.")
        raise RunConflict(message % {"count": MOST_LOOKED_AT})


def _refuse_one_off(job: ScheduledJob) -> None:
    if job.one_time:
        raise RunConflict(_("“%(id)s” is a one-off: there is nothing to fill in.") % {"id": job.job_id})


def _refuse_too_many(count: int) -> None:
    if count > MOST_BACKFILLED:
        message = _("%(count)d moments are too many at once; at most %(most)d.")
        raise RunConflict(message % {"count": count, "most": MOST_BACKFILLED})


def _refuse_foreign(job: ScheduledJob, wanted: Sequence[datetime], now: datetime) -> None:
    """Only what the job was, or by its present rule would have been, to run in the past."""
    ahead = [moment for moment in wanted if moment > now]
    if ahead:
        message = ngettext(
            "%(moments)s lies in the future: only the past can be filled in.",
            "%(moments)s lie in the future: only the past can be filled in.",
            len(ahead),
        )
        raise RunConflict(message % {"moments": _named(ahead)})
    history: History = history_of(job.job_id, job)
    unknown = [moment for moment in wanted if not history.has(moment)]
    recorded = set(_of(job, JobRun.Cause.SCHEDULE, unknown)) if unknown else set()
    foreign = [moment for moment in unknown if moment not in recorded]
    if foreign:
        message = ngettext(
            "%(moments)s is no moment of this schedule.", "%(moments)s are no moments of this schedule.", len(foreign)
        )
        raise RunConflict(message % {"moments": _named(foreign)})


def _of(job: ScheduledJob, cause: str, moments: Sequence[datetime]) -> Iterable[datetime]:
    """Which of some moments have a row of that cause."""
    rows = of_moments().filter(job=job, cause=cause, scheduled_time__in=moments)
    return rows.values_list("scheduled_time", flat=True)


def _named(moments: Sequence[datetime]) -> str:
    more = ["…"] if len(moments) > _NAMED else []
    return ", ".join([local(moment) for moment in moments[:_NAMED]] + more)
