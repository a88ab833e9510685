"""The calendar's sentences: who gets into whose way, what it means, what would be free, what the clock does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from django.urls import get_script_prefix, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.web.admin import day_of
from scheduling.calendar.clocks import ClockNote
from scheduling.calendar.collisions import Collision, Over
from scheduling.calendar.firings import Firing
from scheduling.calendar.free import STEP, Occupancy
from scheduling.calendar.overrun import Overrun
from scheduling.calendar.places import Workers
from scheduling.calendar.reach import NOWHERE
from scheduling.calendar.schedules import Schedule
from scheduling.durations import duration
from scheduling.models import ScheduledJob
from scheduling.signals import Reach
from scheduling.wording import told

MOST_ROWS = 12
MOST_NAMED = 6
FEW_DAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A schedule by its name, with its page."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table of collisions."""

    when: str
    over: str
    who: tuple[Name, ...]
    more: int
    meaning: str
    free: str
    """A sentence; empty where nothing near is free."""
    is_bad: bool
    """Somebody waits, or shares."""


def name_of(schedule: Schedule) -> Name:
    return Name(text=told(schedule.job.name), url=page_of("scheduling_scheduledjob", schedule.job.id))


def page_of(model: str, pk: int) -> str:
    """Address of a row's page. A page holds a thousand of them, and Django takes its time to find each."""
    return _any_page(model, get_script_prefix()).replace("/0/", f"/{pk}/")


@lru_cache(maxsize=8)
def _any_page(model: str, prefix: str) -> str:
    """`prefix`, under which the site is served, is part of the key alone."""
    return reverse(f"admin:{model}_change", args=[0])


def rows_of(
    found: Sequence[Collision],
    firings: Sequence[Firing],
    reaches: Mapping[int | None, Reach],
    occupancy: Occupancy,
    *,
    workers: Workers,
    days: int,
) -> list[Row]:
    """The first `MOST_ROWS`. `days`: of how many the plan is."""
    own: dict[int, list[Firing]] = {}
    shown = found[:MOST_ROWS]
    wanted = {schedule.job.id for one in shown for schedule in one.who}
    for firing in firings:
        if firing.schedule.job.id in wanted:
            own.setdefault(firing.schedule.job.id, []).append(firing)
    return [
        Row(
            when=_when(one, days),
            over=_over(one),
            who=tuple(name_of(schedule) for schedule in one.who[:MOST_NAMED]),
            more=len(one.who[MOST_NAMED:]),
            meaning=_meaning(one, workers),
            free=_free(one, own, reaches, occupancy),
            is_bad=one.over is not Over.MOMENT,
        )
        for one in shown
    ]


def overrun_rows(found: Sequence[Overrun]) -> list[Row]:
    """The first `MOST_ROWS`: who is in its own way."""
    return [
        Row(
            when=_("%(time)s apart") % {"time": about(one.apart)},
            over=_("itself"),
            who=(name_of(one.schedule),),
            more=0,
            meaning=_overrun(one.schedule),
            free="",
            is_bad=True,
        )
        for one in found[:MOST_ROWS]
    ]


def _overrun(schedule: Schedule) -> str:
    text = _("It is still running when it is due again: a run takes about %(usual)s. What is due meanwhile is skipped.")
    if schedule.job.overlap == ScheduledJob.Overlap.WAIT:
        text = _("It is still running when it is due again: a run takes about %(usual)s. Ever more of its runs wait.")
    return text % {"usual": about(schedule.usual)}


def crowd_words(one: Collision, days: int) -> str:
    """“02:00 is crowded every day”."""
    at = f"{one.at:%H:%M}"
    if len(one.days) >= days:
        return _("%(time)s is crowded every day") % {"time": at}
    sentence = ngettext(
        "%(time)s is crowded on %(count)d of %(days)d days",
        "%(time)s is crowded on %(count)d of %(days)d days",
        len(one.days),
    )
    return sentence % {"time": at, "count": len(one.days), "days": days}


