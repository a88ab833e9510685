"""Time zones: their names, their clock changes, and the instant that a wall-clock time means."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

PROBE = timedelta(days=3)
"""Two changes of one zone's clock are never nearer than this (the nearest since 1970: Brazil's of 2000, a week)."""
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A zone's clock goes forward (a gap of times that do not exist) or back (an overlap of times that come twice)."""

    at: datetime
    """The first instant under the new offset, in UTC."""
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    @property
    def wall_before(self) -> datetime:
        """What the clock would have shown at `at`."""
        return _wall(self.at, self.before)

    @property
    def wall_after(self) -> datetime:
        """What it shows instead."""
        return _wall(self.at, self.after)


@cache
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of that name; raises InvalidTrigger that names the nearest one."""
    if name in zone_names():
        return ZoneInfo(name)
    by_folded = {known.casefold(): known for known in sorted(zone_names())}
    near = difflib.get_close_matches(name[:100].casefold(), by_folded, n=1, cutoff=0.6)
    if near:
        message = _("There is no time zone “%(name)s”; the nearest is “%(near)s”.")
        raise InvalidTrigger("trigger.timezone", message % {"name": name[:100], "near": by_folded[near[0]]})
    message = _("There is no time zone “%(name)s”; write one like “Europe/Paris”.")
    raise InvalidTrigger("trigger.timezone", message % {"name": name[:100]})


def changes(tz: ZoneInfo, after: datetime, until: datetime) -> Iterator[ClockChange]:
    """The clock changes with ``after < at <= until``, in order."""
    for year in range(after.astimezone(UTC).year, until.astimezone(UTC).year + 1):
        for change in _changes_of_year(tz, year):
            if after < change.at <= until:
                yield change


def offset_at(tz: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(tz).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always has one
    return offset


def wall_of(tz: ZoneInfo, instant: datetime) -> datetime:
    """What the zone's clock shows at an instant (naive)."""
    return instant.astimezone(tz).replace(tzinfo=None, fold=0)


def instant_of(tz: ZoneInfo, wall: datetime) -> datetime:
    """The instant (UTC) that a wall-clock time means: in an overlap the first one, in a gap the first after the gap."""
    first = wall.replace(tzinfo=tz, fold=0)
    instant = first.astimezone(UTC)
    if wall_of(tz, instant) == wall:
        return instant
    # In a gap fold=1 reads the time with the offset after the change: an instant before it.
    for change in changes(tz, wall.replace(tzinfo=tz, fold=1).astimezone(UTC), instant):
        return change.at
    return instant


def exists(tz: ZoneInfo, wall: datetime) -> bool:
    """Whether the zone's clock ever shows this time (false inside a gap)."""
    return wall_of(tz, wall.replace(tzinfo=tz).astimezone(UTC)) == wall


@lru_cache(maxsize=4096)
def _changes_of_year(tz: ZoneInfo, year: int) -> tuple[ClockChange, ...]:
    found: list[ClockChange] = []
    low = datetime(year, 1, 1, tzinfo=UTC) - SECOND
    end = datetime(year + 1, 1, 1, tzinfo=UTC) - SECOND
    while low < end:
        high = min(low + PROBE, end)
        before, after = offset_at(tz, low), offset_at(tz, high)
        if before != after:
            found.append(ClockChange(at=_bisect(tz, low, high), before=before, after=after))
        low = high
    return tuple(found)


def _bisect(tz: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second in (low, high] with the offset of `high`."""
    before = offset_at(tz, low)
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        if offset_at(tz, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _wall(instant: datetime, offset: timedelta) -> datetime:
    return instant.replace(tzinfo=None) + offset
