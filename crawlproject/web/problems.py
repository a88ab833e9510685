"""Errors of the API as problem details (RFC 9457) that name the field.

`{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": …, "errors": [{"field": …, "message": …}]}`;
`errors` is there where a field of the request is at fault; a field inside a document is given by its place
(``trigger.cron``, ``items[0].fields.price.type``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import server_error as django_server_error
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"
SAID_AGAIN = 100
"""Characters of what was given, at most."""


class FieldErrors(exceptions.APIException):
    """A request that is refused for what its fields hold: (field or place in the document, message) pairs."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "invalid"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        self.errors = list(errors)
        super().__init__(_("The request was refused: see “errors”."))


class Conflict(exceptions.APIException):
    """What is asked for contradicts the present state; `errors` where it is known which fields do."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"

    def __init__(self, detail: str, *, errors: Sequence[tuple[str, str]] = ()) -> None:
        self.errors = list(errors)
        super().__init__(detail)


def problem(
    status: int, detail: str, *, errors: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The answer for one problem."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = [{"field": field, "message": message} for field, message in errors]
    return Response(body, status=status, headers=dict(headers or {}), content_type=CONTENT_TYPE)


def exception_handler(error: Exception, context: Mapping[str, object]) -> Response | None:
    """DRF's hook: every expected error becomes a problem document; anything else stays an error of ours (500)."""
    if isinstance(error, RequestDataTooBig):
        error = exceptions.APIException(_("The body is too large."))
        error.status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    elif isinstance(error, Http404):
        error = exceptions.NotFound(_nothing_there(context))
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, DjangoValidationError):
        error = FieldErrors(list(_django_errors(error)))
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, Conflict):
        return problem(error.status_code, str(error.detail), errors=error.errors, headers=headers)
    errors = error.errors if isinstance(error, FieldErrors) else list(_flatten("", error.detail))
    if isinstance(error, FieldErrors) or (isinstance(error, exceptions.ValidationError) and errors):
        told = [f"{field}: {message}" if field else message for field, message in errors]
        detail = "; ".join([*(one.rstrip(".。") for one in told[:-1]), *told[-1:]])
        return problem(error.status_code, detail, errors=errors, headers=headers)
    return problem(error.status_code, str(error.detail), headers=headers)


def _nothing_there(context: Mapping[str, object]) -> str | None:
    """Names the row that an address asks for; None where it asks for none."""
    view, kwargs = context.get("view"), context.get("kwargs")
    queryset = getattr(view, "queryset", None)
    name = getattr(view, "lookup_url_kwarg", None) or getattr(view, "lookup_field", "")
    if queryset is None or not isinstance(kwargs, Mapping) or name not in kwargs:
        return None
    values = {"model": queryset.model._meta.verbose_name, "key": str(kwargs[name])[:SAID_AGAIN]}
    return _("There is no %(model)s “%(key)s” (any more).") % values


def plain_problem(status: int, detail: str, *, field: str = "") -> HttpResponse:
    """The same document from outside DRF; of a `field` where one is at fault."""
    body: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body["detail"] = f"{field}: {detail}" if field else detail
    if field:
        body["errors"] = [{"field": field, "message": detail}]
    return HttpResponse(json.dumps(body), status=status, content_type=CONTENT_TYPE)


@csrf_exempt
def unknown_address(request: HttpRequest, path: str = "") -> HttpResponse:
    """The answer under /api/ where there is nothing."""
    return plain_problem(404, _("There is nothing at %(path)s.") % {"path": request.path[:200]})


def server_error(request: HttpRequest) -> HttpResponse:
    """The answer after an error of ours: Django has logged it. A document for programs, the page for people."""
    if request.path.startswith("/api/"):
        return plain_problem(500, _("An error of ours; it is in the log."))
    return django_server_error(request)


def _django_errors(error: DjangoValidationError) -> Iterator[tuple[str, str]]:
    if hasattr(error, "error_dict"):
        for field, messages in error.message_dict.items():
            yield from (("" if field == "__all__" else field, str(message)) for message in messages)
    else:
        yield from (("", str(message)) for message in error.messages)


def _flatten(place: str, detail: object) -> Iterator[tuple[str, str]]:
    """DRF's nested lists and dictionaries as (place, message) pairs."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(f"{place}.{name}".strip(".") if name else place, value)
    elif isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            yield from _flatten(f"{place}[{index}]" if isinstance(value, Mapping) else place, value)
    else:
        yield place, str(detail)
