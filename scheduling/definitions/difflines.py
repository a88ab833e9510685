"""Differences of documents as the lines of a diff: what goes with a minus, what comes with a plus."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from .differences import ABSENT, Change


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """One value. `tone` repeats the sign for the eye."""

    sign: str
    tone: str
    place: str
    value: str


def diff_lines(changes: Iterable[Change]) -> list[DiffLine]:
    """Value by value, in the order of the changes."""
    return [
        DiffLine(sign=sign, tone=tone, place=change.place, value=json.dumps(value, ensure_ascii=False))
        for change in changes
        for sign, tone, value in (("−", "bad", change.before), ("+", "ok", change.after))
        if value is not ABSENT
    ]
