"""The tab of a spider's pinned pages, and what stands before a save under which their items would change, or
those on the page of the preview not be stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.exceptions import CrawlerError
from crawler.models import PinnedPage, Spider
from crawler.workshop import pinned
from crawler.workshop.draft import Draft
from crawler.workshop.itemviews import TypeView
from crawler.workshop.pinned import MAX_PINNED, PinnedChange
from crawler.workshop.previewing import kept_page
from crawler.workshop.samples import SAMPLES
from crawler.workshop.unkeyed import unkeyed
from crawler.workshop.wording import told_with_place

PIN = "_pin"
"""Button: keep the page of the preview."""
AGAIN, UNPIN, EXPECT = "_pin_again", "_unpin", "_expect"
"""Buttons of one page, whose number is their value: ask for it anew; forget it; what it gives now is expected."""
DESPITE = "_despite"
"""Button: save though pinned pages change; its value is the mark of the changes that were shown."""
ACTIONS = (PIN, AGAIN, UNPIN, EXPECT)

Model = admin.ModelAdmin[Spider]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a draft may be saved as far as the pages are concerned that are kept."""

    changes: list[PinnedChange]
    """Those of pinned pages that are to be shown first."""
    mark: str
    """Of these very changes."""
    may_save: bool
    unkeyed: tuple[TypeView, ...] = ()
    """Of these types nothing on the page of the preview could be stored any more."""
    over: str = ""
    """What the request said to another objection to its save, to be said again with the next one."""

    def accept(self) -> None:
        """From now on what the pages give is expected. Belongs to the transaction of the save."""
        pinned.accept(self.changes)


def judge(request: HttpRequest, spider: Spider | None, draft: Draft) -> Judgement:
    """Whether somebody has to look first. One query."""
    changed = [] if spider is None else pinned.changes(spider, draft)
    keyless = _unkeyed(request, spider, draft)
    mark = _mark(changed, keyless) if changed or keyless else ""
    may_save = not mark or request.POST.get(DESPITE) == mark
    over = request.POST.get("_over", "")
    return Judgement(changes=changed, unkeyed=keyless, mark=mark, may_save=may_save, over=over)


def is_asked(request: HttpRequest) -> bool:
    """Whether a button of the tab was pressed."""
    return any(name in request.POST for name in ACTIONS)


def act(model_admin: Model, request: HttpRequest, spider: Spider | None, draft: Draft) -> None:
    """Do what the button asks for, and tell; the caller has seen to the permission to change the spider."""
    if spider is None:
        return model_admin.message_user(request, _("Save the spider first: pages are pinned to it."), messages.ERROR)
    try:
        said = _do(request, spider, draft)
    except DefinitionError as error:
        return model_admin.message_user(request, "; ".join(map(told_with_place, error.problems)), messages.ERROR)
    except CrawlerError as error:
        return model_admin.message_user(request, str(error), messages.ERROR)
    return model_admin.message_user(request, said, messages.SUCCESS)


def tab(spider: Spider | None, draft: Draft) -> dict[str, object]:
    """What `pinned.html` needs. One query."""
    found: list[PinnedChange] = []
    if spider is not None and draft.definition is not None:
        found = pinned.compare(spider, draft.definition)
    elif spider is not None:
        problem = _("The draft cannot be read as it stands.")
        found = [PinnedChange(page=page, problem=problem) for page in pinned.pages_of(spider)]
    return {"pinned": found, "pinned_most": MAX_PINNED}


def _do(request: HttpRequest, spider: Spider, draft: Draft) -> str:
    """What was done, in words. Raises `CrawlerError`, `DefinitionError`."""
    if UNPIN in request.POST:
        if not pinned.unpin(spider, _number(request.POST[UNPIN])):
            raise pinned.CannotPin(_("This page is not pinned any more."))
        return _("The page is not pinned any more.")
    if draft.definition is None:
        raise pinned.CannotPin(_("The draft cannot be read as it stands: correct it first."))
    user_id, by = request.user.pk or 0, request.user.get_username()
    if PIN in request.POST:
        sample = kept_page(user_id, draft, request.POST.get("url", ""))
        if sample is None:
            raise pinned.CannotPin(_("Fetch the page first: what the preview shows is what is pinned."))
    else:
        page = _page(spider, request.POST.get(AGAIN) or request.POST.get(EXPECT, ""))
        if EXPECT in request.POST:
            pinned.accept(one for one in pinned.compare(spider, draft.definition) if one.page.pk == page.pk)
            return _("What “%(url)s” gives now is expected from now on.") % {"url": page.url}
        sample = SAMPLES.fetch(user_id, draft.definition, page.url)
    page = pinned.pin(spider, draft.definition, sample, by=by)
    return _("“%(url)s” is pinned, with what it gives now.") % {"url": page.url}


def _page(spider: Spider, number: str) -> PinnedPage:
    page = pinned.pages_of(spider).filter(pk=_number(number)).first()
    if page is None:
        raise pinned.CannotPin(_("This page is not pinned any more."))
    return page


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _unkeyed(request: HttpRequest, spider: Spider | None, draft: Draft) -> tuple[TypeView, ...]:
    if draft.definition is None:
        return ()
    sample = kept_page(request.user.pk or 0, draft, request.POST.get("url", ""))
    try:
        stored = None if spider is None else parse(spider.definition)
    except DefinitionError:  # of an older release
        stored = None
    return unkeyed(sample, draft.definition, stored=stored)


def _mark(changed: list[PinnedChange], keyless: tuple[TypeView, ...]) -> str:
    pages = [(change.page.pk, change.items) for change in changed]
    told = json.dumps([pages, [(view.type, view.keyless) for view in keyless]], sort_keys=True)
    return blake2b(told.encode(), digest_size=8).hexdigest()
