"""The moments of a stretch of a job's past, and what stands at each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling import upcoming
from scheduling.firing import Timeline
from scheduling.models import JobRun, ScheduledJob

from .recorded import between, filled_in
from .rules import MICROSECOND, History, Rule, at_or_after, history_of
from .telling import Teller
from .words import reason_in_words

COALESCED = "coalesced"
ALREADY = "already"
NOTHING = "none"
State = JobRun.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One moment of the past."""

    moment: datetime
    state: str
    """What stands there: a `JobRun.State`, `coalesced`, `already` (it was filled in before), or `none`."""
    run_id: int | None
    """The row that says so."""
    suggested: bool
    """It did not run, and nobody has filled it in."""
    sentence: str = ""
    """Why it did not run, or how it ended."""


def standings(job: ScheduledJob, since: datetime, until: datetime, *, now: datetime, limit: int) -> list[Standing]:
    """What stands at the moments in ``since ≤ t ≤ until`` up to now: the newest `limit` of them, oldest first.

    Moments of the present rule from before the job existed are among them, but not suggested.
    """
    since, until = since.astimezone(UTC), min(until.astimezone(UTC), now)
    if since > until or limit < 1:
        return []
    history = history_of(job.job_id, job)
    moments = _moments(history, since, until, limit)
    oldest = min(moments) if len(moments) >= limit else since
    recorded = between(job.job_id, job, oldest, until)
    moments |= {run.scheduled_time for run in recorded if oldest <= run.scheduled_time <= until}
    filled = filled_in(job.job_id, job, list(moments))
    due: datetime | None = DjangoJob.objects.filter(pk=job.job_id).values_list("next_run_time", flat=True).first()
    newest = sorted(moments)[-limit:]
    held = _held(job, history)
    rows = {moment: recorded.of(moment) for moment in newest}
    teller = Teller(list({run.pk: run for run in rows.values() if run is not None}.values()), now=now, job=job)
    return [
        _standing(moment, rows[moment], teller, filled=filled.get(moment), rule=history.at(moment), due=due, held=held)
        for moment in newest
    ]


def _standing(
    moment: datetime,
    run: JobRun | None,
    teller: Teller,
    *,
    filled: JobRun | None,
    rule: Rule | None,
    due: datetime | None,
    held: tuple[datetime, str] | None,
) -> Standing:
    if filled is not None:
        return Standing(
            moment=moment, state=ALREADY, run_id=filled.pk, suggested=False, sentence=reason_in_words(filled)
        )
    if run is not None:
        covered = moment != run.scheduled_time and run.state != State.MISSED
        return Standing(
            moment=moment,
            state=COALESCED if covered else run.state,
            run_id=run.pk,
            suggested=did_not_run(run),
            sentence=teller.sentence(run),
        )
    if rule is None:
        sentence = _("There was no schedule of this id then.")
    elif held is not None and held[0] < moment:
        sentence = held[1]
    elif due is not None and due <= moment:
        sentence = _("It is due: a scheduler will look at it.")
    else:
        sentence = _("Nothing is on record.")
    waits = rule is None or (due is not None and due <= moment)
    return Standing(moment=moment, state=NOTHING, run_id=None, suggested=not waits, sentence=sentence)


def _held(job: ScheduledJob, history: History) -> tuple[datetime, str] | None:
    """Since when nothing of it runs, and why: what is held has no row until it goes on."""
    hold, since, sentence = upcoming.hold_of(job)
    if hold is upcoming.Hold.DISABLED and history.rules:
        since = history.rules[-1].enabled_since
    return None if since is None else (since, sentence)


def did_not_run(run: JobRun) -> bool:
    """Whether the moments of a row never came to run at all (a failed or cancelled run did)."""
    broken = run.state == State.FAILED and run.reason == JobRun.Reason.BROKEN
    return run.state in (State.MISSED, State.SKIPPED) or broken


def _moments(history: History, since: datetime, until: datetime, limit: int) -> set[datetime]:
    """The newest `limit` moments of the rules, or a few more."""
    found: set[datetime] = set()
    for rule, start, end in _stretches(history, since, until):
        if len(found) >= limit:
            break
        found |= set(_newest(rule, start, end, limit - len(found)))
    return found


def _stretches(history: History, since: datetime, until: datetime) -> Iterator[tuple[Rule, datetime, datetime]]:
    """Which rule counts from when to when, the newest first; before the first of them the present one."""
    for rule in reversed(history.rules):
        end = until if rule.until is None else min(until, rule.until - MICROSECOND)
        yield rule, max(since, rule.since), end
    if history.rules:
        yield history.rules[-1], since, min(until, history.rules[0].since - MICROSECOND)


def _newest(rule: Rule, start: datetime, end: datetime, limit: int) -> list[datetime]:
    if rule.trigger is None or start > end:
        return []
    first = at_or_after(rule.trigger, start)
    if first is None or first > end:
        return []
    timeline = Timeline(rule.trigger)
    return timeline.backward(first, timeline.newest(first, end), limit)
