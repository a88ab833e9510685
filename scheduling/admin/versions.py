"""Every saved version of a schedule or a spider."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from crawlproject.web.admin import ReadOnlyAdmin, document, two_lines, when
from scheduling.models import DefinitionVersion


@admin.register(DefinitionVersion)
class DefinitionVersionAdmin(ReadOnlyAdmin[DefinitionVersion]):
    list_display = ("named", "saved", "user", "comment")
    list_filter = ("kind",)
    search_fields = ("=key",)
    search_help_text = gettext_lazy("The whole id or name")
    ordering = ("-id",)
    list_select_related = ("user",)
    fields = ("kind", "key", "number", "user", "at", "comment", "text")
    readonly_fields = ("text",)

    @admin.display(description=gettext_lazy("version"), ordering="id")
    def named(self, version: DefinitionVersion) -> SafeString:
        return two_lines(version.key, f"{version.get_kind_display()} · v{version.number}")

    @admin.display(description=gettext_lazy("saved"), ordering="at")
    def saved(self, version: DefinitionVersion) -> SafeString | str:
        return when(version.at)

    @admin.display(description=gettext_lazy("document"))
    def text(self, version: DefinitionVersion) -> SafeString:
        return document(version.document)
