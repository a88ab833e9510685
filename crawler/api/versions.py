"""`/api/crawl/spiders/{name}/versions`: every version of a spider's document, and back again."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from crawler import definitions
from crawler.models import Spider
from crawlproject.web.pagination import BoundedPagination
from crawlproject.web.problems import Conflict, FieldErrors
from crawlproject.web.requests import body_object, refuse_unknown
from scheduling.definitions.versions import Version, version, versions
from scheduling.exceptions import VersionNotFound
from scheduling.models import DefinitionVersion

from .representing import as_problems, represent

KIND = DefinitionVersion.Kind.SPIDER
NUMBER = r"(?P<number>\d{1,9})"


class VersionActions:
    """Versions of one spider, also of one that was deleted."""

    version_permissions: Mapping[str, str] = {
        "versions": "crawler.view_spider",
        "version": "crawler.view_spider",
        "restore": "crawler.change_spider",
    }

    @action(detail=True, methods=["get"])
    def versions(self, request: Request, name: str) -> Response:
        """The newest first: who, when, and what each changed."""
        refuse_unknown(request.query_params, {"page", "page_size"})
        pagination = BoundedPagination()
        page = pagination.paginate_queryset(versions(KIND, name), request)
        if not page and not Spider.objects.filter(name=name).exists():
            raise NotFound(_("There is no spider “%(name)s”.") % {"name": name})
        return pagination.get_paginated_response([one.as_dict() for one in page or []])

    @action(detail=True, methods=["get"], url_path=f"versions/{NUMBER}")
    def version(self, request: Request, name: str, number: str) -> Response:
        """One version with its document."""
        refuse_unknown(request.query_params, ())
        return Response(_version(name, number).as_dict(with_document=True))

    @action(detail=True, methods=["post"], url_path=f"versions/{NUMBER}/restore")
    def restore(self, request: Request, name: str, number: str) -> Response:
        """Save an older version again, as a new one. 409 with every problem where it does not fit any more."""
        body_object(request, known=())
        user = request.user if isinstance(request.user, User) else None
        _version(name, number)
        if not Spider.objects.filter(name=name).exists() and not request.user.has_perm("crawler.add_spider"):
            raise PermissionDenied(_("The spider was deleted: bringing it back asks for the right to add spiders."))
        try:
            with as_problems():
                spider = definitions.restore_spider_version(name, int(number), user=user)
        except FieldErrors as error:
            message = _("Version %(number)s cannot be restored as things stand: see “errors”.") % {"number": number}
            raise Conflict(message, errors=error.errors) from error
        return Response(represent(spider))


def _version(name: str, number: str) -> Version:
    try:
        return version(KIND, name, int(number))
    except VersionNotFound as error:
        raise NotFound(str(error)) from error
