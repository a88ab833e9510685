"""Pages: what became of each URL."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from crawler import addresses
from crawler.addresses import find_pages
from crawler.causes import cause_of
from crawler.models import Page
from crawlproject.templatetags.lamplighter import badge, is_address
from crawlproject.web.admin import ReadOnlyAdmin, two_lines, when
from crawlproject.web.bounded import LOOKED_AT, BoundedAdmin, BoundedChangeList

from .itemlist import link

SPIDER, STATE = "spider__id__exact", "state__exact"
"""Names of the filters in addresses."""
MOST_DIGITS = 18
"""Of a number that every database takes."""


class PageList(BoundedChangeList):
    """Of a spider so many of its own pages are looked at, by the index of its addresses: all, for most. A search has
    its own bounds."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Model]:
        found = super().get_queryset(request, exclude_parameters)
        given = self.params.get(SPIDER, "")
        spider = int(given) if given.isdecimal() and len(given) <= MOST_DIGITS else None
        if self.query.strip():
            searched = find_pages(self.query, spider_id=spider, state=self.params.get(STATE, ""))
            self.looked_at, self.is_bounded = addresses.LOOKED_AT, searched.is_cut
            return found.filter(pk__in=searched.ids)
        if spider is None:
            return found
        own = Page.objects.filter(spider=spider).order_by("url_hash").values("pk")
        return found.filter(pk__in=own[:LOOKED_AT])


@admin.register(Page)
class PageAdmin(BoundedAdmin[Page], ReadOnlyAdmin[Page]):
    list_display = ("named", "b_state", "n_status", "why_", "n_depth", "checked")
    list_filter = ("state", "spider")
    search_fields = ("url",)
    search_help_text = gettext_lazy("An address, or a part of it")
    ordering = ("-id",)
    list_select_related = ("spider",)
    fields = (
        "whole_url", "spider", "task", "state", "reason", "status_code", "depth", "hops", "attempts", "whole_target",
        "whole_etag", "last_modified", "n_version", "checked_at", "changed_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Page]:
        return super().get_queryset(request).defer("links", "chain", "content_hash")

    def is_indexed(self, asked: Mapping[str, object]) -> bool:
        """A search, and the pages of one spider, see to themselves: `PageList`."""
        return "q" in asked or SPIDER in asked

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return PageList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Page], search_term: str
    ) -> tuple[QuerySet[Page], bool]:
        """All of them: `PageList` searches."""
        return queryset, False

    @admin.display(description=gettext_lazy("page"), ordering="id")
    def named(self, page: Page) -> SafeString:
        return two_lines(breakable(page.url), page.spider.name)

    # What a site may make longer than any window is wide.
    @admin.display(description=Page._meta.get_field("url").verbose_name)
    def whole_url(self, page: Page) -> SafeString | str:
        return link(page.url) if is_address(page.url) else breakable(page.url)

    @admin.display(description=Page._meta.get_field("redirected_to").verbose_name)
    def whole_target(self, page: Page) -> SafeString | str:
        return link(page.redirected_to) if is_address(page.redirected_to) else breakable(page.redirected_to)

    @admin.display(description=Page._meta.get_field("etag").verbose_name)
    def whole_etag(self, page: Page) -> SafeString | str:
        return breakable(page.etag)

    @admin.display(description=Page._meta.get_field("extracted_version").verbose_name)
    def n_version(self, page: Page) -> str:
        return "–" if page.rules_version is None else str(page.rules_version)

    @admin.display(description=gettext_lazy("state"))
    def b_state(self, page: Page) -> SafeString:
        return badge(page.state)

    @admin.display(description=gettext_lazy("status code"))
    def n_status(self, page: Page) -> str:
        return "–" if page.status_code is None else str(page.status_code)

    @admin.display(description=gettext_lazy("why"))
    def why_(self, page: Page) -> str:
        """The cause that its reason belongs to, in words."""
        return str(cause_of(page.reason).title) if page.reason else "–"

    @admin.display(description=gettext_lazy("depth"))
    def n_depth(self, page: Page) -> int:
        return page.depth

    @admin.display(description=gettext_lazy("checked"), ordering="checked_at")
    def checked(self, page: Page) -> SafeString | str:
        return when(page.checked_at)


def breakable(text: str) -> SafeString | str:
    """A text that may be broken anywhere."""
    return format_html('<span class="w">{}</span>', text) if text else "–"
