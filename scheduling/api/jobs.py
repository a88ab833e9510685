"""`/api/schedule/jobs`: schedules as documents."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crawlproject.web.filters import NameFilter, StrictFilterSet
from crawlproject.web.problems import Conflict, FieldErrors
from crawlproject.web.requests import body_object, query_moment, refuse_unknown, short_text, whole_number
from scheduling import definitions, upcoming
from scheduling.definitions.jobs import MOST_NOTE
from scheduling.models import JobRun, ScheduledJob

from .account import AccountActions
from .errors import as_problems
from .names import handler_problem
from .serializers import JobRunSerializer, represent
from .upcoming import USUAL_COUNT
from .versions import VersionActions


class JobFilter(StrictFilterSet):
    handler = NameFilter(problem=handler_problem)

    class Meta(StrictFilterSet.Meta):
        model = ScheduledJob
        fields = ("enabled", "one_time")


class ScheduledJobViewSet(AccountActions, VersionActions, viewsets.GenericViewSet[ScheduledJob]):
    """Create, read, change and delete schedules; pause, resume, run now; the next firings."""

    queryset = ScheduledJob.objects.order_by("job_id")
    lookup_field = "job_id"
    lookup_value_regex = "[^/]+"
    filterset_class = JobFilter
    action_permissions = {
        "pause": "scheduling.operate_scheduledjob",
        "resume": "scheduling.operate_scheduledjob",
        "run": "scheduling.operate_scheduledjob",
        "upcoming": "scheduling.view_scheduledjob",
        **AccountActions.account_permissions,
        **VersionActions.version_permissions,
    }

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(represent(page or []))

    def retrieve(self, request: Request, job_id: str) -> Response:
        return Response(represent([self.get_object()])[0])

    def create(self, request: Request) -> Response:
        with as_problems():
            values = definitions.parse_job(body_object(request))
            definitions.check_ahead(values)
            job = definitions.create_job(values, user=_user(request))
        return Response(represent([job])[0], status=201)

    def update(self, request: Request, job_id: str) -> Response:
        """The whole document anew; what it leaves out takes its default."""
        return self._save(request, self.get_object(), body_object(request))

    def partial_update(self, request: Request, job_id: str) -> Response:
        """The keys that are given; `policies` key by key, everything else as a whole."""
        job = self.get_object()
        document = definitions.dump_job(job)
        change = body_object(request)
        policies = change.get("policies")
        if isinstance(policies, dict):
            present = document.get("policies")
            change["policies"] = (present if isinstance(present, dict) else {}) | policies
        return self._save(request, job, document | change)

    def destroy(self, request: Request, job_id: str) -> Response:
        job = self.get_object()
        with as_problems():
            if job.one_time:
                # Whoever waits for what it was to do hears that it will not come.
                definitions.cancel_one_off(job_id, request.user.get_username())
            else:
                definitions.delete_job(job_id, user=_user(request))
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def pause(self, request: Request, job_id: str) -> Response:
        note = short_text(body_object(request, known={"note"}), "note", most=MOST_NOTE)
        with as_problems():
            definitions.pause_job(job_id, by=request.user.get_username(), note=note)
        return self.retrieve(request, job_id)

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, job_id: str) -> Response:
        body_object(request, known=())
        with as_problems():
            definitions.resume_job(job_id, by=request.user.get_username())
        return self.retrieve(request, job_id)

    @action(detail=True, methods=["post"])
    def run(self, request: Request, job_id: str) -> Response:
        """202 with the queued run; 409 if one that was asked for is still queued."""
        body_object(request, known=())
        with as_problems():
            run: JobRun = definitions.run_now(job_id, by=request.user.get_username())
        return Response(JobRunSerializer(run).data, status=202)

    @action(detail=True, methods=["get"])
    def upcoming(self, request: Request, job_id: str) -> Response:
        """The next firings after now (or `?after=`), what the next clock changes do, and why none of it runs."""
        job = self.get_object()
        refuse_unknown(request.query_params, {"count", "after"})
        count = whole_number(request, "count", default=USUAL_COUNT, maximum=upcoming.MOST)
        after = query_moment(request, "after") or timezone.now()
        report = upcoming.of_job(job, after=after, count=count, state=upcoming.paused_state())
        if report.problem:
            raise Conflict(f"{report.place}: {report.problem}")
        paused = report.hold in (upcoming.Hold.PAUSED, upcoming.Hold.DISABLED)
        return Response(report.as_json() | {"paused": paused})

    def _save(self, request: Request, stored: ScheduledJob, document: dict[str, object]) -> Response:
        job_id = stored.job_id
        if document.setdefault("job_id", job_id) != job_id:
            raise FieldErrors([("job_id", _("A schedule keeps its id: it is “%(id)s”.") % {"id": job_id})])
        with as_problems():
            values = definitions.parse_job(document)
            definitions.check_ahead(values, stored=stored.trigger)
            job = definitions.save_job(values, user=_user(request))
        return Response(represent([job])[0])


def _user(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None
