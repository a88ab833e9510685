"""Who gets into whose way: at a host, over what one run alone may hold, over worker places, by the moment; pure."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

from scheduling.signals import Reach

from .firings import Firing
from .reach import NOWHERE
from .schedules import UNKNOWN, Schedule
from .spans import clock_at, minute_of

LEAST_WAIT = timedelta(seconds=60)
"""A shorter wait for a worker place is none to speak of."""
MOST_RUNS = 200
"""Of one firing that becomes many."""


class Over(StrEnum):
    HOST = "host"
    ALONE = "alone"
    PLACES = "places"
    MOMENT = "moment"
    """They begin together, and are in no other way in each other's."""


@dataclass(slots=True, kw_only=True)
class Collision:
    """The same schedules at the same time of day, on one day or on several."""

    over: Over
    name: str
    """Of the host, or of what one run alone may hold; empty for worker places."""
    at: time
    """By the clock of the zone."""
    who: tuple[Schedule, ...]
    """In the order of their begin."""
    days: list[date] = field(default_factory=list)
    wanted: int = 0
    """Runs at once, most."""
    wait: timedelta = timedelta()
    """The longest that one waits, about; at a host: for how long they meet."""
    connections: int = 0
    """The fewest that any of them would have at the host by itself."""
    together: int = 0
    """What all of them would have, each by itself."""


def collisions(
    firings: Sequence[Firing], reaches: Mapping[int | None, Reach], *, places: int, tz: ZoneInfo
) -> list[Collision]:
    """What holds up most first: by the number of days, then by the number of those that meet."""
    live = [firing for firing in firings if firing.schedule.is_live]
    found = [
        *_over(Over.HOST, live, reaches, tz, lambda reach: reach.hosts),
        *_over(Over.ALONE, live, reaches, tz, lambda reach: reach.alone),
        *_over_places(live, reaches, places, tz),
    ]
    found += _together(live, found, tz)
    ranks = list(Over)
    found.sort(key=lambda one: (one.over is Over.MOMENT, -len(one.days), -len(one.who), one.at, ranks.index(one.over)))
    return found


def colliding(firings: Sequence[Firing], found: Sequence[Collision], tz: ZoneInfo) -> set[tuple[int, datetime]]:
    """Which firings (the schedule's key, the moment) are part of a collision at a host or over what one may hold."""
    moments: dict[int, list[datetime]] = defaultdict(list)
    for one in found:
        if one.over in (Over.HOST, Over.ALONE):
            on = [datetime.combine(day, one.at) for day in one.days]
            for schedule in one.who:
                moments[schedule.job.id] += on
    for own in moments.values():
        own.sort()
    met: set[tuple[int, datetime]] = set()
    for firing in firings:
        own = moments.get(firing.schedule.job.id, [])
        following = bisect_left(own, clock_at(tz, firing.at)) if own else 0
        if following < len(own) and own[following] <= clock_at(tz, firing.end):
            met.add((firing.schedule.job.id, firing.at))
    return met


# --- at a host --------------------------------------------------------------------------------------------------------


def _over(
    over: Over,
    firings: Sequence[Firing],
    reaches: Mapping[int | None, Reach],
    tz: ZoneInfo,
    names: Callable[[Reach], Iterable[str]],
) -> list[Collision]:
    shared = _shared(firings, reaches, names)
    by_name: dict[str, list[Firing]] = defaultdict(list)
    for firing in firings:
        for name in shared.get(firing.schedule.job.id, ()):
            by_name[name].append(firing)
    found: dict[object, Collision] = {}
    for name, own in by_name.items():
        for crowd in _crowds(own, reaches, is_alone=over is Over.ALONE):
            latest = max(firing.at for firing in crowd)
            wall = clock_at(tz, latest)
            who = {firing.schedule.job.id: firing.schedule for firing in crowd}
            known = found.get((name, wall.time(), frozenset(who)))
            if known is None:
                given = [reaches[key].hosts.get(name, 0) for key in who]
                known = Collision(over=over, name=name, at=wall.time(), who=tuple(who.values()), wanted=len(who))
                known.connections, known.together = min(given), sum(given)
                found[name, wall.time(), frozenset(who)] = known
            if wall.date() not in known.days:
                known.days.append(wall.date())
            *earlier, _last = sorted(crowd, key=lambda firing: firing.at)
            known.wait = max(known.wait, max(firing.end for firing in earlier) - latest)
    return list(found.values())


def _shared(
    firings: Sequence[Firing], reaches: Mapping[int | None, Reach], names: Callable[[Reach], Iterable[str]]
) -> dict[int, list[str]]:
    """By the keys of schedules those names that another one has too: nobody meets itself."""
    own = {key: tuple(names(reaches.get(key, NOWHERE))) for key in {firing.schedule.job.id for firing in firings}}
    counts = Counter(name for every in own.values() for name in every)
    return {key: [name for name in every if counts[name] > 1] for key, every in own.items()}


