"""`/api/crawl/items/export`: the items of a spider as a file."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, NotFound, Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from crawler.engine.messages import reason_of
from crawler.exports import ExportRefused, Selection, files, formats, get_format
from crawler.exports.files import Export
from crawler.items.browsing import State
from crawler.models import Spider
from crawler.workshop.wording import told
from crawlproject.web.problems import FieldErrors
from crawlproject.web.requests import query_moment, refuse_unknown

from .names import spider_problem

KNOWN = ("spider", "type", "format", "state", "q", "fields", "changed_since", "with_meta")
LONGEST = 20.0
"""Seconds that a request waits for its file; a larger one is asked for again, under an address of its own."""
RETRY = 5
"""Seconds after which somebody who was turned away may ask again."""


AGAIN = 2
"""Seconds after which it makes sense to ask how far a file is."""


class ExportFailed(APIException):
    status_code = 503
    default_code = "export_failed"


def export_response(request: Request) -> HttpResponseBase:
    """The whole file: it is written before the first byte is sent, and not kept. Or 202 and where to ask for it."""
    refuse_unknown(request.query_params, KNOWN)
    selection = _selection(request)
    name = request.query_params.get("format", "")
    try:
        made = files.start(selection, get_format(name), by=request.user.get_username(), wait=LONGEST)
    except files.ExportsBusy as error:
        raise Throttled(wait=RETRY, detail=str(error)) from error
    except ExportRefused as error:
        raise FieldErrors([(error.field, told(reason_of(error)))]) from error
    if made.state != "completed":
        return _progress(request, made)
    answer = _file(made)
    # Open, it can be sent after it was removed.
    files.remove(made)
    return answer


def export_of_response(request: Request, export_id: str) -> HttpResponseBase:
    """202 with how far it is, or the whole file, which is kept for a day."""
    refuse_unknown(request.query_params, ())
    found = _find(request, export_id)
    return _file(found) if found.state == "completed" else _progress(request, found)


def cancel_response(request: Request, export_id: str) -> Response:
    """It stops within a second or two; one that has ended is removed."""
    found = _find(request, export_id)
    if found.is_running:
        files.cancel(found)
    else:
        files.remove(found)
    return Response(status=204)


def _find(request: Request, export_id: str) -> Export:
    found = files.find(export_id)
    if found is None or not (found.by == request.user.get_username() or request.user.is_superuser):
        raise NotFound(_("There is no such export (any more): they are kept for a day."))
    return found


def _progress(request: Request, made: Export) -> Response:
    if made.field:
        raise FieldErrors([(made.field, made.message)])
    if not made.is_running:
        raise ExportFailed(made.message or _("Cancelled"))
    address = reverse("item-export-of", args=[made.id])
    body = {
        "export": made.id,
        "url": request.build_absolute_uri(address),
        "state": made.state,
        "rows": made.rows,
        "total": made.total,
        "bytes": made.bytes,
    }
    return Response(body, status=202, headers={"Location": address, "Retry-After": str(AGAIN)})


def _file(made: Export) -> FileResponse:
    try:
        file = made.path.open("rb")
    except FileNotFoundError as error:
        raise NotFound(_("There is no such file (any more): files are kept for a day.")) from error
    return FileResponse(file, as_attachment=True, filename=made.name, content_type=made.content_type)


def _one_of(known: Iterable[str], given: str) -> str:
    return _("Give one of %(known)s, not “%(given)s”.") % {"known": ", ".join(known), "given": given[:50]}


def _selection(request: Request) -> Selection:
    query = request.query_params
    name, state, with_meta = query.get("spider", ""), query.get("state"), query.get("with_meta", "false")
    spider = Spider.objects.filter(name=name).first()
    problems: list[tuple[str, str]] = []
    if spider is None:
        problems.append(("spider", spider_problem(name) if name else _("Give the name of a spider.")))
    if state is not None and state not in set(State):
        problems.append(("state", _one_of(State, state)))
    if with_meta not in ("true", "false"):
        problems.append(("with_meta", _one_of(("true", "false"), with_meta)))
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
