"""Schedules: the list, the form, and run now, pause, resume."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_apscheduler.models import DjangoJob

from crawlproject.templatetags.lamplighter import badge, rounds
from crawlproject.web.admin import LampAdmin, two_lines, when
from scheduling import definitions, triggers
from scheduling.exceptions import InvalidTrigger, SchedulingError
from scheduling.models import ScheduledJob
from scheduling.rounds import last_rounds

from .forms import ScheduledJobForm


def state_of(job: ScheduledJob) -> str:
    """The one word for how a schedule is: `problem`, `off`, `paused` or `active`."""
    if job.problem:
        return "problem"
    if not job.enabled:
        return "off"
    return "paused" if job.paused_at else "active"


@admin.register(ScheduledJob)
class ScheduledJobAdmin(LampAdmin[ScheduledJob]):
    form = ScheduledJobForm
    list_display = ("n_job", "b_state", "in_words", "rounds", "next_time", "handler")
    list_filter = ("handler", "enabled", ("paused_at", admin.EmptyFieldListFilter), "one_time")
    search_fields = ("job_id", "name", "note")
    search_help_text = gettext_lazy("Id, name or note")
    ordering = ("job_id",)
    actions = ("run_now", "pause", "resume")
    readonly_fields = ("b_state", "in_words", "upcoming", "problem", "problem_at", "paused_at", "paused_by", "version")
    fieldsets = (
        (gettext_lazy("What runs"), {"fields": ("job_id", "name", "handler", "job_data", "enabled", "note")}),
        (
            gettext_lazy("When"),
            {"fields": ("kind", "every", "cron", "run_date", "zone", "trigger_document", "in_words", "upcoming")},
        ),
        (
            gettext_lazy("If something is in the way"),
            {
                "fields": (
                    ("overlap", "max_instances", "coalesce"),
                    ("misfire_grace_time", "jitter"),
                    ("max_retries", "timeout"),
                )
            },
        ),
        (
            gettext_lazy("State"),
            {"fields": ("b_state", "problem", "problem_at", "paused_at", "paused_by", "version")},
        ),
    )

    # --- list -----------------------------------------------------------------------------------------------------
    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Adds what stands in other tables with one query each, not one a row."""
        changelist = super().get_changelist_instance(request)
        jobs: list[ScheduledJob] = list(changelist.result_list)
        next_times = dict(
            DjangoJob.objects.filter(id__in=[job.job_id for job in jobs]).values_list("id", "next_run_time")
        )
        letters = last_rounds([job.pk for job in jobs])
        for job in jobs:
            job.next_run_time = next_times.get(job.job_id)  # type: ignore[attr-defined]
            job.letters = letters.get(job.pk, "")  # type: ignore[attr-defined]
        changelist.result_list = jobs
        return changelist

    @admin.display(description=gettext_lazy("schedule"), ordering="job_id")
    def n_job(self, job: ScheduledJob) -> SafeString:
        return two_lines(job.name, job.job_id)

    @admin.display(description=gettext_lazy("state"))
    def b_state(self, job: ScheduledJob) -> SafeString:
        return badge(state_of(job))

    @admin.display(description=gettext_lazy("rule"))
    def in_words(self, job: ScheduledJob) -> str:
        try:
            return triggers.describe(job.trigger) if job.pk else "–"
        except InvalidTrigger as error:
            return str(error)

    @admin.display(description=gettext_lazy("rounds"))
    def rounds(self, job: ScheduledJob) -> SafeString:
        return rounds(getattr(job, "letters", ""))

    @admin.display(description=gettext_lazy("next"))
    def next_time(self, job: ScheduledJob) -> SafeString | str:
        return when(getattr(job, "next_run_time", None))

    # --- form -----------------------------------------------------------------------------------------------------
    @admin.display(description=gettext_lazy("next firings"))
    def upcoming(self, job: ScheduledJob) -> SafeString | str:
        if not job.pk or state_of(job) != "active":
            return "–"
        moments = triggers.next_firings(job.trigger, timezone.now(), 5, anchor=job.anchor_at)
        return format_html(
            '<ol class="ll-line">{}</ol>', format_html_join("", "<li>{}</li>", ((when(m),) for m in moments))
        )

    def get_readonly_fields(self, request: HttpRequest, obj: ScheduledJob | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "job_id") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: ScheduledJob, form: object, change: bool) -> None:
        """Through the one write path, with its version and its `DjangoJob`."""
        if not isinstance(form, ScheduledJobForm) or form.values is None:
            raise TypeError("A schedule is saved from its own form.")
        save = definitions.save_job if change else definitions.create_job
        saved = save(form.values, user=_user(request))
        obj.pk, obj.job_id, obj.name = saved.pk, saved.job_id, saved.name
        ScheduledJob.objects.filter(pk=saved.pk).update(note=form.cleaned_data.get("note", ""))

    def delete_model(self, request: HttpRequest, obj: ScheduledJob) -> None:
        definitions.delete_job(obj.job_id, user=_user(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        for job in queryset:
            definitions.delete_job(job.job_id, user=_user(request))

    # --- actions --------------------------------------------------------------------------------------------------
    @admin.action(description=gettext_lazy("Run now"), permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        self._each(request, queryset, lambda job, by: definitions.run_now(job.job_id, by=by), _("queued to run now"))

    @admin.action(description=gettext_lazy("Pause"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        self._each(request, queryset, lambda job, by: definitions.pause_job(job.job_id, by=by), _("paused"))

    @admin.action(description=gettext_lazy("Resume"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        self._each(request, queryset, lambda job, by: definitions.resume_job(job.job_id, by=by), _("resumed"))

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[ScheduledJob],
        act: Callable[[ScheduledJob, str], object],
        done: str,
    ) -> None:
        by = request.user.get_username()
        for job in queryset:
            try:
                act(job, by)
            except SchedulingError as error:
                self.message_user(request, f"{job.job_id}: {error}", messages.WARNING)
            else:
                self.message_user(request, f"{job.job_id}: {done}", messages.SUCCESS)


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
