"""When a schedule runs, as fields that people fill in: pure, from a trigger's document and back.

What the fields cannot say exactly is shown as the document: opening and saving a form never changes a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

KINDS = (
    ("interval", gettext_lazy("Every …")),
    ("hourly", gettext_lazy("Hourly")),
    ("daily", gettext_lazy("Daily")),
    ("weekly", gettext_lazy("Weekdays")),
    ("cron", gettext_lazy("Cron line")),
    ("date", gettext_lazy("Once")),
    ("document", gettext_lazy("As a document")),
)
UNITS = (
    ("seconds", gettext_lazy("seconds")),
    ("minutes", gettext_lazy("minutes")),
    ("hours", gettext_lazy("hours")),
    ("days", gettext_lazy("days")),
)
# cron's numbers, the week as most calendars have it
WEEKDAYS = (
    ("1", gettext_lazy("Mon")),
    ("2", gettext_lazy("Tue")),
    ("3", gettext_lazy("Wed")),
    ("4", gettext_lazy("Thu")),
    ("5", gettext_lazy("Fri")),
    ("6", gettext_lazy("Sat")),
    ("0", gettext_lazy("Sun")),
)
FIELDS = (
    *("kind", "every", "unit", "minute", "at", "cron", "run_date", "zone"),
    *("weekdays", "trigger_document", "start", "end"),
)
# what a kind cannot do without, the field at which its problems are shown first
NEEDED: Mapping[str, tuple[str, ...]] = {
    "interval": ("every",),
    "hourly": ("minute",),
    "daily": ("at",),
    "weekly": ("at", "weekdays"),
    "cron": ("cron",),
    "date": ("run_date",),
    "document": ("trigger_document",),
}
# all that a kind shows
USES: Mapping[str, tuple[str, ...]] = {
    "interval": ("every", "unit", "zone", "start", "end"),
    "hourly": ("minute", "zone", "start", "end"),
    "daily": ("at", "zone", "start", "end"),
    "weekly": ("at", "weekdays", "zone", "start", "end"),
    "cron": ("cron", "zone", "start", "end"),
    "date": ("run_date", "zone"),
    "document": ("trigger_document",),
}
_HOURLY = re.compile(r"(\d{1,2}) \* \* \* \*")
_DAILY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* ([\d,-]+|\*)")
_ONCE_A_DAY = re.compile(r"\d{1,2} \d{1,2} (\S+ \S+ \S+)")
_LEAST_IN_A_ROW = 3
"""Weekdays that are written as a span."""

Values = Mapping[str, object]


def trigger_of(values: Values) -> dict[str, object]:
    """The document that the fields say; raises nothing: what is wrong with it, `triggers` finds."""
    kind = values.get("kind")
    if kind == "document":
        document = values.get("trigger_document")
        return dict(document) if isinstance(document, Mapping) else {}
    zone = {"timezone": values["zone"]} if values.get("zone") else {}
    bounds = {name: values[name] for name in ("start", "end") if values.get(name)}
    if kind == "interval":
        # An interval counts elapsed time: the zone matters to its bounds alone.
        unit = str(values.get("unit") or "seconds")
        return {"type": "interval", unit: values.get("every")} | (zone | bounds if bounds else {})
    if kind == "date":
        return {"type": "date", "run_date": values.get("run_date") or ""} | zone
    return {"type": "cron", "cron": _line(str(kind), values)} | zone | bounds


def fields_of(trigger: object) -> dict[str, object]:
    """The fields that say a document, to the letter; those of the kind `document` where none do."""
    if not isinstance(trigger, Mapping):
        # A hand spoilt it: shown as it is, to be mended.
        return {"kind": "document", "trigger_document": trigger}
    for read in _READERS:
        values = read(trigger)
        if values is not None and trigger_of(values) == dict(trigger):
            return values
    return {"kind": "document", "trigger_document": dict(trigger)}


def missing(values: Values) -> list[tuple[str, str]]:
    """The fields that the chosen kind needs and that are empty, each with what to do."""
    needed = NEEDED.get(str(values.get("kind")), ())
    return [(name, _TO_FILL[name]()) for name in needed if values.get(name) in (None, "", [], ())]


def unused(kind: str) -> list[str]:
    """The fields that a kind does not show."""
    uses = USES.get(kind, FIELDS)
    return [name for name in FIELDS if name != "kind" and name not in uses]


def moved(trigger: object, at: time) -> str:
    """The cron line of a rule that fires once a day, at another time; empty: it is another kind of rule."""
    match = _ONCE_A_DAY.fullmatch(_cron_of(trigger)) if isinstance(trigger, Mapping) else None
    return f"{at.minute} {at.hour} {match[1]}" if match else ""


def field_of(place: str, kind: str) -> str:
    """Where a problem of a trigger's document is shown."""
    if kind == "document":
        return "trigger_document"
    named = {"trigger.timezone": "zone", "trigger.start": "start", "trigger.end": "end"}
    return named.get(place) or NEEDED.get(kind, ("trigger_document",))[0]


