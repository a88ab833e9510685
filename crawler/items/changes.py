"""What is new, changed, gone or back again, of all spiders, the newest first: each item once, with what became of it
last.

The order is that of (moment, id), so a page of it begins behind a position and costs the same however far back it
lies. A page looks at no more than `LOOKED_AT` items: where few of them are wanted, it holds few, and the next goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import chain

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.functional import cached_property

from crawler.models import Item, ItemVersion, Spider

from .fieldchanges import FieldChange, changes_between

LOOKED_AT = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = re.compile(r"(?P<at>[0-9]{1,17})-(?P<id>[0-9]{1,18})")


class Kind(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    RETURNED = "returned"
    """It was gone and came back, with the value that it had or with another one."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where an item stands in the order."""

    at: datetime
    item_id: int

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}-{self.item_id}"

    @classmethod
    def read(cls, text: str) -> Position:
        """Raises `ValueError` for what `str` did not write."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:40]!r} is no position")
        try:
            return cls(_EPOCH + timedelta(microseconds=int(found["at"])), int(found["id"]))
        except OverflowError as error:
            raise ValueError(f"{text[:40]!r} is no position") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which changes somebody wants to see. What is left empty leaves nothing out."""

    spider: Spider | None = None
    type: str = ""
    kind: Kind | None = None
    day: date | None = None
    """In the scheduler's zone."""


@dataclass(frozen=True, kw_only=True)
class ItemChange:
    """What became of an item last."""

    item: Item
    kind: Kind
    at: datetime
    before: ItemVersion | None
    """The version before, of one that changed, also as it came back."""

    @cached_property
    def changes(self) -> tuple[FieldChange, ...]:
        """Field by field, of one that changed."""
        return () if self.before is None else changes_between(self.before.data, self.item.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    entries: list[ItemChange]
    following: Position | None
    """Behind which the next page begins; None: this is the last."""


@dataclass(frozen=True, slots=True)
class _Row:
    position: Position
    kind: Kind | None
    """None: something became of the item later, which another stream tells."""
    type: str


def item_changes(asked: Asked, *, before: Position | None = None, limit: int = 50) -> ChangePage:
    """A page of changes, older than `before`. Five queries at most."""
    streams = [_stream(asked, at, before=before) for at in _streams(asked)]
    rows = sorted(chain.from_iterable(streams), key=lambda row: row.position, reverse=True)
    # Below the end of a stream that goes on it is not known what else there is.
    ends = [stream[-1].position for stream in streams if len(stream) == LOOKED_AT]
    horizon = max(ends, default=None)
    if horizon is not None:
        rows = [row for row in rows if row.position >= horizon]
    wanted = [row for row in rows if _is_wanted(row, asked)]
    following = wanted[limit - 1].position if len(wanted) > limit else horizon
    return ChangePage(entries=_entries(wanted[:limit]), following=following)


def _streams(asked: Asked) -> Sequence[str]:
    """By which moments the items are gone through: each has an order of its own, and an index for it."""
    if asked.kind is None:
        return ("changed_at", "gone_at", "returned_at")
    return {Kind.GONE: ("gone_at",), Kind.RETURNED: ("returned_at",)}.get(asked.kind, ("changed_at",))


def _stream(asked: Asked, at: str, *, before: Position | None) -> list[_Row]:
    # Those that are gone stand in their own order alone, which says the opposite of `gone_at`.
    items = Item.objects.filter(**{"gone_at__isnull": True, f"{at}__isnull": False})
    if asked.spider is not None:
        items = items.filter(spider=asked.spider)
    if asked.day is not None:
        start = timezone.make_aware(datetime.combine(asked.day, time()))
        end = timezone.make_aware(datetime.combine(asked.day + timedelta(days=1), time()))
        items = items.filter(**{f"{at}__gte": start, f"{at}__lt": end})
    if before is not None:
        items = _behind(items, at, before)
    found = items.order_by(f"-{at}", "-pk").values_list(at, "pk", "type", "version", "changed_at", "returned_at")
    return [
        _Row(Position(moment, pk), _kind(at, version, changed_at, returned_at), type_)
        for moment, pk, type_, version, changed_at, returned_at in found[:LOOKED_AT]
    ]


def _kind(at: str, version: int, changed_at: datetime, returned_at: datetime | None) -> Kind | None:
    """What an item that stands in the order of its moments `at` says there. One that came back with another value has
    come back.
    """
    if at == "gone_at":
        return Kind.GONE
    is_back = returned_at is not None and returned_at >= changed_at
    if at == "returned_at":
        return Kind.RETURNED if is_back else None
    if is_back:
        return None
    return Kind.NEW if version == 1 else Kind.CHANGED


def _behind(items: QuerySet[Item], at: str, before: Position) -> QuerySet[Item]:
    # The first condition is what the index can begin at.
    same_moment = Q(**{at: before.at}, pk__gte=before.item_id)
    return items.filter(**{f"{at}__lte": before.at}).exclude(same_moment)


def _is_wanted(row: _Row, asked: Asked) -> bool:
    return row.kind is not None and (not asked.type or row.type == asked.type) and asked.kind in (None, row.kind)


def _entries(rows: Iterable[_Row]) -> list[ItemChange]:
    wanted = {row.position.item_id: row for row in rows}
    items = (
        Item.objects.filter(pk__in=wanted)
        .select_related("spider", "page")
        .defer("spider__definition", "page__links", "page__chain", "page__shared")
    )
    by_id = {item.pk: item for item in items}
    changed = [pk for pk, row in wanted.items() if pk in by_id and _has_changed(row, by_id[pk])]
    former = ItemVersion.objects.filter(item__in=changed, number=F("item__version") - 1) if changed else ()
    versions = {version.item_id: version for version in former}
    # One that was deleted in between is left out.
    return [
        ItemChange(item=by_id[pk], kind=row.kind, at=row.position.at, before=versions.get(pk))
        for pk, row in wanted.items()
        if row.kind is not None and pk in by_id
    ]


def _has_changed(row: _Row, item: Item) -> bool:
    """Whether it got another value then."""
    return row.kind is Kind.CHANGED or (row.kind is Kind.RETURNED and row.position.at == item.changed_at)
