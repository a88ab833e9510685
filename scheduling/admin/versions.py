"""Every saved version of a schedule or a spider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawlproject.web.admin import ReadOnlyAdmin, document, linked, two_lines, when
from crawlproject.web.bounded import BoundedAdmin
from scheduling.definitions.difflines import diff_lines
from scheduling.definitions.versions import version
from scheduling.models import DefinitionVersion
from scheduling.signals import Defined
from scheduling.wording import told

from .bringing_back import bring_back_view, may_bring_back, removals, removed
from .defined import defined


@admin.register(DefinitionVersion)
class DefinitionVersionAdmin(BoundedAdmin[DefinitionVersion], ReadOnlyAdmin[DefinitionVersion]):
    list_display = ("named", "saved", "user", "remark", "defines", "whole_story")
    list_filter = ("kind",)
    search_fields = ("=key",)
    search_help_text = gettext_lazy("The whole id or name")
    ordering = ("-id",)
    list_select_related = ("user",)
    fields = ("kind", "name", "number", "user", "at", "remark", "whole_story", "changes", "text")
    readonly_fields = ("name", "text", "remark", "whole_story", "removal", "changes")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(bring_back_view, self))
        name = "scheduling_definitionversion_bring_back"
        return [path("<path:object_id>/bring-back/", view, name=name), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: DefinitionVersion | None = None) -> list[str]:  # type: ignore[override]
        """Where there is no definition any more, since when in the place of where it is."""
        is_removed = obj is not None and _removal(obj) is not None
        return [("removal" if is_removed and name == "whole_story" else name) for name in self.fields]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title_plural": _("Versions"), **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        context = {"title_plural": _("Versions"), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Adds where that is which the rows are versions of, with one query a kind."""
        changelist = super().get_changelist_instance(request)
        rows: list[DefinitionVersion] = list(changelist.result_list)
        _locate(rows, request)
        changelist.result_list = rows
        return changelist

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> DefinitionVersion | None:
        row: DefinitionVersion | None = super().get_object(request, object_id, from_field)
        if row is not None:
            _locate([row], request)
            row.may_come_back = may_bring_back(row, request.user)  # type: ignore[attr-defined]
        return row

    @admin.display(description=gettext_lazy("definition"))
    def defines(self, version: DefinitionVersion) -> SafeString | str:
        """To the schedule or the spider, while there is one; else since when there is none, and by whom."""
        place, last = _place(version), _removal(version)
        if last is not None:
            return two_lines(_("Deleted"), removed(last))
        return "–" if place is None else linked(capfirst(version.get_kind_display()), place.page)

    @admin.display(description=gettext_lazy("key"))
    def name(self, version: DefinitionVersion) -> SafeString | str:
        """The same on the page of a version."""
        place = _place(version)
        return linked(version.key, "" if place is None else place.page)

    @admin.display(description=gettext_lazy("all versions"))
    def whole_story(self, version: DefinitionVersion) -> SafeString | str:
        """To the schedule's or the spider's page of versions, while there is one."""
        place = _place(version)
        return "–" if place is None else linked(capfirst(_("all versions")), f"{place.versions}#v{version.number}")

    @admin.display(description=gettext_lazy("Deleted"))
    def removal(self, version: DefinitionVersion) -> SafeString | str:
        """When and by whom; and the way back, for those who may go it."""
        last = _removal(version)
        if last is None:
            return "–"
        way = reverse("admin:scheduling_definitionversion_bring_back", args=[version.pk])
        is_open = getattr(version, "may_come_back", False)
        return format_html("{} {}", removed(last), linked(_("Restore…"), way)) if is_open else removed(last)

    @admin.display(description=gettext_lazy("version"), ordering="id")
    def named(self, version: DefinitionVersion) -> SafeString:
        return two_lines(version.key, f"{version.get_kind_display()} · v{version.number}")

    @admin.display(description=gettext_lazy("saved"), ordering="at")
    def saved(self, version: DefinitionVersion) -> SafeString | str:
        return when(version.at)

    @admin.display(description=gettext_lazy("comment"))
    def remark(self, version: DefinitionVersion) -> str:
        return told(version.comment)

    @admin.display(description=gettext_lazy("changes to the one before"))
    def changes(self, row: DefinitionVersion) -> SafeString | str:
        told = version(row.kind, row.key, row.number)
        if told.before is None:
            return _("The first one that is kept.")
        return render_to_string("admin/diff.html", {"lines": diff_lines(told.changes)})

    @admin.display(description=gettext_lazy("document"))
    def text(self, version: DefinitionVersion) -> SafeString:
        return document(version.document)


def _locate(rows: Sequence[DefinitionVersion], request: HttpRequest) -> None:
    """Give each row where that is which it is a version of, or its last version; see `_place` and `_removal`."""
    places, last = defined(rows, request.user), removals(rows)
    for row in rows:
        row.place = places.get((row.kind, row.key))  # type: ignore[attr-defined]
        row.removal = last.get((row.kind, row.key))  # type: ignore[attr-defined]


def _place(version: DefinitionVersion) -> Defined | None:
    """None where it is gone, or the reader may not see it."""
    place: Defined | None = getattr(version, "place", None)
    return place


def _removal(version: DefinitionVersion) -> DefinitionVersion | None:
    """The last version of what was deleted; None where it is there."""
    last: DefinitionVersion | None = getattr(version, "removal", None)
    return last
