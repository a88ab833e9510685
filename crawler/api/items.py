"""`/api/crawl/items`: what was found, and what it was before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, overload

import django_filters
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from crawler.items.since import ItemsSince
from crawler.models import Item, ItemVersion, Spider
from crawlproject.web.filters import MomentFilter, NameFilter, StrictFilterSet, TruthFilter
from crawlproject.web.pagination import BoundedPagination
from crawlproject.web.problems import FieldErrors
from crawlproject.web.requests import refuse_unknown

from .changes import feed_response
from .exporting import cancel_response, export_of_response, export_response
from .names import spider_problem, type_problem


class ItemSerializer(serializers.ModelSerializer[Item]):
    spider = serializers.SlugRelatedField[Item](slug_field="name", read_only=True)
    url = serializers.SerializerMethodField()
    key = serializers.SerializerMethodField()

    class Meta:
        model = Item
        fields: ClassVar[list[str]] = [
            "id", "spider", "type", "key", "data", "version", "complete", "problems", "url", "first_seen_at",
            "changed_at", "gone_at", "returned_at",
        ]  # fmt: skip

    def get_url(self, item: Item) -> str | None:
        return None if item.page is None else item.page.url

    def get_key(self, item: Item) -> str:
        return item.key


class _Versions(Sequence[dict[str, object]]):
    """An item's values, the present one first; a slice costs one query."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._former: QuerySet[ItemVersion] = ItemVersion.objects.filter(item=item).order_by("-number")

    def __len__(self) -> int:
        return 1 + self._former.count()

    @overload
    def __getitem__(self, index: int) -> dict[str, object]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, object]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, object] | list[dict[str, object]]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        first, last, _step = index.indices(len(self))
        item = self._item
        found: list[dict[str, object]] = []
        if first == 0 < last:
            found.append({"number": item.version, "data": item.data, "valid_from": item.changed_at, "valid_to": None})
        former = self._former[max(first - 1, 0) : max(last - 1, 0)]
        return found + [dict(version) for version in former.values("number", "data", "valid_from", "valid_to")]


class ItemFilter(StrictFilterSet):
    spider = NameFilter(field_name="spider__name", problem=spider_problem)
    type = django_filters.CharFilter()
    changed_since = MomentFilter(method="leave")  # of the whole: see `filter_queryset`
    gone = TruthFilter(field_name="gone_at", lookup_expr="isnull", exclude=True)

    class Meta(StrictFilterSet.Meta):
        model = Item
        fields = ("complete",)

    def leave(self, queryset: QuerySet[Item], name: str, value: object) -> QuerySet[Item]:
        return queryset

    def filter_queryset(  # type: ignore[override]  # what pages are taken from
        self, queryset: QuerySet[Item]
    ) -> QuerySet[Item] | ItemsSince:
        given = self.form.cleaned_data
        if kind := given["type"]:
            spider = Spider.objects.filter(name=given["spider"]).first() if given["spider"] else None
            if problem := type_problem(kind, spider):
                raise FieldErrors([("type", problem)])
        found: QuerySet[Item] = super().filter_queryset(queryset)
        moment = given["changed_since"]
        return found if moment is None else ItemsSince(found, moment)


class ItemViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Item]):
    """What was found, what it was before, and what changed; files of it."""

    queryset = Item.objects.select_related("spider", "page").defer("page__links", "page__chain").order_by("id")
    serializer_class = ItemSerializer
    filterset_class = ItemFilter
    lookup_value_regex = r"\d{1,18}"
    action_permissions = {
        "versions": "crawler.view_item",
        "changes": "crawler.view_item",
        "export": "crawler.export_item",
        "export_of": "crawler.export_item",
        "cancel_export": "crawler.export_item",
    }

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """`format=` of a feed and of an export is their own; errors are problem documents there too."""
        return super().perform_content_negotiation(
            request, force=force or self.action in ("changes", "export", "export_of")
        )

    @action(detail=True, methods=["get"])
    def versions(self, request: Request, pk: str) -> Response:
        """The present value first, then each superseded one, the newest first."""
        refuse_unknown(request.query_params, {"page", "page_size"})
        pagination = BoundedPagination()
        page = pagination.paginate_queryset(_Versions(self.get_object()), request)
        return pagination.get_paginated_response(page)

    @action(detail=False, methods=["get"])
    def changes(self, request: Request) -> HttpResponseBase:
        """What is new, changed, gone or back, the newest first: JSON Feed, or (`format=atom`) Atom; 304 by its ETag."""
        return feed_response(request)

    @action(detail=False, methods=["get"])
    def export(self, request: Request) -> HttpResponseBase:
        """The items of a spider as a file (`format=csv`, …), which is written first: nothing of it is lost half-way."""
        return export_response(request)

    @action(detail=False, methods=["get"], url_path=r"export/(?P<export_id>[0-9a-f]{32})")
    def export_of(self, request: Request, export_id: str) -> HttpResponseBase:
        """An export that takes long: 202 with how far it is, then the file."""
        return export_of_response(request, export_id)

    @export_of.mapping.delete
    def cancel_export(self, request: Request, export_id: str) -> Response:
        """Stop it, or throw its file away."""
        return cancel_response(request, export_id)