def _crowds(
    firings: Sequence[Firing], reaches: Mapping[int | None, Reach], *, is_alone: bool
) -> Iterator[tuple[Firing, ...]]:
    """Of each time without a pause those that meet when most of them do; `firings` are by their moment."""
    for busy in _without_pause(firings):
        active: list[Firing] = []
        most: tuple[Firing, ...] = ()
        for moment, beginning in groupby(busy, key=itemgetter(1)):
            active = [one for one in active if one.end > moment]
            active += beginning
            if len(active) > len(most):
                here = _one_each(active, reaches, is_alone=is_alone)
                most = here if len(here) > len(most) else most
        if len(most) > 1:
            yield most


def _without_pause(firings: Sequence[Firing]) -> Iterator[list[Firing]]:
    """Those that follow each other while one is always at work; what meets nobody, as most do, is left out."""
    busy: list[Firing] = []
    until: datetime | None = None
    for firing in firings:
        if until is not None and firing.at >= until:
            if len(busy) > 1:
                yield busy
            busy, until = [], None
        busy.append(firing)
        until = firing.end if until is None else max(until, firing.end)
    if len(busy) > 1:
        yield busy


def _one_each(active: Iterable[Firing], reaches: Mapping[int | None, Reach], *, is_alone: bool) -> tuple[Firing, ...]:
    """One of each schedule; at a host also one of those that cannot run at once anyway."""
    kept: dict[object, Firing] = {}
    for firing in active:
        key = firing.schedule.job.id
        alone = reaches.get(key, NOWHERE).alone
        kept.setdefault(key if is_alone or not alone else alone, firing)
    return tuple(kept.values())


def _together(firings: Sequence[Firing], found: Sequence[Collision], tz: ZoneInfo) -> list[Collision]:
    """Those that begin in one minute, and of which nothing worse is said already."""
    told: dict[datetime, list[set[int]]] = defaultdict(list)
    for one in found:
        keys = {schedule.job.id for schedule in one.who}
        for day in one.days:
            told[minute_of(datetime.combine(day, one.at))].append(keys)
    crowds: dict[object, Collision] = {}
    for moment, group in groupby(firings, key=lambda firing: minute_of(firing.at)):
        who = {firing.schedule.job.id: firing.schedule for firing in group}
        if len(who) < 2:
            continue
        wall = clock_at(tz, moment)
        if any(who.keys() <= keys for keys in told.get(wall, ())):
            continue
        known = crowds.setdefault(
            (wall.time(), frozenset(who)),
            Collision(over=Over.MOMENT, name="", at=wall.time(), who=tuple(who.values()), wanted=len(who)),
        )
        if wall.date() not in known.days:
            known.days.append(wall.date())
    return list(crowds.values())


# --- over worker places -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Episode:
    at: datetime
    wanted: int = 0
    wait: timedelta = timedelta()
    who: dict[int, Schedule] = field(default_factory=dict)


def _over_places(
    firings: Sequence[Firing], reaches: Mapping[int | None, Reach], places: int, tz: ZoneInfo
) -> list[Collision]:
    found: dict[object, Collision] = {}
    for episode in _episodes(firings, reaches, places):
        if episode.wait < LEAST_WAIT:
            continue
        wall = clock_at(tz, episode.at)
        key = (wall.time(), frozenset(episode.who))
        known = found.setdefault(
            key, Collision(over=Over.PLACES, name="", at=wall.time(), who=tuple(episode.who.values()))
        )
        if wall.date() not in known.days:
            known.days.append(wall.date())
        known.wanted = max(known.wanted, episode.wanted)
        known.wait = max(known.wait, episode.wait)
    return list(found.values())


def _episodes(firings: Sequence[Firing], reaches: Mapping[int | None, Reach], places: int) -> Iterator[_Episode]:
    """Times in which somebody waits: a run begins when it is due and a place is free, those due first come first."""
    free_at: list[datetime] = []
    """When each place that is taken is free again."""
    within: list[tuple[datetime, int, Schedule]] = []
    """Who runs or waits: until when."""
    episode: _Episode | None = None
    for number, (firing, taken) in enumerate(_runs(firings, reaches)):
        while within and within[0][0] <= firing.at:
            heapq.heappop(within)
        if episode is not None and len(within) < places:
            yield episode
            episode = None
        begin = firing.at
        if len(free_at) >= places:
            begin = max(begin, heapq.heappop(free_at))
        heapq.heappush(free_at, begin + taken)
        heapq.heappush(within, (begin + taken, number, firing.schedule))
        if begin > firing.at:
            if episode is None:
                episode = _Episode(firing.at)
                episode.who = {schedule.job.id: schedule for _end, _number, schedule in sorted(within)}
            episode.who.setdefault(firing.schedule.job.id, firing.schedule)
            episode.wanted = max(episode.wanted, len(within))
            episode.wait = max(episode.wait, begin - firing.at)
    if episode is not None:
        yield episode


def _runs(firings: Sequence[Firing], reaches: Mapping[int | None, Reach]) -> Iterator[tuple[Firing, timedelta]]:
    """Each with the time that it takes. A firing that becomes many is over at once itself: its runs take as long as
    one of which nothing is known."""
    for firing in firings:
        runs = min(reaches.get(firing.schedule.job.id, NOWHERE).runs, MOST_RUNS)
        taken = firing.schedule.usual if runs == 1 else max(firing.schedule.usual, UNKNOWN)
        for _run in range(runs):
            yield firing, taken
