"""Every so often, counted from an anchor in elapsed time: neither restarts nor clock changes move it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.exceptions import InvalidTrigger

from .base import DocumentTrigger, Reader
from .zones import ClockChange

UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=36_525)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AnchoredInterval(DocumentTrigger):
    """Fires at anchor + n · interval; at `start` itself (n = 0) if one is given, else from n = 1 on."""

    keys = tuple(UNITS)

    def __init__(
        self,
        interval: timedelta,
        *,
        tz: ZoneInfo,
        start: datetime | None = None,
        end: datetime | None = None,
        anchor: datetime = EPOCH,
    ) -> None:
        super().__init__(tz=tz, start=start, end=end)
        self.interval = interval
        self.anchor = anchor if start is None else start

    @classmethod
    def read(cls, reader: Reader) -> Self:
        start, end = reader.bounds()
        return cls(_interval(reader), tz=reader.tz(), start=start, end=end)

    def anchored(self, anchor: datetime | None) -> Self:
        if anchor is None or self.start is not None:
            return self
        return type(self)(self.interval, tz=self.tz, end=self.end, anchor=anchor.astimezone(UTC))

    def next_after(self, moment: datetime) -> datetime | None:
        moment = moment.astimezone(UTC)
        number = (moment - self.anchor) // self.interval + 1
        return self.anchor + max(number, self._first) * self.interval

    def following_from(self, anchor: datetime, moment: datetime) -> datetime | None:
        """What `anchored(anchor).following(moment)` says, without making that trigger; both times in UTC."""
        if self.start is not None:
            return self.following(moment)
        if moment < anchor:
            found = anchor + self.interval
        else:
            found = moment + (self.interval - (moment - anchor) % self.interval)
        return found if self.end is None or found <= self.end else None

    def count(self, after: datetime, until: datetime) -> int:
        last = (until.astimezone(UTC) - self.anchor) // self.interval
        before = (after.astimezone(UTC) - self.anchor) // self.interval
        return max(0, last - max(before, self._first - 1))

    def describe(self) -> str:
        return _("Every %(interval)s") % {"interval": in_words(self.interval)}

    def effect_of(self, change: ClockChange) -> str:
        shift = abs(change.after - change.before)
        if not shift % self.interval:
            return _("elapsed time goes on; it falls on the same minutes of the clock as before")
        text = (
            _("elapsed time goes on; its local times are %(shift)s later from then on")
            if change.is_gap
            else _("elapsed time goes on; its local times are %(shift)s earlier from then on")
        )
        return text % {"shift": in_words(shift)}

    def is_touched_by(self, change: ClockChange) -> bool:
        return bool(abs(change.after - change.before) % self.interval)

    @property
    def _first(self) -> int:
        return 1 if self.start is None else 0


def in_words(interval: timedelta) -> str:
    """“1 hour 30 minutes”."""
    seconds = interval // SHORTEST
    parts: list[str] = []
    for count, text in (
        (seconds // 86_400, ngettext("%(count)d day", "%(count)d days", seconds // 86_400)),
        (seconds // 3_600 % 24, ngettext("%(count)d hour", "%(count)d hours", seconds // 3_600 % 24)),
        (seconds // 60 % 60, ngettext("%(count)d minute", "%(count)d minutes", seconds // 60 % 60)),
    ):
        if count:
            parts.append(text % {"count": count})
    rest = seconds % 60 + interval.microseconds / 1_000_000
    if rest:
        parts.append(ngettext("%(count)s second", "%(count)s seconds", math.ceil(rest)) % {"count": f"{rest:g}"})
    return " ".join(parts)


def _interval(reader: Reader) -> timedelta:
    given = [unit for unit in UNITS if reader.has(unit)]
    if not given:
        raise InvalidTrigger("trigger.seconds", _("Write at least one of %(units)s.") % {"units": ", ".join(UNITS)})
    total = timedelta()
    for unit in given:
        value = reader.document[unit]
        place = f"trigger.{unit}"
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise InvalidTrigger(place, _("Write a number, without quotes."))
        if value < 0 or (value == 0 and len(given) == 1):
            raise InvalidTrigger(place, _("Must be more than 0."))
        if value > LONGEST.total_seconds() / UNITS[unit]:
            message = _("Too long; at most %(days)d days.")
            raise InvalidTrigger(place, message % {"days": LONGEST.days})
        total += timedelta(seconds=value * UNITS[unit])
    if total < SHORTEST:
        raise InvalidTrigger(f"trigger.{given[-1]}", _("Must be at least one second."))
    if total > LONGEST:
        raise InvalidTrigger(f"trigger.{given[0]}", _("Too long; at most %(days)d days.") % {"days": LONGEST.days})
    return total
