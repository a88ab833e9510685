"""Pages of the admin's lists: counted only as far as anybody turns them."""

from __future__ import annotations

from functools import cached_property

from django.core.paginator import Paginator
from django.db.models import QuerySet

MOST = 10_000
"""Rows that a list shows; a table of a million rows takes seconds to count."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic to the type checker alone
    """Counts, and shows, at most `MOST` rows."""

    @cached_property
    def _looked(self) -> int:
        rows = self.object_list
        return rows[: MOST + 1].count() if isinstance(rows, QuerySet) else len(rows)

    @property
    def count(self) -> int:
        return min(self._looked, MOST)

    @property
    def has_more(self) -> bool:
        """Whether there are rows beyond the last page."""
        return self._looked > MOST
