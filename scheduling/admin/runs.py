"""Runs, to be read; cancel is the one thing that people do to them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawlproject.templatetags.lamplighter import badge
from crawlproject.web.admin import ReadOnlyAdmin, document, two_lines, when
from scheduling import account, definitions
from scheduling.account import Teller, did_not_run
from scheduling.account.waiting import waiting_for
from scheduling.exceptions import JobNotFound, SchedulingError
from scheduling.models import JobRun, RunLog, ScheduledJob
from scheduling.signals import RunAccount, run_shown

from .ended import EndedFilter
from .head import address

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldsetSpec as FieldsetSpec

LOG_PIECES = 500
RESULT, ERROR = gettext_lazy("Result"), gettext_lazy("Error")
MOST_SCHEDULES = 200
"""In the filter; more are found by search."""


class JobFilter(admin.SimpleListFilter):
    """By schedule. From the schedules that there are: all ids that ever ran are too many, and asking takes too long."""

    title = gettext_lazy("schedule")
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[JobRun]) -> list[tuple[str, str]]:
        jobs = ScheduledJob.objects.filter(one_time=False).order_by("job_id")
        return [(job_id, job_id) for job_id in jobs.values_list("job_id", flat=True)[:MOST_SCHEDULES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        return queryset.filter(job_key=self.value()) if self.value() else queryset


class ToldRuns(ChangeList):
    """A page of runs; of those that did not run, why: what their words need is asked once for all."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        runs = [run for run in self.result_list if did_not_run(run)]
        teller = Teller(runs, now=timezone.now())
        for run in runs:
            run.sentence = teller.sentence(run)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin[JobRun]):
    list_display = ("named", "b_state", "due", "started", "n_seconds", "message_line")
    list_filter = ("state", "cause", JobFilter, EndedFilter)
    search_fields = ("job_key", "job_name")
    search_help_text = gettext_lazy("Id or name of a schedule")
    ordering = ("-id",)
    list_select_related = ("owner",)
    actions = ("cancel",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "why",
                    "named",
                    "b_state",
                    "message",
                    ("cause", "requested_by", "schedule"),
                    ("ran_version", "code_version", "in_the_way"),
                    ("scheduled_time", "available_at"),
                    ("queued", "begun", "finished", "n_seconds"),
                    ("retry_count", "recoveries", "owner"),
                )
            },
        ),
        (RESULT, {"fields": ("result",)}),
        (ERROR, {"fields": ("error_type", "traceback")}),
        (gettext_lazy("Log"), {"fields": ("log_text",)}),
        (
            gettext_lazy("Accounting"),
            {
                "fields": (
                    ("missed_count", "missed_until"),
                    ("coalesced_count", "coalesced_from"),
                    ("claim", "slot", "exclusive_key"),
                    ("cancel_requested_at", "cancel_requested_by"),
                )
            },
        ),
    )
    readonly_fields = (
        *("why", "named", "b_state", "schedule", "ran_version", "in_the_way"),
        *("queued", "begun", "finished", "n_seconds", "result", "traceback", "log_text"),
    )

    def get_fieldsets(self, request: HttpRequest, obj: JobRun | None = None) -> FieldsetSpec:
        """Without the sections that are empty."""
        empty = []
        if obj is not None and obj.data is None:
            empty.append(RESULT)
        if obj is not None and not obj.error_type and not obj.error:
            empty.append(ERROR)
        return [fieldset for fieldset in super().get_fieldsets(request, obj) if fieldset[0] not in empty]

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ToldRuns]:
        return ToldRuns

    @admin.display(description=gettext_lazy("run"), ordering="id")
    def named(self, run: JobRun) -> SafeString:
        return two_lines(run.job_key, f"#{run.pk} · {run.get_cause_display()}")

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def b_state(self, run: JobRun) -> SafeString:
        return badge(run.state)

    @admin.display(description=gettext_lazy("due"), ordering="scheduled_time")
    def due(self, run: JobRun) -> SafeString | str:
        return when(run.scheduled_time)

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, run: JobRun) -> SafeString | str:
        return when(run.started_at)

    @admin.display(description=gettext_lazy("queued at"))
    def queued(self, run: JobRun) -> SafeString | str:
        return when(run.queued_at)

    @admin.display(description=gettext_lazy("started at"))
    def begun(self, run: JobRun) -> SafeString | str:
        return when(run.started_at)

    @admin.display(description=gettext_lazy("finished at"))
    def finished(self, run: JobRun) -> SafeString | str:
        return when(run.finished_at)

    @admin.display(description=gettext_lazy("seconds"), ordering="execution_time")
    def n_seconds(self, run: JobRun) -> str:
        return "–" if run.execution_time is None else f"{run.execution_time:.1f}"

    @admin.display(description=gettext_lazy("message"))
    def message_line(self, run: JobRun) -> str:
        """Of a moment that did not run: why, in the reader's language."""
        return (run.sentence or run.message)[:200]

    @admin.display(description=gettext_lazy("in words"))
    def why(self, run: JobRun) -> SafeString:
        """The account of it, and what one can do."""
        sentence, remedy = _told(run)
        more = format_html_join(
            "",
            '<br>{} <a href="{}">{}</a>',
            ((account.sentence, account.url, _("What is missing, and why")) for account in _accounts(run)),
        )
        return format_html("<b>{}</b> {}{}", sentence, remedy, more)

    @admin.display(description=gettext_lazy("schedule"))
    def schedule(self, run: JobRun) -> SafeString | str:
        return _link(address("timeline", run.job), run.job.job_id) if run.job else run.job_key

    @admin.display(description=gettext_lazy("definition version"))
    def ran_version(self, run: JobRun) -> SafeString | str:
        """The version that it ran, or would have run."""
        if run.definition_version is None:
            return "–"
        if run.job is None or run.job.one_time:
            return str(run.definition_version)
        return _link(f"{address('history', run.job)}#v{run.definition_version}", str(run.definition_version))

    @admin.display(description=gettext_lazy("in the way"))
    def in_the_way(self, run: JobRun) -> SafeString | str:
        if run.in_way is None:
            return "–"
        return _link(reverse("admin:scheduling_jobrun_change", args=[run.in_way]), f"#{run.in_way}")

    @admin.display(description=gettext_lazy("result"))
    def result(self, run: JobRun) -> SafeString | str:
        return document(run.data) if run.data is not None else "–"

    @admin.display(description=gettext_lazy("traceback"))
    def traceback(self, run: JobRun) -> SafeString | str:
        return format_html('<pre class="ll-log">{}</pre>', run.error) if run.error else "–"

    @admin.display(description=gettext_lazy("log"))
    def log_text(self, run: JobRun) -> SafeString | str:
        pieces = list(RunLog.objects.filter(run=run).order_by("-seq").values_list("text", flat=True)[:LOG_PIECES])
        return format_html('<pre class="ll-log" tabindex="0">{}</pre>', "\n".join(reversed(pieces))) if pieces else "–"

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


def _told(run: JobRun) -> tuple[str, str]:
    """Sentence and remedy. A run that waits is asked what for; a moment that did not run, how things stood then."""
    if run.state == JobRun.State.QUEUED:
        waits = waiting_for(run, now=timezone.now(), clock=None)
        return waits.sentence, waits.remedy
    if did_not_run(run):
        with suppress(JobNotFound):
            told = account.explain(run.job_key, run.scheduled_time)
            if told.run is not None and told.run.pk == run.pk:
                return told.sentence, told.remedy
    return Teller([run], now=timezone.now()).sentence(run), ""


def _accounts(run: JobRun) -> list[RunAccount]:
    answers: list[object] = [answer for _receiver, answer in run_shown.send(JobRun, run=run)]
    return [answer for answer in answers if isinstance(answer, RunAccount)]


def _link(url: str, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)
