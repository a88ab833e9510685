# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""Rows of items: read by key or by owner, written in a few statements whatever their number."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

from crawler import rawsql
from crawler.engine.records import ItemRecord

from . import hours

Key: TypeAlias = "tuple[str, int]"
"""An item's type and the hash of its key."""


@dataclass(slots=True)
class Known:
    """One item as this batch sees it: what is stored, and what shall be written."""

    item_id: int | None
    page_id: int | None
    data_hash: bytes
    is_complete: bool
    is_gone: bool
    record: ItemRecord | None = None
    """The value to write; None: the stored one stays."""
    is_moved: bool = False
    """Whether only owner, task, or whether it is gone, change."""
    is_amended: bool = False
    """Whether the value is the same, but not what could not be read."""
    was_gone: bool = False
    """Whether it is stored as gone."""

    def set(self, page_id: int | None, record: ItemRecord) -> bool:
        """Make `page_id` the owner, with its value; returns whether that is another value."""
        is_other = record.data_hash != self.data_hash
        if self.page_id != page_id or self.is_gone:
            self.is_moved = True
        if is_other:
            self.record = record
            self.is_amended = False
        elif record.complete != self.is_complete and self.record is None:
            self.record = record
            self.is_amended = True
        self.page_id = page_id
        self.is_gone = False
        self.data_hash = record.data_hash
        self.is_complete = record.complete
        return is_other


_SELECT = "SELECT id, type, key_hash, page_id, data_hash, complete, gone_at IS NOT NULL FROM crawler_item WHERE "


def items_by_key(spider_id: int, kind: str, key_hashes: list[int]) -> dict[Key, Known]:
    """The stored items of one type that have one of these keys."""
    condition, hashes = rawsql.among("key_hash", key_hashes)
    return _known(rawsql.fetch(f"{_SELECT} spider_id = %s AND type = %s AND {condition}", [spider_id, kind, hashes]))


def items_by_page(page_ids: list[int]) -> dict[Key, Known]:
    """The stored items that these pages own."""
    condition, ids = rawsql.among("page_id", page_ids)
    return _known(rawsql.fetch(_SELECT + condition, [ids]))


def _known(rows: list[tuple[object, ...]]) -> dict[Key, Known]:
    found: dict[Key, Known] = {}
    for item_id, kind, key_hash, page_id, data_hash, complete, gone in rows:
        found[(cast(str, kind), cast(int, key_hash))] = Known(
            cast(int, item_id),
            cast("int | None", page_id),
            bytes(cast(bytes, data_hash)),
            bool(complete),
            bool(gone),
            was_gone=bool(gone),
        )
    return found


def write_items(
    items: Mapping[Key, Known], freed: Collection[Key], *, spider_id: int, task_id: int, now: datetime
) -> None:
    """Write what was decided: versions first (they copy what is still stored), then values, owners, new items."""
    new: list[Known] = []
    changed: list[tuple[int, ItemRecord, int | None]] = []
    amended: list[tuple[int, ItemRecord, int | None]] = []
    moved: list[tuple[int, int | None]] = []
    for known in items.values():
        if known.item_id is None:
            new.append(known)
        elif known.record is not None:
            (amended if known.is_amended else changed).append((known.item_id, known.record, known.page_id))
        elif known.is_moved:
            moved.append((known.item_id, known.page_id))
    if changed:
        _supersede([item_id for item_id, _, _ in changed], now)
        _update_values(changed, task_id=task_id, now=now)
    if amended:
        _amend_values(amended, task_id=task_id, now=now)
    _move(moved, task_id=task_id, now=now)
    if freed_ids := [item_id for key in freed if (item_id := items[key].item_id) is not None]:
        condition, ids = rawsql.among("id", freed_ids)
        rawsql.execute(f"UPDATE crawler_item SET page_id = NULL WHERE {condition}", [ids])
    if new:
        _insert(new, spider_id=spider_id, task_id=task_id, now=now)
    hours.add(spider_id, now, added=len(new), changed=len(changed), returned=count_returned(items.values()))


def count_returned(items: Iterable[Known]) -> int:
    """How many of these were gone, and come back."""
    return sum([known.was_gone and not known.is_gone for known in items])


