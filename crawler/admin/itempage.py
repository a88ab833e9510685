"""The page of an item: its value, what changed from version to version, where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from crawler.engine.errors import Reason
from crawler.engine.records import Json
from crawler.engine.spider import FieldRule
from crawler.exceptions import CrawlerError
from crawler.items.account import EDITIONS, Edition, crawls_of, editions_of, times_changed
from crawler.items.browsing import NUMBERS, rules_of, shown, state_of, title_of
from crawler.items.fieldchanges import FieldChange, number
from crawler.models import Item
from crawler.tasks import request_crawl
from crawlproject.templatetags.lamplighter import is_address
from crawlproject.web import charts
from crawlproject.web.admin import day_of
from scheduling.exceptions import SchedulingError

from .asked import asked_for
from .itemlist import cell

VALUE = 2_000
"""Characters of a value; the API has all of them."""
CHARTS = 3
POINTS = 24
"""The newest versions that are drawn."""
APART, LABELS_APART = 0.14, 0.22
"""Of the width: what stands nearer to the text, or the day, before it is drawn without one. A phone has 300 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """A field of the present value."""

    name: str
    is_key: bool
    value: SafeString
    is_number: bool
    changed: int
    """Times, in the versions that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    name: str
    before: str
    after: str
    share: str


def context_of(request: HttpRequest, item: Item) -> dict[str, object]:
    """What the template shows. Three queries, or four: versions, crawls, the page."""
    editions = editions_of(item)
    rule = next((rule for rule in rules_of(item.spider) if rule.type == item.type), None)
    fields = {field.name: field for field in rule.fields} if rule else {}
    crawls = crawls_of(item, editions)
    looked_at = _asked_for(request, editions)
    return {
        "item_title": title_of(item),
        "state": state_of(item),
        "rows": list(_rows(item, fields, rule.key if rule else (), times_changed(editions))),
        "editions": [(edition, crawls.get(edition.number)) for edition in editions],
        "older_versions": max(0, editions[-1].number - 1),
        "most_versions": EDITIONS,
        "diff": looked_at,
        "diff_rows": [_change_row(change) for change in looked_at.changes] if looked_at else [],
        "diff_newer": None if not looked_at or looked_at.number == item.version else looked_at.number + 1,
        "diff_older": None if not looked_at or looked_at.number - 1 <= editions[-1].number else looked_at.number - 1,
        "drawings": list(_drawings(editions, fields))[:CHARTS],
        "problems": [_problem(problem) for problem in item.problems],
        "may_look": request.user.has_perm("crawler.add_crawltask"),
        "page_is_address": item.page is not None and is_address(item.page.url),
    }


def look_again_view(model_admin: admin.ModelAdmin[Item], request: HttpRequest, object_id: str) -> HttpResponse:
    """Asks for a crawl of the one page that the item came from."""
    item = model_admin.get_object(request, object_id)
    if not model_admin.has_view_permission(request, item) or not request.user.has_perm("crawler.add_crawltask"):
        raise PermissionDenied
    if item is None or item.page is None:
        raise Http404(_("There is no such item (any more), or no page that gives it."))
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        task = request_crawl("urls", [item.page.url], spider=item.spider.name, by=request.user.get_username())
    except (CrawlerError, SchedulingError) as error:
        model_admin.message_user(request, str(error), messages.WARNING)
    else:
        told = asked_for(task, request.user, sentence=_("Its page is looked at again as soon as a place is free."))
        model_admin.message_user(request, told, messages.SUCCESS)
    return redirect("admin:crawler_item_change", item.pk)


def _rows(
    item: Item, fields: Mapping[str, FieldRule], key: Sequence[str], changed: Mapping[str, int]
) -> Iterator[FieldRow]:
    """In the order of the spider's rule, then what earlier rules gave."""
    names = [*(name for name in fields if name in item.data), *sorted(name for name in item.data if name not in fields)]
    for name in names:
        field = fields.get(name)
        yield FieldRow(
            name=name,
            is_key=name in key,
            value=cell(item.data[name], field, most=VALUE),
            is_number=field is not None and field.type in NUMBERS and not field.many,
            changed=changed.get(name, 0),
        )


def _asked_for(request: HttpRequest, editions: Sequence[Edition]) -> Edition | None:
    """The version that `?v=` names; else the newest that changed something."""
    compared = [edition for edition in editions if edition.changes]
    asked = request.GET.get("v", "")
    return next((edition for edition in compared if str(edition.number) == asked), compared[0] if compared else None)


def _change_row(change: FieldChange) -> ChangeRow:
    share = change.share
    return ChangeRow(
        name=change.name,
        before=_text(change.before),
        after=_text(change.after),
        share="" if share is None else f"{share * 100:+.1f} %".replace("-", "−"),
    )


def _text(value: Json) -> str:
    return "–" if value is None else shown(value)[:VALUE] or "–"


def _drawings(editions: Sequence[Edition], fields: Mapping[str, FieldRule]) -> Iterator[tuple[str, int, SafeString]]:
    """The numbers that changed, each with how many values it had: name, count, drawing."""
    drawn = list(reversed(editions[:POINTS]))
    first, last = drawn[0].since, timezone.now()
    for name in times_changed(editions):
        field = fields.get(name)
        values = [(edition, number(edition.data.get(name))) for edition in drawn]
        known = [(edition, value) for edition, value in values if value is not None]
        if (field is not None and field.type not in NUMBERS) or len({value for _edition, value in known}) < 2:
            continue
        title = _("%(field)s over %(count)d versions") % {"field": name, "count": len(known)}
        yield name, len(known), charts.steps(title, _steps(name, known, first, last))


def _steps(name: str, known: Sequence[tuple[Edition, float]], first: datetime, last: datetime) -> list[charts.Step]:
    whole = max((last - first).total_seconds(), 1.0)
    points: list[charts.Step] = []
    is_one_day = localtime(known[0][0].since).date() == localtime(known[-1][0].since).date()
    shown_day: date | None = None
    written = labelled = -1.0
    for index, (edition, value) in enumerate(known):
        if index and value == known[index - 1][1]:
            continue
        at = (edition.since - first).total_seconds() / whole
        text = label = ""
        if at - written >= APART:
            written, text = at, shown(edition.data.get(name))
        if at - labelled >= LABELS_APART:
            local = localtime(edition.since)
            time = f"{local:%H:%M}"
            label = time if local.date() == shown_day else f"{day_of(local)} {time}" if is_one_day else day_of(local)
            labelled, shown_day = at, local.date()
        points.append(charts.Step(at=min(at, 0.92), value=value, text=text[:20], label=label))
    if points and not points[-1].text and 1 - written > 2 * APART:  # it stands at the right: what holds now
        points[-1] = replace(points[-1], text=shown(known[-1][0].data.get(name))[:20])
    return points


def _problem(problem: object) -> dict[str, str]:
    """A value that could not be read, in words."""
    found = problem if isinstance(problem, Mapping) else {}
    reason = str(found.get("reason", ""))
    words = {
        Reason.UNREADABLE_VALUE: _("could not be read as its type"),
        Reason.MISSING_REQUIRED: _("is missing, and required"),
        Reason.MISSING_KEY: _("is missing, and part of the key"),
    }
    return {
        "field": str(found.get("field", "")),
        "words": next((text for name, text in words.items() if name == reason), reason),
        "value": str(found.get("value", "")),
    }
