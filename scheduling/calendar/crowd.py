"""What else is going on when one schedule would fire, and a moment near by that is free: for its form. Four queries."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser, User

from scheduling.models import ScheduledJob

from .firings import Firing, plan
from .free import STEP, Occupancy
from .places import workers
from .reach import NOWHERE, reach_of
from .schedules import UNKNOWN, Schedule, schedules
from .spans import clock_at

AHEAD = timedelta(days=7)
MOST_NAMED = 5
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Of the next seven days."""

    at: time
    """The time of day at which most others begin with it, in its zone; without others its first."""
    together: tuple[Schedule, ...]
    """Others that begin in the same minute."""
    hosts: tuple[str, ...]
    """Hosts that others ask while it would run."""
    running: int
    """Runs of others that go on then, most."""
    places: int
    free: time | None
    """Where it always fires at one time of day: a time near by that nobody is in the way at."""

    @property
    def is_crowded(self) -> bool:
        return bool(self.together or self.hosts or self.running >= self.places)


def crowd_of(
    job: ScheduledJob, user: User | AnonymousUser, *, now: datetime, tz: ZoneInfo, pk: int | None = None
) -> Crowd | None:
    """`job` as it would be saved, `pk` its key where it is saved already. None: it fires too often, or not at all."""
    since = now.replace(second=0, microsecond=0) + A_MINUTE
    own_schedule = Schedule(job=job, usual=UNKNOWN, is_known=False, hold=None)
    own = plan([own_schedule], since, since + AHEAD)
    if not own.firings:
        return None
    working = workers()
    known = schedules(is_paused=False).all
    usual = next((one.usual for one in known if one.job.id == pk), UNKNOWN)
    others = [one for one in known if one.is_live and one.job.id != pk]
    reaches = reach_of([*(one.job for one in others), job], user)
    firings = plan(others, since, since + AHEAD).firings
    reach = reaches.get(job.pk, NOWHERE)
    mine = [firing.at for firing in own.firings]
    together = _together(mine, firings)
    moment = max(mine, key=lambda at: (len(together[at]), -at.timestamp()))
    busy = [one for one in firings if any(one.at < at + usual and one.end > at for at in mine)]
    hosts = {name for one in busy for name in reaches.get(one.schedule.job.id, NOWHERE).hosts if name in reach.hosts}
    walls = {clock_at(tz, at).time() for at in mine}
    free = None
    if len(walls) == 1:
        first = clock_at(tz, since).date()
        room = Occupancy(firings, reaches, first=first, days=AHEAD.days + 1, tz=tz, places=working.places)
        steps = math.ceil(usual.total_seconds() / 60 / STEP)
        free = room.free_near(walls.pop(), {clock_at(tz, at).date() for at in mine}, steps=steps, reach=reach)
    return Crowd(
        at=clock_at(tz, moment).time(),
        together=tuple(together[moment]),
        hosts=tuple(sorted(hosts)),
        running=max((_running(at, firings) for at in mine), default=0),
        places=working.places,
        free=free,
    )


def _together(mine: Sequence[datetime], firings: Sequence[Firing]) -> dict[datetime, list[Schedule]]:
    by_minute: dict[datetime, list[Schedule]] = defaultdict(list)
    for firing in firings:
        by_minute[firing.at.replace(second=0, microsecond=0)].append(firing.schedule)
    return {at: by_minute.get(at.replace(second=0, microsecond=0), []) for at in mine}


def _running(at: datetime, firings: Sequence[Firing]) -> int:
    return sum(firing.at <= at < firing.end for firing in firings)
