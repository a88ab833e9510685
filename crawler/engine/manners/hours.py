"""Hours of the day in which nothing is fetched, by what a zone's clocks show.

So a change of the clocks needs no thought: an hour that comes twice is quiet twice, one that is left out is not missed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from crawler.engine.documents.document import Section, shown
from crawler.engine.messages import reason_of, said

DAY = 24 * 60
"""Minutes."""
MAX_HOURS = 50
"""Entries of a list."""
_HOURS = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")


def read_quiet_hours(manners: Section) -> tuple[str, ...]:
    """The texts under ``quiet_hours``, every problem noted."""
    found = manners.texts("quiet_hours")
    before = len(manners.problems.errors)
    for index, text in enumerate(found):
        try:
            read_hours(text)
        except ValueError as error:
            manners.error(f"quiet_hours[{index}]", said("{value} {reason}", value=shown(text), reason=reason_of(error)))
    if len(found) > MAX_HOURS:
        manners.error("quiet_hours", said("has {count} entries; give {most} at most", count=len(found), most=MAX_HOURS))
    elif len(manners.problems.errors) == before and QuietHours(found).is_always:
        manners.error("quiet_hours", said("leave no time to fetch anything; shorten them, or disable the spider"))
    return found


def read_hours(text: str) -> tuple[int, int]:
    """``08:00-20:00`` as minutes of the day: from, and until. Raises `ValueError` with the remedy."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(said('is not a time of the day; write it as "08:00-20:00"'))
    begin, end = (60 * int(found[hour]) + int(found[hour + 1]) for hour in (1, 3))
    if int(found[2]) > 59 or int(found[4]) > 59 or begin >= DAY or end > DAY:
        raise ValueError(said("is not on any clock; give 00:00 to 24:00"))
    if begin == end:
        raise ValueError(said("ends when it begins; give another end"))
    return begin, end


class QuietHours:
    """Minutes of the day in which nothing is fetched."""

    __slots__ = ("_minutes",)

    def __init__(self, hours: tuple[str, ...]) -> None:
        self._minutes: set[int] = set()
        for text in hours:
            begin, end = read_hours(text)
            if begin < end:
                self._minutes.update(range(begin, end))
            else:
                self._minutes.update(range(begin, DAY), range(end))

    @property
    def is_always(self) -> bool:
        return len(self._minutes) == DAY

    def hold(self, local: datetime) -> bool:
        """Whether they hold at that moment of the zone."""
        return 60 * local.hour + local.minute in self._minutes

    def end(self, moment: datetime, zone: tzinfo) -> datetime:
        """When they end that hold at `moment`: minute by minute, so that no change of the clocks is overlooked."""
        candidate = moment.astimezone(UTC).replace(second=0, microsecond=0)
        for _ in range(3 * DAY):
            candidate += timedelta(minutes=1)
            if not self.hold(candidate.astimezone(zone)):
                break
        return candidate
