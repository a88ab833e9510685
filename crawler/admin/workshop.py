"""The spider's page: one draft, edited as a form or as YAML, beside its preview."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from crawler import definitions
from crawler.engine.errors import DefinitionProblem
from crawler.models import Spider
from crawler.workshop.draft import Draft

from .previews import ASK, panel

NEW = """\
name: my-spider
start_urls: ["https://example.com/"]
follow:
  - css: "a[href]"
items:
  - type: page
    fields:
      title: {css: "title", required: true}
"""
TABS = ("form", "yaml", "pick", "pinned")

Model = admin.ModelAdmin[Spider]


def draft_of(request: HttpRequest, spider: Spider | None) -> Draft:
    """What a request of the workshop edits: what it carries, else what is stored, else a beginning."""
    if request.method == "POST":
        return Draft.of_post(request.POST)
    if spider is not None:
        return Draft.of_document(definitions.dump_spider(spider))  # type: ignore[arg-type]  # dumped as JSON
    return Draft.of_text(NEW)


def workshop_view(model_admin: Model, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
    spider = _spider(model_admin, request, object_id)
    may_save = model_admin.has_change_permission(request, spider) if spider else True
    draft = draft_of(request, spider)
    if request.method != "POST":
        return _show(model_admin, request, spider, draft, tab=_tab(request.GET.get("tab")))
    if not may_save:
        raise PermissionDenied
    if ASK in request.POST:
        return _show(model_admin, request, spider, draft, tab=_tab(request.POST.get("_view")))
    if "_tab" in request.POST:
        return _show(model_admin, request, spider, draft, tab=_tab(request.POST["_tab"]))
    problems = (*draft.problems, *_name_problems(draft, spider))
    if problems:
        tab = _tab(request.POST.get("_view", "yaml"))
        return _show(model_admin, request, spider, draft, tab=tab, problems=problems, refused=True)
    return _save(model_admin, request, draft, spider)


def _spider(model_admin: Model, request: HttpRequest, object_id: str | None) -> Spider | None:
    if object_id is None:
        if not model_admin.has_add_permission(request):
            raise PermissionDenied
        return None
    spider = model_admin.get_object(request, object_id)
    if not model_admin.has_view_permission(request, spider):
        raise PermissionDenied
    if spider is None:
        raise Http404(_("There is no such spider (any more)."))
    return spider


def _name_problems(draft: Draft, spider: Spider | None) -> list[DefinitionProblem]:
    name = draft.document.get("name")
    if spider is not None and name != spider.name:
        message = _("a spider keeps its name; it is “%(name)s”") % {"name": spider.name}
        return [DefinitionProblem("name", message)]
    if spider is None and isinstance(name, str) and Spider.objects.filter(name=name).exists():
        message = _("there is already a spider “%(name)s”") % {"name": name}
        return [DefinitionProblem("name", message)]
    return []


def _save(model_admin: Model, request: HttpRequest, draft: Draft, spider: Spider | None) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    saved = definitions.save_spider(draft.document, user=user)
    text = _("Saved: version %(number)d of “%(name)s”.") % {"number": saved.version, "name": saved.name}
    model_admin.message_user(request, text, messages.SUCCESS)
    for warning in definitions.warnings(draft.document):
        model_admin.message_user(request, str(warning), messages.WARNING)
    tab = _tab(request.POST.get("_view"))
    response = redirect("admin:crawler_spider_change", saved.pk)
    if tab != "form":
        response["Location"] += f"?tab={tab}"
    return response


def _show(
    model_admin: Model,
    request: HttpRequest,
    spider: Spider | None,
    draft: Draft,
    *,
    tab: str,
    problems: tuple[DefinitionProblem, ...] | None = None,
    refused: bool = False,
) -> HttpResponse:
    may_save = model_admin.has_change_permission(request, spider) if spider else True
    context: dict[str, object] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": spider,
        "title": spider.name if spider else _("New spider"),
        "draft": draft,
        "problems": draft.problems if problems is None else problems,
        "refused": refused,
        "tab": tab if may_save else "yaml",
        "may_save": may_save,
    }
    if may_save:
        context |= panel(request, spider, draft)
    return TemplateResponse(request, "admin/crawler/spider/change_form.html", context)


def _tab(text: str | None) -> str:
    return text if text in TABS else TABS[0]
