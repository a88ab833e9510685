"""Two crawls of one spider side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, Subquery, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from crawler.account.amounts import amount
from crawler.account.contrast import Contrast, contrast, why_not
from crawler.causes import Unit
from crawler.items.browsing import readable
from crawler.items.contrast import ItemContrast, ItemLine, Lines, contrast_items
from crawler.models import CrawlTask, Spider, TaskFailure
from crawler.shortening import shortened
from crawlproject.templatetags.lamplighter import is_address
from crawlproject.web.admin import day_of
from crawlproject.web.requests import MOST_DIGITS

from .panels import workshop_of

CHOICES = 50
"""Crawls of the spider that can be chosen, the newest."""
LOOKED_AT = CHOICES + 10
"""Crawls of the spider that are looked at: those of given addresses cannot be chosen."""
MOST_SPIDERS = 200
MOST_OF_A_KEY = 120
"""Characters."""

Model = admin.ModelAdmin[CrawlTask]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    pk: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What was asked for, the earlier crawl first; None where there is none."""

    before: CrawlTask | None
    after: CrawlTask | None
    problem: str = ""


def compare_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """`?a=&b=`: numbers of two tasks, in any order; without them the last two of `?spider=`, or of the newest crawl."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    known = _known(request)
    asked = _asked(request, known)
    spider = _spider(request, asked, known)
    newest = [task for task in known if spider is not None and task.spider_id == spider.pk]
    choices = [task for task in newest if task.task_type != CrawlTask.Type.URLS][:CHOICES]
    pair = _pair(request, asked, choices)
    found = items = None
    example = ""
    if pair.before is not None and pair.after is not None and not pair.problem:
        found = contrast(pair.before, pair.after)
        example = _example(found, request)
        if request.user.has_perm("crawler.view_item"):
            has_later = any(task.pk > pair.after.pk for task in newest)
            between = _between(pair.before, pair.after, newest)
            items = contrast_items(pair.before, pair.after, between, has_later=has_later)
    context: dict[str, object] = {
        "opts": model_admin.opts,
        "title": _("Compare two crawls"),
        "spider": spider,
        "spiders": Spider.objects.order_by("name").values_list("pk", "name")[:MOST_SPIDERS],
        "choices": _named_choices(_with(choices, pair)),
        "pair": pair,
        "found": found,
        "example": example,
        "kinds": _kinds(items),
        "items": items,
        "workshop": workshop_of(pair.after, request.user) if pair.after is not None else "",
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(
        request, "admin/crawler/crawltask/compare.html", {**model_admin.admin_site.each_context(request), **context}
    )


def _known(request: HttpRequest) -> list[CrawlTask]:
    """The crawls that are asked for, and the newest of their spider; else those of `?spider=`, or of the spider that
    was crawled last. The newest first; one query."""
    numbers = [number for name in ("b", "a") if (number := _number(request, name)) is not None]
    given = _number(request, "spider")
    if numbers and (found := _listed(_spider_of(numbers), numbers)):
        return found
    if given is not None:
        return _listed(given, [])
    crawled = CrawlTask.objects.filter(spider__isnull=False).exclude(task_type=CrawlTask.Type.URLS)
    return _listed(Subquery(crawled.order_by("-pk").values("spider")[:1]), [])


def _spider_of(numbers: list[int]) -> Subquery:
    """Of the first of these crawls that there is."""
    places = (When(pk=number, then=place) for place, number in enumerate(numbers))
    named = CrawlTask.objects.filter(pk__in=numbers).order_by(Case(*places, output_field=IntegerField()))
    return Subquery(named.values("spider")[:1])


def _listed(spider: int | Subquery, numbers: list[int]) -> list[CrawlTask]:
    newest = CrawlTask.objects.filter(spider=spider).order_by("-pk").values("pk")[:LOOKED_AT]
    parts = CrawlTask.objects.filter(pk__in=newest).order_by().values("pk")
    if numbers:
        parts = parts.union(CrawlTask.objects.filter(pk__in=numbers).order_by().values("pk"))
    tasks = CrawlTask.objects.filter(pk__in=parts).select_related("spider", "run").order_by("-pk")
    return list(tasks.defer("hosts", "headway", "run__data", "run__error"))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _asked(request: HttpRequest, known: list[CrawlTask]) -> dict[str, CrawlTask]:
    """By the parameter's name; what is no number of a crawl is left out."""
    tasks = {task.pk: task for task in known}
    numbers = {name: _number(request, name) for name in ("a", "b")}
    return {name: tasks[number] for name, number in numbers.items() if number is not None and number in tasks}


