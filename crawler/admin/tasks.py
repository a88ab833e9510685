"""Crawl tasks: how far, how many, and what went wrong."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawler.exceptions import CrawlerError
from crawler.models import CrawlTask, TaskFailure
from crawler.tasks import cancel_task
from crawlproject.templatetags.lamplighter import badge, num
from crawlproject.web.admin import ReadOnlyAdmin, document, two_lines, when
from scheduling.exceptions import SchedulingError

FAILURES = 50


@admin.register(CrawlTask)
class CrawlTaskAdmin(ReadOnlyAdmin[CrawlTask]):
    list_display = ("named", "b_status", "started", "n_pages", "n_failed", "n_items", "changes", "message_line")
    list_filter = ("status", "task_type", "spider")
    search_fields = ("task_id", "spider__name")
    search_help_text = gettext_lazy("Task id or spider")
    ordering = ("-id",)
    list_select_related = ("spider",)
    actions = ("cancel",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "named",
                    "b_status",
                    "message",
                    ("parent", "spider", "spider_version", "run"),
                    ("created_at", "started_at", "finished_at"),
                )
            },
        ),
        (
            gettext_lazy("Counts"),
            {
                "fields": (
                    ("pages", "pages_unchanged", "pages_redirected", "pages_failed", "pages_refused"),
                    ("items", "items_new", "items_changed", "items_gone", "items_rejected", "items_incomplete"),
                    ("conflicts", "requests", "bytes"),
                )
            },
        ),
        (gettext_lazy("Why pages failed or were left out"), {"fields": ("reason_counts", "failures")}),
    )
    readonly_fields = ("named", "b_status", "reason_counts", "failures")

    @admin.display(description=gettext_lazy("task"), ordering="id")
    def named(self, task: CrawlTask) -> SafeString:
        subject = task.spider.name if task.spider else task.get_task_type_display()
        return two_lines(subject, task.task_id)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def b_status(self, task: CrawlTask) -> SafeString:
        return badge(task.status)

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
        """New, changed and gone items; zeros left out."""
        parts = [
            (tone, sign, num(count))
            for tone, sign, count in (
                ("ok", "+", task.items_new), ("info", "~", task.items_changed), ("mute", "−", task.items_gone)
            )
            if count
        ]  # fmt: skip
        marks = format_html_join("", '<span class="is-{}">{}{}</span>', parts)
        return format_html('<span class="ll-delta">{}</span>', marks) if parts else "–"

    @admin.display(description=gettext_lazy("message"))
    def message_line(self, task: CrawlTask) -> str:
        """What the columns before do not say."""
        return "" if task.status == CrawlTask.Status.COMPLETED else task.message[:200]

    @admin.display(description=gettext_lazy("reasons"))
    def reason_counts(self, task: CrawlTask) -> SafeString | str:
        return document(task.reasons) if task.reasons else "–"

    @admin.display(description=gettext_lazy("examples"))
    def failures(self, task: CrawlTask) -> SafeString | str:
        rows = TaskFailure.objects.filter(task=task).order_by("id")[:FAILURES]
        cells = format_html_join(
            "",
            '<tr><td>{}</td><td class="n">{}</td><td class="w">{}</td><td class="w">{}</td></tr>',
            ((row.reason, row.status_code or "–", row.url, row.detail) for row in rows),
        )
        return format_html('<table class="ll-table"><tbody>{}</tbody></table>', cells) if cells else "–"

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
