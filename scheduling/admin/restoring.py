"""The versions of a schedule: who saved what and when, and saving an older one again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from crawlproject.web.admin import page_number
from scheduling import definitions
from scheduling.definitions.differences import differences
from scheduling.definitions.difflines import diff_lines
from scheduling.definitions.versions import version, versions
from scheduling.exceptions import SchedulingError, VersionNotFound
from scheduling.models import DefinitionVersion, ScheduledJob

from .head import address, job_for, job_to_change, person, show

SHOWN = 50
KIND = DefinitionVersion.Kind.JOB

Model = admin.ModelAdmin[ScheduledJob]


def versions_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    job = job_for(model_admin, request, object_id)
    all_of_them = versions(KIND, job.job_id)
    page = page_number(request)
    first = (page - 1) * SHOWN
    may_restore = model_admin.has_change_permission(request, job)
    return show(
        model_admin,
        request,
        "versions.html",
        job=job,
        tab="history",
        title=_("Versions"),
        versions=[
            (
                one,
                diff_lines(one.changes),
                address("restore", job, one.number) if may_restore and one.number != job.version else "",
            )
            for one in all_of_them[first : first + SHOWN]
        ],
        older=page + 1 if len(all_of_them) > first + SHOWN else None,
    )


def restore_view(model_admin: Model, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
    """Says what will change, then saves that version's document as a new version."""
    job = job_to_change(model_admin, request, object_id)
    try:
        kept = version(KIND, job.job_id, number)
    except VersionNotFound as error:
        raise Http404(str(error)) from error
    if request.method != "POST":
        return show(
            model_admin,
            request,
            "restore.html",
            job=job,
            tab="history",
            title=_("Restore version %(number)d") % {"number": number},
            version=kept,
            lines=diff_lines(differences(definitions.dump_job(job), kept.document)),
            leave=address("history", job),
        )
    try:
        saved = definitions.restore_version(job.job_id, number, user=person(request))
    except SchedulingError as error:
        model_admin.message_user(request, str(error), messages.ERROR)
    else:
        text = _("Version %(old)d is in force again, as version %(new)d.") % {"old": number, "new": saved.version}
        model_admin.message_user(request, text, messages.SUCCESS)
    return redirect(address("history", job))
