"""A cron line on a plain clock without zones: parsing, the next match, counting. `cron.py` knows clock changes."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError
from cronsim.cronsim import SYMBOLIC_DAYS, SYMBOLIC_MONTHS
from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

MACROS: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MAX_LENGTH = 200
BLANKS = " \t"
SHOWN = 60
"""Characters of a wrong value that an error shows."""
EPOCH = datetime(2000, 1, 1)
HORIZON = 50
"""Years: what does not come within them never comes. The rarest is 29 February on a given weekday: 40 at most."""
ONE_DAY = timedelta(days=1)
A_MONTH = timedelta(days=32)
"""From a month's first day into the next month."""
ONE_SECOND = timedelta(seconds=1)
ROUNDS: Mapping[str, int] = {"second": 60, "minute": 60, "hour": 24}
"""How far the fields go that begin anew with each minute, hour and day."""
FIELDS = ("second", "minute", "hour", "day", "month", "day_of_week")
RANGES: Mapping[str, str] = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day": "1-31, L",
    "month": "1-12, jan-dec",
    "day_of_week": "0-7 (0 and 7 are Sunday), sun-sat, 5L, mon#2",
}
STEP_OF_ONE = re.compile(r"(?<![^,])(\w+)-(\w+)/0*[1-9]\d*(?![^,])", re.ASCII)
NAMED: Mapping[str, int] = {
    **{name: number for number, name in enumerate(SYMBOLIC_DAYS)},
    **{name: number for number, name in enumerate(SYMBOLIC_MONTHS, start=1)},
}
LIBRARY_NAMES: Mapping[str, str] = {"day-of-month": "day", "day-of-week": "day_of_week"}


class CronLine:
    """A parsed line. A fixed one names its minutes and hours; others (`*`, `*/5`) follow the clock wherever it goes."""

    __slots__ = ("_days", "_first", "_sim", "_times", "fields", "is_fixed")

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        self.is_fixed = not fields["minute"].startswith("*") and not fields["hour"].startswith("*")
        self._sim = CronSim(" ".join(without_idle_steps(fields[name]) for name in FIELDS), EPOCH)
        self._times = tuple(sorted(part) for part in (self._sim.hours, self._sim.minutes, self._sim.seconds))
        hours, minutes, seconds = self._times
        self._first = time(hours[0], minutes[0], seconds[0])
        self._days: dict[tuple[int, int], int] = {}

    def next(self, wall: datetime) -> datetime | None:
        """The first match strictly after a wall-clock time; None if there is none within fifty years."""
        day = wall.date()
        if self._in_day(day):
            later = self._later(wall.hour, wall.minute, wall.second)
            if later is not None:
                return datetime.combine(day, later)
        following = self._next_day(day)
        return None if following is None else datetime.combine(following, self._first)

    def next_from(self, wall: datetime) -> datetime | None:
        """The first match at or after a wall-clock time."""
        return self.next(wall - timedelta(microseconds=1))

    def count(self, after: datetime, until: datetime) -> int:
        """How many matches lie in ``after < t <= until``: by arithmetic, a step for each day."""
        if until <= after:
            return 0
        first, last = after.date(), until.date()
        if first == last:
            return self._in_day(first) * (self._up_to(until.time()) - self._up_to(after.time()))
        hours, minutes, seconds = self._times
        whole = len(hours) * len(minutes) * len(seconds)
        head = self._in_day(first) * (whole - self._up_to(after.time()))
        tail = self._in_day(last) * self._up_to(until.time())
        return head + tail + whole * self._days_between(first + ONE_DAY, last)

    def _in_day(self, day: date) -> int:
        return int(day.month in self._sim.months and self._sim.match_day(day))

    def _next_day(self, day: date) -> date | None:
        """The first matching day after one."""
        last = day.year + HORIZON
        day += ONE_DAY
        while day.year <= last:
            if day.month not in self._sim.months:
                day = (day.replace(day=1) + A_MONTH).replace(day=1)
            elif self._sim.match_day(day):
                return day
            else:
                day += ONE_DAY
        return None

    def _later(self, hour: int, minute: int, second: int) -> time | None:
        """The first of a matching day's times after a time of day."""
        hours, minutes, seconds = self._times
        if hour in self._sim.hours:
            if minute in self._sim.minutes:
                index = bisect_right(seconds, second)
                if index < len(seconds):
                    return time(hour, minute, seconds[index])
            index = bisect_right(minutes, minute)
            if index < len(minutes):
                return time(hour, minutes[index], seconds[0])
        index = bisect_right(hours, hour)
        return time(hours[index], minutes[0], seconds[0]) if index < len(hours) else None

    def _days_between(self, first: date, end: date) -> int:
        """Matching days in ``first <= day < end``, whole months remembered."""
        total = 0
        day = first
        while day < end:
            next_month = (day.replace(day=1) + A_MONTH).replace(day=1)
            if day.day == 1 and next_month <= end:
                key = (day.year, day.month)
                if key not in self._days:
                    self._days[key] = self._scan(day, next_month)
                total += self._days[key]
            else:
                total += self._scan(day, min(next_month, end))
            day = min(next_month, end)
        return total

    def _scan(self, first: date, end: date) -> int:
        if first.month not in self._sim.months:
            return 0
        return sum(self._in_day(first + timedelta(days=index)) for index in range((end - first).days))

    def _up_to(self, moment: time) -> int:
        """How many of a matching day's times are at or before a time of day."""
        hours, minutes, seconds = self._times
        count = bisect_left(hours, moment.hour) * len(minutes) * len(seconds)
        if moment.hour not in self._sim.hours:
            return count
        count += bisect_left(minutes, moment.minute) * len(seconds)
        if moment.minute not in self._sim.minutes:
            return count
        return count + bisect_right(seconds, moment.second)