def clock_words(note: ClockNote) -> str:
    """“Sun 29 Mar: the clock of Europe/Berlin goes forward from 02:00 to 03:00, so that the day has 23 hours.”"""
    before, after = note.change.wall_before, note.change.wall_after
    hours = 24 - (note.change.after - note.change.before).total_seconds() / 3_600
    sentence = (
        _("%(day)s: the clock of %(zone)s goes forward from %(from)s to %(to)s, so that the day has %(hours)s hours.")
        if note.change.is_gap
        else _("%(day)s: the clock of %(zone)s goes back from %(from)s to %(to)s, so that the day has %(hours)s hours.")
    )
    return sentence % {
        "day": day_of(before),
        "zone": note.zone,
        "from": f"{before:%H:%M}",
        "to": f"{after:%H:%M}",
        "hours": f"{hours:g}",
    }


def about(length: timedelta) -> str:
    """“26 min”: to the minute, where it is longer than one."""
    seconds = length.total_seconds()
    return duration(seconds if seconds < 60 else round(seconds / 60) * 60)


def days_in_words(days: Sequence[date], of: int) -> str:
    """“every day”, “Mon 23 Nov, Tue 24 Nov”, “5 of 7 days”."""
    if len(days) >= of:
        return _("every day")
    if len(days) <= FEW_DAYS:
        return ", ".join(day_of(datetime.combine(day, time())) for day in sorted(days))
    return _("%(count)d of %(days)d days") % {"count": len(days), "days": of}


def _when(one: Collision, days: int) -> str:
    return _("%(time)s · %(days)s") % {"time": f"{one.at:%H:%M}", "days": days_in_words(one.days, days)}


def _over(one: Collision) -> str:
    if one.over is Over.PLACES:
        return _("worker places")
    return _("the moment") if one.over is Over.MOMENT else one.name


def _meaning(one: Collision, workers: Workers) -> str:
    wait = about(one.wait)
    if one.over is Over.PLACES:
        sentence = ngettext(
            "%(wanted)d runs want %(places)d worker place: one waits about %(wait)s.",
            "%(wanted)d runs want %(places)d worker places: one waits about %(wait)s.",
            workers.places,
        )
        return sentence % {"wanted": one.wanted, "places": workers.places, "wait": wait}
    if one.over is Over.ALONE:
        return _("Only one crawl of it runs at a time: the later one waits about %(wait)s.") % {"wait": wait}
    if one.over is Over.MOMENT:
        return _("They begin together, and there is a worker place for each. Nobody waits long.")
    values = {
        "count": one.wanted,
        "connections": one.connections,
        "share": f"{one.connections / max(1, one.wanted):.2g}",
        "together": one.together,
        "wait": wait,
    }
    if workers.processes > 1:
        return (
            _(
                "%(count)d crawls ask this host at once for about %(wait)s: in one process they share its "
                "%(connections)d connections, in several it may see %(together)d."
            )
            % values
        )
    return (
        _(
            "%(count)d crawls share the %(connections)d connections to this host for about %(wait)s: each gets about "
            "%(share)s of them."
        )
        % values
    )


def _free(
    one: Collision, own: Mapping[int, list[Firing]], reaches: Mapping[int | None, Reach], occupancy: Occupancy
) -> str:
    """For the schedule that is over soonest: it is the easiest to find room for."""
    moved = min(one.who, key=lambda schedule: (schedule.usual, schedule.job.job_id))
    found = occupancy.free_near(
        one.at,
        one.days,
        steps=math.ceil(moved.usual.total_seconds() / 60 / STEP),
        reach=reaches.get(moved.job.id, NOWHERE),
        own=own.get(moved.job.id, ()),
    )
    if found is None:
        return ""
    return _("%(time)s is free for “%(name)s”.") % {"time": f"{found:%H:%M}", "name": moved.job.name}
