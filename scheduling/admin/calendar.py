"""The calendar: what fires when, and who gets into whose way. At most ten queries, whatever there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.templatetags.lamplighter import STATES
from crawlproject.web.charts import mark
from scheduling.calendar.clocks import clock_notes
from scheduling.calendar.collisions import Collision, Over, colliding, collisions
from scheduling.calendar.firings import Firing, Often, Plan, plan
from scheduling.calendar.free import Occupancy
from scheduling.calendar.load import Work, hours_of
from scheduling.calendar.overrun import overruns
from scheduling.calendar.past import Past, past
from scheduling.calendar.places import Workers, workers
from scheduling.calendar.reach import reach_of
from scheduling.calendar.schedules import UNKNOWN, Schedules, schedules
from scheduling.calendar.spans import (
    Span,
    month_address,
    month_of,
    read_month,
    read_week,
    week_of,
)
from scheduling.models import ScheduledJob
from scheduling.rounds import LETTERS
from scheduling.signals import Reach
from scheduling.triggers.base import default_timezone
from scheduling.triggers.zones import wall_of, zone
from scheduling.upcoming import Hold
from scheduling.wording import in_a_row

from .calendar_entries import HANDLERS, OTHER, Entry, planned, ran
from .calendar_month import busiest, calendar_url, map_of, month_rows, week_url
from .calendar_week import agenda, draw_week
from .calendar_words import Name, about, clock_words, crowd_words, name_of, overrun_rows, rows_of
from .head import TEMPLATES

MOST_OFTEN = 8
MOST_OFF = 8
WEEK = timedelta(days=7)
THURSDAY = 3
AHEAD = WEEK
"""How far collisions are looked for."""
MEASURES = ("firings", "minutes")
_STATE_WORDS = {letter: STATES[state][0] for state, letter in LETTERS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """All that is read, and what follows from it."""

    span: Span
    now: datetime
    schedules: Schedules
    workers: Workers
    plan: Plan
    drawn: tuple[Firing, ...]
    """Of it what lies ahead: what is over is shown as it ran."""
    ahead: Plan
    """Of the days that are looked through for collisions; empty where the page shows what is over."""
    ahead_days: int
    past: Past
    reaches: Mapping[int | None, Reach]
    focus: date
    """The day that is looked at: it stays the same when one goes from week to month and back."""


def calendar_view(model_admin: admin.ModelAdmin[ScheduledJob], request: HttpRequest) -> HttpResponse:
    """``?week=2026-W48`` or ``?month=2026-11``; this week where neither is given."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    now, tz = timezone.now(), zone(default_timezone())
    today = wall_of(tz, now).date()
    is_month, problem = "month" in request.GET, ""
    try:
        if is_month:
            span = month_of(read_month(request.GET["month"]), tz)
        else:
            span = week_of(read_week(request.GET["week"]) if "week" in request.GET else today, tz)
    except ValueError as error:
        span, problem = month_of(today, tz) if is_month else week_of(today, tz), str(error)
    focus = _focus(request.GET.get("day", ""), span, today)
    read = _read(span, now, request.user, focus=focus, sees_runs=request.user.has_perm("scheduling.view_jobrun"))
    found = collisions(read.ahead.firings, read.reaches, places=_places(read), tz=tz)
    entries = _entries(read, found)
    context = _shared(read, found, is_month=is_month)
    context |= _month(read, entries, by=request.GET.get("by", "")) if is_month else _week(read, entries)
    request.current_app = model_admin.admin_site.name
    whole = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _title(span, is_month=is_month),
        "problem": problem,
        **context,
    }
    return TemplateResponse(request, f"{TEMPLATES}/calendar.html", whole, status=400 if problem else 200)


def _focus(asked: str, span: Span, today: date) -> date:
    """`asked`, an ISO date, where it lies within what is shown."""
    days = [day.date for day in span.days]
    with suppress(ValueError):
        day = date.fromisoformat(asked)
        if day in days:
            return day
    usual = days[0] if len(days) > WEEK.days else days[THURSDAY]
    return today if today in days else usual


