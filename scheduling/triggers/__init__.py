"""Pure: a trigger's document → an APScheduler trigger, its next firings, their number, and its words.

A document is what stands under `trigger` in a definitions file: ``{type: cron | interval | date, …}`` with optional
`timezone` (default: `SCHEDULER_TIMEZONE`), `start` and `end`. `anchor` is where an interval without `start` counts
from.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .base import COMMON_KEYS, DocumentTrigger, Reader, default_timezone
from .cron import CronsimTrigger
from .cronline import ROUNDS, uneven_moments
from .date import DateTrigger
from .interval import AnchoredInterval
from .zones import ClockChange, changes

__all__ = [
    "AnchoredInterval",
    "ClockChange",
    "CronsimTrigger",
    "DateTrigger",
    "DocumentTrigger",
    "InvalidTrigger",
    "build",
    "clock_changes",
    "count_between",
    "describe",
    "next_firings",
    "problems",
    "validate",
    "warnings",
]

KINDS: Mapping[str, type[DocumentTrigger]] = {
    "cron": CronsimTrigger,
    "interval": AnchoredInterval,
    "date": DateTrigger,
}
ANY_RULE = {"type": "cron", "cron": "* * * * *"}
"""Stands for a rule that cannot be read while the rest of its document is looked at."""
MOST_FIRINGS = 10_000
CLOCK_HORIZON = timedelta(days=2 * 366)
"""A zone whose clock is not changed within it is taken as one without changes."""


def build(document: Mapping[str, object], *, anchor: datetime | None = None) -> DocumentTrigger:
    """The trigger of a document; raises InvalidTrigger(place, message). Equal documents are read once."""
    return _read(_canonical(document), default_timezone()).anchored(anchor)


def validate(document: Mapping[str, object]) -> None:
    """Raises InvalidTrigger where `build` would."""
    build(document)


def problems(document: Mapping[str, object]) -> list[tuple[str, str]]:
    """All that is wrong, each with its place: a rule that cannot be read does not hide a wrong zone or bound."""
    found: dict[str, str] = {}
    left = document
    while True:
        try:
            build(left)
        except InvalidTrigger as error:
            if error.place in found:
                return list(found.items())
            found[error.place] = error.message
            if error.place == "trigger":  # no document at all
                return list(found.items())
            left = _without(left, error.place.removeprefix("trigger."))
        else:
            return list(found.items())


def _without(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    """What is left to be looked at when a key was found wrong."""
    kind = document.get("type")
    own = KINDS[kind].keys if isinstance(kind, str) and kind in KINDS else ()
    if key in document and key not in (*own, "type"):
        return {name: value for name, value in document.items() if name != key}
    return ANY_RULE | {name: document[name] for name in COMMON_KEYS if name in document and name != "type"}


def warnings(document: Mapping[str, object]) -> list[tuple[str, str]]:
    """What is right but may be meant otherwise: (place, message)."""
    trigger = build(document)
    found: list[tuple[str, str]] = []
    weekday = document.get("day_of_week")
    if weekday is not None and any(character.isdigit() for character in str(weekday).split("#")[0]):
        message = _(
            "Numbers of weekdays are cron's (0 and 7 are Sunday, 1 is Monday); APScheduler would say 0 is Monday."
        )
        found.append(("trigger.day_of_week", message))
    if isinstance(trigger, CronsimTrigger):
        place = "trigger.cron" if "cron" in document else "trigger.minute"
        fields = trigger.line.fields
        if fields["minute"] == "*" and not fields["hour"].startswith("*"):
            found.append((place, _("It fires in every minute of the hour; write a 0 for the minute to fire once.")))
        found += [(place if "cron" in document else f"trigger.{name}", text) for name, text in _uneven(trigger)]
    return found


def _uneven(trigger: CronsimTrigger) -> Iterator[tuple[str, str]]:
    """Steps that do not go round evenly: ``*/40`` is 0 and 40 of each hour, not every 40 minutes."""
    for name, round_ in ROUNDS.items():
        text = trigger.line.fields[name]
        if moments := uneven_moments(text, round_):
            shown = ", ".join(map(str, moments))
            message = _("“%(step)s” begins anew each time: it fires at %(shown)s; for even distances use an interval.")
            yield name, message % {"step": text, "shown": shown}


def describe(document: Mapping[str, object]) -> str:
    """In words, in the active language."""
    return build(document).describe()


def next_firings(
    document: Mapping[str, object], after: datetime, count: int, *, anchor: datetime | None = None
) -> list[datetime]:
    """The next firings strictly after an instant, in UTC; fewer where the trigger ends."""
    trigger = build(document, anchor=anchor)
    firings: list[datetime] = []
    moment: datetime | None = after.astimezone(UTC)
    while moment is not None and len(firings) < min(count, MOST_FIRINGS):
        moment = trigger.following(moment)
        if moment is not None:
            firings.append(moment)
    return firings


def count_between(
    document: Mapping[str, object], after: datetime, until: datetime, *, anchor: datetime | None = None
) -> int:
    """How many firings lie in ``after < t <= until``: arithmetic for intervals, and day by day for cron."""
    return build(document, anchor=anchor).count_between(after.astimezone(UTC), until.astimezone(UTC))


def clock_changes(document: Mapping[str, object], after: datetime, count: int = 2) -> list[tuple[ClockChange, str]]:
    """The next changes of the trigger's clock, each with what it does to the trigger, in words."""
    trigger = build(document)
    horizon = after.astimezone(UTC) + CLOCK_HORIZON
    return [(change, trigger.at_change(change)) for change in islice(changes(trigger.tz, after, horizon), count)]


def _canonical(document: Mapping[str, object]) -> str:
    if not isinstance(document, Mapping):
        raise InvalidTrigger("trigger", _("Write a mapping such as {type: cron, cron: “0 2 * * *”}."))
    try:
        return json.dumps(dict(document), sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidTrigger("trigger", _("Only texts and numbers can stand in a trigger.")) from error


@lru_cache(maxsize=16_384)
def _read(canonical: str, default_zone: str) -> DocumentTrigger:
    """`default_zone` is part of the key alone: a document without a zone depends on the setting."""
    document = json.loads(canonical)
    kind = document.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(KINDS)
        near = difflib.get_close_matches(kind[:100], KINDS, n=1) if isinstance(kind, str) else []
        if near:
            message = _("“%(kind)s” is not a kind of trigger; the nearest is “%(near)s”.")
            raise InvalidTrigger("trigger.type", message % {"kind": kind, "near": near[0]})
        raise InvalidTrigger("trigger.type", _("Write one of %(known)s.") % {"known": known})
    reader = Reader(document)
    reader.allow((*COMMON_KEYS, *KINDS[kind].keys))
    return KINDS[kind].read(reader)
