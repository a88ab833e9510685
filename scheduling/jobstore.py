"""django-apscheduler's job store over our definitions.

The stored pickles are for stock readers (a plain `DjangoJobStore`, django-apscheduler's own tools). They are written
with every saved definition and never read back: the truth is `ScheduledJob`.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import NoReturn, Protocol

from apscheduler.job import Job
from apscheduler.triggers.base import BaseTrigger
from django_apscheduler.jobstores import DjangoJobStore

from . import ledger, registry
from .contract import JobHandler
from .firing import NONE_ACTIVE, Active, Plan, Timeline, retry_at
from .ledger import Definition, Due
from .models import ScheduledJob
from .plain import PlainJob, plain_jobs, unanchored
from .rowsets import read_moment
from .triggers import DocumentTrigger

STORED_FUNCTION = "scheduling.jobstore:stored_firing"

logger = logging.getLogger(__name__)


def stored_firing(job_id: str) -> None:
    """Stand as the function of every stored job.

    A firing is recorded by our own executor, so that this is reached only where somebody runs our rows with a stock
    scheduler; doing the work there would escape every promise (once, claim, history).

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(f"Job “{job_id}” belongs to `manage.py runscheduler`; a stock scheduler cannot run it.")


def pickled_state(job: ScheduledJob, trigger: BaseTrigger, next_run_time: datetime | None) -> bytes:
    """Return `DjangoJob.job_state` for a job: what a stock APScheduler 3.11 job store can read.

    Its `next_run_time` goes stale with the first tick: `DjangoJob.next_run_time` is the truth.
    """
    state = {
        "version": 1,
        "id": job.job_id,
        "func": STORED_FUNCTION,
        "trigger": trigger,
        "executor": "default",
        "args": (job.job_id,),
        "kwargs": {},
        "name": job.name or job.job_id,
        "misfire_grace_time": job.misfire_grace_time,
        "coalesce": job.coalesce,
        "max_instances": job.max_instances,
        "next_run_time": next_run_time,
    }
    return pickle.dumps(state, pickle.HIGHEST_PROTOCOL)


class DueJob(Job):  # type: ignore[misc]  # APScheduler is untyped
    """A due job as APScheduler sees it, built from its definition for one tick.

    Whatever is wrong with a definition is caught here and kept as `error`, so that the others go on.
    """

    func = staticmethod(stored_firing)
    func_ref = STORED_FUNCTION
    kwargs: Mapping[str, object] = MappingProxyType({})
    executor = "default"

    def __init__(self, definition: Definition, *, due: datetime, moment: datetime, active: Active) -> None:
        # Not the parent's: it checks, for each firing anew, what was checked when the job was saved.
        self.id = definition.job_id
        self.name = definition.name or definition.job_id
        self.coalesce = bool(definition.coalesce)
        self.max_instances = definition.max_instances
        self.misfire_grace_time = definition.misfire_grace_time
        self.next_run_time = due
        self.definition = definition
        self.due = due
        self.moment = moment
        self.active = active
        self.plan: Plan | None = None
        self.timeline: Timeline | None = None
        self.error: Exception | None = None
        self.exclusive_key = ""

    @property
    def trigger(self) -> _TickTrigger:
        return _TickTrigger(self)

    @property
    def args(self) -> tuple[str, ...]:
        return (self.definition.job_id,)

    def build(self, timelines: dict[DocumentTrigger, Timeline]) -> None:
        """Build trigger and handler from the definition; what fails is kept in `error`."""
        definition = self.definition
        try:
            trigger = _trigger(definition.trigger, definition.anchor_at)
            timeline = timelines.get(trigger)
            if timeline is None:
                timeline = timelines[trigger] = Timeline(trigger)
            self.timeline = timeline
            self.exclusive_key = _exclusive_key(definition)
        except Exception as error:  # foreign code and old documents: one bad job never stops the others
            self.error = error

    def next_after(self, previous: datetime) -> datetime | None:
        """Return when the job is due next; where the trigger cannot say, when to try again."""
        if self.timeline is not None:
            try:
                return self.timeline.after(previous)
            except Exception as error:  # as in `build`
                self.error = error
                self.timeline = None
        return retry_at(self.moment, self.definition.problem_at)

    def _get_run_times(self, now: datetime) -> list[datetime]:
        """Answer APScheduler which moments are due: bounded, whatever the time since the last one.

        Never empty (APScheduler would not move the job on): where all are missed it is the newest of them.
        """
        if self.timeline is not None:
            grace = None if self.misfire_grace_time is None else timedelta(seconds=self.misfire_grace_time)
            # a job that cannot run fails once for all that is due
            coalesce = self.coalesce or self.error is not None
            try:
                self.plan = self.timeline.planned(due=self.due, now=self.moment, grace=grace, coalesce=coalesce)
            except Exception as error:  # as in `build`
                self.error = error
                self.timeline = None
        if self.plan is None:
            self.plan = Plan(moments=(self.due,), newest=self.due)
        return list(self.plan.moments) or [self.plan.newest]

    def _modify(self, **changes: datetime) -> None:
        """Take APScheduler's word for the next moment: the parent checks values that come from people."""
        self.next_run_time = changes["next_run_time"].astimezone(UTC)


