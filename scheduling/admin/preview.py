"""What a schedule's form would do, before it is saved: the next firings, the next clock changes, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone

from scheduling import upcoming
from scheduling.models import ScheduledJob
from scheduling.triggers.zones import zone, zone_names
from scheduling.upcoming import UpcomingReport

from . import rules
from .forms import POLICIES, ScheduledJobForm

FIRINGS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What stands beside the form. Without a report its rule cannot be read yet, and an error says why."""

    report: UpcomingReport | None
    errors: list[tuple[str, str]]
    """Of the rule and the policies: the id of the field's element, and what is wrong."""
    now: datetime
    offset: str
    """Of the rule's zone, as things stand: “UTC+08:00”."""


def preview_of(form: ScheduledJobForm) -> Preview:
    """One query; stores nothing."""
    now = timezone.now()
    names = (*rules.FIELDS, *POLICIES)
    errors = {name: str(form.errors[name][0]) for name in names if name in form.errors}
    trigger = form.trigger()
    if trigger is None:
        return Preview(report=None, errors=_placed(form, errors), now=now, offset="")
    report = upcoming.of_job(_unsaved(form, trigger, now), after=now, count=FIRINGS)
    if report.problem:
        errors.setdefault(rules.field_of(report.place, form.kind_of_rule()), report.problem)
    offset = now.astimezone(zone(report.timezone)).isoformat()[-6:] if report.timezone else ""
    return Preview(report=report, errors=_placed(form, errors), now=now, offset=f"UTC{offset}")


def preview_view(
    model_admin: admin.ModelAdmin[ScheduledJob], request: HttpRequest, object_id: str | None = None
) -> HttpResponse:
    """The form's fields → a fragment of HTML."""
    job = model_admin.get_object(request, object_id) if object_id else None
    allowed = model_admin.has_change_permission(request, job) if job else model_admin.has_add_permission(request)
    if not allowed:
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form = model_admin.get_form(request, job, change=job is not None)(request.POST, instance=job)
    if not isinstance(form, ScheduledJobForm):
        raise TypeError("A schedule is previewed from its own form.")
    template = "admin/scheduling/scheduledjob/preview.html"
    return TemplateResponse(request, template, {"preview": preview_of(form)})


def _unsaved(form: ScheduledJobForm, trigger: object, now: datetime) -> ScheduledJob:
    """The job as the form would leave it; its instance is not touched."""
    job: ScheduledJob = form.instance
    same = job.pk and job.trigger == trigger
    enabled = form.cleaned_data.get("enabled", True) if form.is_bound else job.enabled
    return ScheduledJob(
        trigger=trigger,
        enabled=enabled,
        anchor_at=job.anchor_at if same else now,
        created_at=now,
        paused_at=job.paused_at,
        paused_by=job.paused_by,
        note=job.note,
    )


def _placed(form: ScheduledJobForm, errors: dict[str, str]) -> list[tuple[str, str]]:
    return [(form[name].auto_id, message) for name, message in errors.items() if name in form.fields]


@cache
def zones_to_choose() -> list[str]:
    """The zones that people name; those of the old forms ("EST5EDT", "Etc/GMT+5") are read, and not offered."""
    return sorted(name for name in zone_names() if name == "UTC" or ("/" in name and not name.startswith("Etc/")))
