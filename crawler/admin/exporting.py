"""Exporting items: what and how, the progress of it, the file."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from crawler.exports import ExportRefused, Selection, files, formats, get_format
from crawler.exports.files import Export
from crawler.models import Item

from .itemlist import SPANS, Choice, choice_of, state_choices

RIGHT = "crawler.export_item"
COUNTED = 10_000
"""Items that are counted before; of more it is only said that they are more."""
AT_ONCE = 1.0
"""Seconds that asking waits: a small export is whole then."""

Model = admin.ModelAdmin[Item]


def export_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """Asks what to export and how; a POST begins it."""
    _check(model_admin, request)
    choice = choice_of(request.POST if request.method == "POST" else request.GET)
    problem = ""
    if request.method == "POST":
        try:
            made = _begin(request, choice)
        except ExportRefused as error:
            problem = str(error)
        else:
            return redirect("admin:crawler_item_export_of", made.id)
    return _show(
        model_admin, request, "export.html", title=_("Export items"), **_form(request, choice), problem=problem
    )


def export_of_view(model_admin: Model, request: HttpRequest, export_id: str) -> HttpResponse:
    """One export: how far it is, and the file."""
    found = _find(model_admin, request, export_id)
    title = _("Export of %(spider)s") % {"spider": found.spider}
    return _show(model_admin, request, "export_of.html", title=title, export=found)


def progress_view(model_admin: Model, request: HttpRequest, export_id: str) -> HttpResponse:
    """The part of that page that is asked for again and again."""
    found = _find(model_admin, request, export_id)
    return TemplateResponse(request, "admin/crawler/item/export_progress.html", {"export": found})


def cancel_view(model_admin: Model, request: HttpRequest, export_id: str) -> HttpResponse:
    found = _find(model_admin, request, export_id)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    files.cancel(found)
    model_admin.message_user(request, _("It stops within a second or two."), messages.INFO)
    return redirect("admin:crawler_item_export_of", found.id)


def file_view(model_admin: Model, request: HttpRequest, export_id: str) -> HttpResponseBase:
    found = _find(model_admin, request, export_id)
    try:
        file = found.path.open("rb")
    except FileNotFoundError as error:
        raise Http404(_("There is no such file (any more): files are kept for a day.")) from error
    return FileResponse(file, as_attachment=True, filename=found.name, content_type=found.content_type)


def _begin(request: HttpRequest, choice: Choice) -> Export:
    given = request.POST
    if choice.spider is None:
        raise ExportRefused(_("Choose a spider first."))
    wanted = choice.wanted
    selection = Selection(
        spider=choice.spider,
        type=choice.type,
        state=choice.state,
        changed_since=wanted.changed_since,
        text=choice.text,
        fields=_fields(given, choice),
        with_meta="with_meta" in given,
    )
    file_format = get_format(given.get("format", ""))
    if file_format.one_type and len(choice.types) > 1 and not choice.type:
        message = _("A file of the format %(format)s has one set of columns: choose a type first.")
        raise ExportRefused(message % {"format": file_format.name})
    return files.start(selection, file_format, by=request.user.get_username(), wait=AT_ONCE)


def _fields(given: QueryDict, choice: Choice) -> tuple[str, ...]:
    """Those that were ticked; all of them are no choice, so that what earlier rules gave is not left out."""
    ticked = set(given.getlist("fields"))
    names = _names(choice)
    return () if not ticked or ticked >= set(names) else tuple(name for name in names if name in ticked)


def _names(choice: Choice) -> list[str]:
    """The fields of the type, or of all types, in the order of the rules."""
    rules = [choice.rule] if choice.rule is not None else choice.rules
    return list(dict.fromkeys(field.name for rule in rules for field in rule.fields))


def _form(request: HttpRequest, choice: Choice) -> dict[str, object]:
    given = request.POST
    ticked = set(given.getlist("fields")) if request.method == "POST" else set(_names(choice))
    return {
        "choice": choice,
        "states": state_choices(),
        "spans": [(name, words) for name, words, _length in SPANS],
        "formats": list(formats()),
        "format": given.get("format", next(iter(formats()))),
        "fields": [(name, name in ticked) for name in _names(choice)],
        "with_meta": "with_meta" in given,
        "count": _count(choice),
        "most": COUNTED,
        "exports": _seen_by(request, files.exports() if files.folder().is_dir() else []),
    }


def _count(choice: Choice) -> int | None:
    """Of the items, up to `COUNTED` and one; None where that would have to read them."""
    if choice.spider is None or choice.text:
        return None
    wanted = choice.wanted
    selection = Selection(
        spider=choice.spider, type=choice.type, state=choice.state, changed_since=wanted.changed_since
    )
    return selection.items()[: COUNTED + 1].count()


def _seen_by(request: HttpRequest, found: Sequence[Export]) -> list[Export]:
    """One's own; an administrator's eye sees all of them."""
    name = request.user.get_username()
    return [one for one in found if one.by == name or request.user.is_superuser]


def _check(model_admin: Model, request: HttpRequest) -> None:
    if not model_admin.has_view_permission(request) or not request.user.has_perm(RIGHT):
        raise PermissionDenied


def _find(model_admin: Model, request: HttpRequest, export_id: str) -> Export:
    _check(model_admin, request)
    found = files.find(export_id)
    if found is None or not _seen_by(request, [found]):
        raise Http404(_("There is no such export (any more): they are kept for a day."))
    return found


def _show(model_admin: Model, request: HttpRequest, template: str, *, title: str, **context: object) -> HttpResponse:
    whole: dict[str, object] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "form_address": reverse("admin:crawler_item_export"),
        **context,
    }
    return TemplateResponse(request, f"admin/crawler/item/{template}", whole)