class _TickTrigger(BaseTrigger):  # type: ignore[misc]
    """The definition's trigger as APScheduler asks it within a tick: asked once for what it is asked twice, guarded."""

    __slots__ = ("job",)

    def __init__(self, job: DueJob) -> None:
        self.job = job

    def get_next_fire_time(self, previous_fire_time: datetime, now: datetime) -> datetime | None:
        return self.job.next_after(previous_fire_time)


class OpenTick(Protocol):
    """What the store needs of the tick that is open: the moment, its limits, and where changes go."""

    moment: datetime
    limit: int

    @property
    def is_full(self) -> bool: ...

    def locked(self, count: int, most_overdue: datetime | None) -> None: ...

    def fail(self, error: Exception) -> None: ...

    def move(self, job_id: str, next_run_time: datetime | None) -> None: ...

    def flush(self) -> datetime | None: ...


class DefinitionJobStore(DjangoJobStore):  # type: ignore[misc]
    """A `DjangoJobStore` whose due jobs come from the definitions and whose changes are written at once, at the end.

    Works only inside a tick (`Timer.tick`): what APScheduler decides is collected there, and written when it asks for
    the next run time. Definitions are changed through `scheduling.definitions`, never through a scheduler's job store.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tick: OpenTick | None = None

    def register_event_listeners(self) -> None:
        """Not the parent's: `JobRun` is the history, `DjangoJobExecution` stays empty."""

    def shutdown(self) -> None:
        """Not the parent's: it closes the connection of whatever thread it is called in."""

    def get_due_jobs(self, now: datetime) -> Iterable[DueJob | PlainJob]:
        """Lock the due rows and build their jobs, up to what fits one tick."""
        tick = self._open()
        try:
            due = ledger.due_jobs(tick.moment, tick.limit)
            tick.locked(len(due), read_moment(due[0][1]) if due else None)
            jobs = plain_jobs(due, tick.moment)
            plain = [job for job in jobs if job is not None]
            if len(plain) == len(due):
                return plain
            found = ledger.definitions(row[0] for row, job in zip(due, jobs, strict=True) if job is None)
            active = ledger.active_runs(definition.pk for definition in found.values())
        except Exception as error:  # APScheduler would log it and go on as if nothing were due
            tick.fail(error)
            raise
        return self._build(tick, zip(due, jobs, strict=True), found, active)

    def get_next_run_time(self) -> datetime | None:
        """Write everything that was decided; the place where APScheduler has seen all due jobs."""
        return self._open().flush()

    def update_job(self, job: DueJob | PlainJob) -> None:
        self._open().move(job.id, job.next_run_time)

    def remove_job(self, job_id: str) -> None:
        """A trigger that has nothing more to come: the row stays, with nothing planned."""
        self._open().move(job_id, None)

    def add_job(self, job: Job) -> NoReturn:
        raise NotImplementedError("Jobs are added through scheduling.definitions (or TaskScheduler.add_job).")

    def remove_all_jobs(self) -> NoReturn:
        raise NotImplementedError("Jobs are removed through scheduling.definitions (or TaskScheduler.remove_job).")

    def _open(self) -> OpenTick:
        if self.tick is None:
            raise RuntimeError("The job store works inside a tick only; use scheduling.definitions.")
        return self.tick

    def _build(
        self,
        tick: OpenTick,
        due: Iterable[tuple[Due, PlainJob | None]],
        definitions: dict[str, Definition],
        active: dict[int, Active],
    ) -> Iterator[DueJob | PlainJob]:
        timelines: dict[DocumentTrigger, Timeline] = {}
        for (job_id, due_at, *_rest), plain in due:
            if tick.is_full:
                return
            if plain is not None:
                yield plain
                continue
            definition = definitions.get(job_id)
            if definition is None or not definition.is_planned:
                _log_stray(job_id, known=definition is not None)
                tick.move(job_id, None)
                continue
            runs = active.get(definition.pk, NONE_ACTIVE)
            job = DueJob(definition, due=read_moment(due_at), moment=tick.moment, active=runs)
            job._scheduler, job._jobstore_alias = self._scheduler, self._alias
            job.build(timelines)
            yield job


@lru_cache(maxsize=16_384)
def _trigger(document: str, anchor_at: str | None) -> DocumentTrigger:
    trigger = unanchored(document)
    return trigger if anchor_at is None else trigger.anchored(read_moment(anchor_at))


def _exclusive_key(definition: Definition) -> str:
    handler = registry.get(definition.handler)
    if type(handler).exclusive_key is JobHandler.exclusive_key:
        return ""
    return handler.exclusive_key(json.loads(definition.job_data))


def _log_stray(job_id: str, *, known: bool) -> None:
    """A due row that `scheduling.definitions` did not leave so: written by hand, or by a stock scheduler."""
    why = "its job is paused or off" if known else "it has no definition"
    logger.warning(
        "Planned time taken off a row that is not ours to fire: %s",
        why,
        extra={"action": "stray_row", "job_id": job_id},
    )
