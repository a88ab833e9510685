"""How much is to be done hour by hour: firings, worker minutes, and how many runs at once; pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from .firings import Often
from .spans import HOUR, Span


class Work(NamedTuple):
    """Something that takes a worker place (or several) for a while. A tuple: a page makes ten thousand of them."""

    at: datetime
    end: datetime
    runs: int = 1


@dataclass(slots=True, kw_only=True)
class Hour:
    """What one hour of one day's clock holds; an hour that comes twice holds both."""

    firings: int = 0
    minutes: float = 0
    """Of worker places."""
    most: float = 0
    """Runs at once."""
    exists: bool = False
    """The clock may leave it out."""
    is_ahead: bool = False
    """Not over: what it holds is expected, by how long runs usually take."""


def hours_of(span: Span, works: Iterable[Work], often: Sequence[Often] = (), *, since: datetime) -> list[list[Hour]]:
    """For each day 24 hours. What fires often is no firing among others: its work is spread evenly from `since` on."""
    grid = [[Hour() for _hour in range(24)] for _day in span.days]
    starts: list[datetime] = []
    cells: list[Hour] = []
    for index, day in enumerate(span.days):
        for hour, moment in day.hours(span.tz):
            cell = grid[index][hour]
            cell.exists = True
            cell.is_ahead = moment + HOUR > since
            starts.append(moment)
            cells.append(cell)
    within = [work for work in works if work.end > span.start and work.at < span.end]
    for work in within:
        _spread(work, starts, cells, span.end)
    _peaks(within, starts, cells, span)
    _add_often(often, starts, cells, since=max(since, span.start), until=span.end)
    return grid


def _spread(work: Work, starts: Sequence[datetime], cells: Sequence[Hour], end: datetime) -> None:
    """Its firing into the hour in which it begins, its minutes into all of them."""
    index = bisect_right(starts, work.at) - 1
    if index >= 0:
        cells[index].firings += 1
    index = max(0, index)
    while index < len(starts) and starts[index] < work.end:
        until = min(work.end, starts[index + 1] if index + 1 < len(starts) else end)
        cells[index].minutes += work.runs * (until - max(work.at, starts[index])).total_seconds() / 60
        index += 1


def _peaks(works: Sequence[Work], starts: Sequence[datetime], cells: Sequence[Hour], span: Span) -> None:
    # At one moment what ends comes before what begins.
    events = sorted([(work.at, work.runs) for work in works] + [(work.end, -work.runs) for work in works])
    running = hour = 0
    for (moment, change), (following, _change) in pairwise([*events, (span.end, 0)]):
        running += change
        if following == moment:
            continue
        while hour + 1 < len(starts) and starts[hour + 1] <= moment:
            hour += 1
        if running > cells[hour].most:
            cells[hour].most = running
        later = hour + 1
        while later < len(starts) and starts[later] < following:
            cells[later].most = max(cells[later].most, running)
            later += 1


def _add_often(
    often: Sequence[Often], starts: Sequence[datetime], cells: Sequence[Hour], *, since: datetime, until: datetime
) -> None:
    seconds = (until - since).total_seconds()
    live = [one for one in often if one.schedule.is_live]
    if seconds <= 0 or not live:
        return
    places = sum(one.places(seconds) for one in live)
    coming = [cell for start, cell in zip(starts, cells, strict=True) if start + HOUR > since]
    for cell in coming:
        cell.minutes += places * 60
    # One that comes twice has no more runs at once for that.
    for cell in {id(cell): cell for cell in coming}.values():
        cell.most += places
