"""Items: the present value, and every one before it."""

from __future__ import annotations

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from crawler.models import Item, ItemVersion, Spider
from crawlproject.templatetags.lamplighter import badge
from crawlproject.web.admin import ReadOnlyAdmin, document, two_lines, when

VERSIONS = 100


def readable(key: str) -> str:
    """A key without the marks of JSON."""
    try:
        parts = json.loads(key)
    except ValueError:
        return key
    return " · ".join(str(part) for part in parts) if isinstance(parts, list) else key


def state_of(item: Item) -> str:
    if item.gone_at:
        return "gone"
    return "complete" if item.complete else "incomplete"


class TypeFilter(admin.SimpleListFilter):
    """By type. From the spiders' documents: asking all items takes too long."""

    title = gettext_lazy("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Item]) -> list[tuple[str, str]]:
        types: set[str] = set()
        for definition in Spider.objects.values_list("definition", flat=True):
            types |= {str(rule.get("type")) for rule in definition.get("items", []) if isinstance(rule, dict)}
        return [(name, name) for name in sorted(types)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin[Item]):
    list_display = ("named", "b_state", "spider", "value", "version", "changed", "first_seen")
    list_filter = ("spider", TypeFilter, "complete", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("key",)
    search_help_text = gettext_lazy("Key")
    ordering = ("-id",)
    list_select_related = ("spider",)
    fieldsets = (
        (None, {"fields": ("named", "b_state", "spider", "source", ("first_seen_at", "changed_at", "gone_at"))}),
        (gettext_lazy("Now"), {"fields": ("version", "fields_table", "problem_list")}),
        (gettext_lazy("History"), {"fields": ("history",)}),
    )
    readonly_fields = ("named", "b_state", "source", "fields_table", "problem_list", "history")

    @admin.display(description=gettext_lazy("item"), ordering="id")
    def named(self, item: Item) -> SafeString:
        return two_lines(readable(item.key)[:120], item.type)

    @admin.display(description=gettext_lazy("state"))
    def b_state(self, item: Item) -> SafeString:
        return badge(state_of(item))

    @admin.display(description=gettext_lazy("value"))
    def value(self, item: Item) -> str:
        return ", ".join(f"{name}: {value}" for name, value in item.data.items())[:160]

    @admin.display(description=gettext_lazy("changed"), ordering="changed_at")
    def changed(self, item: Item) -> SafeString | str:
        return when(item.changed_at)

    @admin.display(description=gettext_lazy("first seen"), ordering="first_seen_at")
    def first_seen(self, item: Item) -> SafeString | str:
        return when(item.first_seen_at)

    @admin.display(description=gettext_lazy("page"))
    def source(self, item: Item) -> SafeString | str:
        if item.page is None:
            return "–"
        return format_html('<a class="w" rel="noreferrer noopener" href="{}">{}</a>', item.page.url, item.page.url)

    @admin.display(description=gettext_lazy("fields"))
    def fields_table(self, item: Item) -> SafeString:
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td class="w">{}</td></tr>',
            ((name, "–" if value is None else str(value)) for name, value in item.data.items()),
        )
        return format_html('<table class="ll-table"><tbody>{}</tbody></table>', rows)

    @admin.display(description=gettext_lazy("problems"))
    def problem_list(self, item: Item) -> SafeString | str:
        return document(item.problems) if item.problems else "–"

    @admin.display(description=gettext_lazy("versions"))
    def history(self, item: Item) -> SafeString | str:
        """Each superseded value beside the one that came after it: only the fields that changed."""
        versions = ItemVersion.objects.filter(item=item).order_by("-number")[:VERSIONS]
        rows = []
        after = item.data
        for version in versions:
            changes = format_html_join(
                "",
                "<li>{}: <del>{}</del> <ins>{}</ins></li>",
                (
                    (name, version.data.get(name), after.get(name))
                    for name in sorted({*version.data, *after})
                    if version.data.get(name) != after.get(name)
                ),
            )
            until = when(version.valid_to)
            rows.append(
                format_html("<tr><td>v{}</td><td>{}</td><td><ul>{}</ul></td></tr>", version.number, until, changes)
            )
            after = version.data
        if not rows:
            return "–"
        return format_html(
            '<table class="ll-table"><tbody>{}</tbody></table>', format_html_join("", "{}", ((row,) for row in rows))
        )
