"""The live preview beside the spider's form: as a part of the workshop's page, and as a fragment while one types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from crawler.engine.errors import DefinitionError
from crawler.engine.fetching.requests import post_at
from crawler.engine.urls import hash_url
from crawler.models import Page, Spider
from crawler.preview import address
from crawler.workshop.draft import Draft
from crawler.workshop.form_labels import cause_by_label, told_by_label
from crawler.workshop.previewing import Preview, default_address, last_address, look
from crawler.workshop.refusals import Notice
from crawler.workshop.summaries import summaries
from crawler.workshop.wording import told_with_place

ASK = "_preview"
"""The button that asks the site anew; its value is ``fetch``."""
FETCHING = "_fetching"
"""Sent by a page that is left, for another view, while it waits for what it had the site asked for; its value is the
key of the sample that the page had until then."""
ASSUMED = "_assumed"
"""The address that we put into the field ourselves."""
MAX_ADDRESS = 10_000
PROBLEMS_SHOWN = 5

Model = admin.ModelAdmin[Spider]


def preview_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """POST of the workshop's form, with the page's address in `url` → a fragment of HTML. Stores nothing.

    `?spider=` names the one that is edited; without it the draft is that of a new one.
    """
    spider = edited_spider(model_admin, request)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    draft = Draft.of_post(request.POST)
    context = panel(request, spider, draft, by_keys=request.POST.get("_view") == "yaml") | {
        "summary": summaries(draft.document)
    }
    return TemplateResponse(request, "admin/crawler/spider/preview.html", context)


def edited_spider(model_admin: Model, request: HttpRequest) -> Spider | None:
    """That of `?spider=`, for those who may change it; None of a new one, for those who may make one.

    Raises Http404, PermissionDenied.
    """
    number = request.GET.get("spider", "")
    spider = model_admin.get_object(request, number) if number else None
    may_edit = model_admin.has_change_permission(request, spider) if number else model_admin.has_add_permission(request)
    if not may_edit:
        raise PermissionDenied
    if number and spider is None:
        raise Http404(_("There is no such spider (any more)."))
    return spider


def panel(request: HttpRequest, spider: Spider | None, draft: Draft, *, by_keys: bool) -> dict[str, object]:
    """What `preview_panel.html` needs. The site is asked where the request came by the button `_preview` alone.

    `by_keys`: the draft stands beside it as a text, by whose keys what is wrong is told, else by the form's labels.
    """
    user_id = request.user.pk or 0
    url, is_assumed = _address(request, spider, draft, user_id)
    found = look(user_id, spider, draft, url, fetch=request.POST.get(ASK) == "fetch")
    path = reverse("admin:crawler_spider_preview")
    return {
        "preview": found,
        "preview_told": _told(found, draft, by_keys=by_keys),
        "preview_notice": _notice(found.notice, by_keys=by_keys),
        "preview_assumed": url if is_assumed else "",
        "preview_pins": spider is not None and found.sample is not None and not found.sample.reason,
        "preview_path": path if spider is None else f"{path}?spider={spider.pk}",
        "preview_at_once": not found.is_coming and _is_wanted_at_once(request, spider, draft, found),
    }


def _is_wanted_at_once(request: HttpRequest, spider: Spider | None, draft: Draft, found: Preview) -> bool:
    if FETCHING in request.POST:
        # What came while somebody went from one view to the other is not asked for again.
        return found.sample is None or found.sample.key == request.POST[FETCHING]
    return (
        spider is not None
        and (found.sample is None or found.is_before_crawl)
        and _may_be_asked(draft, found)
        and not _is_strange(request, spider, found)
    )


def _told(found: Preview, draft: Draft, *, by_keys: bool) -> list[str]:
    """The first problems, in the reader's language."""
    problems = found.problems[:PROBLEMS_SHOWN]
    if by_keys or not problems or not draft.is_readable:
        return [*map(told_with_place, problems)]
    form = draft.as_form()
    return [told_by_label(problem, form, draft.document) for problem in problems]


def _notice(notice: Notice | None, *, by_keys: bool) -> Notice | None:
    if notice is None or by_keys:
        return notice
    return replace(notice, what=cause_by_label(notice.what), remedy=cause_by_label(notice.remedy))


def shown_address(context: Mapping[str, object]) -> str:
    """The page that a context of `panel` shows."""
    found = context.get("preview")
    return found.url if isinstance(found, Preview) else ""


def _may_be_asked(draft: Draft, found: Preview) -> bool:
    """Whether a stored spider's page may be fetched because somebody opens the workshop: not what is sent by POST,
    which does something there. (Of a new spider nobody has said yet that the site may be asked at all.)"""
    if draft.definition is None or found.problems:
        return False
    return post_at(draft.definition, address(found.url)) is None


def _is_strange(request: HttpRequest, spider: Spider, found: Preview) -> bool:
    """Whether a link brought an address that no crawl of the spider has met: it is asked for by the button alone."""
    if request.method == "POST" or not request.GET.get("url"):
        return False
    return not Page.objects.filter(spider=spider, url_hash=hash_url(address(found.url))).exists()


def _address(request: HttpRequest, spider: Spider | None, draft: Draft, user_id: int) -> tuple[str, bool]:
    """The page to try, and whether nobody has typed it: that of a new spider goes with its start pages.

    `?url=` names it where a page of ours leads here, because of what a crawl met there.
    """
    given = (request.POST.get("url") or request.GET.get("url", "")).strip()[:MAX_ADDRESS]
    is_assumed = spider is None and given == request.POST.get(ASSUMED, "")
    if given and not is_assumed:
        return given, False
    proposed = last_address(user_id, spider) or default_address(spider, draft.definition) or _typed_start(draft)
    return proposed or given, is_assumed


def _typed_start(draft: Draft) -> str:
    """The start page of a draft that is not right yet, so that nothing else is asked for meanwhile; empty where it is
    no whole address either."""
    try:
        return address(draft.start)
    except DefinitionError:
        return ""
