"""Definitions that were deleted: since when and by whom, and saving a version of one again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.contrib import admin, messages
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from crawlproject.web.admin import document, when
from scheduling import definitions
from scheduling.exceptions import SchedulingError
from scheduling.models import DefinitionVersion
from scheduling.signals import BringBack, bring_back_asked

from .head import address, person

JOB = DefinitionVersion.Kind.JOB
Model = admin.ModelAdmin[DefinitionVersion]


def removals(versions: Iterable[DefinitionVersion]) -> Mapping[tuple[str, str], DefinitionVersion]:
    """The last version of each of their definitions that was deleted and is not there again, by kind and key."""
    keys = {version.key for version in versions}
    newer = DefinitionVersion.objects.filter(kind=OuterRef("kind"), key=OuterRef("key"), number__gt=OuterRef("number"))
    last = DefinitionVersion.objects.filter(~Exists(newer), key__in=keys, removed_at__isnull=False)
    return {(row.kind, row.key): row for row in last.defer("document")}


def removed(last: DefinitionVersion) -> SafeString:
    """When and by whom."""
    moment = when(last.removed_at)
    return format_html("{} · {}", moment, last.removed_by) if last.removed_by else format_html("{}", moment)


def may_bring_back(version: DefinitionVersion, user: User | AnonymousUser) -> bool:
    """Whether its kind can be brought back at all, and by this account."""
    way = _way(version.kind)
    return way is not None and user.has_perm(way.permission)


def bring_back_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    """Shows what is saved again, then saves it."""
    version = model_admin.get_object(request, object_id)
    if version is None or not model_admin.has_view_permission(request, version):
        raise Http404
    last, way = removals([version]).get((version.kind, version.key)), _way(version.kind)
    if last is None or way is None:
        raise Http404(_("It is not deleted (any more)."))
    if not request.user.has_perm(way.permission):
        raise PermissionDenied
    title = _("Restore version %(number)d") % {"number": version.number}
    if request.method != "POST":
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "title": title,
            "version": version,
            "removed": removed(last),
            "text": document(version.document),
        }
        return TemplateResponse(request, "admin/scheduling/definitionversion/bring_back.html", context)
    try:
        page = way.bring(version.key, version.number, person(request))
    except SchedulingError as error:
        model_admin.message_user(request, str(error), messages.ERROR)
        return redirect(reverse("admin:scheduling_definitionversion_change", args=[version.pk]))
    text = _("“%(key)s” is there again, as it was in version %(number)d.")
    model_admin.message_user(request, text % {"key": version.key, "number": version.number}, messages.SUCCESS)
    return redirect(page)


def _way(kind: str) -> BringBack | None:
    if kind == JOB:
        return BringBack(permission="scheduling.add_scheduledjob", bring=_bring_job)
    answers: list[object] = [answer for _to, answer in bring_back_asked.send(DefinitionVersion, kind=kind)]
    return next((answer for answer in answers if isinstance(answer, BringBack)), None)


def _bring_job(job_id: str, number: int, user: User | None) -> str:
    return address("change", definitions.restore_version(job_id, number, user=user, is_new=True))
