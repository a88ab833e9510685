"""The spider's page: one draft, edited as a form or as YAML, beside its preview."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawler import definitions
from crawler.definitions.spiders import ORDERED
from crawler.engine.errors import DefinitionError, DefinitionProblem
from crawler.exceptions import CrawlerError
from crawler.models import Spider
from crawler.tasks import request_crawl
from crawler.workshop.beginning import untouched
from crawler.workshop.draft import NEW, Draft
from crawler.workshop.form import too_large
from crawler.workshop.form_labels import told_by_label
from crawler.workshop.picks import Pending
from crawler.workshop.wording import told_with_place
from scheduling.definitions import name_of_copy
from scheduling.definitions.differences import same
from scheduling.exceptions import SchedulingError
from scheduling.models import DefinitionVersion

from . import picking, picking_steps, pinned
from .asked import asked_for, latest_of
from .draftform import CHOICES, form_context, shown_problems, with_rows_changed
from .planned import schedules_for
from .previews import ASK, panel, shown_address

TABS: tuple[tuple[str, StrOrPromise, str], ...] = (
    ("form", gettext_lazy("Form"), "form"),
    ("yaml", "YAML", "code"),
    ("pick", gettext_lazy("Pick by pointing"), "pick"),
    ("pinned", gettext_lazy("Pinned pages"), "pin"),
)
"""Name, words, picture."""
MOST_NAME = 100
"""Characters of a spider's name."""
NEW_DOCUMENT = Draft.of_text(NEW).document
TEMPLATES = "admin/crawler/spider"
_GONE = gettext_lazy("There is no such spider (any more).")
Model = admin.ModelAdmin[Spider]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """A version that somebody saved since the draft was begun."""

    number: int
    user: str


def draft_of(request: HttpRequest, spider: Spider | None) -> Draft:
    """What a request of the workshop edits: what it carries, else what is stored, else a beginning."""
    if request.method == "POST":
        return Draft.of_post(request.POST)
    if spider is not None:
        return Draft.of_document(definitions.dump_spider(spider))  # type: ignore[arg-type]  # dumped as JSON
    return Draft.of_text(NEW)


