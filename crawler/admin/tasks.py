"""Crawl tasks: how far, how many, what is missing and why."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawler import politeness
from crawler.exceptions import CrawlerError
from crawler.explaining import explain
from crawler.fan_out import COUNTS
from crawler.models import CrawlTask, TaskFailure
from crawler.tasks import cancel_task
from crawlproject.templatetags.lamplighter import STATES, badge, num
from crawlproject.web.admin import ReadOnlyAdmin, two_lines, when
from scheduling.exceptions import SchedulingError

FAILURES = 50
HOSTS = 50
CHILDREN = 100
TARGETS = 10
"""Rows, and addresses, that the page of a crawl shows."""


@admin.register(CrawlTask)
class CrawlTaskAdmin(ReadOnlyAdmin[CrawlTask]):
    list_display = ("named", "b_status", "started", "n_pages", "n_failed", "n_items", "changes", "message_line")
    list_filter = ("status", "task_type", "spider")
    search_fields = ("task_id", "spider__name")
    search_help_text = gettext_lazy("Task id or spider")
    ordering = ("-id",)
    list_select_related = ("spider",)
    actions = ("cancel",)
    fields = ("task_id",)
    """The page of a crawl is our own template: see `render_change_form`."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, object],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: CrawlTask | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= _account(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CrawlTask]:
        # Each may be a hundred kilobytes, and a list shows neither.
        return super().get_queryset(request).defer("hosts", "rules")

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


def _account(task: CrawlTask) -> dict[str, object]:
    """What the page of a crawl shows beside the row itself."""
    explanation, manners = explain(task), politeness.report(task)
    _word, picture, tone = STATES[explanation.verdict]
    children = CrawlTask.objects.filter(parent=task).select_related("spider").defer("hosts", "rules", "reasons")
    return {
        "explanation": explanation,
        "picture": picture,
        "tone": tone,
        "manners": manners,
        "shown_hosts": [(_breakable(host.host), host) for host in manners.hosts[:HOSTS]],
        "failures": TaskFailure.objects.filter(task=task).order_by("id")[:FAILURES],
        "children": children.order_by("task_id")[:CHILDREN] if task.spider_id is None else (),
        "about": list(_about(task)),
        "counts": [(_label(name), getattr(task, name)) for name in COUNTS],
    }


def _about(task: CrawlTask) -> Iterator[tuple[str, object]]:
    yield _label("task_type"), task.get_task_type_display()
    if task.parent is not None:
        address = reverse("admin:crawler_crawltask_change", args=[task.parent.pk])
        yield _label("parent"), format_html('<a href="{}">{}</a>', address, task.parent.task_id)
    if task.spider_version is not None:
        yield _label("spider_version"), task.spider_version
    if task.task_type == CrawlTask.Type.URLS:
        yield _label("targets"), ", ".join(map(str, task.targets[:TARGETS]))
    for label, moment in (
        (_("Created at"), task.created_at), (_("Started at"), task.started_at), (_("Finished at"), task.finished_at)
    ):  # fmt: skip
        yield label, when(moment)
    if task.message:
        yield _label("message"), task.message


def _breakable(host: str) -> SafeString:
    """A name that a narrow column may break between its parts."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in re.split(r"(?<=[.:-])", host) if part))


def _label(name: str) -> str:
    return capfirst(str(CrawlTask._meta.get_field(name).verbose_name))  # type: ignore[union-attr]
