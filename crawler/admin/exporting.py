"""Exporting items: what and how, the progress of it, the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from crawler.engine.messages import reason_of
from crawler.exports import ExportRefused, Selection, files, formats, get_format
from crawler.exports.files import Export
from crawler.models import Item
from crawler.workshop.wording import told

from .itemlist import SPANS, Choice, choice_of, state_choices

RIGHT = "crawler.export_item"
COUNTED = 10_000
"""Items that are counted before; of more it is only said that they are more."""
AT_ONCE = 1.0
"""Seconds that asking waits: a small export is whole then."""

SHOW = "_show"
"""The button that shows what the selects say: the types of the spider, its columns, how many items they are."""
ASKED = ("spider", "type", "state", "changed", "q", "format", "with_meta")
"""What the address of the form may hold."""
TOLD_BESIDE = ("spider", "type")
"""The selects that say themselves what is wrong with them."""
SEVERAL, ONE = "jsonl", "csv"
"""The formats that are proposed for items of several types, and of one."""

Model = admin.ModelAdmin[Item]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing was exported, and the select that is to be changed; an empty one: none of them."""

    field: str
    text: str


def export_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """Asks what to export and how; a POST begins it, or by `SHOW` leads to the address of what was chosen."""
    _check(model_admin, request)
    given = request.POST if request.method == "POST" else request.GET
    if SHOW in request.POST:
        asked = {name: given[name] for name in ASKED if given.get(name)}
        return redirect(f"{reverse('admin:crawler_item_export')}?{urlencode(asked)}")
    choice = choice_of(given)
    if "type" not in given and len(choice.types) == 1:
        choice = replace(choice, type=choice.types[0])
    problem = None
    if request.method == "POST":
        try:
            made = _begin(request, choice)
        except ExportRefused as error:
            place = error.field if error.field in TOLD_BESIDE else ""
            problem = Problem(place, told(reason_of(error)))
        else:
            return redirect("admin:crawler_item_export_of", made.id)
    return _show(
        model_admin, request, "export.html", title=_("Export items"), **_form(request, given, choice), problem=problem
    )


def export_of_view(model_admin: Model, request: HttpRequest, export_id: str) -> HttpResponse:
    """One export: how far it is, and the file."""
    found = _find(model_admin, request, export_id)
    title = _("Export of %(spider)s") % {"spider": found.spider}
    return _show(model_admin, request, "export_of.html", title=title, export=found)


def progress_view(model_admin: Model, request: HttpRequest, export_id: str) -> HttpResponse:
    """The part of that page that is asked for again and again. `X-Poll: over` says that it has ended."""
    found = _find(model_admin, request, export_id)
    answer = TemplateResponse(request, "admin/crawler/item/export_progress.html", {"export": found})
    if not found.is_running:
        answer["X-Poll"] = "over"
    answer["Cache-Control"] = "no-store"
    return answer


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


def _is_former(choice: Choice) -> bool:
    """Whether only earlier rules of the spider gave items of the type that was chosen."""
    is_asked = choice.spider is not None and choice.type and choice.type not in choice.types
    return bool(is_asked) and Item.objects.filter(spider=choice.spider, type=choice.type).exists()


def _begin(request: HttpRequest, choice: Choice) -> Export:
    given = request.POST
    if choice.spider is None:
        raise ExportRefused(_("Choose a spider first."), field="spider")
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
    file_format = get_format(given.get("format", ""), for_people=True)
    return files.start(selection, file_format, by=request.user.get_username(), wait=AT_ONCE)


def _fields(given: QueryDict, choice: Choice) -> tuple[str, ...]:
    """All but those that were offered and not ticked: another type may have been chosen since, with other columns.

    All of them are no choice, so that what earlier rules gave is not left out; nor are none of them.
    """
    left_out = _left_out(given)
    names = _names(choice)
    kept = tuple(name for name in names if name not in left_out)
    return () if len(kept) == len(names) else kept


def _left_out(given: QueryDict) -> set[str]:
    return set(given.getlist("offered")) - set(given.getlist("fields"))


def _names(choice: Choice) -> list[str]:
    """The fields of the type, or of all types, in the order of the rules."""
    rules = [choice.rule] if choice.rule is not None else choice.rules
    return list(dict.fromkeys(field.name for rule in rules for field in rule.fields))


def _form(request: HttpRequest, given: QueryDict, choice: Choice) -> dict[str, object]:
    left_out = _left_out(given)
    return {
        "choice": choice,
        "types": [*choice.types, *([choice.type] if _is_former(choice) else ())],
        "states": state_choices(),
        "spans": [(name, words) for name, words, _length in SPANS],
        "formats": [(one.name, one.title) for one in formats().values()],
        "format": _format(request, given, choice),
        "fields": [(name, name not in left_out) for name in _names(choice)],
        "with_meta": "with_meta" in given,
        "count": _count(choice),
        "most": COUNTED,
        "exports": _seen_by(request, files.exports() if files.folder().is_dir() else []),
    }


def _format(request: HttpRequest, given: QueryDict, choice: Choice) -> str:
    """What was asked for; on a form that is shown anew, one that can be had as the selects stand."""
    usual = ONE if choice.rule is not None else SEVERAL
    asked = formats().get(given.get("format", ""))
    if asked is None or (request.method != "POST" and asked.one_type and choice.rule is None):
        return usual
    return asked.name


def _count(choice: Choice) -> int | None:
    """Of the items, up to `COUNTED` and one; None where that would have to read them."""
    if choice.spider is None or choice.text:
        return None
    wanted = choice.wanted
    selection = Selection(
        spider=choice.spider, type=choice.type, state=choice.state, changed_since=wanted.changed_since
    )
    return selection.count(COUNTED + 1)


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
