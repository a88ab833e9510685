"""Definitions files: a plan first, then exactly that plan; and the way back, as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from crawler import definitions
from crawler.definitions import (
    Definitions,
    DefinitionsBusy,
    InvalidDefinitions,
    LoadReport,
    Plan,
    PlanChanged,
    Problem,
    TooManyDefinitions,
)
from crawler.definitions.reading import MAX_CHARACTERS
from crawler.models import Spider
from crawler.workshop.wording import told
from scheduling.definitions.difflines import DiffLine, diff_lines
from scheduling.models import ScheduledJob

IMPORT = (
    "crawler.add_spider",
    "crawler.change_spider",
    "scheduling.add_scheduledjob",
    "scheduling.change_scheduledjob",
)
VIEW_SPIDERS, VIEW_JOBS = "crawler.view_spider", "scheduling.view_scheduledjob"
MOST = 2_000
"""Spiders, and schedules, that can be chosen from, and that are taken at once."""
_TOO_MANY = gettext_noop(
    "%(count)d are too many to be shown here: at most %(most)d spiders and %(most)d schedules are taken at once. "
    "“%(command)s” takes them all."
)
PROBLEMS = 500
"""That are listed; all are counted."""
NAME = 200
"""Characters of a file's name."""

Model = admin.ModelAdmin[Spider]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One definition of the plan."""

    kind: str
    name: str
    state: str
    lines: list[DiffLine]
    """What changes."""
    text: str
    """The whole document of what is added."""


def import_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """A file or a text; what it would do; and, by the fingerprint of that, doing it."""
    if not all(request.user.has_perm(permission) for permission in IMPORT):
        raise PermissionDenied
    if request.method != "POST":
        return _show(model_admin, request, "import.html", title=_("Import definitions"))
    source, text, problems = _given(request)
    if problems:
        return _ask_again(model_admin, request, source, text, problems)
    try:
        found = definitions.parse_file(text, source=source, most=MOST)
        if fingerprint := request.POST.get("fingerprint", ""):
            return _carry_out(model_admin, request, found, fingerprint, source=source, text=text)
        plan = definitions.plan(found)
    except InvalidDefinitions as error:
        return _ask_again(model_admin, request, source, text, error.problems)
    except TooManyDefinitions as error:
        values = {"count": error.count, "most": MOST, "command": "manage.py loaddefinitions FILE"}
        problem = Problem(message=_(_TOO_MANY) % values, source=source)
        return _ask_again(model_admin, request, source, "", [problem])
    except DefinitionsBusy:
        problem = Problem(message=_("Somebody else is changing the same definitions all the time: try again."))
        return _ask_again(model_admin, request, source, text, [problem])
    return _show_plan(model_admin, request, found, plan, source=source, text=text)


def export_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """The spiders and schedules that were ticked, or all that one may see where none was, as a definitions file."""
    sees_spiders, sees_jobs = request.user.has_perm(VIEW_SPIDERS), request.user.has_perm(VIEW_JOBS)
    if not sees_spiders and not sees_jobs:
        raise PermissionDenied
    spiders = list(Spider.objects.order_by("name").values_list("name", flat=True)[:MOST]) if sees_spiders else []
    jobs = ScheduledJob.objects.filter(one_time=False).order_by("job_id")
    job_ids = list(jobs.values_list("job_id", flat=True)[:MOST]) if sees_jobs else []
    if request.method != "POST":
        return _show(
            model_admin, request, "export.html", title=_("Export definitions"), spiders=spiders, job_ids=job_ids
        )
    ticked = [{*request.POST.getlist(name)} for name in ("spiders", "jobs")]
    if any(ticked):
        spiders, job_ids = (sorted({*known} & wanted) for known, wanted in zip((spiders, job_ids), ticked, strict=True))
    document = definitions.dump(spiders=set(spiders), jobs=set(job_ids))
    name = f"definitions-{timezone.localtime():%Y%m%d-%H%M}.yaml"
    return HttpResponse(
        definitions.to_yaml({key: entries for key, entries in document.items() if entries}),
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _given(request: HttpRequest) -> tuple[str, str, list[Problem]]:
    """The name and the text of what was given: a file, else what was pasted."""
    file = request.FILES.get("file")
    if file is None:
        text = request.POST.get("text", "").replace("\r\n", "\n")
        source = request.POST.get("source", "")[:NAME]
        return source, text, [] if text.strip() else [Problem(message=_("Choose a file, or paste its text."))]
    source = (file.name or "")[:NAME]
    # A character has at most four bytes.
    content = file.read(4 * MAX_CHARACTERS + 1)
    try:
        return source, content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return source, "", [Problem(message=_("not UTF-8; save the file in that encoding"), source=source, line=line)]


def _carry_out(
    model_admin: Model, request: HttpRequest, found: Definitions, fingerprint: str, *, source: str, text: str
) -> HttpResponse:
    try:
        report = definitions.carry_out(
            found, fingerprint, user=request.user if isinstance(request.user, User) else None
        )
    except PlanChanged as error:
        changed = _("Nothing was written: what is defined has changed since you saw the plan. This is the plan now.")
        return _show_plan(model_admin, request, found, error.plan, source=source, text=text, problem=changed)
    said = _("Imported: %(added)d added, %(changed)d changed, %(unchanged)d as they were.")
    model_admin.message_user(request, said % _counts(report), messages.SUCCESS)
    for warning in report.warnings:
        model_admin.message_user(request, str(_translated(warning)), messages.WARNING)
    return redirect("admin:crawler_spider_changelist")


def _show_plan(
    model_admin: Model,
    request: HttpRequest,
    found: Definitions,
    plan: Plan,
    *,
    source: str,
    text: str,
    problem: str = "",
) -> HttpResponse:
    report = plan.report
    documents: dict[tuple[str, str], Mapping[str, object]] = {
        **{("spider", entry.definition.name): entry.document for entry in found.spiders},
        **{("job", str(entry.document["job_id"])): entry.document for entry in found.jobs},
    }
    rows = [
        Planned(
            kind=one.kind,
            name=one.name,
            state=one.state,
            lines=diff_lines(one.differences),
            text=definitions.to_yaml(documents[one.kind, one.name]) if one.is_new else "",
        )
        for state in ("added", "changed")
        for one in report.in_state(state)
    ]
    return _show(
        model_admin,
        request,
        "import_plan.html",
        title=_("What the import would do"),
        rows=rows,
        unchanged=report.in_state("unchanged"),
        counts=_counts(report),
        warnings=[str(_translated(warning)) for warning in report.warnings],
        fingerprint=plan.fingerprint,
        source=source,
        text=text,
        problem=problem,
    )


def _counts(report: LoadReport) -> dict[str, int]:
    return {state: len(report.in_state(state)) for state in ("added", "changed", "unchanged")}


def _ask_again(
    model_admin: Model, request: HttpRequest, source: str, text: str, problems: list[Problem]
) -> HttpResponse:
    """With each problem at its line."""
    lines = text.split("\n")
    shown = [
        (_translated(one), lines[one.line - 1].strip()[:NAME] if one.line and one.line <= len(lines) else "")
        for one in problems[:PROBLEMS]
    ]
    context = {"problems": shown, "count": len(problems), "source": source, "text": text}
    return _show(model_admin, request, "import.html", title=_("Import definitions"), **context)


def _translated(problem: Problem) -> Problem:
    """In the reader's language."""
    return replace(problem, message=told(problem.message))


def _show(model_admin: Model, request: HttpRequest, template: str, *, title: str, **context: object) -> HttpResponse:
    whole: dict[str, object] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        **context,
    }
    return TemplateResponse(request, f"admin/crawler/definitions/{template}", whole)
