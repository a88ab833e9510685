"""Schedules: the list, the form, and run now, pause, resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from rest_framework.exceptions import ParseError

from crawlproject.templatetags.lamplighter import badge, rounds
from crawlproject.web.admin import LampAdmin, linked, two_lines, when
from crawlproject.web.parsers import loads_strict
from crawlproject.web.problems import FieldErrors
from scheduling import definitions, wording
from scheduling.asked import asked_for, refused
from scheduling.exceptions import SchedulingError
from scheduling.models import JobRun, ScheduledJob
from scheduling.planned import rule_in_words, state_of, with_following
from scheduling.rounds import FIRINGS
from scheduling.signals import Work
from scheduling.upcoming import paused_state

from . import acting, rules
from .backfills import backfill_view
from .calendar import calendar_view
from .filters import KindFilter, StateFilter
from .forms import POLICIES, ScheduledJobForm, copy_of
from .head import OPERATE, head_of, job_for, person
from .preview import preview_of, preview_view, take_free_moment, zones_to_choose
from .restoring import restore_view, versions_view
from .timelines import timeline_view
from .works import works_of

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldsetSpec as FieldsetSpec


NOTE_SHOWN = 80
"""Characters of a pause's note in the list."""

STAYS = gettext_lazy("Its documents stay under “Versions”: whoever may add schedules can restore one there.")


