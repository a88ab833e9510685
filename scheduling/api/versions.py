"""`/api/schedule/jobs/{job_id}/versions`: every version of a schedule's document, and back again."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from crawlproject.web.pagination import BoundedPagination
from crawlproject.web.problems import Conflict, FieldErrors
from crawlproject.web.requests import body_object, refuse_unknown
from scheduling import definitions
from scheduling.definitions.versions import version, versions
from scheduling.exceptions import JobNotFound
from scheduling.models import DefinitionVersion, ScheduledJob

from .errors import as_problems
from .serializers import represent

KIND = DefinitionVersion.Kind.JOB
NUMBER = r"(?P<number>\d{1,9})"


class VersionActions:
    """Versions of one schedule, also of one that was removed."""

    version_permissions: Mapping[str, str] = {
        "versions": "scheduling.view_scheduledjob",
        "version": "scheduling.view_scheduledjob",
        "restore": "scheduling.change_scheduledjob",
    }

    @action(detail=True, methods=["get"])
    def versions(self, request: Request, job_id: str) -> Response:
        """The newest first: who, when, and what each changed."""
        refuse_unknown(request.query_params, {"page", "page_size"})
        found = versions(KIND, job_id)
        pagination = BoundedPagination()
        page = pagination.paginate_queryset(found, request)
        if not page and not ScheduledJob.objects.filter(job_id=job_id).exists():
            raise NotFound(str(JobNotFound(job_id)))
        return pagination.get_paginated_response([one.as_dict() for one in page or []])

    @action(detail=True, methods=["get"], url_path=f"versions/{NUMBER}")
    def version(self, request: Request, job_id: str, number: str) -> Response:
        """One version with its document."""
        refuse_unknown(request.query_params, ())
        with as_problems():
            return Response(version(KIND, job_id, int(number)).as_dict(with_document=True))

    @action(detail=True, methods=["post"], url_path=f"versions/{NUMBER}/restore")
    def restore(self, request: Request, job_id: str, number: str) -> Response:
        """Save an older version again, as a new one. 409 with every problem where it does not fit any more."""
        body_object(request, known=())
        user = request.user if isinstance(request.user, User) else None
        with as_problems():
            version(KIND, job_id, int(number))
        exists = ScheduledJob.objects.filter(job_id=job_id).exists()
        if not exists and not request.user.has_perm("scheduling.add_scheduledjob"):
            raise PermissionDenied(_("The schedule was deleted: bringing it back asks for the right to add schedules."))
        try:
            with as_problems():
                job = definitions.restore_version(job_id, int(number), user=user)
        except FieldErrors as error:
            message = _("Version %(number)s cannot be restored as things stand: see “errors”.") % {"number": number}
            raise Conflict(message, errors=error.errors) from error
        return Response(represent([job])[0])
