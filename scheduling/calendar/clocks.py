"""What a change of the clock does within some days, and to whom; no query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scheduling import triggers
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
    by_zone: dict[ZoneInfo, list[tuple[Schedule, triggers.DocumentTrigger]]] = defaultdict(list)
    by_zone[tz] = []
    for schedule in schedules:
        try:
            built = triggers.build(schedule.job.trigger, anchor=schedule.job.anchor_at)
        except InvalidTrigger:
            continue
        by_zone[built.tz].append((schedule, built))
    notes = [_note(zone, change, own) for zone, own in by_zone.items() for change in changes(zone, since, until)]
    return sorted(notes, key=lambda note: (note.change.at, note.zone))


def _note(zone: ZoneInfo, change: ClockChange, own: list[tuple[Schedule, triggers.DocumentTrigger]]) -> ClockNote:
    touched = [(schedule, built.at_change(change)) for schedule, built in own if built.is_touched_by(change)]
    return ClockNote(
        zone=zone.key,
        change=change,
        moved=tuple(touched[:NAMED]),
        more=len(touched[NAMED:]),
        unmoved=len(own) - len(touched),
    )
