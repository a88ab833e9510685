"""`/api/schedule/status`, `pause`, `resume`: the scheduler as a whole."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crawlproject.web.requests import body_object, short_text
from scheduling import definitions
from scheduling.models import SchedulerState
from scheduling.scheduler import TaskScheduler


class StatusView(APIView):
    """What `schedulerstatus` prints, from the database alone."""

    action_permissions = {"get": "scheduling.view_scheduledjob", "head": "scheduling.view_scheduledjob"}

    def get(self, request: Request) -> Response:
        return Response(TaskScheduler().get_status())


class PauseAllView(APIView):
    """POST, with an optional `note` that says why."""

    action_permissions = {"post": "scheduling.change_schedulerstate"}

    def post(self, request: Request) -> Response:
        note = short_text(body_object(request, known={"note"}), "note", most=SchedulerState.MOST_NOTE)
        definitions.pause_all(by=request.user.get_username(), note=note)
        return Response(TaskScheduler().get_status())


class ResumeAllView(APIView):
    """POST: plan and run again."""

    action_permissions = {"post": "scheduling.change_schedulerstate"}

    def post(self, request: Request) -> Response:
        body_object(request, known=())
        definitions.resume_all(by=request.user.get_username())
        return Response(TaskScheduler().get_status())
