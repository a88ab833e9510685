"""What every request passes: the policy header and the bounds on bodies."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from .web.problems import SAID_AGAIN, plain_problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Sets `Content-Security-Policy` where a view has not set its own: no inline script or style, nothing foreign."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


_MARK = re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])")
"""U+202A to U+202E and U+2066 to U+2069: they turn the text around them."""
_MARK_OR_EDITED = re.compile(rb"<textarea\b.*?</textarea>|<input\b[^>]*>|" + _MARK.pattern, re.DOTALL)


def direction_marks(get_response: GetResponse) -> GetResponse:
    """Shows marks of direction on our pages as their code (``\\u202e``): what others wrote turns no line around.

    Here, and not where each text is shown: no page of ours has a use for them, and none can be forgotten.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if is_page and isinstance(response, HttpResponse) and _MARK.search(response.content):
            response.content = _MARK_OR_EDITED.sub(_as_code, response.content)
        return response

    return middleware


def _as_code(found: re.Match[bytes]) -> bytes:
    """What is edited stays as it is: it would be stored otherwise."""
    return found[0] if found[0].startswith(b"<") else found[0].decode().encode("unicode_escape")


def request_limits(get_response: GetResponse) -> GetResponse:
    """Refuses a body above `DATA_UPLOAD_MAX_MEMORY_SIZE` before it is read, and an address that holds NUL.

    A form of the admin is shown again, empty, with what was too large above it.
    No database finds or stores NUL in a text: PostgreSQL's driver raises, wherever the text came from.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit is not None and length.isdigit() and int(length) > limit:
            if shown := _shown_again(request, get_response):
                return shown
            message = _("The body has %(length)s bytes; at most %(limit)d are accepted.") % {
                "length": length,
                "limit": limit,
            }
            return _refusal(request, 413, message)
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            parts = request.META.get("QUERY_STRING", "").split("&")
            field = next((part.partition("=")[0] for part in parts if "%00" in part.partition("=")[2]), "")
            return _refusal(request, 400, _("The address holds the character NUL."), field=field[:SAID_AGAIN])
        return get_response(request)

    return middleware


def _shown_again(request: HttpRequest, get_response: GetResponse) -> HttpResponseBase | None:
    """The page as it is for who has sent nothing, with the size in `request.too_large`; None where it is none."""
    if not request.path.startswith(reverse("admin:index")):
        return None
    request.too_large = {"sent": int(request.META["CONTENT_LENGTH"]), "limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}  # type: ignore[attr-defined]
    request.method = "GET"
    response = get_response(request)
    if response.status_code != HTTPStatus.OK:
        return None
    response.status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return response


def _refusal(request: HttpRequest, status: int, message: str, *, field: str = "") -> HttpResponse:
    if request.path.startswith("/api/"):
        return plain_problem(status, message, field=field)
    return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
