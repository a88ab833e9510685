"""`POST /api/schedule/upcoming`: what a trigger would do that is not saved yet."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crawlproject.web.problems import FieldErrors
from crawlproject.web.requests import body_object, moment
from scheduling import upcoming

USUAL_COUNT = 10
"""Firings that are told when nobody says how many."""


class UpcomingView(APIView):
    """The next firings of `trigger`, in words and figures; nothing is stored."""

    action_permissions = {"post": "scheduling.view_scheduledjob"}

    def post(self, request: Request) -> Response:
        body = body_object(request, known={"trigger", "count", "after"})
        trigger = body.get("trigger")
        if not isinstance(trigger, dict):
            example = "{“type”: “cron”, “cron”: “0 2 * * *”}"
            raise FieldErrors([("trigger", _("Give a trigger such as %(example)s.") % {"example": example})])
        count = _count(body.get("count", USUAL_COUNT))
        after = timezone.now() if body.get("after") is None else moment(body["after"], field="after")
        report = upcoming.report(trigger, after=after, count=count, anchor=after)
        if report.problem:
            raise FieldErrors([(report.place or "trigger", report.problem)])
        told = report.as_json()
        # What only a saved schedule has.
        for key in ("job_id", "hold", "held", "held_since", "problem"):
            del told[key]
        return Response(told | {"after": after})


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= upcoming.MOST:
        message = _("Give a whole number from 1 to %(most)d, not “%(given)s”.")
        raise FieldErrors([("count", message % {"most": upcoming.MOST, "given": str(value)[:50]})])
    return value
