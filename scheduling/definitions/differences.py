"""What is different between two documents, field by field."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from django.utils.translation import gettext as _

_SHOWN = 80


class Absent(Enum):
    """Stands for a key that is not there: null is a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Change:
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


def differences(before: object, after: object, place: str = "", *, ordered: Collection[str] = ()) -> list[Change]:
    """All differences of two JSON values, each as deep as it goes, in the order of `before`, then of what is new.

    `ordered` are keys of mappings whose own keys have an order that matters.
    """
    return list(_Comparison(frozenset(ordered)).walk(before, after, place))


def same(before: object, after: object, *, ordered: Collection[str] = ()) -> bool:
    """Whether two JSON values are equal as JSON: 1 and 1.0 are, 1 and true are not."""
    return next(_Comparison(frozenset(ordered)).walk(before, after, ""), None) is None


@dataclass(frozen=True, slots=True)
class _Comparison:
    ordered: frozenset[str]

    def walk(self, before: object, after: object, place: str, key: str = "") -> Iterator[Change]:
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from self._walk_mappings(before, after, place, key)
        elif _is_list(before) and _is_list(after):
            yield from self._walk_lists(list(before), list(after), place)  # type: ignore[call-overload]  # sequences
        elif isinstance(before, bool) is not isinstance(after, bool) or before != after:
            yield Change(place, before, after)

    def _walk_mappings(
        self, before: Mapping[str, object], after: Mapping[str, object], place: str, key: str
    ) -> Iterator[Change]:
        if key in self.ordered and set(before) == set(after) and list(before) != list(after):
            yield Change(place, list(before), list(after))
        for name in [*before, *(name for name in after if name not in before)]:
            yield from self.walk(before.get(name, ABSENT), after.get(name, ABSENT), join(place, str(name)), str(name))

    def _walk_lists(self, before: list[object], after: list[object], place: str) -> Iterator[Change]:
        """Lists of mappings are compared entry by entry; of plain values as a whole, as a person reads them."""
        if not any(isinstance(entry, Mapping) for entry in [*before, *after]):
            if len(before) != len(after) or any(not same(old, new) for old, new in zip(before, after, strict=True)):
                yield Change(place, before, after)
            return
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else ABSENT
            new = after[index] if index < len(after) else ABSENT
            yield from self.walk(old, new, f"{place}[{index}]")


def join(place: str, rest: str) -> str:
    """`rest` as seen from `place`: ``spiders[0]`` and ``items[1]`` make ``spiders[0].items[1]``."""
    if not place or not rest or rest.startswith("["):
        return place + rest
    return f"{place}.{rest}"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _shown(value: object) -> str:
    if isinstance(value, Absent):
        return _("(not set)")
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
