"""The days that a page shows, in one zone: a day may have 23 or 25 hours."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from scheduling.triggers.zones import changes, instant_of, offset_at, wall_of

FIRST_YEAR, LAST_YEAR = 1971, 2998
"""Arithmetic over zones is safe on both ends, that of the neighbours too."""
HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)
A_SECOND = timedelta(seconds=1)
WEEK = 7
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


def clock_at(tz: ZoneInfo, moment: datetime) -> datetime:
    """What the zone's clock shows (naive). A page asks for ten thousand moments of few days."""
    offset = _offset_of_day(tz, moment.toordinal()) if moment.tzinfo is UTC else None
    return wall_of(tz, moment) if offset is None else moment.replace(tzinfo=None) + offset


@lru_cache(maxsize=1_024)
def _offset_of_day(tz: ZoneInfo, ordinal: int) -> timedelta | None:
    """That of a whole day of UTC; None: it changes."""
    midnight = datetime.combine(date.fromordinal(ordinal), time(), UTC)
    if any(changes(tz, midnight - A_SECOND, midnight + A_DAY)):
        return None
    return offset_at(tz, midnight)


def minute_of(moment: datetime) -> datetime:
    """The minute that it lies in."""
    return moment.replace(second=0, microsecond=0) if moment.second or moment.microsecond else moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    date: date
    start: datetime
    """In UTC, as `end`."""
    end: datetime

    def hours(self, tz: ZoneInfo) -> Iterator[tuple[int, datetime]]:
        """The hours of the day with what the clock shows at their begin: an hour may be missing, or come twice."""
        moment = self.start
        while moment < self.end:
            yield wall_of(tz, moment).hour, moment
            moment += HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whole days in a row."""

    days: tuple[Day, ...]
    tz: ZoneInfo

    @property
    def start(self) -> datetime:
        return self.days[0].start

    @property
    def end(self) -> datetime:
        return self.days[-1].end

    def place(self, moment: datetime) -> tuple[int, float]:
        """Which of the days, and how many hours its clock shows since midnight."""
        wall = clock_at(self.tz, moment)
        seconds = wall.hour * 3_600 + wall.minute * 60 + wall.second
        return (wall.date() - self.days[0].date).days, seconds / 3_600


def span_of(first: date, count: int, tz: ZoneInfo) -> Span:
    """`count` days from one on."""
    dates = [first + timedelta(days=number) for number in range(count + 1)]
    starts = [instant_of(tz, datetime.combine(one, time())) for one in dates]
    days = (Day(date=dates[index], start=starts[index], end=starts[index + 1]) for index in range(count))
    return Span(days=tuple(days), tz=tz)


def week_of(day: date, tz: ZoneInfo) -> Span:
    """The week from Monday on that a day lies in."""
    return span_of(day - timedelta(days=day.weekday()), WEEK, tz)


def month_of(day: date, tz: ZoneInfo) -> Span:
    return span_of(day.replace(day=1), monthrange(day.year, day.month)[1], tz)


def read_week(text: str) -> date:
    """The Monday of “2026-W48”.

    Raises:
        ValueError: with what is wrong, for people.
    """
    match = _WEEK.fullmatch(text)
    try:
        if match is not None and FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
            return date.fromisocalendar(int(match[1]), int(match[2]), 1)
    except ValueError:
        pass  # such a year has no such week: said below
    message = _("week: “%(value)s” is no week; write one like “2026-W48”, of the years %(first)d to %(last)d.")
    raise ValueError(message % {"value": text[:50], "first": FIRST_YEAR, "last": LAST_YEAR})


def read_month(text: str) -> date:
    """The first day of “2026-11”.

    Raises:
        ValueError: with what is wrong, for people.
    """
    match = _MONTH.fullmatch(text)
    if match is not None and FIRST_YEAR <= int(match[1]) <= LAST_YEAR and 1 <= int(match[2]) <= 12:
        return date(int(match[1]), int(match[2]), 1)
    message = _("month: “%(value)s” is no month; write one like “2026-11”, of the years %(first)d to %(last)d.")
    raise ValueError(message % {"value": text[:50], "first": FIRST_YEAR, "last": LAST_YEAR})


def week_address(day: date) -> str:
    """“2026-W48”."""
    year, week, _weekday = day.isocalendar()
    return f"{year:04}-W{week:02}"


def month_address(day: date) -> str:
    """“2026-11”."""
    return f"{day.year:04}-{day.month:02}"
