"""What stands at the top of each page of a schedule: its state, its tabs, what holds it up, what can be done."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from scheduling.models import ScheduledJob
from scheduling.planned import rule_in_words, state_of
from scheduling.rounds import FIRINGS
from scheduling.signals import Work

from .works import works_of

TEMPLATES = "admin/scheduling/scheduledjob"
OPERATE = "scheduling.operate_scheduledjob"
"""The right to run, pause, resume and back-fill schedules, without changing what they say."""
# name of the address, words, picture, whether a one-off has it
TABS: tuple[tuple[str, StrOrPromise, str, bool], ...] = (
    ("change", gettext_lazy("Schedule"), "schedule", True),
    ("timeline", gettext_lazy("Time line"), "history", True),
    ("backfill", gettext_lazy("Back-fill"), "retry", False),
    ("history", gettext_lazy("Versions"), "compare", False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    text: StrOrPromise
    picture: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    job: ScheduledJob
    state: str
    letters: str
    """Of its last rounds."""
    in_words: str
    work: Work | None
    """What it is about, as far as somebody says."""
    tabs: list[Tab]
    can_act: bool
    """Run now, pause, resume, back-fill."""
    copy: str
    """Address of a new one that says the same; empty for those who may not make one."""
    here: str
    """Where an action of the head comes back to."""


def address(page: str, job: ScheduledJob, *arguments: object) -> str:
    """Of a page of a schedule."""
    return reverse(f"admin:scheduling_scheduledjob_{page}", args=[job.pk, *arguments])


def head_of(request: HttpRequest, job: ScheduledJob, tab: str) -> Head:
    """Two queries at most."""
    tabs = [
        Tab(text=text, picture=picture, url=address(name, job), is_current=name == tab)
        for name, text, picture, of_one_off in TABS
        if of_one_off or not job.one_time
    ]
    may_add = request.user.has_perm("scheduling.add_scheduledjob")
    return Head(
        job=job,
        state=state_of(job),
        letters=FIRINGS.last([job.pk]).get(job.pk, ""),
        in_words=rule_in_words(job),
        work=works_of([job], request.user).get(job.pk),
        tabs=tabs,
        can_act=may_operate(request, job),
        copy="" if job.one_time or not may_add else f"{reverse('admin:scheduling_scheduledjob_add')}?copy={job.pk}",
        here=address(tab, job) if tab else "",
    )


def job_for(model_admin: admin.ModelAdmin[ScheduledJob], request: HttpRequest, object_id: str) -> ScheduledJob:
    """The schedule of an address, for those who may see it. Raises Http404, PermissionDenied."""
    job = model_admin.get_object(request, object_id)
    if not model_admin.has_view_permission(request, job):
        raise PermissionDenied
    if job is None:
        raise Http404(_("There is no such schedule (any more)."))
    return job


def job_to_operate(model_admin: admin.ModelAdmin[ScheduledJob], request: HttpRequest, object_id: str) -> ScheduledJob:
    """The schedule of an address, for those who may act on it."""
    job = job_for(model_admin, request, object_id)
    if not may_operate(request, job):
        raise PermissionDenied
    return job


def job_to_change(model_admin: admin.ModelAdmin[ScheduledJob], request: HttpRequest, object_id: str) -> ScheduledJob:
    """The schedule of an address, for those who may save it anew."""
    job = job_for(model_admin, request, object_id)
    if not model_admin.has_change_permission(request, job):
        raise PermissionDenied
    return job


def may_operate(request: HttpRequest, job: ScheduledJob) -> bool:
    """A one-off is asked for anew, not operated."""
    return request.user.has_perm(OPERATE) and not job.one_time


def show(
    model_admin: admin.ModelAdmin[ScheduledJob],
    request: HttpRequest,
    template: str,
    *,
    job: ScheduledJob | None = None,
    tab: str = "",
    title: str,
    **context: object,
) -> HttpResponse:
    """One of our pages; with a job it stands under the job's head and tabs."""
    request.current_app = model_admin.admin_site.name
    whole: dict[str, object] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        **context,
    }
    if job is not None:
        whole |= {"original": job, "head": head_of(request, job, tab)}
    return TemplateResponse(request, f"{TEMPLATES}/{template}", whole)


def back(request: HttpRequest, default: str) -> HttpResponse:
    """To the page that the form was on, if it is one of ours."""
    target = request.POST.get("next", "")
    if target and url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return redirect(target)
    return redirect(default)


def person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
