"""`/api/schedule/jobs/{job_id}/…`: what ran, what did not and why, and filling in what did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crawlproject.web.problems import Conflict, FieldErrors
from crawlproject.web.requests import body_object, moment, query_moment, refuse_unknown, whole_number
from scheduling import account, definitions
from scheduling.definitions import Which
from scheduling.definitions.backfilling import MOST_BACKFILLED
from scheduling.exceptions import JobNotFound, RunConflict
from scheduling.models import JobRun, ScheduledJob

from .errors import as_problems, refuse_empty
from .serializers import JobRunSerializer, RunSummarySerializer

MOST_ROWS = 500
USUAL_RANGE = timedelta(days=1)
"""What is offered to be filled in when nobody says since when."""
_NAMED = 20
"""Of many wrong moments so many are named."""


class AccountActions:
    """The account of one schedule, also of one that was removed."""

    account_permissions: Mapping[str, str] = {
        "timeline": "scheduling.view_jobrun",
        "why": "scheduling.view_jobrun",
        "offers": "scheduling.view_jobrun",
        "backfill": "scheduling.operate_scheduledjob",
    }

    @action(detail=True, methods=["get"])
    def timeline(self, request: Request, job_id: str) -> Response:
        """The past, newest first, each row with its reason in words; and the next moments. `?before=` goes back."""
        refuse_unknown(request.query_params, {"before", "limit"})
        limit = whole_number(request, "limit", default=50, maximum=MOST_ROWS)
        before = whole_number(request, "before", default=0, minimum=0, maximum=10**18 - 1)
        with as_problems():
            found = account.timeline(job_id, before_id=before or None, limit=limit)
        return Response(
            {
                "job_id": found.job_id,
                "now": found.now,
                "future": [{"moment": planned.moment, "note": planned.note} for planned in found.future],
                "past": [_entry(entry) for entry in found.past],
                "next_before": found.next_before_id,
            }
        )

    @action(detail=True, methods=["get"])
    def why(self, request: Request, job_id: str) -> Response:
        """Why it ran or did not run at `?moment=`; without one, of the last moment that did not run."""
        refuse_unknown(request.query_params, {"moment"})
        asked = query_moment(request, "moment")
        with as_problems():
            found = account.explain(job_id, asked) if asked is not None else account.explain_last(job_id)
        if found is None:
            return Response({"job_id": job_id, "verdict": None, "sentence": account.nothing_found(job_id)})
        return Response(found.as_json())

    @action(detail=True, methods=["get"], url_path="backfill", url_name="backfill")
    def offers(self, request: Request, job_id: str) -> Response:
        """The moments of `?since=` to `?until=` (else of the last day) that can be filled in, oldest first.

        At most `?limit=` of them, the newest; `more` says that there are older ones.
        """
        refuse_unknown(request.query_params, {"since", "until", "limit"})
        limit = whole_number(request, "limit", default=MOST_BACKFILLED, maximum=MOST_BACKFILLED)
        until = query_moment(request, "until") or timezone.now()
        since = query_moment(request, "since") or until - USUAL_RANGE
        refuse_empty(since, until)
        with as_problems():
            found = definitions.backfill_offers(job_id, since, until, limit=limit + 1)
        offers = found[-limit:]
        return Response(
            {
                "job_id": job_id,
                "since": since,
                "until": until,
                "suggested": sum(offer.suggested for offer in offers),
                "offers": [_offer(offer) for offer in offers],
                "more": len(found) > limit,
            }
        )

    @offers.mapping.post
    def backfill(self, request: Request, job_id: str) -> Response:
        """Fill in `moments`, or what `which` (none, latest, all, selected) takes of `since` to `until`; 202."""
        body = body_object(request, known={"moments", "since", "until", "which"})
        _refuse_one_off(job_id)
        by = request.user.get_username()
        if "which" in body or "since" in body or "until" in body:
            runs = _fill_range(job_id, body, by)
        else:
            moments = _moments(body.get("moments"))
            with _refused_for("moments"):
                runs = definitions.backfill(job_id, moments, by=by)
        return Response(
            {"job_id": job_id, "queued": len(runs), "runs": JobRunSerializer(runs, many=True).data}, status=202
        )


def _entry(entry: account.Entry) -> dict[str, object]:
    return {
        "sentence": entry.sentence,
        "count": entry.count,
        "first": entry.first,
        "last": entry.last,
        "filled": entry.filled,
        "run": RunSummarySerializer(entry.run).data,
    }


def _offer(offer: definitions.Offer) -> dict[str, object]:
    return {
        "moment": offer.moment,
        "state": offer.state,
        "suggested": offer.suggested,
        "sentence": offer.sentence,
        "run": offer.run_id,
    }


def _fill_range(job_id: str, body: Mapping[str, object], by: str) -> list[JobRun]:
    which = body.get("which")
    if not isinstance(which, str) or which not in list(Which):
        known = ", ".join(Which)
        raise FieldErrors([("which", _("Give one of %(known)s, not “%(given)s”.") % _given(which, known=known))])
    since = moment(body.get("since"), field="since")
    until = timezone.now() if body.get("until") is None else moment(body["until"], field="until")
    refuse_empty(since, until)
    selected: list[datetime] = []
    if which == Which.SELECTED:
        selected = _moments(body.get("moments"))
        outside = [f"moments[{index}]" for index, at in enumerate(selected) if not since <= at <= until]
        if outside:
            message = _("This moment does not lie in “since” … “until”.")
            raise FieldErrors([(place, message) for place in outside[:_NAMED]])
    elif "moments" in body:
        message = _("Moments are given with which = selected alone; “%(which)s” takes them from the range.")
        raise FieldErrors([("moments", message % {"which": which})])
    with _refused_for("moments" if selected else "since"):
        return definitions.backfill_range(job_id, since, until, which, moments=selected, by=by)


def _moments(value: object) -> list[datetime]:
    """Moments of the past, from a list of texts; every one that is wrong is named."""
    if not isinstance(value, list) or not value:
        example = "2027-01-01T02:00:00+08:00"
        message = _("Give a list of moments such as [“%(example)s”], or since, until and which.")
        raise FieldErrors([("moments", message % {"example": example})])
    if len(value) > MOST_BACKFILLED:
        message = _("%(count)d moments are too many at once; give at most %(most)d.")
        raise FieldErrors([("moments", message % {"count": len(value), "most": MOST_BACKFILLED})])
    found: list[datetime] = []
    errors: list[tuple[str, str]] = []
    now = timezone.now()
    for index, text in enumerate(value):
        place = f"moments[{index}]"
        try:
            found.append(moment(text, field=place))
        except FieldErrors as error:
            errors.extend(error.errors)
            continue
        if found[-1] > now:
            message = _("“%(given)s” lies in the future: only the past can be filled in.")
            errors.append((place, message % _given(text)))
    if errors:
        raise FieldErrors(errors[:_NAMED])
    return found


def _refuse_one_off(job_id: str) -> None:
    is_one_off = ScheduledJob.objects.filter(job_id=job_id).values_list("one_time", flat=True).first()
    with as_problems():
        if is_one_off is None:
            raise JobNotFound(job_id)
    if is_one_off:
        raise Conflict(_("“%(id)s” is a one-off: it runs once, there is nothing to fill in.") % {"id": job_id})


@contextmanager
def _refused_for(field: str) -> Iterator[None]:
    """What the definitions refuse of the moments is that field's fault."""
    try:
        with as_problems():
            yield
    except Conflict as error:
        if isinstance(error.__cause__, RunConflict):
            raise FieldErrors([(field, str(error.__cause__))]) from error
        raise


def _given(value: object, **others: str) -> dict[str, str]:
    return {"given": str(value)[:50], **others}
