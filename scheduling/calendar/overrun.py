"""Who gets into its own way: a schedule whose runs usually take longer than it leaves between them; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from scheduling.signals import Reach

from .firings import Plan
from .reach import NOWHERE
from .schedules import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun:
    schedule: Schedule
    apart: timedelta
    """Between two of its firings, least; of what fires often, on average."""


def overruns(plan: Plan, reaches: Mapping[int | None, Reach], *, length: timedelta) -> list[Overrun]:
    """Of a plan that is `length` long, and of schedules of which it is known how long they take. The densest first."""
    found = [
        Overrun(schedule=schedule, apart=apart)
        for schedule, apart in _apart(plan, length)
        if schedule.is_live and schedule.is_known and schedule.usual > apart * _at_once(schedule, reaches)
    ]
    return sorted(found, key=lambda one: (one.apart, one.schedule.job.job_id))


def _apart(plan: Plan, length: timedelta) -> Iterator[tuple[Schedule, timedelta]]:
    for often in plan.often:
        yield often.schedule, length / max(1, often.count)
    moments: dict[int, list[datetime]] = defaultdict(list)
    schedules: dict[int, Schedule] = {}
    for firing in plan.firings:
        moments[firing.schedule.job.id].append(firing.at)
        schedules[firing.schedule.job.id] = firing.schedule
    for key, own in moments.items():
        if len(own) > 1:
            yield schedules[key], min(later - earlier for earlier, later in pairwise(own))


def _at_once(schedule: Schedule, reaches: Mapping[int | None, Reach]) -> int:
    return 1 if reaches.get(schedule.job.id, NOWHERE).alone else schedule.job.max_instances
