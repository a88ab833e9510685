"""What a schedule's form would do, before it is saved: the next firings, the next clock changes, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling import upcoming
from scheduling.calendar.crowd import MOST_NAMED, Crowd, crowd_of
from scheduling.models import ScheduledJob
from scheduling.triggers.zones import zone, zone_names
from scheduling.upcoming import UpcomingReport

from . import rules
from .forms import POLICIES, PREVIEW, ScheduledJobForm

FIRINGS = 5
TAKE = "_take"
"""The button that takes the time of day that it names."""
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_ONCE = re.compile(r"\A\d{1,2} \d{1,2} ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What stands beside the form. Without a report its rule cannot be read yet, and an error says why."""

    report: UpcomingReport | None
    errors: list[tuple[str, str]]
    """Of the rule and the policies: the id of the field's element, and what is wrong."""
    warnings: list[tuple[str, str, str]]
    """Of the rule: the id of the field's element, its label, and what may be meant otherwise."""
    now: datetime
    offset: str
    """Of the rule's zone, as things stand: “UTC+08:00”."""
    crowd: CrowdWords | None = None
    """Who else fires then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdWords:
    sentences: list[str]
    is_crowded: bool
    free: str
    """A time of day that would be free, such as ``03:10``; empty: none, or it has more than one time."""
    line: str
    """The cron line with that time; empty where the rule is none that says one."""


def preview_of(form: ScheduledJobForm, user: User | AnonymousUser) -> Preview:
    """Five queries; stores nothing."""
    now = timezone.now()
    names = (*rules.FIELDS, *POLICIES)
    errors = {name: str(form.errors[name][0]) for name in names if name in form.errors}
    trigger = form.trigger()
    if trigger is None:
        return Preview(report=None, errors=_placed(form, errors), warnings=[], now=now, offset="")
    job = _unsaved(form, trigger, now)
    report = upcoming.of_job(job, after=now, count=FIRINGS, state=upcoming.paused_state())
    if report.problem:
        errors.setdefault(rules.field_of(report.place, form.kind_of_rule()), report.problem)
    offset = now.astimezone(zone(report.timezone)).isoformat()[-6:] if report.timezone else ""
    crowd = None if report.problem or report.hold else _crowd(job, user, now, report.timezone, pk=form.instance.pk)
    return Preview(
        report=report,
        errors=_placed(form, errors),
        warnings=_labelled(form, report.warnings),
        now=now,
        offset=f"UTC{offset}",
        crowd=crowd,
    )


def take_free_moment(request: HttpRequest) -> None:
    """The button of the free moment without script: the form is shown again with that time, and nothing is saved."""
    taken = request.POST.get(TAKE)
    if taken is None:
        return
    fields = request.POST.copy()
    fields[PREVIEW] = "1"
    match = _TIME.fullmatch(taken)
    if match is not None:
        fields["at"] = taken
        fields["cron"] = _ONCE.sub(f"{int(match[2])} {int(match[1])} ", fields.get("cron", ""))
    request.POST = fields  # type: ignore[assignment]  # a copy may be changed


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
    return TemplateResponse(request, template, {"preview": preview_of(form, request.user)})


def _unsaved(form: ScheduledJobForm, trigger: object, now: datetime) -> ScheduledJob:
    """The job as the form would leave it; its instance is not touched."""
    job: ScheduledJob = form.instance
    same = job.pk and job.trigger == trigger
    enabled = form.cleaned_data.get("enabled", True) if form.is_bound else job.enabled
    return ScheduledJob(
        trigger=trigger,
        handler=_handler(form),
        job_data=_job_data(form),
        enabled=enabled,
        anchor_at=job.anchor_at if same else now,
        created_at=now,
        paused_at=job.paused_at,
        paused_by=job.paused_by,
        note=job.note,
    )


def _handler(form: ScheduledJobForm) -> str:
    return str(form.cleaned_data.get("handler") or "") if form.is_bound else form.instance.handler


def _job_data(form: ScheduledJobForm) -> object:
    return form.cleaned_data.get("job_data") if form.is_bound else form.instance.job_data


def _crowd(
    job: ScheduledJob, user: User | AnonymousUser, now: datetime, zone_name: str, *, pk: int | None
) -> CrowdWords | None:
    found = crowd_of(job, user, now=now, tz=zone(zone_name), pk=pk)
    if found is None:
        return None
    free = f"{found.free:%H:%M}" if found.free is not None and found.is_crowded else ""
    line = rules.moved(job.trigger, found.free) if free and found.free is not None else ""
    return CrowdWords(sentences=_sentences(found), is_crowded=found.is_crowded, free=free if line else "", line=line)


def _sentences(found: Crowd) -> list[str]:
    at, told = f"{found.at:%H:%M}", []
    if found.together:
        names = ", ".join(one.job.name for one in found.together[:MOST_NAMED])
        more = len(found.together[MOST_NAMED:])
        sentence = ngettext(
            "%(count)d other starts at %(at)s: %(names)s.",
            "%(count)d others start at %(at)s: %(names)s.",
            len(found.together),
        )
        if more:
            sentence = _("%(count)d others start at %(at)s: %(names)s and %(more)d more.")
        told.append(sentence % {"count": len(found.together), "at": at, "names": names, "more": more})
    if found.hosts:
        told.append(
            _("Meanwhile others ask the same host: %(hosts)s.") % {"hosts": ", ".join(found.hosts[:MOST_NAMED])}
        )
    if found.running >= found.places:
        values = {"running": found.running, "places": found.places}
        told.append(_("%(running)d runs of others want the %(places)d worker places then: it waits.") % values)
    return told or [_("Nobody is in the way in the next seven days.")]


def _placed(form: ScheduledJobForm, errors: dict[str, str]) -> list[tuple[str, str]]:
    return [(form[name].auto_id, message) for name, message in errors.items() if name in form.fields]


def _labelled(form: ScheduledJobForm, warnings: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """By the fields that say the rule; whoever writes a document finds its keys there."""
    kind, found = form.kind_of_rule(), []
    for place, message in warnings:
        field = form[rules.field_of(place, kind)]
        text = f"{place}: {message}" if kind == "document" else message
        found.append((field.auto_id, str(field.label), text))
    return found


@cache
def zones_to_choose() -> list[str]:
    """The zones that people name; those of the old forms ("EST5EDT", "Etc/GMT+5") are read, and not offered."""
    return sorted(name for name in zone_names() if name == "UTC" or ("/" in name and not name.startswith("Etc/")))
