"""A month: what fires on each day, and a map of its hours; no query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.web.admin import day_of
from crawlproject.web.charts import HeatRow, heat_map
from scheduling.calendar.load import Hour
from scheduling.calendar.places import Workers
from scheduling.calendar.spans import WEEK, Span, week_address
from scheduling.triggers.zones import wall_of

from .calendar_entries import Entry

NAMED = 3
"""Entries of a day that are named."""
EVERY = 3
"""Hours between two labels of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthDay:
    number: int
    label: str
    url: str
    """Of its week."""
    is_today: bool
    is_past: bool
    entries: tuple[Entry, ...]
    more: int
    """Firings that are not named."""


def calendar_url(query: str = "") -> str:
    return reverse("admin:scheduling_scheduledjob_calendar") + query


def week_url(day: date) -> str:
    """Of the week that a day lies in; the day is remembered."""
    return calendar_url(f"?week={week_address(day)}&day={day.isoformat()}")


def month_rows(entries: Sequence[Entry], span: Span, now: datetime) -> list[list[MonthDay | None]]:
    """The weeks of a month, from Monday on; None: a day of another month."""
    by_day: list[list[Entry]] = [[] for _day in span.days]
    for entry in entries:
        by_day[entry.day].append(entry)
    today = wall_of(span.tz, now).date()
    cells: list[MonthDay | None] = [None] * span.days[0].date.weekday()
    for day, own in zip(span.days, by_day, strict=True):
        own.sort(key=lambda entry: (entry.at, entry.name))
        shown = own[:NAMED]
        cells.append(
            MonthDay(
                number=day.date.day,
                label=day_of(datetime.combine(day.date, time())),
                url=week_url(day.date),
                is_today=day.date == today,
                is_past=day.date < today,
                entries=tuple(shown),
                more=sum(entry.count for entry in own[NAMED:]),
            )
        )
    cells += [None] * (-len(cells) % WEEK)
    return [cells[start : start + WEEK] for start in range(0, len(cells), WEEK)]


def map_of(grid: Sequence[Sequence[Hour]], span: Span, workers: Workers, *, by: str) -> SafeString:
    """`by`: ``firings``, ``minutes`` (of worker places), or ``places`` (runs at once)."""
    rows = list(_rows(grid, span, workers, by))
    most = max((cell.firings for day in grid for cell in day if cell.exists), default=0)
    capacity = {"places": float(workers.places), "minutes": workers.places * 60.0}.get(by, max(1.0, most))
    titles = {
        "places": _("Worker places by day and hour"),
        "minutes": _("Worker minutes by day and hour"),
        "firings": _("Firings by day and hour"),
    }
    columns = [f"{hour:02}" if not hour % EVERY else "" for hour in range(24)]
    return heat_map(titles[by], busiest(grid, span, by=by), rows, columns, capacity)


def busiest(grid: Sequence[Sequence[Hour]], span: Span, *, by: str) -> str:
    """“Busiest is Tue 24 Nov 02:00: 3 firings, about 95 worker minutes, at most 3 at once.”: the fullest hour of
    the map, which shows `by`."""
    cells = [
        (_value(cell, by), cell.minutes, cell.firings, -day, -hour)
        for day, hours in enumerate(grid)
        for hour, cell in enumerate(hours)
        if cell.exists and (cell.firings or cell.minutes)
    ]
    if not cells:
        return _("Nothing fires in this time.")
    *_values, day, hour = max(cells)
    at = day_of(datetime.combine(span.days[-day].date, time()))
    return _("Busiest is %(hour)s") % {"hour": _told(at, -hour, grid[-day][-hour])}


def _rows(grid: Sequence[Sequence[Hour]], span: Span, workers: Workers, by: str) -> Iterator[HeatRow]:
    for day, hours in zip(span.days, grid, strict=True):
        midnight = datetime.combine(day.date, time())
        told = day_of(midnight)
        cells = [
            (_told(told, hour, cell), _value(cell, by)) if cell.exists else None for hour, cell in enumerate(hours)
        ]
        yield HeatRow(
            label=date_format(midnight, _("D j")),
            told=told,
            url=week_url(day.date),
            cells=cells,
        )


def _value(cell: Hour, by: str) -> float:
    if by == "firings":
        return float(cell.firings)
    return cell.minutes if by == "minutes" else round(cell.most, 1)


def _told(day: str, hour: int, cell: Hour) -> str:
    """What is over is counted; of what lies ahead nobody knows how long it will take."""
    sentence = (
        ngettext(
            "%(at)s: %(count)d firing, about %(minutes)d worker minutes, probably at most %(most)s at once.",
            "%(at)s: %(count)d firings, about %(minutes)d worker minutes, probably at most %(most)s at once.",
            cell.firings,
        )
        if cell.is_ahead
        else ngettext(
            "%(at)s: %(count)d firing, %(minutes)d worker minutes, at most %(most)s at once.",
            "%(at)s: %(count)d firings, %(minutes)d worker minutes, at most %(most)s at once.",
            cell.firings,
        )
    )
    values = {"at": f"{day} {hour:02}:00", "count": cell.firings, "minutes": round(cell.minutes)}
    return sentence % (values | {"most": f"{cell.most:.2g}"})
