"""What is new, changed, gone or back again, of all spiders: the page, with its feeds for readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from crawler.items.browsing import shown, title_of
from crawler.items.changes import LOOKED_AT, Asked, ItemChange, Kind, Position, item_changes
from crawler.items.fieldchanges import FieldChange
from crawler.models import Item, Spider
from crawlproject.web.admin import tell_left_out

from .itemlist import MOST_SPIDERS

SHOWN = 50
FIELDS = 4
"""Changes, or values, of an item that stand in the list; its page has all of them."""
VALUE = 60
"""Characters of a value in the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A field of an item: what it is, and what it was where it changed."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    entry: ItemChange
    title: str
    lines: list[Line]
    more: int
    """Further fields that changed."""


def changes_view(model_admin: admin.ModelAdmin[Item], request: HttpRequest) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    spiders = list(Spider.objects.order_by("name").only("name")[: MOST_SPIDERS + 1])
    asked = _asked(request.GET)
    page = item_changes(asked, before=_before(request.GET), limit=SHOWN)
    given = _query(asked)
    _tell_left_out(request, given)
    context: dict[str, object] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("What changed"),
        "asked": asked,
        "spiders": [spider.name for spider in spiders],
        "kinds": _kinds(),
        "rows": [_row(entry) for entry in page.entries],
        "is_filtered": bool(given),
        "is_first": "before" not in request.GET,
        "query": given.urlencode(),
        "following": _following(given, page.following),
        "looked_at": LOOKED_AT,
        "feeds": [(name, _feed(given, kind)) for name, kind in (("Atom", "atom"), ("JSON Feed", "json"))],
    }
    return TemplateResponse(request, "admin/crawler/item/changes.html", context)


def _tell_left_out(request: HttpRequest, given: QueryDict) -> None:
    """Which filters of the address mean nothing."""
    titles = {"spider": _("Spider"), "kind": _("Kind of change"), "day": _("Day")}
    for name, title in titles.items():
        if request.GET.get(name) and name not in given:
            tell_left_out(request, title, request.GET[name])


def _kinds() -> list[tuple[str, StrOrPromise]]:
    return [
        (Kind.NEW.value, _("New")),
        (Kind.CHANGED.value, _("Changed")),
        (Kind.GONE.value, _("Gone")),
        (Kind.RETURNED.value, _("Came back")),
    ]


def _asked(query: QueryDict) -> Asked:
    """What means nothing leaves nothing out: the page shows what it took."""
    name, kind = query.get("spider", ""), query.get("kind", "")
    return Asked(
        spider=Spider.objects.filter(name=name).first() if name else None,
        type=query.get("type", "").strip()[:100],
        kind=Kind(kind) if kind in set(Kind) else None,
        day=_day(query.get("day", "")),
    )


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day is not None and 1970 <= day.year <= 2999 else None


def _before(query: QueryDict) -> Position | None:
    try:
        return Position.read(query.get("before", ""))
    except ValueError:
        return None


def _query(asked: Asked) -> QueryDict:
    """What was asked for, as an address says it."""
    given = QueryDict(mutable=True)
    values = {
        "spider": asked.spider.name if asked.spider else "",
        "type": asked.type,
        "kind": asked.kind.value if asked.kind else "",
        "day": asked.day.isoformat() if asked.day else "",
    }
    for name, value in values.items():
        if value:
            given[name] = value
    return given


def _following(given: QueryDict, position: Position | None) -> str:
    if position is None:
        return ""
    query = given.copy()
    query["before"] = str(position)
    return query.urlencode()


def _feed(given: QueryDict, kind: str) -> str:
    query = given.copy()
    query["format"] = kind
    return f"{reverse('item-changes')}?{query.urlencode()}"


def _row(entry: ItemChange) -> Row:
    changes = entry.changes
    if entry.kind is Kind.NEW:
        known = [FieldChange(name=name, before=None, after=value) for name, value in entry.item.data.items()]
        changes = tuple(change for change in known if change.after is not None)
    lines = [
        Line(
            name=change.name,
            before="" if entry.kind is Kind.NEW else shown(change.before)[:VALUE],
            after=shown(change.after)[:VALUE],
        )
        for change in changes[:FIELDS]
    ]
    more = 0 if entry.kind is Kind.NEW else len(changes) - len(lines)
    return Row(entry=entry, title=title_of(entry.item), lines=lines, more=more)
