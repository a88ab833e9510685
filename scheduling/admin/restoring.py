"""The versions of a schedule: who saved what and when, and saving an older one again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from scheduling import definitions
from scheduling.definitions.differences import ABSENT, Change, differences
from scheduling.definitions.versions import version, versions
from scheduling.exceptions import SchedulingError, VersionNotFound
from scheduling.models import DefinitionVersion, ScheduledJob

from .head import address, job_for, job_to_change, person, show

SHOWN = 50
KIND = DefinitionVersion.Kind.JOB

Model = admin.ModelAdmin[ScheduledJob]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a diff."""

    sign: str
    tone: str
    place: str
    value: str


def lines_of(changes: Iterable[Change]) -> list[Line]:
    """What goes with a minus, what comes with a plus, value by value."""
    lines: list[Line] = []
    for change in changes:
        for sign, tone, value in (("−", "bad", change.before), ("+", "ok", change.after)):
            if value is not ABSENT:
                lines.append(Line(sign, tone, change.place, json.dumps(value, ensure_ascii=False)))
    return lines


def versions_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    job = job_for(model_admin, request, object_id)
    all_of_them = versions(KIND, job.job_id)
    page = request.GET.get("page", "1")
    first = (max(int(page), 1) - 1) * SHOWN if page.isdecimal() and len(page) < 7 else 0
    found = all_of_them[first : first + SHOWN]
    return show(
        model_admin,
        request,
        "versions.html",
        job=job,
        tab="history",
        title=_("Versions"),
        versions=[(one, lines_of(one.changes)) for one in found],
        older=first // SHOWN + 2 if len(all_of_them) > first + SHOWN else None,
    )


def restore_view(model_admin: Model, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
    """Says what will change, then saves that version's document as a new version."""
    job = job_to_change(model_admin, request, object_id)
    try:
        kept = version(KIND, job.job_id, number)
    except VersionNotFound as error:
        raise Http404(str(error)) from error
    if request.method != "POST":
        changes = lines_of(differences(definitions.dump_job(job), kept.document))
        title = _("Restore version %(number)d") % {"number": number}
        return show(
            model_admin, request, "restore.html", job=job, tab="history", title=title, version=kept, lines=changes
        )
    try:
        saved = definitions.restore_version(job.job_id, number, user=person(request))
    except SchedulingError as error:
        model_admin.message_user(request, str(error), messages.ERROR)
    else:
        text = _("Version %(old)d is in force again, as version %(new)d.") % {"old": number, "new": saved.version}
        model_admin.message_user(request, text, messages.SUCCESS)
    return redirect(address("history", job))