def split_line(line: str) -> dict[str, str]:
    """The fields of a line of five or six; raises InvalidTrigger that says what is wrong with it."""
    if len(line) > MAX_LENGTH:
        raise _refused(_("The line is longer than %(most)d characters.") % {"most": MAX_LENGTH})
    text = line.strip(BLANKS)
    if text.startswith("@"):
        return split_line(_macro(text))
    parts = [part for part in re.split(f"[{BLANKS}]+", text) if part]
    if not parts:
        raise _refused(_("The line is empty; “0 2 * * *” is every day at 02:00."))
    if len(parts) not in (5, 6):
        message = _(
            "“%(line)s”: a line has five fields (minute hour day month weekday), or six with seconds first;"
            " this one has %(count)d."
        )
        raise _refused(message % {"line": printable(text), "count": len(parts)})
    if len(parts) == 5:
        parts.insert(0, "0")
    fields = dict(zip(FIELDS, parts, strict=True))
    for name, value in fields.items():
        # Also what `str.isdigit` takes for digits, and blanks that are none to other programs.
        if not is_plain(value):
            raise _refused(
                _("The %(field)s “%(value)s” has other signs than plain letters, digits and * , - / #.")
                % {"field": field_word(name), "value": printable(value)}
            )
    return fields


@lru_cache(maxsize=4096)
def parse_fields(*parts: str, places: str = "trigger.cron") -> CronLine:
    """The line of six fields, seconds first. Errors name `places`, or the field's own place where it is ``trigger``."""
    fields = dict(zip(FIELDS, parts, strict=True))

    def place(name: str) -> str:
        return places if places != "trigger" else f"trigger.{name}"

    if "W" in fields["day"].upper():
        message = _("The day of the month “%(value)s”: “W” (nearest weekday) is not supported; name the days.")
        raise InvalidTrigger(place("day"), message % {"value": fields["day"]})
    try:
        line = CronLine(fields)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        name = LIBRARY_NAMES.get(name, name)
        raise InvalidTrigger(place(name), _explain(name, fields)) from error
    if line.next(EPOCH - ONE_SECOND) is None:
        message = _("This never fires: no day of the months “%(month)s” is both “%(day)s” and “%(weekday)s”.")
        raise InvalidTrigger(place("day"), message % _days_of(fields))
    return line


def without_idle_steps(field: str) -> str:
    """``5-5/2`` is 5 alone: cronsim takes it for ``5/2``, from 5 to the field's end."""

    def alone(found: re.Match[str]) -> str:
        low, high = (str(NAMED.get(text.upper(), text.lstrip("0"))) for text in found.groups())
        return found[1] if low == high else found[0]

    return STEP_OF_ONE.sub(alone, field)


def uneven_moments(field: str, round_: int) -> range:
    """When ``*/n`` fires in a round that n does not go into: ``*/40`` at 0 and 40 of an hour, not every 40 minutes.
    Empty of every other field."""
    step = field.removeprefix("*/")
    is_uneven = step != field and step.isdigit() and round_ % int(step) and int(step) < round_
    return range(0, round_, int(step)) if is_uneven else range(0)


def field_word(name: str) -> str:
    """What people call a field."""
    return {
        "second": _("second"),
        "minute": _("minute"),
        "hour": _("hour"),
        "day": _("day of the month"),
        "month": _("month"),
        "day_of_week": _("day of the week"),
    }[name]


def is_plain(value: str) -> bool:
    return value.isascii() and all(33 <= ord(character) < 127 for character in value)


def printable(value: str) -> str:
    """Short enough for a sentence, and nothing in it that no terminal or database takes."""
    shown = "".join(one if one.isprintable() else "\ufffd" for one in value[:SHOWN])
    return shown + "…" if len(value) > SHOWN else shown


def _explain(name: str, fields: Mapping[str, str]) -> str:
    value = fields[name]
    wrong = [part for part in value.split(",") if not _is_readable(name, part)]
    if name == "day" and not wrong:
        message = _("This never fires: no month of “%(month)s” has a day “%(day)s”.")
        return message % _days_of(fields)
    message = _(
        "The %(field)s “%(value)s” cannot be read; allowed: %(range)s, lists a,b, ranges a-b (a ≤ b), steps */n."
    )
    shown = printable(wrong[0] if wrong and wrong[0] else value)
    return message % {"field": field_word(name), "value": shown, "range": RANGES[name]}


def _is_readable(name: str, part: str) -> bool:
    """Whether one part of a field's list may stand there, other fields aside."""
    try:
        CronLine({**dict.fromkeys(FIELDS, "*"), name: part})
    except CronSimError:
        return False
    return True


def _days_of(fields: Mapping[str, str]) -> dict[str, str]:
    return {"month": fields["month"], "day": fields["day"], "weekday": fields["day_of_week"]}


def _macro(text: str) -> str:
    name = text.casefold()
    if name in MACROS:
        return MACROS[name]
    if name == "@reboot":
        raise _refused(_("“@reboot” names no time; use one of %(known)s.") % {"known": ", ".join(MACROS)})
    raise _refused(
        _("“%(name)s” is not known; use one of %(known)s.") % {"name": printable(text), "known": ", ".join(MACROS)}
    )


def _refused(message: str) -> InvalidTrigger:
    return InvalidTrigger("trigger.cron", message)
