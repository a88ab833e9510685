"""A second opinion on cron: lines whose meaning is known without parsing them, and the rule of clock changes read off
a walk of the real clock, step by step. Nothing of `scheduling.triggers` is used here.

The rule: a fixed line runs when the clock first reaches or passes one of its times; what a gap swallows runs at the
gap's end, and an hour that comes again brings nothing again. A line whose minute or hour begins with ``*`` runs
whenever the clock shows a match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOW = {"second": 0, "minute": 0, "hour": 0, "day": 1, "month": 1, "weekday": 0}
HIGH = {"second": 59, "minute": 59, "hour": 23, "day": 31, "month": 12, "weekday": 7}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Field(NamedTuple):
    """What is written, and what it stands for."""

    text: str
    values: frozenset[int] = frozenset()
    last: bool = False
    """``L``: a month's last day."""
    nth: tuple[int, int] | None = None
    """(weekday, n): ``mon#2``; n = 0 is the month's last, ``5L``."""


def star(kind: str) -> Field:
    return Field("*", frozenset(range(LOW[kind], HIGH[kind] + 1)))


def step(kind: str, every: int) -> Field:
    return Field(f"*/{every}", frozenset(range(LOW[kind], HIGH[kind] + 1, every)))


def number(value: int, text: str = "") -> Field:
    return Field(text or str(value), frozenset([value]))


def span(low: int, high: int, every: int = 1) -> Field:
    return Field(f"{low}-{high}" + (f"/{every}" if every > 1 else ""), frozenset(range(low, high + 1, every)))


def onwards(kind: str, low: int, every: int) -> Field:
    """``5/10``: from 5 to the field's end."""
    return Field(f"{low}/{every}", frozenset(range(low, HIGH[kind] + 1, every)))


def listed(*fields: Field) -> Field:
    """At most one of them with ``L`` or ``#``."""
    values = frozenset[int]().union(*(field.values for field in fields))
    nth = next((field.nth for field in fields if field.nth is not None), None)
    text = ",".join(field.text for field in fields)
    return Field(text, values, last=any(field.last for field in fields), nth=nth)


@dataclass(frozen=True, slots=True)
class Line:
    """Six fields; `text` has five where seconds are plain 0."""

    second: Field
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        fields = (self.minute, self.hour, self.day, self.month, self.weekday)
        front = () if self.second.text == "0" else (self.second,)
        return " ".join(field.text for field in (*front, *fields))

    @property
    def by_fields(self) -> dict[str, object]:
        """The same as a document's fields."""
        return {
            "second": self.second.text,
            "minute": self.minute.text,
            "hour": self.hour.text,
            "day": self.day.text,
            "month": self.month.text,
            "day_of_week": self.weekday.text,
        }

    @property
    def is_fixed(self) -> bool:
        return not self.minute.text.startswith("*") and not self.hour.text.startswith("*")

    @property
    def every_second(self) -> bool:
        """Whether it takes a walk by seconds to meet all of its times."""
        return self.second.text != "0"

    def matches(self, wall: datetime) -> bool:
        return (
            wall.second in self.second.values
            and wall.minute in self.minute.values
            and wall.hour in self.hour.values
            and _matches_day(self, wall.date())
        )


@lru_cache(maxsize=65_536)
def _matches_day(line: Line, day: date) -> bool:
    if day.month not in line.month.values:
        return False
    of_month = day.day in line.day.values or (line.day.last and (day + DAY).month != day.month)
    weekday = day.isoweekday() % 7
    of_week = weekday in {value % 7 for value in line.weekday.values}
    if line.weekday.nth is not None and line.weekday.nth[0] % 7 == weekday:
        n = line.weekday.nth[1]
        of_week = of_week or ((day + 7 * DAY).month != day.month if n == 0 else (day.day - 1) // 7 + 1 == n)
    if line.day.text.startswith("*") or line.weekday.text.startswith("*"):
        return of_month and of_week
    return of_month or of_week


def line(
    minute: Field,
    hour: Field,
    *,
    day: Field | None = None,
    month: Field | None = None,
    weekday: Field | None = None,
    second: Field | None = None,
) -> Line:
    return Line(
        second or number(0),
        minute,
        hour,
        day or star("day"),
        month or star("month"),
        weekday or star("weekday"),
    )


class Change(NamedTuple):
    """The first instant under a new offset, and both offsets."""

    at: datetime
    before: timedelta
    after: timedelta


@cache
def changes_of(tz: ZoneInfo, year: int, sampled: timedelta = timedelta(hours=6)) -> tuple[Change, ...]:
    """The changes of the clock's offset in a year (UTC), by sampling."""
    found: list[Change] = []
    now, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    before = offset(tz, now)
    while now < end:
        after = offset(tz, now + sampled)
        if after != before:
            low, high = 0, int(sampled / SECOND)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(tz, now + middle * SECOND) == before else (low, middle)
            if now + high * SECOND < end:
                found.append(Change(now + high * SECOND, before, after))
        now, before = now + sampled, after
    return tuple(found)


def offset(tz: ZoneInfo, instant: datetime) -> timedelta:
    found = instant.astimezone(tz).utcoffset()
    assert found is not None
    return found


def walk(tz: ZoneInfo, start: datetime, end: datetime, *, by: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """(instant, what the clock shows) from start to end."""
    now = start
    while now <= end:
        yield now, now.astimezone(tz).replace(tzinfo=None, fold=0)
        now += by


def is_whole(tz: ZoneInfo, start: datetime, end: datetime) -> bool:
    """Whether a walk by minutes meets every whole minute of the clock, and each change of it."""
    offsets = {offset(tz, start), offset(tz, end)}
    changes = [change for year in {start.year, end.year} for change in changes_of(tz, year)]
    instants = [change.at for change in changes if start <= change.at <= end]
    return all(not one % MINUTE for one in offsets) and all(not one.second for one in instants)


def expected(line: Line, steps: list[tuple[datetime, datetime]], *, by: timedelta) -> list[datetime]:
    """When the rule lets a line run after the first step, up to the last."""
    if not line.is_fixed:
        return [instant for instant, wall in steps[1:] if line.matches(wall)]
    found: list[datetime] = []
    reached = steps[0][1]
    for instant, wall in steps[1:]:
        due = False
        while reached < wall:
            reached += by
            due = due or line.matches(reached)
        if due:
            found.append(instant)
    return found
