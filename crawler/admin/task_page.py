"""The page of a crawl: how far it is or how it ended, what is missing and why, and how it treated its hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawler.account import politeness
from crawler.account.comparison import earlier_of
from crawler.account.explaining import explain, failures_of
from crawler.exceptions import CrawlerError
from crawler.fan_out import COUNTS
from crawler.models import CrawlTask
from crawler.rounds import LETTERS
from crawler.tasks import cancel_task, request_again
from crawler.workshop.form_labels import by_label
from crawlproject.templatetags.lamplighter import STATES
from crawlproject.web.admin import when
from crawlproject.web.requests import MOST_DIGITS
from scheduling import wording
from scheduling.exceptions import SchedulingError
from scheduling.rounds import COUNT
from scheduling.signals import RunPanel

from .asked import asked_for
from .panels import (
    TEMPLATES,
    again_address,
    causes_panel,
    compare_buttons,
    host_row,
    if_cancelled,
    kept_of,
    links_of,
    manners_panels,
    progress_panel,
    remedy_of,
    usual_of,
    workshop_of,
)

FAILURES = 50
HOSTS = 50
CHILDREN = 100
TARGETS = 10
"""Rows, and addresses, that the page of a crawl shows."""
COUNTED: Mapping[str, StrOrPromise] = {
    "pages": gettext_lazy("Pages that answered"),
    "items": gettext_lazy("Readings of items"),
}
"""What a count is called where its name alone says less than it means: pages fail without an answer, too, and an item
that several pages give is read on each."""
WORDED = 5
"""Hosts of which the page tells in words too."""

Model = admin.ModelAdmin[CrawlTask]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    letters: str
    usual: str


def page_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    task = task_for(model_admin, request, object_id)
    earlier, failures = earlier_of(task), failures_of(task)
    explanation = explain(task, earlier=earlier, failures=failures)
    manners = politeness.report(task, most=HOSTS)
    _word, picture, tone = STATES[explanation.verdict]
    rows = [host_row(host) for host in manners.hosts]
    is_live = task.status not in CrawlTask.TERMINAL
    children = CrawlTask.objects.filter(parent=task).select_related("spider").defer("hosts", "rules", "reasons")
    return show(
        model_admin,
        request,
        "page.html",
        task=task,
        title=task.spider.name if task.spider else capfirst(task.get_task_type_display()),
        explanation=explanation,
        sentence=by_label(explanation.sentence),
        picture=picture,
        tone=tone,
        remedy=remedy_of(task, explanation),
        links=links_of(task, explanation, request.user),
        buttons=compare_buttons(task, earlier),
        workshop=workshop_of(task, request.user),
        again=again_address(task, request.user),
        may_cancel=is_live and may_cancel(request),
        is_live=is_live,
        progress=progress_panel(task).html if is_live else "",
        causes=causes_panel(task, explanation, request.user).html,
        hosts=_html(manners_panels(task)) if is_live else "",
        before=Before(letters=_letters(task, earlier), usual=usual_of(earlier)),
        # Ten items of one page that lack the same field are one row.
        failures=list(dict.fromkeys(failures))[:FAILURES],
        children=children.order_by("task_id")[:CHILDREN] if task.spider_id is None else (),
        about=list(_about(task)),
        kept=kept_of(task),
        counts=[(COUNTED.get(name, _label(name)), getattr(task, name)) for name in COUNTS],
        manners=manners,
        rows=rows,
        worded=rows[:WORDED],
    )


def live_view(model_admin: Model, request: HttpRequest, object_id: str, part: str) -> HttpResponse:
    """One part of the page as it is now. `X-Poll: over` says that nothing will change any more."""
    task = task_for(model_admin, request, object_id)
    if part == "progress":
        answer = HttpResponse(progress_panel(task).html)
    elif part == "manners":
        answer = HttpResponse(_html(manners_panels(task)))
    else:
        raise Http404(f"A crawl has no part “{part}”.")
    if task.status in CrawlTask.TERMINAL:
        answer["X-Poll"] = "over"
    answer["Cache-Control"] = "no-store"
    return answer


def cancel_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    """Says what will happen, then cancels."""
    task = task_for(model_admin, request, object_id)
    if not may_cancel(request):
        raise PermissionDenied
    if request.method != "POST" and task.status not in CrawlTask.TERMINAL:
        title = _("Cancel this crawl")
        return show(model_admin, request, "cancel.html", task=task, title=title, consequence=if_cancelled(task))
    try:
        cancelled = cancel_task(task.task_id, by=request.user.get_username())
    except (CrawlerError, SchedulingError) as error:
        model_admin.message_user(request, str(error), messages.WARNING)
    else:
        is_over = cancelled.status in CrawlTask.TERMINAL
        text = _("Cancelled.") if is_over else _("Asked to stop: it ends as soon as it has let go.")
        model_admin.message_user(request, text, messages.SUCCESS)
    return redirect("admin:crawler_crawltask_change", task.pk)


def again_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    task = task_for(model_admin, request, object_id)
    if not request.user.has_perm("crawler.add_crawltask"):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        asked = request_again(task, by=request.user.get_username())
    except (CrawlerError, SchedulingError) as error:
        model_admin.message_user(request, str(error), messages.WARNING)
        return redirect("admin:crawler_crawltask_change", task.pk)
    model_admin.message_user(request, asked_for(asked, request.user), messages.SUCCESS)
    return redirect("admin:crawler_crawltask_change", asked.pk)


def task_for(model_admin: Model, request: HttpRequest, object_id: str) -> CrawlTask:
    """The crawl of an address, for those who may see it. Raises Http404, PermissionDenied."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    is_number = object_id.isdecimal() and len(object_id) <= MOST_DIGITS
    tasks = CrawlTask.objects.select_related("spider", "parent", "run")
    task = tasks.filter(pk=int(object_id)).first() if is_number else None
    if task is None:
        raise Http404(_("There is no such crawl (any more)."))
    return task