def workshop_view(model_admin: Model, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
    spider = _spider(model_admin, request, object_id)
    return _Workshop(model_admin, request, spider).answer()


class _Workshop:
    """One request of the page."""

    def __init__(self, model_admin: Model, request: HttpRequest, spider: Spider | None) -> None:
        self.model_admin = model_admin
        self.request = request
        self.spider = spider
        self.may_save = spider is None or model_admin.has_change_permission(request, spider)
        self.may_crawl = spider is not None and request.user.has_perm("crawler.add_crawltask")

    def answer(self) -> HttpResponse:
        if self.request.method != "POST":
            tab = self.request.GET.get("tab", "form")
            if self.spider is None and (copied := self.request.GET.get("copy")):
                return self._show_copy(_stored(self.model_admin, self.request, copied), tab=tab)
            return self._show(draft_of(self.request, self.spider), tab=tab)
        data = self.request.POST
        if "_run" in data:
            return self._run()
        if not self.may_save:
            raise PermissionDenied
        draft = draft_of(self.request, self.spider)
        if draft.form is not None and (changed := with_rows_changed(draft.form, data)) is not None:
            form, focus = changed
            return self._show(Draft.of_form(form), tab="form", focus=focus)
        if "_point" in data:
            return self._point(draft, data["_point"])
        if picking_steps.ASK in data and draft.is_whole:
            step = picking_steps.stepped(self.request, draft, is_new=self.spider is None)
            return self._show(step.draft, tab="pick", picked=step.state)
        if picking_steps.ASK in data or "_tab" in data or ASK in data:
            tab = data.get("_tab", data.get("_view", "form"))
            return self._show(draft, tab=tab if draft.is_whole else "form", notice=self._left_behind(tab))
        if pinned.is_asked(self.request):
            pinned.act(self.model_admin, self.request, self.spider, draft)
            return self._show(draft, tab="pinned" if draft.is_whole else "form")
        return self._save(draft)

    def _point(self, draft: Draft, row: str) -> HttpResponse:
        """From a row of the form to the picker, which aims at what the row reads."""
        place = draft.as_form().place_of(row)
        if not draft.is_whole:
            return self._show(draft, tab="form")
        if place is None:
            return self._show(draft, tab="form", notice=_("Name the field first, then pick it."), focus=f"{row}-name")
        return self._show(draft, tab="pick", picked=picking_steps.State(aim=place))

    def _waiting(self) -> Pending | None:
        """The kind of item that was begun in the picker and has no field: it is no part of the draft yet."""
        is_picker = self.request.POST.get("_view") == "pick"
        return picking_steps.state_of(self.request).pending if is_picker else None

    def _left_behind(self, tab: str) -> str:
        """What to say where another view than the picker is opened while a kind of item waits there."""
        waiting = self._waiting()
        if waiting is None or tab == "pick":
            return ""
        return _("“%(type)s” had no field yet and is not in the draft; begin it anew.") % {"type": waiting.type}

    def _is_changed(self, draft: Draft) -> bool:
        """Whether something would be lost without a save: the draft says something else than what it began as, or holds
        what no document can, or a kind of item waits in the picker."""
        begun = NEW_DOCUMENT if self.spider is None else definitions.dump_spider(self.spider)
        return not (draft.is_whole and same(begun, draft.document, ordered=ORDERED)) or self._waiting() is not None

    # --- acting -----------------------------------------------------------------------------------------------------
    def _save(self, draft: Draft) -> HttpResponse:
        tab = self.request.POST.get("_view", "yaml")
        waiting = self._waiting()
        if waiting is not None:
            why = _("Not saved. %(why)s") % {"why": picking_steps.without_fields(waiting)}
            state = replace(picking_steps.state_of(self.request), problem=why)
            return self._show(draft, tab="pick", picked=state)
        if draft.problems:
            return self._show(draft, tab=tab, is_refused=True)
        if self.spider is None and (unsaid := untouched(draft.document)):
            return self._show(draft, tab=tab, problems=unsaid, is_refused=True)
        judgement = pinned.judge(self.request, self.spider, draft)
        user = self.request.user if isinstance(self.request.user, User) else None
        try:
            with transaction.atomic():
                newer = self._newer(draft)
                if newer is not None:
                    return self._show(draft, tab=tab, newer=newer)
                if not judgement.may_save:
                    return self._show(draft, tab=tab, objection=judgement)
                name = None if self.spider is None else self.spider.name
                saved = definitions.save_spider(draft.document, user=user, name=name, is_new=name is None)
                judgement.accept()
        except DefinitionError as error:
            return self._show(draft, tab=tab, problems=error.problems, is_refused=True)
        except definitions.SpiderExists as error:
            message = _("there is already a spider “%(name)s”; choose another name") % {"name": error.name}
            return self._show(draft, tab=tab, problems=[DefinitionProblem("name", message)], is_refused=True)
        self._tell_saved(saved, draft, by_keys=tab == "yaml")
        address = reverse("admin:crawler_spider_change", args=[saved.pk])
        return redirect(address if tab == "form" else f"{address}?tab={_known(tab)}")

    def _tell_saved(self, saved: Spider, draft: Draft, *, by_keys: bool) -> None:
        done = _("Saved: version %(number)d of “%(name)s”.") % {"number": saved.version, "name": saved.name}
        self.model_admin.message_user(self.request, done, messages.SUCCESS)
        for warning in definitions.warnings(draft.document):
            text = told_with_place(warning) if by_keys else told_by_label(warning, draft.as_form(), draft.document)
            self.model_admin.message_user(self.request, text, messages.WARNING)

    def _newer(self, draft: Draft) -> Newer | None:
        """The version that the draft does not know of, and that saving it would undo. Holds the spider's row."""
        if self.spider is None:
            return None
        stored = Spider.objects.select_for_update().filter(pk=self.spider.pk).first()
        if stored is None:
            raise Http404(_GONE)
        known = {self.request.POST.get("_based_on", ""), self.request.POST.get("_over", "")}
        if self.request.POST.get("_based_on", "") == "" or str(stored.version) in known:
            return None
        if same(stored.definition, draft.document, ordered=ORDERED):
            return None
        return Newer(number=stored.version, user=_who_saved(stored))

    def _run(self) -> HttpResponse:
        """Crawls by the version that is saved; a draft that says something else stays where it is."""
        if self.spider is None or not self.may_crawl:
            raise PermissionDenied
        try:
            task = request_crawl("spider", self.spider.name, by=self.request.user.get_username())
        except (CrawlerError, SchedulingError) as error:
            self.model_admin.message_user(self.request, str(error), messages.WARNING)
        else:
            sentence = _("A crawl of version %(number)d will begin:") % {"number": self.spider.version}
            told = asked_for(task, self.request.user, sentence=sentence)
            self.model_admin.message_user(self.request, told, messages.SUCCESS)
        if not self.may_save:
            return redirect(self.request.path)
        draft, tab = draft_of(self.request, self.spider), self.request.POST.get("_view", "form")
        if not self._is_changed(draft):
            return redirect(f"{self.request.path}?tab={_known(tab)}")
        return self._show(draft, tab=tab, notice=_("Your draft is not saved: the crawl goes by what is stored."))

    # --- showing ----------------------------------------------------------------------------------------------------
    def _show(
        self,
        draft: Draft,
        *,
        tab: str,
        problems: Iterable[DefinitionProblem] | None = None,
        is_refused: bool = False,
        newer: Newer | None = None,
        objection: pinned.Judgement | None = None,
        notice: str = "",
        focus: str = "",
        picked: picking_steps.State | None = None,
    ) -> HttpResponse:
        tab = _known(tab) if self.may_save else "yaml"
        if tab == "form" and not (draft.form or draft.is_readable):
            tab, notice = "yaml", _("What cannot be read cannot be shown as a form: mend it here first.")
        form = draft.as_form() if tab == "form" else None
        if form is not None and form.is_too_large:
            tab, form, notice = "yaml", None, too_large()
        shown = shown_problems(draft, draft.problems if problems is None else problems, tab)
        context: dict[str, object] = {
            **self.model_admin.admin_site.each_context(self.request),
            **CHOICES,
            **self._head(),
            "draft": draft,
            "problems": shown,
            "refused": is_refused,
            "newer": newer,
            "is_unsaved": self.request.method == "POST" and self._is_changed(draft),
            "objection": objection,
            "notice": notice,
            "tab": tab,
            "tabs": TABS,
            # The whole page is another one: without this, whoever has no mouse would begin at its top again.
            "is_led": "_tab" in self.request.POST,
            "based_on": self.request.POST.get("_based_on") or (self.spider.version if self.spider else ""),
        }
        if form is not None:
            context |= form_context(form, draft, shown, focus)
        is_part = self.request.headers.get("X-Requested-With") == "fetch" and tab == "form"
        if self.may_save and not is_part:
            context |= panel(self.request, self.spider, draft, by_keys=tab == "yaml")
        if self.may_save and tab == "pick":
            context |= picking.panel(self.request, self.spider, draft, picked, url=shown_address(context))
        if self.may_save and tab == "pinned":
            context |= pinned.tab(self.spider, draft)
        return TemplateResponse(self.request, f"{TEMPLATES}/{'form' if is_part else 'change_form'}.html", context)

    def _show_copy(self, source: Spider, *, tab: str) -> HttpResponse:
        """What a spider says, as the draft of a new one of another name."""
        name = name_of_copy(DefinitionVersion.Kind.SPIDER, source.name, most=MOST_NAME)
        document = definitions.dump_spider(source) | {"name": name}
        notice = _(
            "A copy of “%(name)s”, stored when you save it. Choose its name now: it stays. "
            "Schedules, pinned pages and history are not copied."
        )
        return self._show(Draft.of_document(document), tab=tab, notice=notice % {"name": source.name})  # type: ignore[arg-type]  # dumped as JSON

    def _head(self) -> dict[str, object]:
        spider = self.spider
        may_delete = spider is not None and self.model_admin.has_delete_permission(self.request, spider)
        return {
            "opts": self.model_admin.opts,
            "original": spider,
            "title": spider.name if spider else _("New spider"),
            "may_save": self.may_save,
            "may_crawl": self.may_crawl,
            "may_delete": may_delete,
            "may_copy": spider is not None and self.model_admin.has_add_permission(self.request),
            "latest": spider and latest_of(spider, self.request.user),
            "schedules": spider and schedules_for(spider, self.request.user),
            "saved_by": spider and _who_saved(spider),
        }


# --- what is stored ---------------------------------------------------------------------------------------------------
def _spider(model_admin: Model, request: HttpRequest, object_id: str | None) -> Spider | None:
    if object_id is None:
        if not model_admin.has_add_permission(request):
            raise PermissionDenied
        return None
    return _stored(model_admin, request, object_id)


def _stored(model_admin: Model, request: HttpRequest, object_id: str) -> Spider:
    """The spider of an address, for those who may see it. Raises Http404, PermissionDenied."""
    spider = model_admin.get_object(request, object_id)
    if not model_admin.has_view_permission(request, spider):
        raise PermissionDenied
    if spider is None:
        raise Http404(_GONE)
    return spider


def _who_saved(spider: Spider) -> str:
    """The name of the person who saved the version in force; empty where it was a program."""
    kept = DefinitionVersion.objects.filter(
        kind=DefinitionVersion.Kind.SPIDER, key=spider.name, number=spider.version
    ).values_list("user__username", flat=True)
    return kept.first() or ""


def _known(tab: str) -> str:
    return tab if tab in {name for name, _words, _picture in TABS} else "form"
