"""Every saved version of a schedule or a spider."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawlproject.web.admin import ReadOnlyAdmin, document, two_lines, when
from crawlproject.web.bounded import BoundedAdmin
from scheduling.definitions.difflines import diff_lines
from scheduling.definitions.versions import version
from scheduling.models import DefinitionVersion, ScheduledJob
from scheduling.wording import told

from .head import address


@admin.register(DefinitionVersion)
class DefinitionVersionAdmin(BoundedAdmin[DefinitionVersion], ReadOnlyAdmin[DefinitionVersion]):
    list_display = ("named", "saved", "user", "remark", "whole_story")
    list_filter = ("kind",)
    search_fields = ("=key",)
    search_help_text = gettext_lazy("The whole id or name")
    ordering = ("-id",)
    list_select_related = ("user",)
    fields = ("kind", "key", "number", "user", "at", "remark", "whole_story", "changes", "text")
    readonly_fields = ("text", "remark", "whole_story", "changes")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Adds the schedules that the rows belong to, with one query."""
        changelist = super().get_changelist_instance(request)
        rows: list[DefinitionVersion] = list(changelist.result_list)
        keys = {row.key for row in rows if row.kind == DefinitionVersion.Kind.JOB}
        jobs = {job.job_id: job for job in ScheduledJob.objects.filter(job_id__in=keys).only("pk", "job_id")}
        for row in rows:
            row.job = jobs.get(row.key) if row.kind == DefinitionVersion.Kind.JOB else None  # type: ignore[attr-defined]
        changelist.result_list = rows
        return changelist

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> DefinitionVersion | None:
        row: DefinitionVersion | None = super().get_object(request, object_id, from_field)
        if row is not None and row.kind == DefinitionVersion.Kind.JOB:
            row.job = ScheduledJob.objects.filter(job_id=row.key).first()  # type: ignore[attr-defined]
        return row

    @admin.display(description=gettext_lazy("all versions"))
    def whole_story(self, version: DefinitionVersion) -> SafeString | str:
        """To the schedule's page of versions, while there is one."""
        job: ScheduledJob | None = getattr(version, "job", None)
        if job is None:
            return "–"
        return format_html('<a href="{}#v{}">{}</a>', address("history", job), version.number, _("Look"))

    @admin.display(description=gettext_lazy("version"), ordering="id")
    def named(self, version: DefinitionVersion) -> SafeString:
        return two_lines(version.key, f"{version.get_kind_display()} · v{version.number}")

    @admin.display(description=gettext_lazy("saved"), ordering="at")
    def saved(self, version: DefinitionVersion) -> SafeString | str:
        return when(version.at)

    @admin.display(description=gettext_lazy("comment"))
    def remark(self, version: DefinitionVersion) -> str:
        return told(version.comment)

    @admin.display(description=gettext_lazy("changes to the one before"))
    def changes(self, row: DefinitionVersion) -> SafeString | str:
        told = version(row.kind, row.key, row.number)
        if told.before is None:
            return _("The first one that is kept.")
        return render_to_string("admin/diff.html", {"lines": diff_lines(told.changes)})

    @admin.display(description=gettext_lazy("document"))
    def text(self, version: DefinitionVersion) -> SafeString:
        return document(version.document)
