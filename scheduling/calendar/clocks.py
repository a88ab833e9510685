"""What a change of the clock does within some days, and to whom; no query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scheduling.exceptions import InvalidTrigger
from scheduling.triggers import ClockChange
from scheduling.triggers.zones import changes

from .schedules import Schedule

NAMED = 6
"""Schedules that are named for one change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockNote:
    """One change of one zone's clock."""

    zone: str
    change: ClockChange
    moved: tuple[tuple[Schedule, str], ...]
    """Schedules, each with what it does to them."""
    more: int
    unmoved: int
    """Schedules of the zone to which it does nothing."""


def clock_notes(schedules: Iterable[Schedule], since: datetime, until: datetime, *, tz: ZoneInfo) -> list[ClockNote]:
    """The changes in ``since < t <= until`` of the page's zone and of all in which a schedule is read."""
    by_zone: dict[ZoneInfo, list[Schedule]] = defaultdict(list)
    by_zone[tz] = []
    for schedule in schedules:
        with suppress(InvalidTrigger):
            by_zone[schedule.rule.tz].append(schedule)
    notes = [_note(zone, change, own) for zone, own in by_zone.items() for change in changes(zone, since, until)]
    return sorted(notes, key=lambda note: (note.change.at, note.zone))


def _note(zone: ZoneInfo, change: ClockChange, own: list[Schedule]) -> ClockNote:
    rules = [(schedule, schedule.rule.anchored(schedule.job.anchor_at)) for schedule in own]
    touched = [(schedule, rule.at_change(change)) for schedule, rule in rules if rule.is_touched_by(change)]
    return ClockNote(
        zone=zone.key,
        change=change,
        moved=tuple(touched[:NAMED]),
        more=len(touched[NAMED:]),
        unmoved=len(own) - len(touched),
    )