def _spider(request: HttpRequest, asked: dict[str, CrawlTask], known: list[CrawlTask]) -> Spider | None:
    task = asked.get("b") or asked.get("a") or next(iter(known), None)
    if task is not None:
        spider: Spider | None = task.spider
        return spider
    number = _number(request, "spider")
    return None if number is None else Spider.objects.filter(pk=number).first()


def _pair(request: HttpRequest, asked: dict[str, CrawlTask], choices: list[CrawlTask]) -> Pair:
    named = [name for name in ("a", "b") if request.GET.get(name)]
    lost = [request.GET[name] for name in named if name not in asked]
    if lost:
        problem = _("There is no crawl task with the number “%(number)s” (any more).") % {"number": lost[0][:40]}
        return Pair(before=asked.get("a"), after=asked.get("b"), problem=problem)
    one, other = asked.get("a"), asked.get("b")
    if other is None:
        other = next((task for task in choices if one is None or task.pk > one.pk), None)
    if one is None and other is not None:
        one = next((task for task in choices if task.pk < other.pk), None)
    if one is None or other is None:
        return Pair(before=one, after=other)
    before, after = (one, other) if one.pk <= other.pk else (other, one)
    return Pair(before=before, after=after, problem=why_not(before, after))


def _between(before: CrawlTask, after: CrawlTask, newest: list[CrawlTask]) -> list[CrawlTask] | None:
    """The crawls between the two, those of given addresses among them; None where they reach back further than the list
    (behind whose end stand the crawls that were asked for)."""
    listed = newest[:LOOKED_AT]
    if not any(task.pk <= before.pk for task in listed):
        return None
    return [task for task in listed if before.pk < task.pk < after.pk]


def _with(choices: list[CrawlTask], pair: Pair) -> list[CrawlTask]:
    """The list, and what was asked for where that is older."""
    known = {task.pk for task in choices}
    return [*choices, *(task for task in (pair.after, pair.before) if task is not None and task.pk not in known)]


def _named_choices(tasks: list[CrawlTask]) -> list[Choice]:
    """By when each began, to the second where another began in the same minute."""
    begun = {task.pk: localtime(task.started_at or task.created_at) for task in tasks}
    minutes = Counter(at.replace(second=0, microsecond=0) for at in begun.values())
    clocks = {
        pk: "%H:%M:%S" if minutes[at.replace(second=0, microsecond=0)] > 1 else "%H:%M" for pk, at in begun.items()
    }
    return [Choice(pk=task.pk, text=_name(task, begun[task.pk], clocks[task.pk])) for task in tasks]


def _name(task: CrawlTask, at: datetime, clock: str) -> str:
    """Short enough for a phone: how it ended is said where it did not complete."""
    state = "" if task.status == CrawlTask.Status.COMPLETED else f"{task.get_status_display()} · "
    return f"{day_of(at)} {at.strftime(clock)} · {state}{amount(Unit.PAGES, task.pages)}"


def _example(found: Contrast, request: HttpRequest) -> str:
    """Address of the workshop with a page that shows the likeliest reason."""
    workshop = workshop_of(found.after, request.user)
    if not workshop or not found.likely.reasons:
        return ""
    failures = TaskFailure.objects.filter(task=found.after, reason__in=found.likely.reasons[:10])
    url = failures.order_by("pk").values_list("url", flat=True).first() or ""
    return f"{workshop}?{urlencode({'url': url})}" if is_address(url) else ""


# --- items ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An item as the page lists it."""

    line: ItemLine
    key: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A card of items."""

    name: str
    title: str
    none: str
    lines: Lines
    items: list[Named]


def _kinds(items: ItemContrast | None) -> list[Kind]:
    if items is None:
        return []
    return [
        Kind(name=name, title=title, none=none, lines=lines, items=[_named(line) for line in lines.shown])
        for name, title, none, lines in (
            ("changed", _("Changed"), _("No item has another value."), items.changed),
            ("unseen", _("Not seen in the later crawl"), _("Every item that is present was seen."), items.unseen),
            ("added", _("New"), _("No item came that was not known before."), items.added),
            ("gone", _("Gone"), _("No item went."), items.gone),
            ("returned", _("Came back"), _("No item came back."), items.returned),
        )
    ]


def _named(line: ItemLine) -> Named:
    key = shortened(readable(line.key), MOST_OF_A_KEY) or "–"
    return Named(line=line, key=key, url=reverse("admin:crawler_item_change", args=[line.pk]))
