"""Lists of tables that grow for ever: no page of them counts, searches or orders a million rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.contrib.admin.views.main import ALL_VAR, ChangeList
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest

from .admin import LampAdmin
from .paginator import BoundedPaginator

M = TypeVar("M", bound=Model)

LOOKED_AT = 100_000
"""The newest rows, among which is looked where no index serves what was asked."""


class BoundedChangeList(ChangeList):
    """Looks among the newest rows alone where the filters, the search or the order would have all rows read."""

    looked_at = LOOKED_AT
    is_bounded = False
    """Whether so many of the newest rows were looked at: the page says so."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Model]:
        found: QuerySet[Model] = super().get_queryset(request, exclude_parameters)
        asked = {name: value for name, value in self.params.items() if value and name != ALL_VAR}
        if not asked or not isinstance(self.model_admin, BoundedAdmin) or self.model_admin.is_indexed(asked):
            return found
        newest = self.model._default_manager.aggregate(pk=Max("pk"))["pk"] or 0
        if newest <= self.looked_at:
            return found
        self.is_bounded = True
        return found.filter(pk__gt=newest - self.looked_at)


class BoundedAdmin(LampAdmin[M]):
    """The admin of such a table. Its default order must be that of its ids."""

    paginator = BoundedPaginator

    def is_indexed(self, asked: Mapping[str, object]) -> bool:
        """Whether an index serves these query parameters (filters, search, order) in the list's order."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return BoundedChangeList
