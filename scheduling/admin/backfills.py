"""Filling in what did not run: a range, the moments in it with what stands there, and which of them are to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling import definitions
from scheduling.definitions import Offer
from scheduling.exceptions import SchedulingError
from scheduling.models import JobRun, ScheduledJob

from . import moments
from .head import address, job_for, may_operate, show

MOST = 1_000
"""Moments that are shown, and that can be filled in at once."""
LOOKED_AT = 200
"""The newest runs, among which the last gap is looked for."""
DAY = timedelta(days=1)

Model = admin.ModelAdmin[ScheduledJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From … until …, both included."""

    since: datetime
    until: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What can be filled in within a span."""

    shown: list[Offer]
    has_more: bool
    """Older ones than those that are shown."""

    @property
    def suggested(self) -> list[Offer]:
        return [offer for offer in self.shown if offer.suggested]

    @property
    def latest(self) -> Offer | None:
        return self.suggested[-1] if self.suggested else None


def backfill_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    job = job_for(model_admin, request, object_id)
    if request.method == "POST":
        if not may_operate(request, job):
            raise PermissionDenied
        return _fill(model_admin, request, job)
    span = _span(job, request.GET)
    offers = Offers(shown=[], has_more=False)
    problem = span.problem
    try:
        found = [] if problem else definitions.backfill_offers(job.job_id, span.since, span.until, limit=MOST + 1)
        offers = Offers(shown=found[-MOST:], has_more=len(found) > MOST)
    except SchedulingError as error:
        problem = str(error)
    return show(
        model_admin,
        request,
        "backfill.html",
        job=job,
        tab="backfill",
        title=_("Back-fill"),
        since=moments.for_field(span.since),
        until=moments.for_field(span.until),
        problem=problem,
        offers=offers,
        exact=[(offer, moments.for_address(offer.moment)) for offer in reversed(offers.shown)],
        most=MOST,
        zone=moments.zone_in_words(),
        in_numbers=_in_numbers(offers),
    )


def _fill(model_admin: Model, request: HttpRequest, job: ScheduledJob) -> HttpResponse:
    data = request.POST
    try:
        since, until = moments.read(data.get("from", "")), moments.read(data.get("until", ""), to_its_end=True)
        chosen = [moments.read(text) for text in data.getlist("moments")[: MOST + 1]]
        runs = definitions.backfill_range(
            job.job_id, since, until, data.get("which", ""), moments=chosen, by=request.user.get_username()
        )
    except (SchedulingError, ValueError) as error:
        model_admin.message_user(request, str(error), messages.ERROR)
        span = urlencode({name: data.get(name, "") for name in ("from", "until")})
        return redirect(f"{address('backfill', job)}?{span}")
    _tell(model_admin, request, job, runs)
    return redirect(address("timeline", job))


def _tell(model_admin: Model, request: HttpRequest, job: ScheduledJob, runs: list[JobRun]) -> None:
    if not runs:
        text = _("Nothing was queued: no moment was chosen, or all of them were filled in before.")
        model_admin.message_user(request, text, messages.INFO)
        return
    count = len(runs)
    text = ngettext("%(count)d run is queued.", "%(count)d runs are queued.", count) % {"count": count}
    link = (
        f"{reverse('admin:scheduling_jobrun_changelist')}?{urlencode({'job': job.job_id, 'cause__exact': 'backfill'})}"
    )
    model_admin.message_user(
        request, format_html('{} <a href="{}">{}</a>', text, link, _("See them")), messages.SUCCESS
    )


def _span(job: ScheduledJob, given: QueryDict) -> Span:
    """What was asked for; else the last gap; else the last 24 hours."""
    now = timezone.now()
    default = _last_gap(job) or Span(since=now - DAY, until=now)
    first, last = given.get("from", ""), given.get("until", "")
    if not first and not last:
        return default
    try:
        since = moments.read(first) if first else default.since
        until = moments.read(last, to_its_end=True) if last else now
    except ValueError as error:
        return Span(since=default.since, until=default.until, problem=str(error))
    if since > until:
        return Span(since=since, until=until, problem=_("The beginning lies after the end."))
    return Span(since=since, until=until)


def _last_gap(job: ScheduledJob) -> Span | None:
    newest = JobRun.objects.filter(job=job).order_by("-pk").values_list("state", "scheduled_time", "missed_until")
    for state, first, last in newest[:LOOKED_AT]:
        if state in (JobRun.State.MISSED, JobRun.State.SKIPPED):
            return Span(since=first, until=last or first)
    return None


def _in_numbers(offers: Offers) -> str:
    text = _("Moments in this range: %(count)d. Of these did not run: %(open)d.")
    return text % {"count": len(offers.shown), "open": len(offers.suggested)}
