"""What people do to a run: cancel it, and ask for its work again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from scheduling import definitions
from scheduling.asked import asked_for, refused
from scheduling.exceptions import SchedulingError
from scheduling.models import JobRun

from .run_page import account_of, may_cancel, may_run_again, run_for, show

Model = admin.ModelAdmin[JobRun]


def cancel_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    """Says what will happen, then cancels."""
    run = run_for(model_admin, request, object_id)
    if not may_cancel(request):
        raise PermissionDenied
    if request.method != "POST" and run.state in JobRun.ACTIVE:
        title = _("Cancel run #%(id)d") % {"id": run.pk}
        found = account_of(run, request, part="cancel")
        return show(model_admin, request, "cancel.html", run=run, title=title, account=found)
    try:
        cancelled = definitions.cancel_run(run.pk, by=request.user.get_username())
    except SchedulingError as error:
        model_admin.message_user(request, str(error), messages.WARNING)
    else:
        is_over = cancelled.state == JobRun.State.CANCELLED
        text = _("Cancelled.") if is_over else _("Asked to stop: it ends as soon as it has let go.")
        model_admin.message_user(request, text, messages.SUCCESS)
    return redirect("admin:scheduling_jobrun_change", run.pk)


def again_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    run = run_for(model_admin, request, object_id)
    if not may_run_again(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        asked = definitions.run_again(run.pk, by=request.user.get_username())
    except SchedulingError as error:
        model_admin.message_user(request, refused(error, request.user), messages.WARNING)
        return redirect("admin:scheduling_jobrun_change", run.pk)
    model_admin.message_user(request, asked_for(asked, request.user), messages.SUCCESS)
    return redirect("admin:scheduling_jobrun_change", asked.pk)
