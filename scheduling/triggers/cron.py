"""Cron in a time zone. Within a gap of the clock a fixed time runs at the first instant after it; within an overlap a
fixed hour runs once, the first time; `*` and steps run whenever the clock shows a match.

cronsim sees a plain clock; what clock changes mean is decided here, because on aware times it returns moments that do
not exist (midnight gaps), moments in the past (fixed lines asked within an overlap) and loses matches where the
clock moves by half an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.exceptions import InvalidTrigger

from .base import MICROSECOND, DocumentTrigger, Reader
from .cronline import FIELDS, MAX_LENGTH, CronLine, is_plain, parse_fields, split_line
from .words import cron_in_words
from .zones import PROBE, ClockChange, changes, instant_of, offset_at, wall_of

FIELD_MINIMUM = {"second": "0", "minute": "0", "hour": "0", "day": "1", "month": "1", "day_of_week": "*"}
ONE_DAY = timedelta(days=1)
SHOWN = 4
"""Firings that are named where a clock change touches many."""
COARSE_TO_FINE = ("month", "day", "day_of_week", "hour", "minute", "second")


class CronsimTrigger(DocumentTrigger):
    """Fires when the zone's clock matches a cron line."""

    keys = ("cron", *COARSE_TO_FINE)

    def __init__(
        self, line: CronLine, *, tz: ZoneInfo, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        super().__init__(tz=tz, start=start, end=end)
        self.line = line

    @classmethod
    def read(cls, reader: Reader) -> Self:
        start, end = reader.bounds()
        trigger = cls(_line(reader), tz=reader.tz(), start=start, end=end)
        if start is not None and end is not None and trigger.following(start - MICROSECOND) is None:
            raise InvalidTrigger("trigger.end", _("This never fires: no firing lies between start and end."))
        return trigger

    @property
    def expression(self) -> str:
        """The line: six fields only where seconds are not plain 0."""
        parts = [self.line.fields[name] for name in FIELDS]
        return " ".join(parts[1:] if parts[0] == "0" else parts)

    def next_after(self, moment: datetime) -> datetime | None:
        return self._next_fixed(moment) if self.line.is_fixed else self._next_following(moment)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Far from a change of the clock a wall-clock time is one instant: its matches are all there is to be found."""
        if next(changes(self.tz, after - ONE_DAY, until + ONE_DAY), None) is not None:
            yield from super().between(after, until)
            return
        first = after if self.start is None else max(after, self.start)
        offset = offset_at(self.tz, first)
        match = self.line.next(wall_of(self.tz, first) - MICROSECOND)
        while match is not None:
            instant = (match - offset).replace(tzinfo=UTC)
            if instant >= until or (self.end is not None and instant > self.end):
                return
            yield instant
            match = self.line.next(match)

    def count(self, after: datetime, until: datetime) -> int:
        return self._count_fixed(after, until) if self.line.is_fixed else self._count_following(after, until)

    def describe(self) -> str:
        return _("%(words)s (%(zone)s)") % {"words": cron_in_words(self.expression), "zone": self.tz.key}

    def effect_of(self, change: ClockChange) -> str:
        low, high = sorted((change.wall_before, change.wall_after))
        touched = self._walls(low, high)
        if not touched:
            return _("no firing falls into it")
        after = change.wall_after
        # Samoa's clocks once went from one midnight to the next.
        same_day = after.date() == low.date()
        moment = after.time().isoformat("minutes") if same_day else after.isoformat(" ", "minutes")
        values = {"times": ", ".join(touched), "moment": moment}
        if self.line.is_fixed and change.is_gap:
            text = ngettext("%(times)s runs at %(moment)s", "%(times)s run once, at %(moment)s", len(touched))
        elif self.line.is_fixed:
            text = ngettext(
                "%(times)s runs once, the first time", "%(times)s run once each, the first time", len(touched)
            )
        elif change.is_gap:
            text = ngettext(
                "%(times)s does not come and does not run", "%(times)s do not come and do not run", len(touched)
            )
        else:
            text = ngettext("%(times)s runs both times", "%(times)s run both times", len(touched))
        return text % values

    def is_touched_by(self, change: ClockChange) -> bool:
        low, high = sorted((change.wall_before, change.wall_after))
        match = self.line.next_from(low)
        return match is not None and match < high

    def _walls(self, low: datetime, high: datetime) -> list[str]:
        """The first matches in ``low ≤ wall < high``, as texts."""
        found: list[str] = []
        match = self.line.next_from(low)
        while match is not None and match < high:
            if len(found) == SHOWN:
                return [*found, "…"]
            found.append(match.time().isoformat("auto" if match.second else "minutes"))
            match = self.line.next(match)
        return found

    def __getstate__(self) -> dict[str, object]:
        return {"fields": self.line.fields, "tz": self.tz.key, "start": self.start, "end": self.end}

    def __setstate__(self, state: dict[str, object]) -> None:
        fields, key, start, end = state["fields"], state["tz"], state["start"], state["end"]
        assert isinstance(fields, dict)  # noqa: S101 - our own pickle
        assert isinstance(key, str)  # noqa: S101
        assert start is None or isinstance(start, datetime)  # noqa: S101
        assert end is None or isinstance(end, datetime)  # noqa: S101
        self.__init__(CronLine(fields), tz=ZoneInfo(key), start=start, end=end)  # type: ignore[misc]

    def _next_fixed(self, moment: datetime) -> datetime | None:
        wall = wall_of(self.tz, moment)
        while (match := self.line.next(wall)) is not None:
            instant = instant_of(self.tz, match)
            if instant > moment:
                return instant
            # Asked within the second pass of an overlap: all of its matches have had their turn in the first.
            wall = self._wall_done(moment)
        return None

    def _next_following(self, moment: datetime) -> datetime | None:
        offset = offset_at(self.tz, moment)
        searched = wall_of(self.tz, moment)
        match = self.line.next(searched)
        while match is not None:
            instant = (match - offset).replace(tzinfo=UTC)
            if instant - moment < PROBE and offset_at(self.tz, instant) == offset:
                return instant
            change = next(changes(self.tz, moment, instant), None)
            if change is None:
                return instant
            moment, offset = change.at, change.after
            # Searching anew is needed only where the clock went back behind what was searched, or skipped the match.
            if change.wall_after <= searched or match < change.wall_after:
                searched = change.wall_after - MICROSECOND
                match = self.line.next(searched)
        return None

    def _count_fixed(self, after: datetime, until: datetime) -> int:
        total = 0
        done = self._wall_done(after)
        for change in changes(self.tz, after, until):
            last = change.wall_before - MICROSECOND
            total += self.line.count(done, last)
            done = max(done, last)
            if change.is_gap:
                resumed = change.wall_after - MICROSECOND
                # All that the gap swallowed runs once at its end, together with what is due there anyway.
                if self.line.count(last, resumed) and not self.line.count(resumed, change.wall_after):
                    total += 1
                done = resumed
        return total + self.line.count(done, wall_of(self.tz, until))

    def _count_following(self, after: datetime, until: datetime) -> int:
        total = 0
        shown = wall_of(self.tz, after)
        for change in changes(self.tz, after, until):
            total += self.line.count(shown, change.wall_before - MICROSECOND)
            shown = change.wall_after - MICROSECOND
        return total + self.line.count(shown, wall_of(self.tz, until))

    def _wall_done(self, moment: datetime) -> datetime:
        """The last wall-clock time whose turn has come at an instant: within the second pass, the overlap's end."""
        wall = wall_of(self.tz, moment)
        if instant_of(self.tz, wall) >= moment.replace(microsecond=0):
            return wall
        change = list(changes(self.tz, moment - ONE_DAY, moment))[-1]
        return change.wall_before - MICROSECOND


def _line(reader: Reader) -> CronLine:
    if not reader.has("cron"):
        return _line_of_fields(reader)
    given = [name for name in COARSE_TO_FINE if reader.has(name)]
    if given:
        message = _("Write either a cron line or its fields, not both (%(fields)s).")
        raise InvalidTrigger("trigger.cron", message % {"fields": ", ".join(given)})
    fields = split_line(reader.text("cron"))
    return parse_fields(*(fields[name] for name in FIELDS))


def _line_of_fields(reader: Reader) -> CronLine:
    """What is finer than the finest given field is its minimum, what is coarser is `*`."""
    given = {name: _field(reader, name) for name in COARSE_TO_FINE if reader.has(name)}
    if not given:
        message = _("Write a cron line (“0 2 * * *”) or at least one of %(fields)s.")
        raise InvalidTrigger("trigger.cron", message % {"fields": ", ".join(COARSE_TO_FINE)})
    finest = max(COARSE_TO_FINE.index(name) for name in given)
    fields = {
        name: given.get(name, "*" if index < finest else FIELD_MINIMUM[name])
        for index, name in enumerate(COARSE_TO_FINE)
    }
    return parse_fields(*(fields[name] for name in FIELDS), places="trigger")


def _field(reader: Reader, name: str) -> str:
    value = reader.document[name]
    place = f"trigger.{name}"
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100:
        return str(value)
    if not isinstance(value, str):
        raise InvalidTrigger(place, _("Write a whole number or a text such as “*/5” or “1,15”."))
    text = value.strip()
    if not text or len(text) > MAX_LENGTH or not is_plain(text):
        raise InvalidTrigger(place, _("Write one cron field without blanks, such as “*/5”, “1,15” or “mon-fri”."))
    return text
