"""The versions of a spider: who saved what and when, and saving an older one again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from crawler import definitions
from crawler.definitions.spiders import ORDERED
from crawler.engine.errors import DefinitionError
from crawler.exceptions import CrawlerError
from crawler.models import Spider
from crawlproject.web.admin import page_number
from scheduling.definitions.differences import differences
from scheduling.definitions.difflines import diff_lines
from scheduling.definitions.versions import version, versions
from scheduling.exceptions import VersionNotFound
from scheduling.models import DefinitionVersion

SHOWN = 50
KIND = DefinitionVersion.Kind.SPIDER

Model = admin.ModelAdmin[Spider]


def versions_view(model_admin: Model, request: HttpRequest, object_id: str) -> HttpResponse:
    spider = _spider(model_admin, request, object_id)
    all_of_them = versions(KIND, spider.name)
    page = page_number(request)
    first = (page - 1) * SHOWN
    may_restore = model_admin.has_change_permission(request, spider)
    rows = [
        (
            one,
            diff_lines(one.changes),
            _address("restore", spider, one.number) if may_restore and one.number != spider.version else "",
        )
        for one in all_of_them[first : first + SHOWN]
    ]
    older = page + 1 if len(all_of_them) > first + SHOWN else None
    title = _("Versions")
    return _show(model_admin, request, spider, "versions.html", title=title, versions=rows, older=older)


def restore_view(model_admin: Model, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
    """Says what will change, then saves that version's document as a new version."""
    spider = _spider(model_admin, request, object_id)
    if not model_admin.has_change_permission(request, spider):
        raise PermissionDenied
    try:
        kept = version(KIND, spider.name, number)
    except VersionNotFound as error:
        raise Http404(str(error)) from error
    if request.method != "POST":
        lines = diff_lines(differences(definitions.dump_spider(spider), kept.document, ordered=ORDERED))
        title = _("Restore version %(number)d") % {"number": number}
        leave = _address("history", spider)
        return _show(model_admin, request, spider, "restore.html", title=title, version=kept, lines=lines, leave=leave)
    try:
        user = request.user if isinstance(request.user, User) else None
        saved = definitions.restore_spider_version(spider.name, number, user=user)
    except (CrawlerError, DefinitionError) as error:
        model_admin.message_user(request, str(error), messages.ERROR)
    else:
        text = _("Version %(old)d is in force again, as version %(new)d.") % {"old": number, "new": saved.version}
        model_admin.message_user(request, text, messages.SUCCESS)
    return redirect(_address("history", spider))


def _spider(model_admin: Model, request: HttpRequest, object_id: str) -> Spider:
    spider = model_admin.get_object(request, object_id)
    if not model_admin.has_view_permission(request, spider):
        raise PermissionDenied
    if spider is None:
        raise Http404(_("There is no such spider (any more)."))
    return spider


def _show(
    model_admin: Model, request: HttpRequest, spider: Spider, template: str, *, title: str, **context: object
) -> HttpResponse:
    whole: dict[str, object] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": spider,
        "title": title,
        **context,
    }
    return TemplateResponse(request, f"admin/crawler/spider/{template}", whole)


def _address(page: str, spider: Spider, *arguments: object) -> str:
    return reverse(f"admin:crawler_spider_{page}", args=[spider.pk, *arguments])
