"""Runs: the list, and what stands at the addresses of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, Case, Func, Model, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_stubs_ext import StrOrPromise

from crawlproject.templatetags.lamplighter import STATES, badge, took
from crawlproject.web.admin import ChosenFilter, ReadOnlyAdmin, two_lines, when
from crawlproject.web.bounded import BoundedAdmin, BoundedChangeList
from scheduling import definitions, wording
from scheduling.account import Teller, did_not_run, with_beginnings
from scheduling.exceptions import SchedulingError
from scheduling.models import JobRun, ScheduledJob
from scheduling.models.runs import UNWELL
from scheduling.recent import Equals, HasEnded
from scheduling.triggers.base import default_timezone
from scheduling.triggers.zones import zone

from .ended import EndedFilter
from .run_actions import again_view, cancel_view
from .run_page import cause_of, live_view, log_file_view, page_view

MOST_SCHEDULES = 200
"""In the filter; more are found by search."""
State = JobRun.State
_LONG = ("work", "data", "error", "job__job_data", "job__trigger", "job__problem", "job__note")


class IsOneOf(Func):
    """Whether a column is one of these words of ours, with the words in the statement itself.

    SQLite uses a partial index only where its condition stands in the statement, word for word; see `HasEnded`.
    """

    template = "%(expressions)s IN (%(words)s)"
    output_field = BooleanField()

    def __init__(self, column: str, *words: str) -> None:
        super().__init__(column, words=", ".join(f"'{word}'" for word in words))


class StateFilter(ChosenFilter):
    """By state. Each but “succeeded”, which nearly all are, has an index that holds few rows."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[JobRun]) -> list[tuple[str, StrOrPromise]]:
        return [(state, STATES[state][0]) for state in State.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        state = self.value()
        if state not in State.values:
            return queryset
        if state in UNWELL:
            return queryset.filter(IsOneOf("state", *UNWELL), state=state)
        if state == State.SUCCEEDED:
            return queryset.filter(state=state)
        # As a set of its own: SQLite would rather walk down all ids than sort the few that are active.
        return queryset.filter(pk__in=JobRun.objects.filter(Equals("state", state)).values("pk"))


class JobFilter(admin.SimpleListFilter):
    """By schedule. From the schedules that there are: all ids that ever ran are too many, and asking takes too long."""

    title = gettext_lazy("schedule")
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[JobRun]) -> list[tuple[str, str]]:
        jobs = ScheduledJob.objects.filter(one_time=False).order_by("job_id")
        return [(job_id, job_id) for job_id in jobs.values_list("job_id", flat=True)[:MOST_SCHEDULES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        return queryset.filter(job_key=self.value()) if self.value() else queryset


class DueFilter(ChosenFilter):
    """By when they were due. No index has that moment alone, but ids follow the moments at which runs were queued.

    Whatever was due within the last day was queued after the last run that had ended before it began. (Left out is a
    one-off that was cancelled before that, while its moment was still to come.)
    """

    title = gettext_lazy("due")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[JobRun]) -> list[tuple[str, StrOrPromise]]:
        return [
            ("today", gettext_lazy("today")),
            ("day", gettext_lazy("last 24 hours")),
            ("week", gettext_lazy("last 7 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        since = _since(self.value())
        if since is None:
            return queryset
        ended = JobRun.objects.filter(HasEnded("state"), finished_at__lt=since)
        before = Subquery(ended.order_by("-finished_at").values("pk")[:1])
        return queryset.filter(pk__gt=Coalesce(before, 0), scheduled_time__gte=since)


def _since(word: str | None) -> datetime | None:
    now = timezone.localtime(timezone.now(), zone(default_timezone()))
    known = {
        "today": now.replace(hour=0, minute=0, second=0, microsecond=0),
        "day": now - timedelta(days=1),
        "week": now - timedelta(days=7),
    }
    return known.get(word or "")


class ToldRuns(BoundedChangeList):
    """A page of runs; of those that did not run, or wait, why: what their words need is asked once for all."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Model]:
        # A result and a traceback may be long, and no list shows them.
        return super().get_queryset(request, exclude_parameters).defer(*_LONG)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # But for what tells why a run was missed, or broke. Here, so that it is not read to be counted.
        missed, broken = Q(state=State.MISSED), Q(reason=JobRun.Reason.BROKEN)
        self.result_list = with_beginnings(self.result_list).annotate(
            why_missed=Case(When(missed, then="data"), output_field=JobRun._meta.get_field("data")),
            why_broken=Case(When(broken, then="error"), default=Value(""), output_field=TextField()),
        )
        runs = [run for run in self.result_list if did_not_run(run) or run.state == State.QUEUED]
        for run in runs:
            run.data, run.error = run.why_missed, run.why_broken
        teller = Teller(runs, now=timezone.now())
        for run in runs:
            run.sentence = teller.sentence(run)


@admin.register(JobRun)
class JobRunAdmin(BoundedAdmin[JobRun], ReadOnlyAdmin[JobRun]):
    list_display = ("named", "b_state", "due", "started", "n_seconds", "message_")
    list_filter = (StateFilter, JobFilter, "cause", DueFilter, EndedFilter)
    search_fields = ("job_key", "job_name")
    search_help_text = gettext_lazy("Id or name of a schedule")
    ordering = ("-id",)
    list_select_related = ("owner", "job")
    actions = ("cancel",)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{where}",
                self.admin_site.admin_view(partial(view, self)),
                name=f"scheduling_jobrun_{name}",
            )
            for where, name, view in (
                ("live/<slug:part>/", "live", live_view),
                ("log.txt", "log", log_file_view),
                ("cancel/", "cancel", cancel_view),
                ("again/", "again", again_view),
            )
        ]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        """Our own page: it is no form."""
        if request.method == "POST":
            raise PermissionDenied
        return page_view(self, request, object_id)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ToldRuns]:
        return ToldRuns

    def is_indexed(self, asked: Mapping[str, object]) -> bool:
        if set(asked) == {"state"}:
            return asked["state"] != State.SUCCEEDED
        return set(asked) in ({"job"}, {"due"}, {"ended"})

    @admin.display(description=gettext_lazy("run"), ordering="id")
    def named(self, run: JobRun) -> SafeString:
        return two_lines(wording.told(run.job_name) or run.job_key, f"#{run.pk} · {cause_of(run)}")

    @admin.display(description=gettext_lazy("state"))
    def b_state(self, run: JobRun) -> SafeString:
        return badge(run.shown_state)

    @admin.display(description=gettext_lazy("due"))
    def due(self, run: JobRun) -> SafeString | str:
        """With how many moments it stands for, where they are several: those of a pause, or of a downtime."""
        count = run.missed_count or 1
        if count == 1:
            return when(run.scheduled_time)
        moments = ngettext("%(shown)s moment", "%(shown)s moments", count) % {"shown": f"{count:,}"}
        return format_html("{}<br><small>{}</small>", when(run.scheduled_time), moments)

    @admin.display(description=gettext_lazy("started"))
    def started(self, run: JobRun) -> SafeString | str:
        return when(run.started_at)

    @admin.display(description=gettext_lazy("took"))
    def n_seconds(self, run: JobRun) -> str:
        """Of one that has ended: one that goes on holds what the attempts before took."""
        return "–" if run.execution_time is None or run.finished_at is None else took(run.execution_time)

    @admin.display(description=gettext_lazy("message"))
    def message_(self, run: JobRun) -> str:
        """Of a moment that did not run, or a run that waits: why, in the reader's language."""
        return (wording.labelled(run.sentence) or wording.shown(run.message))[:200]

    @admin.action(description=gettext_lazy("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> None:
        for run in queryset:
            try:
                definitions.cancel_run(run.pk, by=request.user.get_username())
            except SchedulingError as error:
                self.message_user(request, f"#{run.pk}: {error}", messages.WARNING)
            else:
                self.message_user(request, _("#%(id)d: cancel asked") % {"id": run.pk}, messages.SUCCESS)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("scheduling.change_jobrun")