@admin.register(ScheduledJob)
class ScheduledJobAdmin(LampAdmin[ScheduledJob]):
    form = ScheduledJobForm
    list_display = ("named", "work", "b_state", "in_words", "rounds", "next_time")
    list_filter = ("handler", StateFilter, KindFilter)
    search_fields = ("job_id", "name", "note", "job_data__target", "job_data__spider")
    search_help_text = gettext_lazy("Id, name, spider or note")
    ordering = ("job_id",)
    actions = ("run_now", "pause", "resume", "enable", "disable")
    readonly_fields = ("in_words", "not_before", "not_after")
    fieldsets = (
        (gettext_lazy("What runs"), {"fields": ("job_id", "name", "handler", "job_data", "enabled")}),
        (gettext_lazy("When"), {"fields": rules.FIELDS}),
        (gettext_lazy("If something is in the way"), {"fields": POLICIES}),
    )
    change_form_template = "admin/scheduling/scheduledjob/change_form.html"

    # --- list -----------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduledJob]:
        return with_following(super().get_queryset(request))

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Adds what stands in other tables with one query each, not one a row."""
        changelist = super().get_changelist_instance(request)
        jobs: list[ScheduledJob] = list(changelist.result_list)
        letters = FIRINGS.last([job.pk for job in jobs])
        works = works_of(jobs, request.user)
        is_held = paused_state() is not None
        for job in jobs:
            job.is_held = is_held and state_of(job) == "active"  # type: ignore[attr-defined]
            job.letters = letters.get(job.pk, "")  # type: ignore[attr-defined]
            job.work = works.get(job.pk)  # type: ignore[attr-defined]
        changelist.result_list = jobs
        return changelist

    @admin.display(description=gettext_lazy("schedule"), ordering="job_id")
    def named(self, job: ScheduledJob) -> SafeString:
        return two_lines(
            wording.told(job.name), _("one-off · %(id)s") % {"id": job.job_id} if job.one_time else job.job_id
        )

    @admin.display(description=gettext_lazy("state"))
    def b_state(self, job: ScheduledJob) -> SafeString:
        """Or that it would be active, were not everything paused."""
        return badge("paused", _("Everything is paused")) if _is_held(job) else badge(state_of(job))

    @admin.display(description=gettext_lazy("rule"))
    def in_words(self, job: ScheduledJob) -> SafeString | str:
        """With who paused it and why."""
        if not job.paused_at:
            return rule_in_words(job) if job.pk else "–"
        who = _("Paused by %(who)s") % {"who": job.paused_by or "–"}
        held = f"{who}: {Truncator(job.note).chars(NOTE_SHOWN)}" if job.note else who
        return format_html("{}<br><small>{}</small>", rule_in_words(job), held)

    @admin.display(description=gettext_lazy("Not before"))
    def not_before(self, job: ScheduledJob) -> str:
        return _bounds_of(job).get("not_before", "–")

    @admin.display(description=gettext_lazy("Not after"))
    def not_after(self, job: ScheduledJob) -> str:
        return _bounds_of(job).get("not_after", "–")

    @admin.display(description=gettext_lazy("rounds"))
    def rounds(self, job: ScheduledJob) -> SafeString:
        return rounds(getattr(job, "letters", ""))

    @admin.display(description=gettext_lazy("next"), ordering="following")
    def next_time(self, job: ScheduledJob) -> SafeString | str:
        """Struck out where everything is paused: it will not fire then."""
        following = when(getattr(job, "following", None))
        return format_html("<s>{}</s>", following) if _is_held(job) else following

    @admin.display(description=gettext_lazy("What it does"), ordering="handler")
    def work(self, job: ScheduledJob) -> SafeString:
        """Its handler, and what that is about, such as the spider that it crawls: “crawl books”."""
        handler = format_html('<span class="ll-mono">{}</span>', job.handler)
        about: Work | None = getattr(job, "work", None)
        return handler if about is None else format_html("{} {}", handler, linked(about.text, about.url))

    # --- form -----------------------------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: ScheduledJob | None = None) -> FieldsetSpec:
        """To those who may only look the rule is shown in words: the form's fields are none of the row's."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        what, _when, *others = fieldsets
        return (what, (gettext_lazy("When"), {"fields": ("in_words", *_bounds_of(obj))}), *others)

    def get_form(
        self, request: HttpRequest, obj: ScheduledJob | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[ScheduledJob]]:
        """A form of this request's own: what it offers depends on who asks."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if issubclass(form, ScheduledJobForm):
            form.user = request.user
        if obj is not None and not self.has_change_permission(request, obj):
            # Help is for who fills something in.
            form._meta.help_texts = {field.name: "" for field in ScheduledJob._meta.get_fields()}
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What an address of a new schedule says already: `job_data` is JSON there. Or all that another one says."""
        source = self._copied(request)
        if source is not None:
            return copy_of(source)
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        if "job_data" in given:
            try:
                given["job_data"] = loads_strict(str(given["job_data"]))
            except (ParseError, FieldErrors):
                del given["job_data"]
        return given

    def _copied(self, request: HttpRequest) -> ScheduledJob | None:
        """The schedule that a new one is to be a copy of."""
        return job_for(self, request, request.GET["copy"]) if "copy" in request.GET else None

    def get_readonly_fields(self, request: HttpRequest, obj: ScheduledJob | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "job_id") if obj else self.readonly_fields

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: ScheduledJob | None = None,
    ) -> HttpResponse:
        """With the head, and what the form would do beside it."""
        context["show_save_and_add_another"] = False
        if obj is not None and obj.pk:
            context["head"] = head_of(request, obj, "change")
        if add:
            context["copied"] = self._copied(request)
        form = context["adminform"].form
        if isinstance(form, ScheduledJobForm) and form.is_edited:
            # Without Django's own summary of errors: the form has one that leads to the fields.
            context |= {"preview": preview_of(form, request.user), "zones": zones_to_choose(), "errors": ()}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: ScheduledJob, form: object, change: bool) -> None:
        """Through the one write path, with its version and its `DjangoJob`."""
        if not isinstance(form, ScheduledJobForm) or form.values is None:
            raise TypeError("A schedule is saved from its own form.")
        save = definitions.save_job if change else definitions.create_job
        saved = save(form.values, user=person(request))
        obj.pk, obj.job_id, obj.name = saved.pk, saved.job_id, saved.name

    def has_change_permission(self, request: HttpRequest, obj: ScheduledJob | None = None) -> bool:
        """A one-off is asked for anew, not edited."""
        return super().has_change_permission(request, obj) and not (obj and obj.one_time)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """What somebody else changed between the check and the save is told, not raised."""
        take_free_moment(request)
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except SchedulingError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what stays: all but what was planned."""
        job = self.get_object(request, object_id)
        told = {"what": _("What deleting it does"), "stays": "" if job is None or job.one_time else STAYS}
        return super().delete_view(request, object_id, {**told, **(extra_context or {})})

    def delete_model(self, request: HttpRequest, obj: ScheduledJob) -> None:
        if obj.one_time:
            # Whoever waits for what it was to do hears that it will not come.
            definitions.cancel_one_off(obj.job_id, request.user.get_username())
        else:
            definitions.delete_job(obj.job_id, user=person(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        for job in queryset:
            self.delete_model(request, job)

    def get_deleted_objects(
        self, objs: Iterable[ScheduledJob], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """In numbers: what goes, and what stays."""
        jobs = list(objs)
        kept = JobRun.objects.filter(job__in=jobs).exclude(state=JobRun.State.QUEUED).count()
        waiting = JobRun.objects.filter(job__in=jobs, state=JobRun.State.QUEUED).count()
        lines = [job.name if job.name == job.job_id else f"{job.name} ({job.job_id})" for job in jobs]
        if waiting:
            lines.append(
                ngettext("%(count)d queued run will be cancelled.", "%(count)d queued runs will be cancelled.", waiting)
                % {"count": waiting}
            )
        if kept:
            lines.append(ngettext("%(count)d other run stays.", "%(count)d other runs stay.", kept) % {"count": kept})
        return lines, {str(self.opts.verbose_name_plural): len(jobs)}, set(), []

    # --- own pages ------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        pages: tuple[tuple[str, str, Callable[..., HttpResponse]], ...] = (
            ("calendar/", "calendar", calendar_view),
            ("pause-all/", "pause_all", acting.pause_all_view),
            ("resume-all/", "resume_all", acting.resume_all_view),
            ("preview/", "preview_new", preview_view),
            ("<path:object_id>/preview/", "preview", preview_view),
            ("<path:object_id>/run/", "run", acting.run_view),
            ("<path:object_id>/pause/", "pause", acting.pause_view),
            ("<path:object_id>/resume/", "resume", acting.resume_view),
            ("<path:object_id>/timeline/", "timeline", timeline_view),
            ("<path:object_id>/backfill/", "backfill", backfill_view),
            ("<path:object_id>/history/", "history", versions_view),
            ("<path:object_id>/history/<int:number>/restore/", "restore", restore_view),
        )
        own = [
            path(address, self.admin_site.admin_view(partial(view, self)), name=f"scheduling_scheduledjob_{name}")
            for address, name, view in pages
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        context: dict[str, object] = {"can_pause_all": request.user.has_perm("scheduling.change_schedulerstate")}
        return super().changelist_view(request, context | (extra_context or {}))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(OPERATE)

    # --- actions --------------------------------------------------------------------------------------------------
    @admin.action(description=gettext_lazy("Run now"), permissions=["operate"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        def act(job: ScheduledJob, by: str) -> SafeString:
            return asked_for(definitions.run_now(job.job_id, by=by), request.user)

        self._each(request, queryset, act)

    @admin.action(description=gettext_lazy("Pause…"), permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> HttpResponse | None:
        """Asks for a note first, as the page of one schedule does."""
        if "note" not in request.POST:
            return acting.ask_to_pause(self, request, list(queryset))
        note = acting.note_of(request)
        self._each(request, queryset, lambda job, by: definitions.pause_job(job.job_id, by=by, note=note), _("paused"))
        return None

    @admin.action(description=gettext_lazy("Resume"), permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        self._each(request, queryset, lambda job, by: definitions.resume_job(job.job_id, by=by), _("resumed"))

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        acting.switch(self, request, queryset, enabled=True)

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> None:
        acting.switch(self, request, queryset, enabled=False)

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[ScheduledJob],
        act: Callable[[ScheduledJob, str], object],
        done: str = "",
    ) -> None:
        """`done` is what is said of each, where `act` does not say it by itself."""
        by = request.user.get_username()
        for job in queryset:
            try:
                told = act(job, by)
            except SchedulingError as error:
                text = format_html("{}: {}", job.job_id, refused(error, request.user))
                self.message_user(request, text, messages.WARNING)
            else:
                self.message_user(request, format_html("{}: {}", job.job_id, done or told), messages.SUCCESS)


def _is_held(job: ScheduledJob) -> bool:
    """Whether the pause of everything alone keeps it from firing; known in the list."""
    return bool(getattr(job, "is_held", False))


def _bounds_of(job: ScheduledJob) -> dict[str, str]:
    """Between which moments a rule fires, of its zone, as they are written; none where it has none."""
    trigger = job.trigger if isinstance(job.trigger, Mapping) else {}
    bounds = {"not_before": trigger.get("start"), "not_after": trigger.get("end")}
    return {name: str(bound).replace("T", " ") for name, bound in bounds.items() if bound}
