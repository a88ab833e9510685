"""The two nights of Berlin in which the clocks change, and what cron lines come to in them.

Cron's rule here: a fixed time that a gap swallows fires at the first instant after it; a fixed hour that comes twice
fires once, the first time; `*` and steps fire each time; intervals know no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ZONE = "Europe/Berlin"
CRON_LINES = {
    "fixed": "30 2 * * *",
    "steps": "*/15 * * * *",
    "hourly": "5 * * * *",
    "hours": "20 1,2,3 * * *",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """All moments in UTC."""

    name: str
    begin: datetime
    end: datetime
    firings: dict[str, list[datetime]]
    """Of each line, from the begin to before the end, in order."""


def _at(day: str, *times: str) -> list[datetime]:
    return [datetime.fromisoformat(f"{day}T{time}:00+00:00") for time in times]


def _each(begin: datetime, end: datetime, minutes: int) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += timedelta(minutes=minutes)


def _night(name: str, begin: datetime, length: int, **firings: list[datetime]) -> Night:
    end = begin + timedelta(hours=length)
    regular = {
        "steps": list(_each(begin, end, 15)),
        "hourly": list(_each(begin + timedelta(minutes=35), end, 60)),
        "interval": list(_each(begin, end, 30)),
    }
    return Night(name=name, begin=begin, end=end, firings=regular | firings)


SPRING = _night(
    # 00:30 to 04:30 by the clock on the wall, of which 02:00 to 03:00 is not there: three hours
    "spring",
    datetime(2026, 3, 28, 23, 30, tzinfo=UTC),
    3,
    fixed=_at("2026-03-29", "01:00"),
    hours=_at("2026-03-29", "00:20", "01:00", "01:20"),
)
AUTUMN = _night(
    # 00:30 to 04:30, of which 02:00 to 03:00 comes twice: five hours
    "autumn",
    datetime(2026, 10, 24, 22, 30, tzinfo=UTC),
    5,
    fixed=_at("2026-10-25", "00:30"),
    hours=[*_at("2026-10-24", "23:20"), *_at("2026-10-25", "00:20", "02:20")],
)
NIGHTS = (SPRING, AUTUMN)


def triggers(night: Night) -> dict[str, dict[str, object]]:
    """A trigger's document for each line, and for an interval of half an hour."""
    cron: dict[str, dict[str, object]] = {
        name: {"type": "cron", "cron": line, "timezone": ZONE} for name, line in CRON_LINES.items()
    }
    return cron | {"interval": {"type": "interval", "minutes": 30, "start": night.begin.isoformat()}}
