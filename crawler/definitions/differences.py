"""What is different between two documents, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from .problems import join

_SHOWN = 80


class Absent(Enum):
    """Stands for a key that is not there: null is a value."""

    ABSENT = "(not set)"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that was changed, added or taken away."""

    place: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.place}: {_shown(self.before)} → {_shown(self.after)}"

    def as_dict(self) -> dict[str, object]:
        """`before` and `after` where they are set; a null is a value."""
        values = {"before": self.before, "after": self.after}
        return {"place": self.place} | {key: value for key, value in values.items() if value is not ABSENT}


def differences(before: object, after: object, place: str = "") -> list[Difference]:
    """All differences of two JSON values, each as deep as it goes, in the order of `before`, then of what is new."""
    return list(_walk(before, after, place))


def same(before: object, after: object) -> bool:
    """Whether two JSON values are equal as JSON: 1 and 1.0 are, 1 and true are not."""
    return next(_walk(before, after, ""), None) is None


def _walk(before: object, after: object, place: str) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _walk(before.get(key, ABSENT), after.get(key, ABSENT), join(place, str(key)))
    elif _is_list(before) and _is_list(after):
        yield from _walk_lists(list(before), list(after), place)  # type: ignore[call-overload]  # both are sequences
    elif isinstance(before, bool) is not isinstance(after, bool) or before != after:
        yield Difference(place, before, after)


def _walk_lists(before: list[object], after: list[object], place: str) -> Iterator[Difference]:
    """Lists of mappings are compared entry by entry; of plain values as a whole, as a person reads them."""
    if not any(isinstance(entry, Mapping) for entry in [*before, *after]):
        if len(before) != len(after) or any(not same(old, new) for old, new in zip(before, after, strict=True)):
            yield Difference(place, before, after)
        return
    for index in range(max(len(before), len(after))):
        old = before[index] if index < len(before) else ABSENT
        new = after[index] if index < len(after) else ABSENT
        yield from _walk(old, new, f"{place}[{index}]")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _shown(value: object) -> str:
    if isinstance(value, Absent):
        return value.value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
