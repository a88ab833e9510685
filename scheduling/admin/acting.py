"""Run now, pause and resume: of one schedule, and of everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_apscheduler.models import DjangoJob

from crawlproject.web.admin import tell_switched
from scheduling import definitions, upcoming
from scheduling.asked import asked_for, refused
from scheduling.definitions.jobs import MOST_NOTE
from scheduling.exceptions import SchedulingError
from scheduling.models import JobRun, ScheduledJob, SchedulerState

from .head import address, back, job_to_operate, person, show

DAY = timedelta(days=1)

Model = admin.ModelAdmin[ScheduledJob]


def run_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    job = job_to_operate(model_admin, request, object_id)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        run = definitions.run_now(job.job_id, by=request.user.get_username())
    except SchedulingError as error:
        model_admin.message_user(request, refused(error, request.user), messages.WARNING)
    else:
        model_admin.message_user(request, asked_for(run, request.user), messages.SUCCESS)
    return back(request, address("timeline", job))


def pause_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    """Asks for a note first: whoever finds the schedule paused reads it on every page of it."""
    job = job_to_operate(model_admin, request, object_id)
    if request.method != "POST":
        following = DjangoJob.objects.filter(pk=job.job_id).values_list("next_run_time", flat=True).first()
        title = _("Pause %(name)s") % {"name": job.name}
        return show(model_admin, request, "pause.html", job=job, title=title, following=following, most=MOST_NOTE)
    try:
        definitions.pause_job(job.job_id, by=request.user.get_username(), note=note_of(request))
    except SchedulingError as error:
        model_admin.message_user(request, str(error), messages.WARNING)
    else:
        model_admin.message_user(request, _("Paused: it does not fire until somebody resumes it."), messages.SUCCESS)
    return back(request, address("change", job))


def note_of(request: HttpRequest, *, most: int = MOST_NOTE) -> str:
    """The note of a form, cut and cleaned: no database stores NUL."""
    return request.POST.get("note", "").replace("\0", "").strip()[:most]


def ask_to_pause(model_admin: Model, request: HttpRequest, jobs: list[ScheduledJob]) -> HttpResponse:
    """The page between the list's action and its doing."""
    title = ngettext("Pause %(count)d schedule", "Pause %(count)d schedules", len(jobs)) % {"count": len(jobs)}
    return show(model_admin, request, "pause_some.html", title=title, jobs=jobs, most=MOST_NOTE)


def switch(model_admin: Model, request: HttpRequest, jobs: Iterable[ScheduledJob], *, enabled: bool) -> None:
    """Enable or disable each; what cannot be is told by itself, and holds up no other."""
    done = {True: 0, False: 0}
    for job in jobs:
        try:
            done[definitions.set_enabled(job.job_id, enabled=enabled, user=person(request))] += 1
        except SchedulingError as error:
            model_admin.message_user(request, f"{job.job_id}: {error}", messages.WARNING)
    tell_switched(request, enabled=enabled, changed=done[True], same=done[False])


def resume_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    job = job_to_operate(model_admin, request, object_id)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        definitions.resume_job(job.job_id, by=request.user.get_username())
    except SchedulingError as error:
        model_admin.message_user(request, str(error), messages.WARNING)
    else:
        model_admin.message_user(request, _("Resumed: it fires by its rule again."), messages.SUCCESS)
    return back(request, address("change", job))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What pausing everything would touch."""

    schedules: int
    """That fire now."""
    firing_within_a_day: int
    queued: int
    running: int


def reach() -> Reach:
    """Four counts."""
    planned = DjangoJob.objects.filter(next_run_time__isnull=False)
    return Reach(
        schedules=planned.count(),
        firing_within_a_day=planned.filter(next_run_time__lte=timezone.now() + DAY).count(),
        queued=JobRun.objects.filter(state=JobRun.State.QUEUED).count(),
        running=JobRun.objects.filter(state=JobRun.State.RUNNING).count(),
    )


def pause_all_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """Says in numbers what will stop and asks why, then stops it. What is paused already, the list says."""
    _check_may_pause_all(request)
    if request.method != "POST":
        if upcoming.paused_state() is not None:
            return redirect("admin:scheduling_scheduledjob_changelist")
        title, most = _("Pause everything"), SchedulerState.MOST_NOTE
        return show(model_admin, request, "pause_all.html", title=title, reach=reach(), most=most)
    definitions.pause_all(request.user.get_username(), note=note_of(request, most=SchedulerState.MOST_NOTE))
    return _done(model_admin, request, _("Everything is paused: nothing fires until you resume."))


def resume_all_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    _check_may_pause_all(request)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    definitions.resume_all(request.user.get_username())
    return _done(model_admin, request, _("Schedules fire again."))


def _done(model_admin: Model, request: HttpRequest, done: str) -> HttpResponse:
    model_admin.message_user(request, done, messages.SUCCESS)
    return back(request, reverse("admin:scheduling_scheduledjob_changelist"))


def _check_may_pause_all(request: HttpRequest) -> None:
    if not request.user.has_perm("scheduling.change_schedulerstate"):
        raise PermissionDenied
