"""What a queued run waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from scheduling.models import JobRun, Process

from .downtime import alive
from .values import Verdict
from .words import local

State = JobRun.State
_A_MOMENT = timedelta(seconds=2)
"""A run that waits no longer than this waits for nothing in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What holds a queued run up, in words."""

    verdict: Verdict
    sentence: str
    remedy: str = ""
    until: datetime | None = None
    behind: tuple[int, ...] = ()
    """The runs that it waits for, where the sentence names some."""


def waiting_for(run: JobRun, *, now: datetime, clock: datetime | None) -> Waiting:
    """Say what a queued run waits for. At most five queries, each by an index of running or queued runs, or over
    processes.

    `clock`: the moment as of which processes are judged; None: by the database's clock.
    """
    if run.available_at > now:
        return _later(run)
    schedulers = alive(Process.Kind.SCHEDULER, now=clock)
    if not schedulers:
        return Waiting(
            verdict=Verdict.QUEUED_NO_SCHEDULER,
            sentence=_("It waits since %(since)s: no scheduler is alive.") % {"since": local(run.queued_at)},
            remedy=_("Start a scheduler: manage.py runscheduler."),
        )
    return _by_key(run) or _by_slot(run) or _by_place(run, schedulers) or _by_nothing(run, now)


def _later(run: JobRun) -> Waiting:
    at = local(run.available_at)
    if run.retry_count:
        sentence = _("It waits for its next attempt at %(at)s.") % {"at": at}
    elif run.claim:
        sentence = _("It was given back by its process and goes on at %(at)s.") % {"at": at}
    else:
        sentence = _("It waits until %(at)s: the jitter of its schedule puts it off by so much.") % {"at": at}
    return Waiting(verdict=Verdict.QUEUED_LATER, sentence=sentence, until=run.available_at)


def _by_key(run: JobRun) -> Waiting | None:
    if not run.exclusive_key:
        return None
    holder = JobRun.objects.filter(state=State.RUNNING, exclusive_key=run.exclusive_key).exclude(exclusive_key="")
    found = holder.values_list("pk", "job_name").first()
    if found is None:
        return _by_turn(run)
    values = {"run": found[0], "name": found[1], "key": run.exclusive_key}
    return Waiting(
        verdict=Verdict.QUEUED_EXCLUSIVE,
        sentence=_("It waits for run #%(run)d (%(name)s), which holds “%(key)s”.") % values,
        remedy=_("Wait for run #%(run)d, or cancel it.") % values,
        behind=(found[0],),
    )


def _by_turn(run: JobRun) -> Waiting | None:
    """Behind another one that waits, and will hold what both need."""
    due_before = Q(available_at__lt=run.available_at) | Q(available_at=run.available_at, pk__lt=run.pk)
    before = JobRun.objects.filter(due_before, state=State.QUEUED, exclusive_key=run.exclusive_key)
    found = before.order_by("available_at", "pk").values_list("pk", "job_name").first()
    if found is None:
        return None
    values = {"run": found[0], "name": found[1]}
    return Waiting(
        verdict=Verdict.QUEUED_EXCLUSIVE,
        sentence=_("It waits for run #%(run)d (%(name)s), which begins before it.") % values,
        remedy=_("Wait for run #%(run)d, or cancel it.") % values,
        behind=(found[0],),
    )


def _by_slot(run: JobRun) -> Waiting | None:
    if run.job is None:
        return None
    most = run.job.max_instances
    running = list(
        JobRun.objects.filter(state=State.RUNNING, job=run.job).order_by("pk").values_list("pk", flat=True)[:most]
    )
    if len(running) < most:
        return None
    values = {"most": most, "runs": ", ".join(f"#{pk}" for pk in running[:5])}
    return Waiting(
        verdict=Verdict.QUEUED_SLOT,
        sentence=_("It waits: of this schedule %(most)d may run at once, and so many do (%(runs)s).") % values,
        remedy=_("Wait, cancel one of them, or raise max instances."),
        behind=tuple(running),
    )


def _by_place(run: JobRun, schedulers: list[Process]) -> Waiting | None:
    places = sum(process.max_workers for process in schedulers)
    taken = JobRun.objects.filter(state=State.RUNNING, owner__in=[process.pk for process in schedulers]).count()
    if taken < places:
        return None
    return Waiting(
        verdict=Verdict.QUEUED_PLACE,
        sentence=_("It waits: all %(places)d worker places are taken.") % {"places": places},
        remedy=_("Wait, raise SCHEDULER_MAX_WORKERS, or start another scheduler."),
    )


def _by_nothing(run: JobRun, now: datetime) -> Waiting:
    if now - run.queued_at <= _A_MOMENT:
        return Waiting(verdict=Verdict.QUEUED, sentence=_("It was queued a moment ago and begins now."))
    ahead = JobRun.objects.filter(state=State.QUEUED, available_at__lt=run.available_at).count()
    sentence = _("It waits since %(since)s; %(ahead)d runs are due before it.")
    return Waiting(verdict=Verdict.QUEUED, sentence=sentence % {"since": local(run.queued_at), "ahead": ahead})
