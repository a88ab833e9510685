"""What became of one item: its versions, what each changed, and how its numbers went. Reads; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crawler.engine.records import Json
from crawler.models import Item, ItemVersion

from .fieldchanges import FieldChange, changes_between

EDITIONS = 100
"""Versions that are read, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One version of an item."""

    number: int
    data: Mapping[str, Json]
    since: datetime
    until: datetime | None
    """None: it is the present one."""
    task_id: int | None
    """The crawl that found it."""
    returned_at: datetime | None
    """When the item last came back, where that was with this value."""
    changes: tuple[FieldChange, ...]
    """Against the version before; none for the first, and for the oldest one that is read."""


def editions_of(item: Item) -> list[Edition]:
    """The newest first, `EDITIONS` at most. One query."""
    former = list(ItemVersion.objects.filter(item=item).order_by("-number")[: EDITIONS - 1])
    present = (item.version, item.data, item.changed_at, None, item.task_id)
    rows = [present, *((row.number, row.data, row.valid_from, row.valid_to, row.task_id) for row in former)]
    before: list[Mapping[str, Json] | None] = [*(row.data for row in former), None]
    return [
        Edition(
            number=number_,
            data=data,
            since=since,
            until=until,
            task_id=task_id,
            returned_at=_between(item.returned_at, since, until),
            changes=() if older is None else changes_between(older, data),
        )
        for (number_, data, since, until, task_id), older in zip(rows, before, strict=True)
    ]


def _between(moment: datetime | None, since: datetime, until: datetime | None) -> datetime | None:
    is_within = moment is not None and since <= moment and (until is None or moment < until)
    return moment if is_within else None


def times_changed(editions: Sequence[Edition]) -> Mapping[str, int]:
    """How often each field changed in these versions."""
    return Counter(change.name for edition in editions for change in edition.changes)
