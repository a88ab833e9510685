"""The list of items: what its address asks for, its filters, and the fields of one type as columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, F, Prefetch, QuerySet, When, prefetch_related_objects
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawler.engine.records import Json
from crawler.engine.spider import FieldRule, FieldType, ItemRule
from crawler.items.browsing import LOOKED_AT, NUMBERS, State, Wanted, rules_of, shown
from crawler.models import Item, Spider
from crawlproject.templatetags.lamplighter import is_address
from crawlproject.web.admin import ChosenFilter

COLUMNS = 8
"""Fields that stand in the list; the page of an item has all of them."""
SHOWN = 120
"""Characters of a value in the list."""
LAST_PART = 32
"""Characters of an address in the list."""
MOST_SPIDERS = 200
"""In the filter."""
SPANS: tuple[tuple[str, StrOrPromise, timedelta], ...] = (
    ("hour", gettext_lazy("the last hour"), timedelta(hours=1)),
    ("day", gettext_lazy("the last 24 hours"), timedelta(days=1)),
    ("week", gettext_lazy("the last 7 days"), timedelta(days=7)),
    ("month", gettext_lazy("the last 30 days"), timedelta(days=30)),
)
NONE = mark_safe('<span class="ll-quiet ll-none">–</span>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the address of a list asks for, as far as it means something."""

    names: tuple[str, ...]
    """Of the spiders in the filter."""
    spider: Spider | None
    is_unknown: bool
    """Whether it names a spider that there is not."""
    rules: tuple[ItemRule, ...]
    """Of the spider that was chosen, or is the only one."""
    type: str
    state: State | None
    span: str
    text: str

    @property
    def types(self) -> list[str]:
        return list(dict.fromkeys(rule.type for rule in self.rules))

    @property
    def rule(self) -> ItemRule | None:
        """Whose fields are the columns: of the type that was chosen, or is the only one."""
        kind = self.type or (self.types[0] if len(self.types) == 1 else "")
        return next((rule for rule in self.rules if rule.type == kind), None)

    @property
    def columns(self) -> tuple[FieldRule, ...]:
        """Without the key, which names the item in the first column."""
        rule = self.rule
        return () if rule is None else tuple(field for field in rule.fields if field.name not in rule.key)[:COLUMNS]

    @property
    def wanted(self) -> Wanted:
        length = next((length for name, _words, length in SPANS if name == self.span), None)
        return Wanted(
            spider=self.spider,
            type=self.type,
            state=self.state,
            changed_since=None if length is None else timezone.now() - length,
            text=self.text,
        )


def chosen(request: HttpRequest) -> Choice:
    """Two queries at most for a request, however often it is asked."""
    known: Choice | None = getattr(request, "_item_choice", None)
    if known is None:
        known = choice_of(request.GET)
        request._item_choice = known  # type: ignore[attr-defined]
    return known


def choice_of(asked: QueryDict) -> Choice:
    """A query for the names and the definition of the one that was chosen; another where it is the only one."""
    name = asked.get("spider", "")
    of_chosen = Case(When(name=name, then=F("definition")))
    known = list(Spider.objects.order_by("name").annotate(of_chosen=of_chosen).defer("definition")[: MOST_SPIDERS + 1])
    names = tuple(spider.name for spider in known)
    spider: Spider | None = None
    for one in known:
        if one.name == name:
            one.definition = one.of_chosen
            spider = one
    if spider is None and (name or len(names) == 1):
        spider = Spider.objects.filter(name=name or names[0]).first()
    state = asked.get("state", "")
    return Choice(
        names=names[:MOST_SPIDERS],
        spider=spider,
        is_unknown=bool(name) and spider is None,
        rules=() if spider is None else rules_of(spider),
        type=asked.get("type", ""),
        state=State(state) if state in set(State) else None,
        span=asked.get("changed", ""),
        text=asked.get("q", "").strip(),
    )


