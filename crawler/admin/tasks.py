"""Crawl tasks: the list, and what stands at the addresses of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawler.exceptions import CrawlerError
from crawler.models import CrawlTask
from crawler.tasks import cancel_task
from crawlproject.templatetags.lamplighter import badge, num
from crawlproject.web.admin import ReadOnlyAdmin, breakable, two_lines, when
from crawlproject.web.bounded import BoundedAdmin
from scheduling import wording
from scheduling.exceptions import SchedulingError

from .compare import compare_view
from .task_page import again_view, cancel_view, live_view, page_view


@admin.register(CrawlTask)
class CrawlTaskAdmin(BoundedAdmin[CrawlTask], ReadOnlyAdmin[CrawlTask]):
    list_display = ("named", "b_status", "started", "n_pages", "n_failed", "n_items", "changes", "message_")
    list_filter = ("status", "task_type", "spider")
    search_fields = ("task_id", "spider__name")
    search_help_text = gettext_lazy("Task id or spider")
    ordering = ("-id",)
    list_select_related = ("spider",)
    actions = ("cancel",)

    def get_urls(self) -> list[URLPattern]:
        of_one = [
            path(
                f"<path:object_id>/{where}",
                self.admin_site.admin_view(partial(view, self)),
                name=f"crawler_crawltask_{name}",
            )
            for where, name, view in (
                ("live/<slug:part>/", "live", live_view),
                ("cancel/", "cancel", cancel_view),
                ("again/", "again", again_view),
            )
        ]
        compare = path(
            "compare/", self.admin_site.admin_view(partial(compare_view, self)), name="crawler_crawltask_compare"
        )
        return [compare, *of_one, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        """Our own page: it is no form."""
        if request.method == "POST":
            raise PermissionDenied
        return page_view(self, request, object_id)

    def is_indexed(self, asked: Mapping[str, object]) -> bool:
        return set(asked) in ({"status"}, {"spider"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[CrawlTask]:
        # Each may be a hundred kilobytes, and a list shows neither.
        return super().get_queryset(request).defer("hosts", "rules", "headway")

    @admin.display(description=gettext_lazy("task"), ordering="id")
    def named(self, task: CrawlTask) -> SafeString:
        subject = task.spider.name if task.spider else task.get_task_type_display()
        return two_lines(subject, breakable(task.task_id))

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def b_status(self, task: CrawlTask) -> SafeString:
        return badge(task.shown_status)

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, task: CrawlTask) -> SafeString | str:
        return when(task.started_at)

    @admin.display(description=gettext_lazy("pages"), ordering="pages")
    def n_pages(self, task: CrawlTask) -> str:
        return num(task.pages)

    @admin.display(description=gettext_lazy("failed"), ordering="pages_failed")
    def n_failed(self, task: CrawlTask) -> str:
        return num(task.pages_failed)

    @admin.display(description=gettext_lazy("items"), ordering="items")
    def n_items(self, task: CrawlTask) -> str:
        return num(task.items)

    @admin.display(description=gettext_lazy("changes"), ordering="items_changed")
    def changes(self, task: CrawlTask) -> SafeString | str:
        return changes_of(task)

    @admin.display(description=gettext_lazy("message"))
    def message_(self, task: CrawlTask) -> str:
        """What the columns before do not say."""
        return "" if task.status == CrawlTask.Status.COMPLETED else wording.shown(task.message)[:200]

    @admin.action(description=gettext_lazy("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[CrawlTask]) -> None:
        for task in queryset:
            try:
                cancel_task(task.task_id, by=request.user.get_username())
            except (CrawlerError, SchedulingError) as error:
                self.message_user(request, f"{task.task_id}: {error}", messages.WARNING)
            else:
                self.message_user(request, _("%(task)s: cancel asked") % {"task": task.task_id}, messages.SUCCESS)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("crawler.change_crawltask")


def changes_of(task: CrawlTask) -> SafeString | str:
    """New, changed and gone items of a crawl; zeros left out. As on the dashboard, what came back is with the new."""
    more = task.items_new + task.items_returned
    parts = [
        (tone, sign, num(count))
        for tone, sign, count in (
            ("ok", "+", more), ("info", "~", task.items_changed), ("mute", "−", task.items_gone)
        )
        if count
    ]  # fmt: skip
    marks = format_html_join("", '<span class="is-{}">{}{}</span>', parts)
    return format_html('<span class="ll-delta">{}</span>', marks) if parts else "–"
