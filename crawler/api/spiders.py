"""`/api/crawl/spiders`: spiders as documents."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from crawler import definitions
from crawler.engine.documents.definition import parse
from crawler.models import Spider
from crawler.preview import describe, fetch
from crawler.workshop.busy import WorkshopBusy
from crawler.workshop.refusals import refusal_of
from crawler.workshop.samples import FETCH_SECONDS, SAMPLES
from crawlproject.web.filters import NameFilter, StrictFilterSet
from crawlproject.web.problems import Conflict, FieldErrors
from crawlproject.web.requests import body_object

from .names import category_problem
from .representing import as_problems, represent
from .versions import VersionActions

RETRY = 5
"""Seconds after which somebody who was turned away may ask again."""


class SpiderFilter(StrictFilterSet):
    category = NameFilter(problem=category_problem)

    class Meta(StrictFilterSet.Meta):
        model = Spider
        fields = ("enabled",)


class SpiderViewSet(VersionActions, viewsets.GenericViewSet[Spider]):
    """Create, read, change and delete spiders; see what one would extract from a page."""

    queryset = Spider.objects.order_by("name")
    lookup_field = "name"
    lookup_value_regex = r"[-\w]+"
    filterset_class = SpiderFilter
    action_permissions = {"preview": "crawler.change_spider", **VersionActions.version_permissions}

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([represent(spider) for spider in page or []])

    def retrieve(self, request: Request, name: str) -> Response:
        return Response(represent(self.get_object()))

    def create(self, request: Request) -> Response:
        try:
            return self._save(request, body_object(request), is_new=True)
        except definitions.SpiderExists as error:
            message = _("There is already a spider “%(name)s”: PUT changes it.") % {"name": error.name}
            raise Conflict(message) from error

    def update(self, request: Request, name: str) -> Response:
        """The whole document anew; what it leaves out takes its default."""
        self.get_object()
        return self._save(request, self._named(name, body_object(request)))

    def partial_update(self, request: Request, name: str) -> Response:
        """The top-level keys that are given, each as a whole."""
        given = body_object(request)
        with transaction.atomic():  # of two that change different keys none undoes the other's
            spider = get_object_or_404(self.get_queryset().select_for_update(), name=name)
            return self._save(request, self._named(name, definitions.dump_spider(spider) | given))

    def destroy(self, request: Request, name: str) -> Response:
        self.get_object()
        try:
            definitions.delete_spider(name, user=request.user if isinstance(request.user, User) else None)
        except definitions.SpiderInUse as error:
            raise Conflict(str(error)) from error
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def preview(self, request: Request, name: str) -> Response:
        """What `url` would give; nothing is stored. 429 where so many others are looked at already."""
        url = body_object(request, known={"url"}).get("url")
        if not isinstance(url, str):
            raise FieldErrors([("url", _("Give the address of one page."))])
        try:
            with as_problems(), SAMPLES.places.one():
                definition = parse(definitions.dump_spider(self.get_object()))
                page = fetch(definition, url, seconds=FETCH_SECONDS)
                found = describe(definition, url, page)
        except WorkshopBusy as error:
            raise Throttled(wait=RETRY, detail=str(error)) from error
        if page.why_unread:
            refusal = refusal_of(page, definition)
            found |= {"what": str(refusal.what), "remedy": str(refusal.remedy)}
            if refusal.detail in ("", page.url):  # the engine has no words for it
                found["detail"] = found["what"]
        return Response(found)

    def _named(self, name: str, document: dict[str, object]) -> dict[str, object]:
        if document.setdefault("name", name) != name:
            raise FieldErrors([("name", _("A spider keeps its name: it is “%(name)s”.") % {"name": name})])
        return document

    def _save(self, request: Request, document: dict[str, object], *, is_new: bool = False) -> Response:
        user = request.user if isinstance(request.user, User) else None
        with as_problems():
            spider = definitions.save_spider(document, user=user, is_new=is_new)
        return Response(represent(spider), status=201 if is_new else 200)