def may_cancel(request: HttpRequest) -> bool:
    return request.user.has_perm("crawler.change_crawltask")


def show(model_admin: Model, request: HttpRequest, template: str, **context: object) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    frame: Mapping[str, object] = model_admin.admin_site.each_context(request)
    return TemplateResponse(request, f"{TEMPLATES}/{template}", {**frame, "opts": model_admin.opts, **context})


def _html(panels: Sequence[RunPanel]) -> str:
    return panels[0].html if panels else ""


def _letters(task: CrawlTask, earlier: Sequence[CrawlTask]) -> str:
    """As `rounds` draws them; this crawl the last. Empty where it is the first."""
    if not earlier:
        return ""
    states = [each.shown_status for each in (task, *earlier)][:COUNT]
    return "".join(LETTERS.get(state, "") for state in reversed(states))


def _about(task: CrawlTask) -> Iterator[tuple[str, object]]:
    yield _label("task_type"), task.get_task_type_display()
    if task.parent is not None:
        address = reverse("admin:crawler_crawltask_change", args=[task.parent.pk])
        yield _label("parent"), format_html('<a href="{}">{}</a>', address, task.parent.task_id)
    if task.spider_version is not None:
        yield _label("spider_version"), _version(task)
    if task.run is not None and task.run.code_version:
        yield _("Code"), task.run.code_version
    if task.task_type == CrawlTask.Type.URLS:
        yield _label("targets"), ", ".join(map(str, task.targets[:TARGETS]))
    for label, moment in (
        (_("Created at"), task.created_at), (_("Started at"), task.started_at), (_("Finished at"), task.finished_at)
    ):  # fmt: skip
        yield label, when(moment)
    if task.message:
        yield _label("message"), wording.shown(task.message)


def _version(task: CrawlTask) -> object:
    if task.spider_id is None:
        return task.spider_version
    address = reverse("admin:crawler_spider_history", args=[task.spider_id])
    return format_html('<a href="{0}#v{1}">{1}</a>', address, task.spider_version)


def _label(name: str) -> str:
    return capfirst(str(CrawlTask._meta.get_field(name).verbose_name))  # type: ignore[union-attr]
