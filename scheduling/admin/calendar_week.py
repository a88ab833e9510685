"""A week as a drawing, and the same as an agenda; no query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from operator import attrgetter

from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.web.admin import day_of
from crawlproject.web.charts import Band, Block, week
from scheduling.calendar.spans import Span
from scheduling.triggers.zones import changes, wall_of

from .calendar_entries import Entry
from .calendar_lanes import MIDNIGHT, Piece, Slot, arranged

LISTED_A_DAY = 40
MOST_A_DAY = 60
"""Entries of one day that are drawn one by one: of more only their hours are."""
TOLD_TOGETHER = 12
"""Of those that share a block; the list of the day has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaDay:
    anchor: str
    label: str
    is_today: bool
    entries: tuple[Entry, ...]
    more: int


def draw_week(title: str, entries: Sequence[Entry], span: Span, now: datetime) -> SafeString:
    today = wall_of(span.tz, now).date()
    days = [(_heading(datetime.combine(day.date, time())), day.date == today) for day in span.days]
    begun: list[list[Entry]] = [[] for _day in span.days]
    by_day: list[list[Piece]] = [[] for _day in span.days]
    for entry in entries:
        begun[entry.day].append(entry)
    for entry in entries:
        if len(begun[entry.day]) <= MOST_A_DAY:
            for piece in _pieces(entry, span):
                by_day[piece.day].append(piece)
    blocks: list[Block] = []
    for own, pieces in zip(begun, by_day, strict=True):
        if len(own) > MOST_A_DAY:
            blocks += _hour_by_hour(own)
        else:
            blocks += [_block(slot) for slot in arranged(sorted(pieces, key=attrgetter("start")))]
    count = ngettext("%(count)d block.", "%(count)d blocks.", len(blocks)) % {"count": len(blocks)}
    here = span.place(now) if span.start <= now < span.end else None
    return week(title, count, days, blocks, now=here, bands=_bands(span))


def agenda(entries: Sequence[Entry], span: Span, now: datetime) -> list[AgendaDay]:
    """Day by day what the drawing shows; days without anything are left out."""
    today = wall_of(span.tz, now).date()
    days: list[AgendaDay] = []
    for index, day in enumerate(span.days):
        own = sorted((entry for entry in entries if entry.day == index), key=lambda entry: (entry.at, entry.name))
        if own:
            label = day_of(datetime.combine(day.date, time()))
            listed = tuple(own[:LISTED_A_DAY])
            days.append(
                AgendaDay(
                    anchor=anchor_of(index),
                    label=label,
                    is_today=day.date == today,
                    entries=listed,
                    more=len(own) - len(listed),
                )
            )
    return days


def _heading(midnight: datetime) -> str:
    """Without the month: the page's title says it."""
    return date_format(midnight, _("D j"))


def _bands(span: Span) -> Iterable[Band]:
    """The hours of a change of the clock: they are left out, or come twice."""
    for change in changes(span.tz, span.start, span.end):
        low, high = sorted((change.wall_before, change.wall_after))
        values = {"from": f"{low:%H:%M}", "to": f"{high:%H:%M}"}
        title = (
            _("The clock leaves out %(from)s to %(to)s.")
            if change.is_gap
            else _("The time from %(from)s to %(to)s comes twice.")
        )
        day = (low.date() - span.days[0].date).days
        hours = (high - low) / timedelta(hours=1)
        start = low.hour + low.minute / 60
        yield Band(day=day, start=start, hours=min(hours, 24 - start), title=title % values)


def _pieces(entry: Entry, span: Span) -> Iterable[Piece]:
    last, until = span.place(entry.end)
    if last == entry.day:
        # Where the clock goes back, an end may stand before its begin.
        hours = until - entry.hour if until > entry.hour else (entry.end - entry.at) / timedelta(hours=1)
        yield Piece(entry, entry.day, entry.hour, hours)
        return
    yield Piece(entry, entry.day, entry.hour, 24 - entry.hour)
    for day in range(entry.day + 1, min(last, len(span.days) - 1) + 1):
        hours = until if day == last else 24.0
        if hours > 0:
            yield Piece(entry, day, 0.0, hours)


def _block(slot: Slot) -> Block:
    piece, *others = slot.pieces
    if others:
        return _together(slot)
    entry = piece.entry
    is_first = piece.day == entry.day
    return Block(
        day=piece.day,
        start=slot.start,
        hours=min(piece.start + piece.hours, MIDNIGHT) - slot.start,
        room=slot.room - slot.start,
        tone=entry.tone,
        title=entry.title if is_first else f"… {entry.title}",
        lines=entry.lines,
        url=entry.url,
        time="" if entry.is_crowd else entry.time,
        lane=slot.lane,
        lanes=slot.lanes,
        mark=entry.mark if is_first else "",
        is_dashed=entry.is_dashed,
    )


def _together(slot: Slot) -> Block:
    """It leads to the list of its day."""
    entries = [piece.entry for piece in slot.pieces]
    count = sum(entry.count for entry in entries)
    return Block(
        day=slot.pieces[0].day,
        start=slot.start,
        hours=min(slot.until, MIDNIGHT) - slot.start,
        room=slot.room - slot.start,
        tone="bad" if any(entry.collides for entry in entries) else "mute",
        title=_("+ %(count)d more") % {"count": count},
        lines=tuple(f"{entry.time} {entry.title}" for entry in entries[:TOLD_TOGETHER]),
        url=f"#{anchor_of(slot.pieces[0].day)}",
        lane=slot.lane,
        lanes=slot.lanes,
    )


def _hour_by_hour(entries: Sequence[Entry]) -> Iterable[Block]:
    """A block for each hour of a day, where there are too many for one each."""
    hours: dict[int, list[Entry]] = {}
    for entry in entries:
        hours.setdefault(int(entry.hour), []).append(entry)
    for hour, own in hours.items():
        count = sum(entry.count for entry in own)
        yield Block(
            day=own[0].day,
            start=hour,
            hours=1,
            tone="bad" if any(entry.tone == "bad" for entry in own) else "mute",
            title=f"{hour:02}:00 · {count}×",
            lines=tuple(entry.name for entry in own[:TOLD_TOGETHER]),
            url=f"#{anchor_of(own[0].day)}",
        )


def anchor_of(day: int) -> str:
    """Of a day of the list; 0: of the first day that is shown."""
    return f"day-{day + 1}"