class ItemList(ChangeList):
    """As the admin's own list; what is found comes from `Wanted`, whose cost does not grow with the table."""

    is_cut = False
    looked_at = LOOKED_AT

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Item]:
        super().get_queryset(request, exclude_parameters)
        choice = chosen(request)
        if choice.is_unknown:
            return Item.objects.none()
        found = choice.wanted.found()
        self.is_cut = found.is_cut
        self.choice = choice
        return found.items.defer("data_hash", "problems")

    def get_results(self, request: HttpRequest) -> None:
        """Adds the spiders by one query, where there are several: joined, they mislead SQLite to another index."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        spider = chosen(request).spider
        if spider is None:
            prefetch_related_objects(self.result_list, Prefetch("spider", Spider.objects.defer("definition")))
        else:
            for item in self.result_list:
                item.spider = spider


class _Filter(ChosenFilter):
    """Only says what can be chosen, or is left out: `ItemList` does the rest."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        return queryset


class SpiderFilter(admin.SimpleListFilter):
    """A spider that there is not has no items."""

    title = gettext_lazy("spider")
    parameter_name = "spider"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Item]) -> list[tuple[str, str]]:
        return [(name, name) for name in chosen(request).names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        return queryset  # see `ItemList`


class TypeFilter(_Filter):
    """Of the spider that was chosen."""

    title = gettext_lazy("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Item]) -> list[tuple[str, str]]:
        choice = chosen(request)
        names = [*choice.types, *([choice.type] if choice.type and choice.type not in choice.types else ())]
        return [(name, name) for name in names]


class StateFilter(_Filter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Item]) -> list[tuple[str, str]]:
        return state_choices()


def state_choices() -> list[tuple[str, str]]:
    return [
        (State.COMPLETE.value, _("Complete")),
        (State.INCOMPLETE.value, _("Incomplete")),
        (State.GONE.value, _("Gone")),
    ]


class ChangedFilter(_Filter):
    title = gettext_lazy("new or changed within")
    parameter_name = "changed"
    note = gettext_lazy("Items that only came back, or went, within that time are not among them.")

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Item]) -> list[tuple[str, StrOrPromise]]:
        return [(name, words) for name, words, _length in SPANS]


def column(field: FieldRule, number: int) -> Callable[[Item], SafeString]:
    """A field as a column of the list. Its name in the page begins with `n_` where it is a number: see the styles."""

    def show(item: Item) -> SafeString:
        value = cell(item.data.get(field.name), field)
        return format_html('<span class="ll-k">{}</span>{}', field.name, value) if value is not NONE else NONE

    show.__name__ = f"n_field{number}" if is_number(field) else f"field{number}"
    show.short_description = field.name  # type: ignore[attr-defined]
    return show


def is_number(field: FieldRule) -> bool:
    return field.type in NUMBERS and not field.many


def cell(value: Json, field: FieldRule | None, *, most: int = SHOWN) -> SafeString:
    """A value within `most` characters. An address is a link, which nothing follows before somebody does."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return format_html("{}", _("Yes") if value else _("No"))
    text = shown(value)
    if not text:
        return NONE
    if isinstance(value, str) and is_address(value) and (field is None or field.type is FieldType.URL):
        return link(value) if most > SHOWN else _short_link(value)
    return format_html("{}", Truncator(text).chars(most))


def link(url: str) -> SafeString:
    """To a page of others, which does not hear where one came from."""
    return format_html('<a class="w" rel="noreferrer noopener" href="{}">{}</a>', url, url)


def _short_link(url: str) -> SafeString:
    """By what tells an address from others in a narrow column, its end; the whole stands in its title."""
    parts = [part for part in url.partition("://")[2].split("/") if part]
    text = Truncator(parts[-1] if parts else url).chars(LAST_PART)
    return format_html('<a rel="noreferrer noopener" href="{}" title="{}">{}</a>', url, url, text)
