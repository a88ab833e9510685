"""The plan of some days: which schedule fires when, as things stand; no query."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from scheduling.exceptions import InvalidTrigger
from scheduling.triggers import DocumentTrigger

from .schedules import Schedule
from .spans import A_DAY

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
        return self.schedule.rule.describe()

    def places(self, seconds: float) -> float:
        """Worker places that it takes on average while the time of that many seconds goes by."""
        taken = self.count * self.schedule.usual.total_seconds() / seconds
        return min(float(self.schedule.job.max_instances), taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    firings: tuple[Firing, ...]
    """By their moment, of one moment those first that are live."""
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
    by_id = sorted(schedules, key=lambda one: one.job.job_id)
    for schedule in sorted(by_id, key=lambda one: not one.is_live):
        job = schedule.job
        try:
            moments = _moments(schedule.rule, job.anchor_at, since, until, most)
            if moments is None:
                count = schedule.rule.anchored(job.anchor_at).count_between(since, until)
                often.append(Often(schedule=schedule, count=count))
                continue
        except InvalidTrigger:
            unreadable.append(schedule)
            continue
        if len(firings) + len(moments) > MOST_FIRINGS:
            left_out += 1
            continue
        firings += [Firing(schedule, moment, moment + schedule.usual) for moment in moments]
    firings.sort(key=itemgetter(1))  # those of one moment stay as they are: what is live first, then by the id
    often.sort(key=lambda one: (-one.count, one.schedule.job.job_id))
    return Plan(firings=tuple(firings), often=tuple(often), left_out=left_out, unreadable=tuple(unreadable))


def _moments(
    rule: DocumentTrigger, anchor: datetime | None, since: datetime, until: datetime, most: int
) -> Sequence[datetime] | None:
    """Those in ``since <= t < until``; None: more than `most`.

    Read are whole days, which stay the same while one minute follows another.
    """
    whole = _firings(rule, anchor, _midnight(since), _midnight(until + A_DAY), most + 2 * OFTEN_A_DAY)
    if whole is None:
        return _firings(rule, anchor, since, until, most)
    found = whole[bisect_left(whole, since) : bisect_left(whole, until)]
    return found if len(found) <= most else None


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


# A page is looked at again and again, and the days are the same until the rule is changed. Equal rules are one object.
@lru_cache(maxsize=8_192)
def _firings(
    rule: DocumentTrigger, anchor: datetime | None, since: datetime, until: datetime, most: int
) -> tuple[datetime, ...] | None:
    """None: more than `most`."""
    found = tuple(islice(rule.anchored(anchor).between(since, until), most + 1))
    return None if len(found) > most else found
