"""A week as a drawing, and the same as an agenda; no query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.web.admin import day_of
from crawlproject.web.charts import Band, Block, week
from scheduling.calendar.spans import Span
from scheduling.triggers.zones import changes, wall_of

from .calendar_entries import Entry

LEAST_HOURS = 0.72
"""A shorter block is drawn so high: its name has to fit in."""
MOST_LANES = 4
"""Blocks beside each other; what does not fit is one block that tells how many there are."""
LISTED_A_DAY = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaDay:
    label: str
    is_today: bool
    entries: tuple[Entry, ...]
    more: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of an entry that lies in one day."""

    entry: Entry
    day: int
    start: float
    hours: float

    @property
    def until(self) -> float:
        return self.start + max(self.hours, LEAST_HOURS)


def draw_week(title: str, entries: Sequence[Entry], span: Span, now: datetime) -> SafeString:
    today = wall_of(span.tz, now).date()
    days = [(_heading(datetime.combine(day.date, time())), day.date == today) for day in span.days]
    by_day: list[list[_Piece]] = [[] for _day in span.days]
    for entry in entries:
        for piece in _pieces(entry, span):
            by_day[piece.day].append(piece)
    blocks: list[Block] = []
    for pieces in by_day:
        blocks += _in_lanes(sorted(pieces, key=lambda piece: (piece.start, piece.entry.title)))
    count = ngettext("%(count)d block.", "%(count)d blocks.", len(blocks)) % {"count": len(blocks)}
    here = span.place(now) if span.start <= now < span.end else None
    return week(title, count, days, blocks, now=here, bands=_bands(span))


def agenda(entries: Sequence[Entry], span: Span, now: datetime) -> list[AgendaDay]:
    """Day by day what the drawing shows; days without anything are left out."""
    today = wall_of(span.tz, now).date()
    days: list[AgendaDay] = []
    for index, day in enumerate(span.days):
        own = sorted((entry for entry in entries if entry.day == index), key=lambda entry: (entry.at, entry.title))
        if own:
            label = day_of(datetime.combine(day.date, time()))
            listed = tuple(own[:LISTED_A_DAY])
            days.append(AgendaDay(label=label, is_today=day.date == today, entries=listed, more=len(own) - len(listed)))
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


def _pieces(entry: Entry, span: Span) -> Iterable[_Piece]:
    last, until = span.place(entry.end)
    if last == entry.day:
        # Where the clock goes back, an end may stand before its begin.
        hours = until - entry.hour if until > entry.hour else (entry.end - entry.at) / timedelta(hours=1)
        yield _Piece(entry, entry.day, entry.hour, hours)
        return
    yield _Piece(entry, entry.day, entry.hour, 24 - entry.hour)
    for day in range(entry.day + 1, min(last, len(span.days) - 1) + 1):
        hours = until if day == last else 24.0
        if hours > 0:
            yield _Piece(entry, day, 0.0, hours)


def _in_lanes(pieces: Sequence[_Piece]) -> list[Block]:
    blocks: list[Block] = []
    cluster: list[_Piece] = []
    until = 0.0
    for piece in pieces:
        if cluster and piece.start >= until:
            blocks += _cluster(cluster)
            cluster, until = [], 0.0
        cluster.append(piece)
        until = max(until, piece.until)
    return blocks + (_cluster(cluster) if cluster else [])


def _cluster(pieces: Sequence[_Piece]) -> list[Block]:
    """Pieces of one day that overlap, in as few lanes as there may be."""
    lanes: list[float] = []
    placed: list[tuple[_Piece, int]] = []
    rest: list[_Piece] = []
    for piece in pieces:
        lane = next((index for index, free in enumerate(lanes) if free <= piece.start), len(lanes))
        if lane == MOST_LANES:
            rest.append(piece)
            continue
        if lane == len(lanes):
            lanes.append(0.0)
        lanes[lane] = piece.until
        placed.append((piece, lane))
    if rest:
        # The last lane holds what did not fit, all in one.
        rest = sorted([*rest, *(piece for piece, lane in placed if lane == MOST_LANES - 1)], key=lambda one: one.start)
        placed = [(piece, lane) for piece, lane in placed if lane < MOST_LANES - 1]
    blocks = [_block(piece, lane, len(lanes)) for piece, lane in placed]
    if rest:
        blocks.append(_rest(rest, len(lanes)))
    return blocks


def _block(piece: _Piece, lane: int, lanes: int) -> Block:
    entry = piece.entry
    is_first = piece.day == entry.day
    return Block(
        day=piece.day,
        start=min(piece.start, 24 - LEAST_HOURS),
        hours=min(piece.hours, 24 - piece.start),
        tone=entry.tone,
        title=entry.title if is_first else f"… {entry.title}",
        lines=entry.lines,
        url=entry.url,
        lane=lane,
        lanes=lanes,
        mark=entry.mark if is_first else "",
        is_dashed=entry.is_dashed,
    )


def _rest(pieces: Sequence[_Piece], lanes: int) -> Block:
    count = sum(len(piece.entry.parts) + piece.entry.more for piece in pieces)
    until = max(piece.start + piece.hours for piece in pieces)
    start = min(piece.start for piece in pieces)
    return Block(
        day=pieces[0].day,
        start=min(start, 24 - LEAST_HOURS),
        hours=min(until, 24) - start,
        tone="bad" if any(piece.entry.collides for piece in pieces) else "mute",
        title=_("+ %(count)d more") % {"count": count},
        lines=tuple(f"{piece.entry.time} {piece.entry.title}" for piece in pieces[:LISTED_A_DAY]),
        url="#collisions" if any(piece.entry.collides for piece in pieces) else pieces[0].entry.url,
        lane=lanes - 1,
        lanes=lanes,
    )
