"""A job's past with its reasons, and its next moments."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling import upcoming
from scheduling.models import JobRun, ScheduledJob

from .downtime import Schedulers
from .recorded import BODIES, filled_in
from .subject import Subject, load
from .telling import Teller
from .values import Entry, Planned, Timeline
from .words import local

FUTURE = 10
"""Moments to come that a time line shows."""
State = JobRun.State


def timeline(
    job_id: str,
    *,
    job: ScheduledJob | None = None,
    before_id: int | None = None,
    limit: int = 50,
    now: datetime | None = None,
) -> Timeline:
    """Up to `limit` rows of a job's past, newest first, those before row `before_id`; and what comes next.

    Who has the `job` gives it; it may have been removed.

    A constant number of queries, whatever `limit`. Only the first page (without `before_id`) has a future.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    subject, clock = load(job_id, job=job), now
    now = now or timezone.now()
    rows = JobRun.objects.filter(job_key=job_id).order_by("-pk").select_related("owner").defer(*BODIES)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    runs = list(rows[: limit + 1])
    more, runs = len(runs) > limit, runs[:limit]
    return Timeline(
        job_id=job_id,
        now=now,
        past=_with_filled(_entries(runs, Teller(runs, now=now, job=subject.job, clock=clock)), subject),
        future=_future(subject, now) if before_id is None else [],
        next_before_id=runs[-1].pk if more and runs else None,
    )


def _entries(runs: Sequence[JobRun], teller: Teller) -> list[Entry]:
    return [_entry(run, teller.sentence(run)) for run in runs]


def _entry(run: JobRun, sentence: str) -> Entry:
    if run.state == State.MISSED:
        last = run.missed_until or run.scheduled_time
        return Entry(run=run, sentence=sentence, count=run.missed_count, first=run.scheduled_time, last=last)
    first = run.coalesced_from or run.scheduled_time
    return Entry(run=run, sentence=sentence, count=1 + run.coalesced_count, first=first, last=run.scheduled_time)


def _with_filled(entries: list[Entry], subject: Subject) -> list[Entry]:
    """Count what back-fills made of the moments that did not run."""
    gaps = [entry for entry in entries if _is_gap(entry)]
    if not gaps:
        return entries
    ends = [min(entry.first for entry in gaps), max(entry.last for entry in gaps)]
    moments = sorted(filled_in(subject.job_id, subject.job, ends))

    def count(entry: Entry) -> int:
        return bisect_right(moments, entry.last) - bisect_left(moments, entry.first)

    return [replace(entry, filled=count(entry)) if _is_gap(entry) else entry for entry in entries]


def _is_gap(entry: Entry) -> bool:
    run = entry.run
    did_not_run = run.state in (State.MISSED, State.SKIPPED) or run.reason == JobRun.Reason.BROKEN
    return run.cause == JobRun.Cause.SCHEDULE and (did_not_run or run.coalesced_count > 0)


def _future(subject: Subject, now: datetime) -> list[Planned]:
    job = subject.job
    if job is None:
        return []
    told = upcoming.of_job(job, after=now, count=FUTURE, state=subject.state)
    due = subject.next_run_time
    found: list[Planned] = []
    if due is not None and due <= now:
        words = _("Due since %(at)s: a scheduler is about to look at it.")
        if not Schedulers(now=now, clock=now).alive:
            words = _("Due since %(at)s, and no scheduler is alive.")
        note = told.held or words % {"at": local(due)}
        found.append(Planned(moment=due, note=note))
    if job.one_time and due is None:
        return []
    found += [Planned(moment=firing.utc, note=told.held) for firing in told.firings]
    return found[:FUTURE]
