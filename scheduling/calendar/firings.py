"""The plan of some days: which schedule fires when, as things stand; no query."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.triggers.base import default_timezone

from .schedules import Schedule

OFTEN_A_DAY = 8
"""What fires more often is counted, not drawn."""
MOST_FIRINGS = 8_000
"""Of one plan; schedules beyond it are left out, and told."""


class Firing(NamedTuple):
    """A tuple: a page makes and looks at ten thousand of them."""

    schedule: Schedule
    at: datetime
    """In UTC, as `end`."""
    end: datetime
    """When it is usually over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Often:
    """A schedule that fires too often to be drawn."""

    schedule: Schedule
    count: int

    @property
    def words(self) -> str:
        return triggers.describe(self.schedule.job.trigger)

    def places(self, seconds: float) -> float:
        """Worker places that it takes on average while the time of that many seconds goes by."""
        taken = self.count * self.schedule.usual.total_seconds() / seconds
        return min(float(self.schedule.job.max_instances), taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    firings: tuple[Firing, ...]
    """By their moment."""
    often: tuple[Often, ...]
    """The most frequent first."""
    left_out: int
    """Schedules for which there was no room."""
    unreadable: tuple[Schedule, ...]
    """Whose rule cannot be read."""


def plan(schedules: Iterable[Schedule], since: datetime, until: datetime) -> Plan:
    """All firings in ``since <= t < until``."""
    if until <= since:
        return Plan(firings=(), often=(), left_out=0, unreadable=())
    most = max(OFTEN_A_DAY, int((until - since).total_seconds() / 86_400 * OFTEN_A_DAY))
    firings: list[Firing] = []
    often: list[Often] = []
    unreadable: list[Schedule] = []
    left_out = 0
    for schedule in sorted(schedules, key=lambda one: not one.is_live):
        job = schedule.job
        try:
            moments = _moments(_written(job.trigger), job.anchor_at, since, until, most, default_timezone())
            if moments is None:
                count = triggers.count_between(job.trigger, since, until, anchor=job.anchor_at)
                often.append(Often(schedule=schedule, count=count))
                continue
        except InvalidTrigger:
            unreadable.append(schedule)
            continue
        if len(firings) + len(moments) > MOST_FIRINGS:
            left_out += 1
            continue
        firings += [Firing(schedule, moment, moment + schedule.usual) for moment in moments]
    firings.sort(key=lambda one: (one.at, one.schedule.job.job_id))
    often.sort(key=lambda one: (-one.count, one.schedule.job.job_id))
    return Plan(firings=tuple(firings), often=tuple(often), left_out=left_out, unreadable=tuple(unreadable))


def _written(trigger: object) -> str:
    try:
        return json.dumps(trigger, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InvalidTrigger("trigger", str(error)) from error


# A page is looked at again and again, and the days are the same until the rule is changed.
@lru_cache(maxsize=4_096)
def _moments(
    trigger: str, anchor: datetime | None, since: datetime, until: datetime, most: int, zone: str
) -> tuple[datetime, ...] | None:
    """None: more than `most`. `zone` is that of rules that name none."""
    built = triggers.build(json.loads(trigger), anchor=anchor)
    found = tuple(islice(built.between(since, until), most + 1))
    return None if len(found) > most else found