_IS_PRESENT = (
    "returned_at = CASE WHEN gone_at IS NULL THEN returned_at ELSE %s END, "
    "went_at = COALESCE(gone_at, went_at), gone_at = NULL"
)
"""Its parameter is the moment: one that was gone comes back then. Both sides of a statement see the row as it was."""
_VALUE_COLUMNS = (("data", "jsonb"), ("data_hash", "bytea"), ("complete", "boolean"), ("problems", "jsonb"))


def _value(record: ItemRecord) -> tuple[rawsql.Param, ...]:
    if record.problems:
        return record.data_json, record.data_hash, False, problems_json(record)
    return record.data_json, record.data_hash, True, "[]"


def _supersede(item_ids: list[int], now: datetime) -> None:
    condition, ids = rawsql.among("id", item_ids)
    rawsql.execute(
        "INSERT INTO crawler_itemversion (item_id, number, data, task_id, valid_from, valid_to) "
        f"SELECT id, version, data, task_id, changed_at, %s FROM crawler_item WHERE {condition}",
        [rawsql.moment(now), ids],
    )


def _update_values(changed: Sequence[tuple[int, ItemRecord, int | None]], *, task_id: int, now: datetime) -> None:
    columns = (("id", "bigint"), ("page_id", "bigint"), *_VALUE_COLUMNS)
    rows = [(item_id, page_id, *_value(record)) for item_id, record, page_id in changed]
    rawsql.execute_rows(
        "UPDATE crawler_item SET data = v.data, data_hash = v.data_hash, complete = v.complete, "
        "problems = v.problems, page_id = v.page_id, version = version + 1, changed_at = %s, task_id = %s, "
        f"{_IS_PRESENT} FROM v WHERE crawler_item.id = v.id",
        columns,
        rows,
        [rawsql.moment(now), task_id, rawsql.moment(now)],
    )


def _amend_values(amended: Sequence[tuple[int, ItemRecord, int | None]], *, task_id: int, now: datetime) -> None:
    columns = (("id", "bigint"), ("page_id", "bigint"), ("complete", "boolean"), ("problems", "jsonb"))
    rows = [(item_id, page_id, record.complete, problems_json(record)) for item_id, record, page_id in amended]
    rawsql.execute_rows(
        "UPDATE crawler_item SET complete = v.complete, problems = v.problems, page_id = v.page_id, "
        f"task_id = %s, {_IS_PRESENT} FROM v WHERE crawler_item.id = v.id",
        columns,
        rows,
        [task_id, rawsql.moment(now)],
    )


def _move(moved: Sequence[rawsql.Row], *, task_id: int, now: datetime) -> None:
    rawsql.execute_rows(
        f"UPDATE crawler_item SET page_id = v.page_id, task_id = %s, {_IS_PRESENT} FROM v WHERE crawler_item.id = v.id",
        (("id", "bigint"), ("page_id", "bigint")),
        moved,
        [task_id, rawsql.moment(now)],
    )


def _insert(new: Sequence[Known], *, spider_id: int, task_id: int, now: datetime) -> None:
    columns = (("type", "text"), ("key", "text"), ("key_hash", "bigint"), ("page_id", "bigint"), *_VALUE_COLUMNS)
    rows = [
        (record.type, rawsql.text(record.key), record.key_hash, known.page_id, *_value(record))
        for known in new
        if (record := known.record) is not None
    ]
    at = rawsql.moment(now)
    rawsql.execute_rows(
        "INSERT INTO crawler_item (spider_id, task_id, version, first_seen_at, changed_at, type, key, "
        "key_hash, page_id, data, data_hash, complete, problems) SELECT %s, %s, 1, "
        "%s, %s, v.type, v.key, v.key_hash, v.page_id, v.data, v.data_hash, v.complete, v.problems FROM v",
        columns,
        rows,
        [spider_id, task_id, at, at],
    )


def problems_json(record: ItemRecord) -> str:
    """What could not be read, as it stands in `Item.problems`."""
    if not record.problems:
        return "[]"
    return json.dumps(
        [
            {"field": rawsql.text(p.field), "reason": p.reason, "value": rawsql.text(p.value, 200)}
            for p in record.problems
        ],
        ensure_ascii=False,
    )
