"""Items: what was found, by spider and type, and what became of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawler.items.browsing import readable, shown, state_of
from crawler.models import Item
from crawlproject.templatetags.lamplighter import badge, num
from crawlproject.web.admin import ReadOnlyAdmin, two_lines, when
from crawlproject.web.paginator import BoundedPaginator
from crawlproject.web.problems import SAID_AGAIN

from . import exporting
from .changes import changes_view
from .itemlist import ChangedFilter, ItemList, SpiderFilter, StateFilter, TypeFilter, chosen, column
from .itempage import context_of, look_again_view

KEY = 120
"""Characters of a key in the list."""
ASKED = ("spider", "type", "state", "changed", "q")
"""What the address of the list may ask for, and exports and the feed take over from it."""


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin[Item]):
    list_display = ("named", "b_state", "spider_name", "value", "n_version", "changed", "first_seen")
    list_filter = (SpiderFilter, StateFilter, ChangedFilter)
    search_fields = ("key",)
    search_help_text = gettext_lazy("Key or value")
    sortable_by = ()
    ordering = ("-id",)
    paginator = BoundedPaginator
    fields = ("key",)
    """The page of an item is our own template: see `render_change_form`."""

    # --- list -----------------------------------------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return ItemList

    def get_list_filter(self, request: HttpRequest) -> list[type[admin.ListFilter]]:  # type: ignore[override]
        """By type where a spider is chosen: types are names that mean nothing without one."""
        choice = chosen(request)
        has_types = choice.types or choice.type
        return [SpiderFilter, TypeFilter, StateFilter, ChangedFilter] if has_types else list(self.list_filter)

    def get_list_display(self, request: HttpRequest) -> list[str | Callable[[Item], SafeString]]:  # type: ignore[override]
        """With the fields as columns as soon as it is clear whose."""
        fields = chosen(request).columns
        if not fields:
            return list(self.list_display)
        return ["named", "b_state", *(column(field, number) for number, field in enumerate(fields)), "changed"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: anything else would read the whole table.

        Raises `IncorrectLookupParameters`, for which Django shows the whole list.
        """
        if lookup not in ASKED:
            text = _("Items are not filtered by “%(name)s”: all are shown.")
            messages.warning(request, text % {"name": lookup[:SAID_AGAIN]}, fail_silently=True)
            raise IncorrectLookupParameters
        return True

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        asked = {name: request.GET[name] for name in ASKED if request.GET.get(name)}
        context: dict[str, object] = {"asked": urlencode(asked)}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description=gettext_lazy("item"))
    def named(self, item: Item) -> SafeString:
        return two_lines(Truncator(readable(item.key)).chars(KEY), item.type)

    @admin.display(description=gettext_lazy("state"))
    def b_state(self, item: Item) -> SafeString:
        return badge(state_of(item))

    @admin.display(description=gettext_lazy("spider"))
    def spider_name(self, item: Item) -> str:
        return item.spider.name

    @admin.display(description=gettext_lazy("value"))
    def value(self, item: Item) -> str:
        return Truncator(", ".join(f"{name}: {shown(value)}" for name, value in item.data.items())).chars(160)

    @admin.display(description=gettext_lazy("version"))
    def n_version(self, item: Item) -> str:
        return num(item.version)

    @admin.display(description=gettext_lazy("changed"))
    def changed(self, item: Item) -> SafeString | str:
        return when(item.changed_at)

    @admin.display(description=gettext_lazy("first seen"))
    def first_seen(self, item: Item) -> SafeString | str:
        return when(item.first_seen_at)

    # --- one item -------------------------------------------------------------------------------------------------
    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, object],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Item | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= context_of(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_urls(self) -> list[URLPattern]:
        pages: tuple[tuple[str, str, Callable[..., HttpResponseBase]], ...] = (
            ("changes/", "changes", changes_view),
            ("export/", "export", exporting.export_view),
            ("export/<str:export_id>/", "export_of", exporting.export_of_view),
            ("export/<str:export_id>/progress/", "export_progress", exporting.progress_view),
            ("export/<str:export_id>/cancel/", "export_cancel", exporting.cancel_view),
            ("export/<str:export_id>/file/", "export_file", exporting.file_view),
            ("<path:object_id>/look/", "look", look_again_view),
        )
        own = [
            path(address, self.admin_site.admin_view(partial(view, self)), name=f"crawler_item_{name}")
            for address, name, view in pages
        ]
        return own + super().get_urls()
