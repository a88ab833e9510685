"""What is said to whoever asked for a crawl, and how the spider's last crawl stands."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from crawler.models import CrawlTask, Spider
from crawler.tasks import begun
from scheduling.asked import run_link, waits_of

HEAD = "admin/crawler/spider/state.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """A spider's last crawl, as the head of its pages shows it: it has begun, or waits."""

    task: CrawlTask
    run: SafeString | str
    """Link to its run."""
    waits: SafeString | str
    """What it waits for; empty where nothing is in its way."""
    poll: str
    """Where this is asked for anew; empty where the crawl has ended."""


def asked_for(task: CrawlTask, user: User | AnonymousUser, *, sentence: str = "") -> SafeString:
    """The crawl that was asked for, with its run, and what is in its way."""
    link = format_html('<a href="{}">{}</a>', reverse("admin:crawler_crawltask_change", args=[task.pk]), task.task_id)
    told = format_html("{} {}", sentence or _("A crawl was asked for:"), link)
    if task.run is None:
        return told
    waits = waits_of(task.run, user)
    told = format_html("{} ({})", told, run_link(task.run.pk, user))
    return format_html("{}. {}", told, waits) if waits else told


def latest_of(spider: Spider, user: User | AnonymousUser) -> Latest | None:
    """One query where it has ended; six more at most while it waits."""
    task = begun(CrawlTask.objects.filter(spider=spider)).select_related("run__job").order_by("-id").first()
    if task is None:
        return None
    is_live = task.status not in CrawlTask.TERMINAL
    return Latest(
        task=task,
        run=run_link(task.run.pk, user) if task.run is not None else "",
        waits=waits_of(task.run, user) if task.run is not None else "",
        poll=reverse("admin:crawler_spider_state", args=[spider.pk]) if is_live else "",
    )


def state_view(model_admin: admin.ModelAdmin[Spider], request: HttpRequest, object_id: str) -> HttpResponse:
    """The badge of the head as it is now. `X-Poll: over` says that it will not change any more."""
    spider = model_admin.get_object(request, object_id)
    if not model_admin.has_view_permission(request, spider):
        raise PermissionDenied
    latest = latest_of(spider, request.user) if spider is not None else None
    if latest is None:
        raise Http404(_("There is no such spider (any more), or no crawl of it."))
    answer = HttpResponse(render_to_string(HEAD, {"latest": latest}))
    if not latest.poll:
        answer["X-Poll"] = "over"
    answer["Cache-Control"] = "no-store"
    return answer
