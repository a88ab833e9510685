"""Filters of lists: only those that are offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db.models import Model, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from .requests import refuse_unknown

if TYPE_CHECKING:
    # At run time it would import the settings, which name this module.
    from rest_framework.views import APIView

PAGINATION = ("page", "page_size")
M = TypeVar("M", bound=Model)


class StrictFilterBackend(DjangoFilterBackend):
    """Refuses a query parameter that no filter has: a misspelt filter would otherwise give everything."""

    def filter_queryset(self, request: Request, queryset: QuerySet[M], view: APIView) -> QuerySet[M]:
        filterset_class = self.get_filterset_class(view, queryset)
        offered = set(filterset_class.base_filters) if filterset_class else set()
        refuse_unknown(request.query_params, offered | set(PAGINATION))
        result: QuerySet[M] = super().filter_queryset(request, queryset, view)
        return result
