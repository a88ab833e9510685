"""Pages: what became of each URL."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from crawler.engine.errors import UrlError
from crawler.engine.urls import hash_url, normalise
from crawler.models import Page, Spider
from crawlproject.web.admin import ReadOnlyAdmin, when


@admin.register(Page)
class PageAdmin(ReadOnlyAdmin[Page]):
    list_display = ("url", "spider", "state", "status_code", "reason", "depth", "checked")
    list_filter = ("state", "spider")
    search_fields = ("url",)
    search_help_text = gettext_lazy("The whole address")
    ordering = ("-id",)
    list_select_related = ("spider",)
    fields = (
        "url", "spider", "task", "state", "reason", "status_code", "depth", "hops", "attempts", "redirected_to", "etag",
        "last_modified", "extracted_version", "checked_at", "changed_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Page]:
        return super().get_queryset(request).defer("links", "chain", "content_hash")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Page], search_term: str
    ) -> tuple[QuerySet[Page], bool]:
        """By the hash, which has an index with the spider."""
        if not search_term:
            return queryset, False
        try:
            url_hash = hash_url(normalise(search_term.strip()))
        except UrlError:
            return queryset.none(), False
        return queryset.filter(spider__in=Spider.objects.values("pk"), url_hash=url_hash), False

    @admin.display(description=gettext_lazy("checked"), ordering="checked_at")
    def checked(self, page: Page) -> SafeString | str:
        return when(page.checked_at)
