"""What is different between the items that a page gave and those that it gives now. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypedDict

from crawler.engine.records import Json
from crawler.items.fieldchanges import FieldChange, changes_between
from crawler.shortening import shortened
from scheduling.definitions.differences import same

MAX_VALUE = 300
"""Characters of a value that are shown."""


class KeptItem(TypedDict):
    """An item as it is kept with a page."""

    type: str
    key: list[Json]
    data: dict[str, Json]


class Kind(StrEnum):
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """One item that is not what it was."""

    kind: Kind
    type: str
    key: str
    """As people read it: of the item as it was, or of the new one."""
    fields: tuple[FieldChange, ...]
    """Those that differ, their values as people read them."""


def item_changes(before: Sequence[KeptItem], after: Sequence[KeptItem]) -> list[ItemChange]:
    """Item by item: first what was, in its order, then what is new. The order itself does not count.

    An item is found again by its type and key; of those that are not, the first of a type that is missing and the first
    that is new are taken for one whose key has changed, and so on.
    """
    new = {_identity(item): item for item in after}
    found = {_identity(item) for item in before if _identity(item) in new}
    strangers: dict[str, list[KeptItem]] = defaultdict(list)
    for item in after:
        if _identity(item) not in found:
            strangers[item["type"]].append(item)
    changes = list(_changes_of_old(before, new, strangers))
    rest = {id(item) for left in strangers.values() for item in left}
    changes.extend(_change(Kind.ADDED, item, None, item) for item in after if id(item) in rest)
    return changes


def _changes_of_old(
    before: Sequence[KeptItem], new: Mapping[str, KeptItem], strangers: Mapping[str, list[KeptItem]]
) -> Iterator[ItemChange]:
    for item in before:
        now = new.get(_identity(item))
        if now is None:
            left = strangers.get(item["type"])
            now = left.pop(0) if left else None
        if now is None:
            yield _change(Kind.REMOVED, item, item, None)
        elif not same(item["data"], now["data"]):
            yield _change(Kind.CHANGED, item, item, now)


def _change(kind: Kind, item: KeptItem, before: KeptItem | None, after: KeptItem | None) -> ItemChange:
    old: Mapping[str, Json] = {} if before is None else before["data"]
    new: Mapping[str, Json] = {} if after is None else after["data"]
    return ItemChange(
        kind=kind,
        type=item["type"],
        key=" · ".join(_shown(value) or "–" for value in item["key"]),
        fields=tuple(
            replace(change, before=_shown(change.before), after=_shown(change.after))
            for change in changes_between(old, new, names=[*new, *(name for name in old if name not in new)])
        ),
    )


def _identity(item: KeptItem) -> str:
    return json.dumps([item["type"], item["key"]], sort_keys=True)


def _shown(value: Json) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shortened(text, MAX_VALUE)
