"""Of which items something became since a moment: they are new, changed, gone, or back again.

Each of the three moments of an item has an index. One condition over all of them PostgreSQL answers by these; SQLite
reads every item of the spider, and is asked for each moment by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import overload

from django.db import connection
from django.db.models import Q, QuerySet

from crawler.models import Item

FEW = 100_000
"""Items, up to which SQLite gathers them first; where there are more, it goes along all and soon meets them."""


def since(moment: datetime) -> Q:
    """Whether something became of it at this moment or later."""
    return Q(changed_at__gte=moment) | Q(gone_at__gte=moment) | Q(returned_at__gte=moment)


def ids_since(items: QuerySet[Item], moment: datetime) -> QuerySet[Item, int]:
    """The ids of those among `items`, each once: each moment by its own index."""
    items = items.order_by()
    # `exclude`, which no index serves: the one of the other moment shall be taken.
    returned = items.filter(returned_at__gte=moment).exclude(changed_at__gte=moment)
    gone = items.filter(gone_at__gte=moment).exclude(changed_at__gte=moment).exclude(returned_at__gte=moment)
    changed = items.filter(changed_at__gte=moment)
    first, *others = (part.values_list("pk", flat=True) for part in (changed, returned, gone))
    return first.union(*others, all=True)


class ItemsSince(Sequence[Item]):
    """Those among `items`, in its order: to count them costs a query, and so does a slice."""

    def __init__(self, items: QuerySet[Item], moment: datetime) -> None:
        self._items = items
        self._moment = moment

    @cached_property
    def _count(self) -> int:
        return ids_since(self._items, self._moment).count()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        is_gathered = connection.vendor == "sqlite" and self._count <= FEW
        ids = ids_since(self._items, self._moment)
        found = self._items.filter(Q(pk__in=ids) if is_gathered else since(self._moment))
        return list(found[index])
