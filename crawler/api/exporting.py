"""`/api/crawl/items/export`: the items of a spider as a file."""

from __future__ import annotations

from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, Throttled
from rest_framework.request import Request

from crawler.browsing import State
from crawler.exports import ExportRefused, Selection, files, formats, get_format
from crawler.models import Spider
from crawlproject.web.problems import FieldErrors
from crawlproject.web.requests import query_moment, refuse_unknown

KNOWN = ("spider", "type", "format", "state", "q", "fields", "changed_since", "with_meta")
LONGEST = 600.0
"""Seconds that a file may take; larger ones are for the page in the admin, or the command."""
RETRY = 5
"""Seconds after which somebody who was turned away may ask again."""


class TakesTooLong(APIException):
    status_code = 503
    default_code = "too_long"


def export_response(request: Request) -> HttpResponseBase:
    """The whole file; it is written before the first byte is sent, and removed when the last one is."""
    refuse_unknown(request.query_params, KNOWN)
    selection = _selection(request)
    name = request.query_params.get("format", "")
    try:
        made = files.start(selection, get_format(name), by=request.user.get_username(), wait=LONGEST)
    except files.ExportsBusy as error:
        raise Throttled(wait=RETRY, detail=str(error)) from error
    except ExportRefused as error:
        raise FieldErrors([(_field(selection, name), str(error))]) from error
    if made.state != "completed":
        files.cancel(made)
        raise TakesTooLong(made.message or _("The export takes too long for a request: narrow it down."))
    # Open, it can be sent after it was removed.
    file = made.path.open("rb")
    files.remove(made)
    return FileResponse(file, as_attachment=True, filename=made.name, content_type=made.content_type)


def _field(selection: Selection, name: str) -> str:
    """Which one a refusal is about."""
    if name not in formats():
        return "format"
    return "fields" if selection.fields else "type"


def _selection(request: Request) -> Selection:
    query = request.query_params
    spider = Spider.objects.filter(name=query.get("spider", "")).first()
    problems: list[tuple[str, str]] = []
    if spider is None:
        problems.append(("spider", _("Give the name of a spider.")))
    state = query.get("state")
    if state is not None and state not in set(State):
        problems.append(("state", _("Give one of %(known)s.") % {"known": ", ".join(State)}))
    with_meta = query.get("with_meta", "false")
    if with_meta not in ("true", "false"):
        problems.append(("with_meta", _("Give one of %(known)s.") % {"known": "true, false"}))
    if "format" not in query:
        problems.append(("format", _("Give one of %(known)s.") % {"known": ", ".join(formats())}))
    if problems or spider is None:
        raise FieldErrors(problems)
    return Selection(
        spider=spider,
        type=query.get("type", ""),
        state=None if state is None else State(state),
        text=query.get("q", ""),
        fields=tuple(name for name in query.get("fields", "").split(",") if name),
        changed_since=query_moment(request, "changed_since"),
        with_meta=with_meta == "true",
    )
