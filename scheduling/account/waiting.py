"""What queued runs wait for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from django.db.models import Q
from django.utils.translation import gettext as _

from scheduling.models import JobRun, ScheduledJob
from scheduling.recent import Equals

from .downtime import Schedulers
from .values import Verdict
from .words import local

State = JobRun.State
_A_MOMENT = timedelta(seconds=2)
"""A run that waits no longer than this waits for nothing in particular."""
MOST_ACTIVE = 1_000
"""Runs that are looked through for who is in the way: those that run, then those that are next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What holds a queued run up, in words."""

    verdict: Verdict
    sentence: str
    remedy: str = ""
    until: datetime | None = None
    behind: tuple[int, ...] = ()
    """The runs that it waits for, where the sentence names some."""


def jobs_of(runs: Iterable[JobRun]) -> dict[int, ScheduledJob]:
    """The schedules of these rows, by their keys: those that came with a row, and all others by one query."""
    found: dict[int, ScheduledJob] = {}
    missing: set[int] = set()
    for run in runs:
        if run.job_id is None:
            continue
        job = run._state.fields_cache.get("job")
        if isinstance(job, ScheduledJob):
            found[run.job_id] = job
        else:
            missing.add(run.job_id)
    missing -= found.keys()
    if missing:
        found |= ScheduledJob.objects.only("created_at", "max_instances").in_bulk(missing)
    return found


def waiting_for(run: JobRun, *, now: datetime, clock: datetime | None) -> Waiting:
    """Say what a queued run waits for. At most five queries, each by an index of running or queued runs, by a key, or
    over processes.

    `clock`: the moment as of which processes are judged; None: by the database's clock.
    """
    return Queue([run], now=now, schedulers=Schedulers(now=now, clock=clock)).waits(run) or _by_nothing(run, now)


class _Active(NamedTuple):
    pk: int
    state: str
    name: str
    exclusive_key: str
    job: int | None
    owner: int | None
    available_at: datetime


class Queue:
    """What queued runs wait for: each look-up is made at most once for all of them, and only where one needs it."""

    def __init__(self, runs: Iterable[JobRun], *, now: datetime, schedulers: Schedulers) -> None:
        self._runs = [run for run in runs if run.state == State.QUEUED]
        self._now = now
        self._schedulers = schedulers

    def waits(self, run: JobRun) -> Waiting | None:
        """None: for nothing in particular."""
        if run.available_at > self._now:
            return _later(run)
        if not self._schedulers.alive:
            return Waiting(
                verdict=Verdict.QUEUED_NO_SCHEDULER,
                sentence=_("It has waited since %(since)s: no scheduler is alive.") % {"since": local(run.queued_at)},
                remedy=_("Start a scheduler: manage.py runscheduler."),
            )
        return self._by_key(run) or self._by_slot(run) or self._by_place()

    def _by_key(self, run: JobRun) -> Waiting | None:
        if not run.exclusive_key:
            return None
        holder = self._holders.get(run.exclusive_key)
        if holder is not None:
            return _behind(_("It waits for run #%(run)d (%(name)s): only one of the two may run at a time."), *holder)
        # Behind another one that waits, and will hold what both need.
        first = self._first.get(run.exclusive_key)
        if first is None or first[0] == run.pk:
            return None
        sentence = _(
            "It waits for run #%(run)d (%(name)s), which begins before it: only one of the two may run at a time."
        )
        return _behind(sentence, *first)

    def _by_slot(self, run: JobRun) -> Waiting | None:
        if run.job_id is None:
            return None
        most = self._most.get(run.job_id)
        running = [one.pk for one in self._running if one.job == run.job_id]
        if most is None or len(running) < most:
            return None
        values = {"most": most, "runs": ", ".join(f"#{pk}" for pk in running[:5])}
        return Waiting(
            verdict=Verdict.QUEUED_SLOT,
            sentence=_("It waits: of this schedule %(most)d may run at once, and so many do (%(runs)s).") % values,
            remedy=_("Wait, cancel one of them, or raise “%(field)s” of the schedule.")
            % {"field": _("Runs at the same time")},
            behind=tuple(running),
        )

    def _by_place(self) -> Waiting | None:
        places = sum(process.max_workers for process in self._schedulers.alive)
        owners = {process.pk for process in self._schedulers.alive}
        if sum(run.owner in owners for run in self._running) < places:
            return None
        return Waiting(
            verdict=Verdict.QUEUED_PLACE,
            sentence=_("It waits: all %(places)d worker places are taken.") % {"places": places},
            remedy=_("Wait, raise SCHEDULER_MAX_WORKERS, or start another scheduler."),
        )

    @cached_property
    def _running(self) -> list[_Active]:
        """All that run, in the order of their numbers: no more than there are places."""
        return sorted(run for run in self._active if run.state == State.RUNNING)

    @cached_property
    def _holders(self) -> dict[str, tuple[int, str]]:
        """Which run holds each key: number and name."""
        return {run.exclusive_key: (run.pk, run.name) for run in self._running if run.exclusive_key}

    @cached_property
    def _first(self) -> dict[str, tuple[int, str]]:
        """Which of those that wait will hold each key next."""
        first: dict[str, tuple[int, str]] = {}
        for run in self._active:
            if run.state == State.QUEUED:
                first.setdefault(run.exclusive_key, (run.pk, run.name))
        return first

    @cached_property
    def _active(self) -> list[_Active]:
        """All that run, and of those that wait for the same keys the first."""
        # In two parts, so that each is answered by its own partial index.
        columns = ("pk", "state", "job_name", "exclusive_key", "job_id", "owner_id", "available_at")
        running = JobRun.objects.filter(Equals("state", "running")).order_by().values_list(*columns)
        last = max(self._runs, key=lambda run: (run.available_at, run.pk))
        waiting = JobRun.objects.filter(
            Q(available_at__lt=last.available_at) | Q(available_at=last.available_at, pk__lte=last.pk),
            Equals("state", "queued"),
            exclusive_key__in={run.exclusive_key for run in self._runs if run.exclusive_key},
        )
        rows = running.union(waiting.order_by().values_list(*columns), all=True)
        return [_Active(*row) for row in rows.order_by("-state", "available_at", "pk")[:MOST_ACTIVE]]

    @cached_property
    def _most(self) -> dict[int, int]:
        """How many runs of each schedule may run at once."""
        return {pk: job.max_instances for pk, job in jobs_of(self._runs).items()}


def _behind(sentence: str, pk: int, name: str) -> Waiting:
    values = {"run": pk, "name": name}
    return Waiting(
        verdict=Verdict.QUEUED_EXCLUSIVE,
        sentence=sentence % values,
        remedy=_("Wait for run #%(run)d, or cancel it.") % values,
        behind=(pk,),
    )


def _later(run: JobRun) -> Waiting:
    at = local(run.available_at)
    if run.retry_count:
        sentence = _("It waits for its next attempt at %(at)s.") % {"at": at}
    elif run.claim:
        sentence = _("It was given back by its process and goes on at %(at)s.") % {"at": at}
    else:
        sentence = _("It waits until %(at)s: the jitter of its schedule puts it off by so much.") % {"at": at}
    return Waiting(verdict=Verdict.QUEUED_LATER, sentence=sentence, until=run.available_at)


def _by_nothing(run: JobRun, now: datetime) -> Waiting:
    if now - run.queued_at <= _A_MOMENT:
        return Waiting(verdict=Verdict.QUEUED, sentence=_("It was queued a moment ago and begins now."))
    ahead = JobRun.objects.filter(state=State.QUEUED, available_at__lt=run.available_at).count()
    sentence = _("It has waited since %(since)s; %(ahead)d runs are due before it.")
    return Waiting(verdict=Verdict.QUEUED, sentence=sentence % {"since": local(run.queued_at), "ahead": ahead})
