"""The page of a run: how far it is or how it ended, why, its log, and what is usual for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawlproject.templatetags.lamplighter import STATES, exactly
from crawlproject.web.admin import when
from crawlproject.web.requests import MOST_DIGITS
from scheduling import account, asked, definitions
from scheduling.account import Teller, did_not_run
from scheduling.account.waiting import waiting_for
from scheduling.durations import duration
from scheduling.exceptions import JobNotFound
from scheduling.models import JobRun
from scheduling.rounds import COUNT, LETTERS
from scheduling.signals import RunAccount, run_shown
from scheduling.wording import in_a_row, labelled, told

from .head import OPERATE, address
from .run_log import file_of, log_of

TEMPLATES = "admin/scheduling/jobrun"
USUAL = 10
"""Runs that succeeded, the last ones, of which the median says what is usual."""
LOOKED_AT = 30
"""Runs before this one, among which those are looked for."""
MOST_SHOWN = 20_000
"""Characters of a result, and of a traceback's end."""

Model = admin.ModelAdmin[JobRun]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The runs of the same schedule before this one."""

    letters: str
    """Of the last rounds, this one's the last: see `rounds.LETTERS`."""
    usual: str
    """A sentence; empty where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What stands first on the page."""

    tone: str
    picture: str
    title: SafeString | str
    lines: tuple[str, ...]


def page_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    run = run_for(model_admin, request, object_id)
    found, before = account_of(run, request), _before(run)
    return show(
        model_admin,
        request,
        "page.html",
        run=run,
        title=f"{told(run.job_name) or run.job_key} #{run.pk}",
        account=found,
        note=_note(run, found, request.user),
        facts=[*_facts(run, request), *found.facts],
        accounting=list(_accounting(run)),
        main=[panel for panel in found.panels if not panel.is_aside],
        aside=[panel for panel in found.panels if panel.is_aside],
        has_progress=any(panel.name == "progress" for panel in found.panels),
        is_live=run.state in JobRun.ACTIVE,
        seconds=seconds_of(run),
        before=before,
        usual=in_a_row([before.usual, found.usual]),
        log=log_of(run, request),
        result=_shortened(json.dumps(run.data, ensure_ascii=False, indent=2)) if run.data is not None else "",
        error=run.error[-MOST_SHOWN:],
        may_cancel=run.state in JobRun.ACTIVE and may_cancel(request),
        again=again_address(run, found, request),
        fill_in=_back_fill(run, request),
    )


def live_view(model_admin: Model, request: HttpRequest, object_id: str, part: str) -> HttpResponse:
    """One part of the page as it is now. `X-Poll: over` says that nothing will change any more."""
    run = run_for(model_admin, request, object_id)
    if part == "log":
        answer = show(model_admin, request, "log_lines.html", is_whole=False, run=run, log=log_of(run, request))
    else:
        panels = [panel for panel in account_of(run, request, part=part).panels if panel.name == part]
        if panels:
            answer = HttpResponse(panels[0].html)
        elif part == "progress":
            seconds = seconds_of(run)
            answer = show(model_admin, request, "progress.html", is_whole=False, run=run, seconds=seconds)
        else:
            raise Http404(f"A run has no part “{part}”.")
    if run.state in JobRun.TERMINAL:
        answer["X-Poll"] = "over"
    answer["Cache-Control"] = "no-store"
    return answer


def log_file_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponseBase:
    return file_of(run_for(model_admin, request, object_id))