def _read(span: Span, now: datetime, user: User | AnonymousUser, *, focus: date, sees_runs: bool) -> _Read:
    working = workers()
    found = schedules(is_paused=working.is_paused)
    enabled = [one for one in found.all if one.hold is not Hold.DISABLED]
    whole = plan(enabled, span.start, span.end)
    begin = max(now.replace(second=0, microsecond=0), span.start)
    is_over = span.end <= now
    ahead = plan(() if is_over else [one for one in enabled if one.is_live], begin, begin + AHEAD)
    often = {one.schedule.job.id for one in whole.often}
    told = [one.job.id for one in found.all if one.job.id not in often] if sees_runs else []
    return _Read(
        span=span,
        now=now,
        schedules=found,
        workers=working,
        plan=whole,
        drawn=tuple(firing for firing in whole.firings if firing.at >= now),
        ahead=ahead,
        ahead_days=AHEAD.days,
        past=past(told, span.start, min(now, span.end), now=now),
        reaches=reach_of([one.job for one in enabled if one.is_live], user),
        focus=focus,
    )


# --- what week and month share ----------------------------------------------------------------------------------------


def _shared(read: _Read, found: Sequence[Collision], *, is_month: bool) -> dict[str, object]:
    span, tz = read.span, read.span.tz
    first, last = span.days[0].date, span.days[-1].date
    before, after = first - timedelta(days=1), last + timedelta(days=1)
    occupancy = Occupancy(
        read.ahead.firings,
        read.reaches,
        first=wall_of(tz, max(read.now, span.start)).date(),
        days=read.ahead_days + 1,
        tz=tz,
        places=_places(read),
    )
    overrun = overruns(read.ahead, read.reaches, length=AHEAD)
    own_rows = overrun_rows(overrun)
    rows = rows_of(found, read.ahead.firings, read.reaches, occupancy, workers=read.workers, days=read.ahead_days)
    worst = next((one for one in found if one.over is not Over.MOMENT), None)
    return {
        "is_month": is_month,
        "before_url": calendar_url(f"?month={month_address(before)}") if is_month else week_url(read.focus - WEEK),
        "after_url": calendar_url(f"?month={month_address(after)}") if is_month else week_url(read.focus + WEEK),
        "today_url": calendar_url("?month=" + month_address(wall_of(tz, read.now).date()) if is_month else ""),
        "other_url": _other(read, is_month=is_month),
        "zone": _zone_in_words(span),
        "clocks": [
            (clock_words(note), [(name_of(one), effect) for one, effect in note.moved], note)
            for note in clock_notes((one for one in read.schedules.all if one.is_live), span.start, span.end, tz=tz)
        ],
        "workers": read.workers,
        "often": [(name_of(one.schedule), one.words, one.count, one.schedule.is_live) for one in _often(read)],
        "more_often": max(0, len(read.plan.often) - MOST_OFTEN),
        "off": _off(read)[:MOST_OFF],
        "more_off": len(_off(read)[MOST_OFF:]),
        "left_out": read.plan.left_out,
        "unreadable": [name_of(one) for one in read.plan.unreadable[:MOST_OFF]],
        "is_cut": read.schedules.is_cut,
        "count": len(read.schedules.all),
        "past_is_cut": read.past.is_cut,
        "collisions": [*own_rows, *rows],
        "more_collisions": len(found) - len(rows) + len(overrun) - len(own_rows),
        "is_over": span.end <= read.now,
        "crowded": crowd_words(worst, read.ahead_days) if worst is not None else "",
        "crowded_row": rows[found.index(worst)] if worst is not None and found.index(worst) < len(rows) else None,
        "places": _places(read),
    }


def _places(read: _Read) -> int:
    """Those that are left beside what fires all the time."""
    return max(1, read.workers.places - round(_often_places(read.ahead.often)))


def _often_places(often: Sequence[Often]) -> float:
    return sum(one.places(AHEAD.total_seconds()) for one in often if one.schedule.is_live)


def _often(read: _Read) -> tuple[Often, ...]:
    return read.plan.often[:MOST_OFTEN]


def _off(read: _Read) -> list[Name]:
    return [name_of(one) for one in read.schedules.all if one.hold is Hold.DISABLED]


def _other(read: _Read, *, is_month: bool) -> str:
    """The other view of the day that is looked at: the one that was come from, today, or of a month its first; of a
    week its Thursday, as weeks are counted."""
    if not is_month:
        return calendar_url("?month=" + month_address(read.focus))
    return week_url(read.focus)


def _entries(read: _Read, found: Sequence[Collision]) -> list[Entry]:
    met = colliding(read.drawn, found, read.span.tz)
    return [*ran(read.past.rows, read.span), *planned(read.drawn, read.span, met=met)]


