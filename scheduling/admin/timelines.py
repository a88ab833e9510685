"""A schedule's time line: what became of its past, what comes next, and the answer to “why did it not run?”."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from crawlproject.web.requests import MOST_DIGITS
from scheduling import account
from scheduling.account import Explanation, Verdict
from scheduling.account.values import DID_NOT_RUN
from scheduling.models import JobRun, ScheduledJob

from . import moments
from .head import address, job_for, show

PAST = 50
_WAITING = frozenset(verdict for verdict in Verdict if verdict.value.startswith(("queued", "due")))
_TONES = {
    JobRun.State.SUCCEEDED: ("ok", "ok"),
    JobRun.State.FAILED: ("bad", "failed"),
    JobRun.State.CANCELLED: ("mute", "cancelled"),
}


def timeline_view(model_admin: admin.ModelAdmin[ScheduledJob], request: HttpRequest, object_id: str) -> HttpResponse:
    job = job_for(model_admin, request, object_id)
    before = request.GET.get("before", "")
    is_number = before.isdecimal() and len(before) <= MOST_DIGITS
    line = account.timeline(job.job_id, job=job, before_id=int(before) if is_number else None, limit=PAST)
    asked = request.GET.get("at", "")
    explanation, problem = _explain(job, asked)
    return show(
        model_admin,
        request,
        "timeline.html",
        job=job,
        tab="timeline",
        title=_("Time line"),
        line=line,
        is_first_page=not is_number,
        zone=moments.zone_in_words(),
        asked=moments.for_field(explanation.moment if explanation else line.now),
        problem=problem,
        answer=_answer(explanation, job),
    )


def _explain(job: ScheduledJob, asked: str) -> tuple[Explanation | None, str]:
    if not asked:
        return None, ""
    try:
        moment = moments.read(asked)
    except ValueError as error:
        return None, str(error)
    return account.explain(job.job_id, moment), ""


def _answer(explanation: Explanation | None, job: ScheduledJob) -> dict[str, object] | None:
    """An explanation with what the page needs to show it."""
    if explanation is None:
        return None
    tone, picture = _tone_of(explanation)
    nearest = [
        (text, moment, _asking(job, moment))
        for text, moment in (
            (_("The moment before"), explanation.nearest_before),
            (_("The moment after"), explanation.nearest_after),
        )
        if moment is not None
    ]
    return {
        "explanation": explanation,
        "tone": tone,
        "picture": picture,
        "nearest": nearest,
        "exact": moments.for_address(explanation.moment),
        "can_be_filled": (
            explanation.verdict in DID_NOT_RUN and not job.one_time and explanation.moment <= timezone.now()
        ),
    }


def _tone_of(explanation: Explanation) -> tuple[str, str]:
    verdict, run = explanation.verdict, explanation.run
    if verdict is Verdict.RAN and run is not None:
        return _TONES.get(JobRun.State(run.state), ("mute", "info"))
    if verdict is Verdict.RUNNING:
        return "lit", "lamp"
    if verdict in DID_NOT_RUN:
        return "warn", "warn"
    return ("info", "queued") if verdict in _WAITING else ("info", "info")


def _asking(job: ScheduledJob, moment: datetime) -> str:
    return f"{address('timeline', job)}?{urlencode({'at': moments.for_address(moment)})}"