def run_for(model_admin: Model, request: HttpRequest, object_id: str) -> JobRun:
    """The run of an address, for those who may see it. Raises Http404, PermissionDenied."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    is_number = object_id.isdecimal() and len(object_id) <= MOST_DIGITS
    runs = model_admin.get_queryset(request).select_related("job", "owner")
    run = runs.filter(pk=int(object_id)).first() if is_number else None
    if run is None:
        raise Http404(_("There is no such run (any more)."))
    return run


def show(
    model_admin: Model, request: HttpRequest, template: str, *, run: JobRun, is_whole: bool = True, **context: object
) -> HttpResponse:
    """A page, or (not whole) a part of one."""
    request.current_app = model_admin.admin_site.name
    frame: dict[str, object] = model_admin.admin_site.each_context(request) if is_whole else {}
    return TemplateResponse(
        request, f"{TEMPLATES}/{template}", frame | {"opts": model_admin.opts, "original": run, "run": run, **context}
    )


def account_of(run: JobRun, request: HttpRequest, *, part: str = "") -> RunAccount:
    """What the app that did the work tells of it; an empty account where none does."""
    answers: list[object] = [answer for _to, answer in run_shown.send(JobRun, run=run, user=request.user, part=part)]
    found = [answer for answer in answers if isinstance(answer, RunAccount)]
    return found[0] if found else RunAccount(sentence="", url="")


def may_cancel(request: HttpRequest) -> bool:
    return request.user.has_perm("scheduling.change_jobrun")


def may_run_again(request: HttpRequest) -> bool:
    return request.user.has_perm(OPERATE)


def again_address(run: JobRun, found: RunAccount, request: HttpRequest) -> str:
    """Where the same work is asked for again by POST; empty where that is not known, or not for this user."""
    if run.state not in JobRun.TERMINAL:
        return ""
    is_recurring = run.job is not None and not run.job.one_time
    if found.again and not is_recurring:
        return found.again
    if definitions.can_run_again(run) and may_run_again(request):
        return reverse("admin:scheduling_jobrun_again", args=[run.pk])
    return ""


def _back_fill(run: JobRun, request: HttpRequest) -> str:
    """Where moments that were missed are filled in; empty where there are none, and for who may not."""
    if run.state != JobRun.State.MISSED or run.job is None or run.job.one_time or not may_run_again(request):
        return ""
    first, last = run.scheduled_time, run.missed_until or run.scheduled_time
    return f"{address('backfill', run.job)}?{urlencode({'from': exactly(first), 'until': exactly(last)})}"


def seconds_of(run: JobRun) -> float | None:
    """How long it has executed."""
    if run.state == JobRun.State.RUNNING and run.started_at is not None:
        return max(0.0, (timezone.now() - run.started_at).total_seconds())
    return run.execution_time


# --- what is said -----------------------------------------------------------------------------------------------------


def _note(run: JobRun, found: RunAccount, user: User | AnonymousUser) -> Note:
    sentence, remedy = sentence_of(run, user)
    _word, picture, tone = STATES.get(run.state, ("", "info", "mute"))
    # While it runs its progress says how far it is, and better: it is asked for again and again.
    if found.sentence and run.state in JobRun.TERMINAL:
        if found.tone and run.state == JobRun.State.SUCCEEDED:
            tone, picture = found.tone, picture if found.tone == "ok" else "warn"
        lines = (sentence, found.remedy)
        return Note(tone=tone, picture=picture, title=found.sentence, lines=tuple(line for line in lines if line))
    if run.state == JobRun.State.FAILED and not remedy:
        remedy = _remedy(run)
    return Note(tone=tone, picture=picture, title=sentence, lines=(remedy,) if remedy else ())


def sentence_of(run: JobRun, user: User | AnonymousUser) -> tuple[SafeString | str, str]:
    """Sentence and remedy. A run that waits is asked what for; a moment that did not run, how things stood then."""
    if run.state == JobRun.State.QUEUED:
        waits = waiting_for(run, now=timezone.now(), clock=None)
        return asked.sentence_of(waits, user), waits.remedy
    if did_not_run(run):
        with suppress(JobNotFound):
            found = account.explain(run.job_key, run.scheduled_time)
            if found.run is not None and found.run.pk == run.pk:
                return labelled(found.sentence), found.remedy
    return labelled(Teller([run], now=timezone.now()).sentence(run)), ""


def _remedy(run: JobRun) -> str:
    """Of a failure that only the scheduler knows."""
    known = {
        "RunTimeout": _("Raise the schedule's time-out, or let it do less at once."),
        "UnknownHandler": _("Install the app that has this handler, or name another one in the schedule."),
        "InvalidJobData": _("Correct job_data in the schedule."),
    }
    return known.get(run.error_type, _("Read its error and its log below, mend the cause, then run it again."))


def _facts(run: JobRun, request: HttpRequest) -> Iterator[tuple[str, SafeString | str]]:
    """For everybody; what is empty is left out."""
    yield _("Cause"), cause_of(run)
    yield _("Due"), when(run.scheduled_time)
    if run.missed_count is not None and run.missed_count > 1:
        yield _("Missed firings"), f"{run.missed_count:,}"
        yield _("Missed until"), when(run.missed_until)
    if run.started_at is not None:
        yield _("Started"), when(run.started_at)
    if run.finished_at is not None:
        yield _("Finished"), when(run.finished_at)
        if run.execution_time is not None:
            yield _("Took"), duration(run.execution_time)
    if run.owner is not None:
        yield _("Where"), _process(run, request)
    if run.job is None or not run.job.one_time:
        yield _("Schedule"), _schedule(run, request)
    if run.definition_version is not None:
        yield _("Definition"), _version(run, request)
    if run.code_version:
        yield _("Code"), run.code_version
    yield _("Attempts"), _attempts(run)
    if run.in_way is not None:
        yield _("In the way"), asked.run_link(run.in_way, request.user)


def cause_of(run: JobRun) -> str:
    """Why there is this run, and who asked for it."""
    if not run.requested_by:
        return run.get_cause_display()
    return _("%(cause)s, by %(who)s") % {"cause": run.get_cause_display(), "who": run.requested_by}


def _process(run: JobRun, request: HttpRequest) -> SafeString | str:
    if run.owner is None:
        return "–"
    text = f"{run.owner.host.split('/', 1)[0]} / {run.owner.pid}"
    if not request.user.has_perm("scheduling.view_process"):
        return text
    return format_html('<a href="{}">{}</a>', reverse("admin:scheduling_process_change", args=[run.owner.pk]), text)


def _schedule(run: JobRun, request: HttpRequest) -> SafeString | str:
    if run.job is None or not request.user.has_perm("scheduling.view_scheduledjob"):
        return run.job_key
    return format_html('<a href="{}">{}</a>', address("timeline", run.job), run.job.job_id)


def _version(run: JobRun, request: HttpRequest) -> SafeString | str:
    """The version that it ran, or would have run."""
    text = _("version %(number)d") % {"number": run.definition_version or 0}
    if run.job is None or run.job.one_time or not request.user.has_perm("scheduling.view_scheduledjob"):
        return text
    return format_html('<a href="{}#v{}">{}</a>', address("history", run.job), run.definition_version, text)


def _attempts(run: JobRun) -> str:
    most = run.job.max_retries if run.job is not None else (run.work or {}).get("max_retries")
    made = run.retry_count + (run.started_at is not None)
    text = f"{made} / {most + 1}" if isinstance(most, int) else str(made)
    if run.claim < 2:
        return text
    after = ngettext("interrupted once", "interrupted %(count)d times", run.claim - 1) % {"count": run.claim - 1}
    return f"{text} · {after}"


def _accounting(run: JobRun) -> Iterator[tuple[str, object]]:
    """What the product counts by; of no use to most."""
    yield _("Queued"), when(run.queued_at)
    yield _("Available from"), when(run.available_at)
    yield _("Claim"), run.claim
    for label, value in (
        (_("Slot"), run.slot),
        (_("Exclusive key"), run.exclusive_key),
        (_("Coalesced firings"), run.coalesced_count),
        (_("Cancel asked by"), run.cancel_requested_by),
        (_("Error type"), run.error_type),
    ):
        if value:
            yield label, value
    if run.cancel_requested_at is not None:
        yield _("Cancel asked at"), when(run.cancel_requested_at)


def _before(run: JobRun) -> Before:
    """One query, by the index of a schedule's runs."""
    rows = JobRun.objects.filter(job_key=run.job_key, pk__lt=run.pk).order_by("-pk")
    found = list(rows.only("state", "falls_short", "execution_time")[:LOOKED_AT])
    states = [each.shown_state for each in (run, *found)][:COUNT]
    letters = "".join(LETTERS.get(state, "") for state in reversed(states))
    took = [each.execution_time for each in found if each.state == JobRun.State.SUCCEEDED]
    good = [seconds for seconds in took if seconds is not None][:USUAL]
    usual = _("Usually %(duration)s.") % {"duration": duration(median(good))} if good else ""
    return Before(letters=letters if found else "", usual=usual)


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