def _line(kind: str, values: Values) -> str:
    if kind == "hourly":
        return f"{values.get('minute')} * * * *"
    if kind not in ("daily", "weekly"):
        return str(values.get("cron") or "")
    at = values.get("at")
    clock = f"{at.minute} {at.hour}" if isinstance(at, time) else ""
    days = values.get("weekdays")
    chosen = _days(days) if kind == "weekly" and isinstance(days, Iterable) and not isinstance(days, str) else "*"
    return f"{clock} * * {chosen}"


def _days(chosen: Iterable[object]) -> str:
    """Cron's field for some weekdays: “1-5”, “0,6”; “*” for all of them."""
    numbers = sorted({int(str(day)) for day in chosen})
    if len(numbers) == len(WEEKDAYS):
        return "*"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) >= _LEAST_IN_A_ROW else ",".join(str(number) for number in run)
        for run in runs
    )


def _days_of(field: str) -> list[str] | None:
    days: list[str] = []
    for part in field.split(","):
        first, dash, last = part.partition("-")
        if len(first) != 1 or (dash and len(last) != 1):
            return None
        days += [str(day) for day in range(int(first), int(last if dash else first) + 1)]
    return days


def _read_interval(trigger: Values) -> dict[str, object] | None:
    given = [unit for unit, _label in UNITS if unit in trigger]
    if trigger.get("type") != "interval" or len(given) != 1:
        return None
    [unit] = given
    every = trigger[unit]
    if not isinstance(every, int) or isinstance(every, bool):
        return None
    return {"kind": "interval", "every": every, "unit": unit} | _common(trigger)


def _read_hourly(trigger: Values) -> dict[str, object] | None:
    match = _HOURLY.fullmatch(_cron_of(trigger))
    if match is None or int(match[1]) > 59:
        return None
    return {"kind": "hourly", "minute": int(match[1]), "cron": match[0]} | _common(trigger)


def _read_daily(trigger: Values) -> dict[str, object] | None:
    match = _DAILY.fullmatch(_cron_of(trigger))
    if match is None or int(match[1]) > 59 or int(match[2]) > 23:
        return None
    at = {"at": time(int(match[2]), int(match[1])), "cron": match[0]}
    if match[3] == "*":
        return {"kind": "daily"} | at | _common(trigger)
    days = _days_of(match[3])
    return None if days is None else {"kind": "weekly", "weekdays": days} | at | _common(trigger)


def _read_cron(trigger: Values) -> dict[str, object] | None:
    return {"kind": "cron", "cron": _cron_of(trigger)} | _common(trigger)


def _read_date(trigger: Values) -> dict[str, object] | None:
    if trigger.get("type") != "date" or not _is_wall(trigger.get("run_date")):
        return None
    return {"kind": "date", "run_date": trigger["run_date"]} | _common(trigger)


def _cron_of(trigger: Values) -> str:
    line = trigger.get("cron")
    return line if trigger.get("type") == "cron" and isinstance(line, str) else ""


def _common(trigger: Values) -> dict[str, object]:
    """Zone and bounds; a bound with an offset is none that a date field of a browser can show: it stays a document."""
    bounds = {name: trigger[name] for name in ("start", "end") if _is_wall(trigger.get(name))}
    return {"zone": trigger.get("timezone", "")} | bounds


def _is_wall(value: object) -> bool:
    """Whether a browser's date-time field shows it and gives it back as it was."""
    if not isinstance(value, str) or "T" not in value:
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is None
    except ValueError:
        return False


_READERS = (_read_interval, _read_hourly, _read_daily, _read_cron, _read_date)
_TO_FILL: Mapping[str, Callable[[], str]] = {
    "every": lambda: _("Write how many."),
    "minute": lambda: _("Write the minute of the hour, 0 to 59."),
    "at": lambda: _("Write the time of day, such as 02:00."),
    "weekdays": lambda: _("Choose at least one day."),
    "cron": lambda: _("Write a cron line, such as 0 2 * * *."),
    "run_date": lambda: _("Write date and time, such as 2027-01-01T12:00."),
    "trigger_document": lambda: _('Write a document, such as {"type": "interval", "hours": 1}.'),
}
