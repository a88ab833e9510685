"""What every kind of trigger has, and the reader that turns a document's values into times or says what is wrong."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from django.conf import settings
from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .zones import ClockChange, instant_of, zone

MICROSECOND = timedelta(microseconds=1)
YEARS = range(1970, 3000)
"""Years in which a schedule may lie; arithmetic over zones is safe on both ends."""
COMMON_KEYS = ("type", "timezone", "start", "end")


class DocumentTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler is untyped
    """An APScheduler trigger that was built from a document. Answers are in UTC; pickles need our package only."""

    keys: ClassVar[tuple[str, ...]]
    """What its document may hold beside `COMMON_KEYS`."""

    def __init__(self, *, tz: ZoneInfo, start: datetime | None, end: datetime | None) -> None:
        self.tz = tz
        self.start = start
        self.end = end

    @classmethod
    @abstractmethod
    def read(cls, reader: Reader) -> Self:
        """Build it from a document, or raise InvalidTrigger."""

    @abstractmethod
    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after an instant, whatever `start` and `end` say."""

    @abstractmethod
    def count(self, after: datetime, until: datetime) -> int:
        """How many firings lie in ``after < t <= until``, whatever `start` and `end` say."""

    @abstractmethod
    def describe(self) -> str:
        """In words, in the active language."""

    @abstractmethod
    def effect_of(self, change: ClockChange) -> str:
        """What a change of the zone's clock does to it, in words, whatever `start` and `end` say."""

    def is_touched_by(self, change: ClockChange) -> bool:
        """Whether a change of the zone's clock does anything to it, whatever `start` and `end` say."""
        return True

    def anchored(self, anchor: datetime | None) -> Self:
        """The same, counting from an anchor, where there is one; only intervals do."""
        return self

    def at_change(self, change: ClockChange) -> str:
        """What a change of the zone's clock does to it, in words."""
        overlap = timedelta() if change.is_gap else change.before - change.after
        first, last = change.at - overlap, change.at + overlap
        if self.end is not None and self.end < first:
            return _("it has ended by then")
        if self.start is not None and self.start > last:
            return _("it has not begun by then")
        if any(bound is not None and first < bound < last for bound in (self.start, self.end)):
            return _("it begins or ends within the hours that come twice: see the firings")
        return self.effect_of(change)

    def following(self, moment: datetime) -> datetime | None:
        """The first firing strictly after an instant, within `start` and `end`."""
        if self.start is not None and moment < self.start:
            moment = self.start - MICROSECOND
        found = self.next_after(moment)
        if found is None or found.year > YEARS[-1] or (self.end is not None and found > self.end):
            return None
        return found

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The firings in ``after <= t < until``, in order."""
        moment = self.following(after - MICROSECOND)
        while moment is not None and moment < until:
            yield moment
            moment = self.following(moment)

    def count_between(self, after: datetime, until: datetime) -> int:
        if self.start is not None:
            after = max(after, self.start - MICROSECOND)
        if self.end is not None:
            until = min(until, self.end)
        return self.count(after, until) if until > after else 0

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's question: after `previous`, or for a job that never fired at `now` or later."""
        return self.following(previous if previous is not None else now - MICROSECOND)

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({self.describe()})>"


class Reader:
    """A trigger's document, read value by value; every error names its place."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.document = document

    def allow(self, keys: Iterable[str]) -> None:
        """Refuse what is not known, naming the nearest that is."""
        known = list(keys)
        for key in self.document:
            if key in known:
                continue
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = (
                _("the nearest is “%(near)s”.") % {"near": near[0]}
                if near
                else _("known are %(known)s.") % {"known": ", ".join(known)}
            )
            raise InvalidTrigger(f"trigger.{key}", _("This key is not known; %(hint)s") % {"hint": hint})

    def has(self, key: str) -> bool:
        return self.document.get(key) is not None

    def text(self, key: str) -> str:
        value = self.document.get(key)
        if not isinstance(value, str):
            raise InvalidTrigger(f"trigger.{key}", _("Write a text in quotes."))
        return value

    def tz(self) -> ZoneInfo:
        return zone(self.text("timezone") if self.has("timezone") else default_timezone())

    def moment(self, key: str) -> datetime | None:
        """An instant (UTC) or None where the key is absent; a time without offset is read in the trigger's zone."""
        if not self.has(key):
            return None
        return read_moment(self.document[key], place=f"trigger.{key}", tz=self.tz())

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        start, end = self.moment("start"), self.moment("end")
        if start is not None and end is not None and end <= start:
            raise InvalidTrigger("trigger.end", _("The end must lie after the start."))
        return start, end


def default_timezone() -> str:
    return str(settings.SCHEDULER_TIMEZONE)


def read_wall(value: object, *, place: str) -> datetime:
    """A date and time as written: naive or with its offset."""
    if not isinstance(value, str):
        raise InvalidTrigger(place, _("Write a date and time in quotes, like “2027-01-01T12:00:00”."))
    message = _("“%(value)s” is not a date and time; write it like “2027-01-01T12:00:00”.")
    refused = InvalidTrigger(place, message % {"value": value[:100]})
    # `fromisoformat` takes any character between date and time, also those that no database stores.
    if not value.isascii() or not value.isprintable():
        raise refused
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise refused from error
    if moment.year not in YEARS:
        message = _("The year %(year)d is out of range; use %(first)d to %(last)d.")
        raise InvalidTrigger(place, message % {"year": moment.year, "first": YEARS[0], "last": YEARS[-1]})
    return moment


def read_moment(value: object, *, place: str, tz: ZoneInfo) -> datetime:
    """An instant in UTC. A time without offset is the zone's: in a gap the first instant after it, in an overlap the
    first of the two."""
    moment = read_wall(value, place=place)
    if moment.tzinfo is None:
        return instant_of(tz, moment)
    return moment.astimezone(UTC)