def _works(read: _Read) -> list[Work]:
    works = [Work(row.at, row.end) for row in read.past.rows if row.state not in ("missed", "skipped", "queued")]
    runs = {key: reach.runs for key, reach in read.reaches.items()}
    live = (firing for firing in read.drawn if firing.schedule.is_live)
    return [*works, *(Work(firing.at, firing.end, runs.get(firing.schedule.job.id, 1)) for firing in live)]


# --- each by itself ---------------------------------------------------------------------------------------------------


def _week(read: _Read, entries: Sequence[Entry]) -> dict[str, object]:
    grid = hours_of(read.span, _works(read), read.plan.often, since=read.now)
    return {
        "drawing": draw_week(_("Week of firings"), entries, read.span, read.now) if entries else "",
        "agenda": agenda(entries, read.span, read.now),
        "legend": _legend(read, entries),
        "load": map_of(grid, read.span, read.workers, by="places"),
        "told": in_a_row([busiest(grid, read.span, by="places"), *_assumed(read)]),
    }


def _month(read: _Read, entries: Sequence[Entry], *, by: str) -> dict[str, object]:
    by = by if by in MEASURES else MEASURES[0]
    grid = hours_of(read.span, _works(read), read.plan.often, since=read.now)
    month = month_address(read.span.days[0].date)
    words = {"firings": _("Firings"), "minutes": _("Worker minutes")}
    return {
        "weeks": month_rows(entries, read.span, read.now),
        "weekdays": [date_format(day.date, "D") for day in week_of(read.span.days[0].date, read.span.tz).days],
        "load": map_of(grid, read.span, read.workers, by=by),
        "told": in_a_row([busiest(grid, read.span, by=by), *_assumed(read)]),
        "measures": [(words[name], calendar_url(f"?month={month}&by={name}#load"), name == by) for name in MEASURES],
    }


def _assumed(read: _Read) -> Iterator[str]:
    """How what is not known, or fires too often to be drawn, is counted."""
    yield _guessed(read)
    if read.plan.often:
        yield _("What fires often is counted by its work alone, spread evenly.")


def _guessed(read: _Read) -> str:
    """What is taken for schedules of which nothing is known yet; empty where there are none."""
    unknown = {one.schedule.job.id for one in read.drawn if one.schedule.is_live and not one.schedule.is_known}
    if not unknown:
        return ""
    sentence = ngettext(
        "%(count)d schedule has not succeeded yet: %(time)s are taken for a run of it.",
        "%(count)d schedules have not succeeded yet: %(time)s are taken for each of their runs.",
        len(unknown),
    )
    return sentence % {"count": len(unknown), "time": about(UNKNOWN)}


def _legend(read: _Read, entries: Sequence[Entry]) -> dict[str, object]:
    """Only what can be seen."""
    handlers = dict.fromkeys(firing.schedule.job.handler for firing in read.drawn if firing.schedule.is_live)
    kinds = {str(words): (tone, words) for tone, words in (HANDLERS.get(name, OTHER) for name in handlers)}
    marks = dict.fromkeys(entry.mark for entry in entries if entry.mark)
    return {
        "kinds": list(kinds.values()),
        "collides": any(entry.collides for entry in entries),
        "dashed": any(entry.is_dashed for entry in entries),
        "marks": [(mark(letter, 0, 0), _STATE_WORDS[letter]) for letter in marks if letter in _STATE_WORDS],
    }


def _title(span: Span, *, is_month: bool) -> str:
    """“23 – 29 November 2026”, “30 November – 6 December 2026”, “November 2026”."""
    first, last = span.days[0].date, span.days[-1].date
    if is_month:
        return date_format(first, _("F Y"))
    if first.year != last.year:
        whole = _("j F Y")
        return f"{date_format(first, whole)} – {date_format(last, whole)}"
    if first.month == last.month:
        month = {"first": first.day, "last": last.day, "month": date_format(first, _("F Y"))}
        return _("%(first)d – %(last)d %(month)s") % month
    ends = {"first": date_format(first, _("j F")), "last": date_format(last, _("j F")), "year": last.year}
    return _("%(first)s – %(last)s %(year)d") % ends


def _zone_in_words(span: Span) -> str:
    """“Europe/Berlin, UTC+01:00”; with both offsets where it changes."""
    offsets = dict.fromkeys(
        moment.astimezone(span.tz).isoformat()[-6:] for moment in (span.start, span.end - timedelta(seconds=1))
    )
    return _("%(zone)s, UTC%(offset)s") % {"zone": span.tz.key, "offset": " → ".join(offsets)}
