"""A job's past with its reasons, and its next moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling import upcoming
from scheduling.models import JobRun, Process

from .downtime import alive, downtimes
from .recorded import BODIES
from .subject import Subject, load
from .values import Entry, Planned, Timeline
from .words import Outage, local, reason_in_words, reason_of

FUTURE = 10
"""Moments to come that a time line shows."""
State = JobRun.State
_LEAST_OUTAGE = timedelta(seconds=3)


def timeline(job_id: str, *, before_id: int | None = None, limit: int = 50, now: datetime | None = None) -> Timeline:
    """Up to `limit` rows of a job's past, newest first, those before row `before_id`; and what comes next.

    A constant number of queries, whatever `limit`. Only the first page (without `before_id`) has a future.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    subject = load(job_id)
    now = now or timezone.now()
    rows = JobRun.objects.filter(job_key=job_id).order_by("-pk").select_related("owner").defer(*BODIES)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    runs = list(rows[: limit + 1])
    more, runs = len(runs) > limit, runs[:limit]
    return Timeline(
        job_id=job_id,
        now=now,
        past=_entries(runs, now),
        future=_future(subject, now) if before_id is None else [],
        next_before_id=runs[-1].pk if more and runs else None,
    )


def _entries(runs: Sequence[JobRun], now: datetime) -> list[Entry]:
    _fetch_what_is_told(runs)
    outages = _outages(runs, now)
    return [_entry(run, outages) for run in runs]


def _entry(run: JobRun, outages: Sequence[tuple[datetime, datetime]]) -> Entry:
    first, last, count = run.scheduled_time, run.scheduled_time, 1 + run.coalesced_count
    if run.coalesced_from is not None:
        first = run.coalesced_from
    if run.state == State.MISSED:
        last = run.missed_until or last
        return Entry(
            run=run,
            sentence=reason_in_words(run, outage=_outage_of(run, outages)),
            count=run.missed_count,
            first=first,
            last=last,
        )
    return Entry(run=run, sentence=reason_in_words(run), count=count, first=first, last=last)


def _fetch_what_is_told(runs: Sequence[JobRun]) -> None:
    """Who paused, since when: small, and of a few rows; one query."""
    missed = {run.pk: run for run in runs if run.state == State.MISSED}
    for pk, data in JobRun.objects.filter(pk__in=missed).values_list("pk", "data"):
        missed[pk].data = data


def _outages(runs: Sequence[JobRun], now: datetime) -> list[tuple[datetime, datetime]]:
    """When no scheduler was alive, as far as it matters to these rows: one query."""
    late = [run for run in runs if run.state == State.MISSED and reason_of(run) == JobRun.Reason.LATE]
    if not late:
        return []
    since = min(run.scheduled_time for run in late)
    until = max(run.finished_at or run.queued_at for run in late)
    found = downtimes(since - timedelta(days=1), until, now=now)
    return [(start, end) for start, end in found if end - start >= _LEAST_OUTAGE]


def _outage_of(run: JobRun, outages: Sequence[tuple[datetime, datetime]]) -> Outage | None:
    """The last outage that began before the row's last moment could run and had not ended before its first."""
    if reason_of(run) != JobRun.Reason.LATE:
        return None
    seen = run.finished_at or run.queued_at
    touching = [(start, end) for start, end in outages if start <= seen and end >= run.scheduled_time]
    return touching[-1] if touching else None


def _future(subject: Subject, now: datetime) -> list[Planned]:
    job = subject.job
    if job is None:
        return []
    told = upcoming.of_job(job, after=now, count=FUTURE)
    due = subject.next_run_time
    found: list[Planned] = []
    if due is not None and due <= now:
        words = _("Due since %(at)s: a scheduler is about to look at it.")
        if not alive(Process.Kind.SCHEDULER, now=now):
            words = _("Due since %(at)s, and no scheduler is alive.")
        note = told.held or words % {"at": local(due)}
        found.append(Planned(moment=due, note=note))
    if job.one_time and due is None:
        return []
    found += [Planned(moment=firing.utc, note=told.held) for firing in told.firings]
    return found[:FUTURE]
