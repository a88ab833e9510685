"""The street: the firings of the next 24 hours, each a lamp post as high as its usual work; no query."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.web.admin import day_of
from crawlproject.web.charts import Lamp, Tick, street
from scheduling import triggers
from scheduling.durations import duration
from scheduling.exceptions import InvalidTrigger
from scheduling.hours import DAY, HOUR

from .schedules import Schedule

OFTEN = 12
"""Firings in 24 hours; what fires more often is named, not drawn."""
MOST_DRAWN = 400
MOST_NAMED = 6
LISTED = 12
NIGHT = (time(19), time(6))
TICKS = 3
"""Hours between two marks of the axis."""
LONG = 3 * 3600.0
"""Seconds of work that make the highest post."""
CROWD = timedelta(minutes=1)
"""What fires within the same minute stands at one place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    at: datetime
    """In the scheduler's zone, to the minute."""
    name: str
    url: str
    usual: float | None
    """Seconds."""

    @property
    def work(self) -> str:
        """In words; empty where nothing is known."""
        return _("usually %(duration)s") % {"duration": duration(self.usual)} if self.usual is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A line of the list that says the same as the drawing."""

    at: datetime
    is_today: bool
    firings: tuple[Firing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Often:
    """A schedule that fires too often to be drawn."""

    name: str
    words: str
    count: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    drawing: SafeString | str
    """Empty where nothing fires."""
    stops: tuple[Stop, ...]
    more: int
    """Firings that the list leaves out."""
    often: tuple[Often, ...]
    more_often: int


def street_of(schedules: Sequence[Schedule], now: datetime, *, crowd_url: str) -> Street:
    """What fires in the next 24 hours as things stand: what is paused or broken is left out."""
    begin = timezone.localtime(now, timezone.get_default_timezone()).replace(second=0, microsecond=0)
    firings: list[Firing] = []
    often: list[Often] = []
    for schedule in _soonest(schedules, now):
        found = _of(schedule, now, room=MOST_DRAWN - len(firings))
        if isinstance(found, Often):
            often.append(found)
        else:
            firings += found
    stops = [
        Stop(at=own[0].at, is_today=own[0].at.date() == begin.date(), firings=tuple(own)) for own in _together(firings)
    ]
    listed = stops[:LISTED]
    often.sort(key=lambda one: -one.count)
    return Street(
        drawing=_draw(stops, begin, crowd_url) if stops else "",
        stops=tuple(listed),
        more=len(firings) - sum(len(stop.firings) for stop in listed),
        often=tuple(often[:MOST_NAMED]),
        more_often=len(often[MOST_NAMED:]),
    )


def _soonest(schedules: Sequence[Schedule], now: datetime) -> list[Schedule]:
    """Those that fire within the time, the next first; a moment that is due already counts as now."""
    until = now + DAY
    due = [one for one in schedules if one.next_time is not None and one.next_time <= until]
    live = [one for one in due if one.job.paused_at is None and not one.job.problem]
    return sorted(live, key=lambda one: (one.next_time or now, one.job.job_id))


def _of(schedule: Schedule, now: datetime, *, room: int) -> list[Firing] | Often:
    job = schedule.job
    url = reverse("admin:scheduling_scheduledjob_timeline", args=[job.pk])
    try:
        count = triggers.count_between(job.trigger, now, now + DAY, anchor=job.anchor_at)
        if count > OFTEN:
            return Often(name=job.name, words=triggers.describe(job.trigger), count=count, url=url)
        moments = triggers.next_firings(job.trigger, now, min(count, room), anchor=job.anchor_at)
    except InvalidTrigger:
        return []
    zone, usual = timezone.get_default_timezone(), schedule.usual_seconds
    return [
        Firing(
            at=moment.astimezone(zone).replace(second=0, microsecond=0),
            name=job.name,
            url=url,
            usual=usual,
        )
        for moment in moments
    ]


def _together(firings: Sequence[Firing]) -> Iterator[list[Firing]]:
    """Those of one minute, minute by minute. Through UTC: a local time may come twice."""
    places: dict[float, list[Firing]] = {}
    for firing in firings:
        places.setdefault(firing.at.timestamp(), []).append(firing)
    for _at, own in sorted(places.items()):
        yield own


# --- the drawing ------------------------------------------------------------------------------------------------------


def _draw(stops: Sequence[Stop], begin: datetime, crowd_url: str) -> SafeString:
    count = sum(len(stop.firings) for stop in stops)
    crowds = sum(len(stop.firings) > 1 for stop in stops)
    told = ngettext("%(count)d firing.", "%(count)d firings.", count) % {"count": count}
    if crowds:
        more = ngettext("%(count)d time is crowded.", "%(count)d times are crowded.", crowds) % {"count": crowds}
        told = f"{told} {more}"
    return street(
        _("The next 24 hours"),
        told,
        [_lamp(stop, begin, crowd_url) for stop in stops],
        nights=list(_nights(begin)),
        ticks=list(_ticks(begin)),
    )


def _lamp(stop: Stop, begin: datetime, crowd_url: str) -> Lamp:
    first = stop.firings[0]
    at = f"{day_of(stop.at)} {stop.at:%H:%M}"
    if len(stop.firings) == 1:
        title = f"{at} {first.name}" + (f" · {first.work}" if first.work else "")
        return Lamp(at=_place(stop.at, begin), height=_height(first.usual), title=title, url=first.url)
    names = ", ".join(firing.name for firing in stop.firings)
    values = {"at": at, "count": len(stop.firings), "names": names}
    title = _("%(at)s: %(count)d at once: %(names)s") % values
    height = max(_height(firing.usual) for firing in stop.firings)
    return Lamp(
        at=_place(stop.at, begin), height=height, title=title, url=crowd_url or first.url, count=len(stop.firings)
    )


def _height(seconds: float | None) -> float:
    """From 0 to 1, by orders of magnitude: a second and three hours stand beside each other."""
    if seconds is None:
        return 0.15
    return min(1.0, math.log1p(max(0.0, seconds)) / math.log1p(LONG))


def _place(moment: datetime, begin: datetime) -> float:
    # Through UTC: between two local times of a zone the clock may be changed.
    return min(1.0, max(0.0, (moment.timestamp() - begin.timestamp()) / DAY.total_seconds()))


def _nights(begin: datetime) -> Iterator[tuple[float, float]]:
    for days in (-1, 0, 1):
        day = begin.date() + timedelta(days=days)
        start = _place(datetime.combine(day, NIGHT[0], begin.tzinfo), begin)
        end = _place(datetime.combine(day + timedelta(days=1), NIGHT[1], begin.tzinfo), begin)
        if end > start:
            yield start, end


def _ticks(begin: datetime) -> Iterator[Tick]:
    for days in (0, 1):
        for hour in range(0, 24, TICKS):
            moment = datetime.combine(begin.date() + timedelta(days=days), time(hour), begin.tzinfo)
            # So near to an end that the text would hang over it.
            if begin + HOUR / 2 < moment < begin + DAY - HOUR / 2:
                yield Tick(at=_place(moment, begin), text=f"{moment:%H:%M}")
