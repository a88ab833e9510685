"""`/api/crawl/items`: what was found, and what it was before."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crawler.models import Item, ItemVersion


class ItemSerializer(serializers.ModelSerializer[Item]):
    spider = serializers.SlugRelatedField[Item](slug_field="name", read_only=True)
    url = serializers.SerializerMethodField()
    key = serializers.SerializerMethodField()

    class Meta:
        model = Item
        fields: ClassVar[list[str]] = [
            "id", "spider", "type", "key", "data", "version", "complete", "problems", "url", "first_seen_at",
            "changed_at", "gone_at",
        ]  # fmt: skip

    def get_url(self, item: Item) -> str | None:
        return None if item.page is None else item.page.url

    def get_key(self, item: Item) -> str:
        return item.key


class ItemVersionSerializer(serializers.ModelSerializer[ItemVersion]):
    class Meta:
        model = ItemVersion
        fields: ClassVar[list[str]] = ["number", "data", "valid_from", "valid_to"]


class ItemFilter(django_filters.FilterSet):
    spider = django_filters.CharFilter(field_name="spider__name")
    changed_since = django_filters.IsoDateTimeFilter(field_name="changed_at", lookup_expr="gte")
    gone = django_filters.BooleanFilter(field_name="gone_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Item
        fields = ("type", "complete")


class ItemViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Item]):
    queryset = Item.objects.select_related("spider", "page").defer("page__links", "page__chain").order_by("id")
    serializer_class = ItemSerializer
    filterset_class = ItemFilter
    lookup_value_regex = r"\d{1,18}"
    action_permissions = {"versions": "crawler.view_item"}

    @action(detail=True, methods=["get"])
    def versions(self, request: Request, pk: str) -> Response:
        """The present value first, then each superseded one, the newest first."""
        item = self.get_object()
        page = self.paginate_queryset(ItemVersion.objects.filter(item=item).order_by("-number"))
        versions = list(ItemVersionSerializer(page, many=True).data)
        if request.query_params.get("page", "1") == "1":
            present = ItemVersion(number=item.version, data=item.data, valid_from=item.changed_at)
            versions.insert(0, ItemVersionSerializer(present).data)
        return self.get_paginated_response(versions)
