"""Pick by pointing: the fetched page for the frame, and what is proposed for what somebody points at in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from crawler.engine.errors import UrlError
from crawler.engine.messages import reason_of
from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.page import ReadingFailed
from crawler.engine.urls import normalise
from crawler.models import Spider
from crawler.workshop import offers, picks, pinned
from crawler.workshop.beginning import untouched
from crawler.workshop.draft import Draft
from crawler.workshop.likeness import like
from crawler.workshop.picking import Asked, Proposal, Row, propose
from crawler.workshop.picks import Target, TypeOutline
from crawler.workshop.pointing import CONTENT_TYPE, POLICY, CannotPoint, tree_of, written
from crawler.workshop.samples import SAMPLES, Sample
from crawler.workshop.scopes import OutsideScope
from crawler.workshop.wording import told

from .picking_steps import MAX_URL, State, state_of, stepped
from .previews import edited_spider

Model = admin.ModelAdmin[Spider]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """What `pick.html` shows."""

    path: str
    is_new: bool
    state: State
    types: tuple[TypeOutline, ...]
    follows: tuple[Target, ...]
    new_follow: str
    """The aim of one more rule."""
    name: str
    """Of the spider."""
    start: str
    """The first start page."""
    is_named: bool = True
    is_begun: bool = True
    """Whether somebody has said the two, which are examples else."""
    frame: str = ""
    """The address of the page for the frame; empty where none has been fetched."""
    problem: str = ""
    proposal: Proposal | None = None
    fields: tuple[offers.FieldOffer, ...] = ()
    feeds: tuple[offers.FeedOffer, ...] = ()
    sitemaps: tuple[str, ...] = ()
    """That the site's robots.txt names."""
    has_sitemaps: bool = False
    """Whether the draft reads sitemaps already."""
    match: str = ""
    """An expression for addresses like that of the page."""
    field_place: int = -1
    """The kind of item to which an offered field is added; -1: a new one."""

    @property
    def aim(self) -> str:
        return "" if self.state.aim is None else picks.aim_text(self.state.aim)

    @property
    def aim_kind(self) -> str:
        return "" if self.state.aim is None else picks.kind_of(self.state.aim)

    @property
    def aim_name(self) -> str:
        return "" if self.state.aim is None else str(self.state.aim[-1])

    @property
    def is_new_field(self) -> bool:
        """Whether it is aimed at a field that the draft has not yet."""
        known = {target.aim for rule in self.types for target in rule.fields}
        return self.aim_kind == "field" and self.aim not in known

    @property
    def best(self) -> Row | None:
        """The candidate that is likeliest meant: what is said of it beside the page is enough for most."""
        groups = () if self.proposal is None else self.proposal.groups
        return next((group.rows[0] for group in groups if group.rows), None)

    @property
    def has_offers(self) -> bool:
        return bool(self.fields or self.feeds or (self.sitemaps and not self.has_sitemaps))

    @property
    def pending(self) -> str:
        return "" if self.state.pending is None else self.state.pending.as_text()

    @property
    def chosen(self) -> str:
        return " ".join(map(str, self.state.chosen))


def fetched_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """GET: the page of a sample of the user's own, harmless, under a policy of its own that loads nothing."""
    if not (model_admin.has_change_permission(request) or model_admin.has_add_permission(request)):
        raise PermissionDenied
    sample = SAMPLES.get(request.user.pk or 0, request.GET.get("sample", ""))
    if sample is None or sample.answer is None:
        raise Http404(_("The page is not kept any more; fetch it again."))
    try:
        page = written(tree_of(sample.answer))
    except (CannotPoint, Outgrown, ReadingFailed):
        raise Http404(_("The page cannot be shown.")) from None
    return _served(request, page)


@xframe_options_sameorigin
def _served(request: HttpRequest, page: str) -> HttpResponse:
    response = HttpResponse(page, content_type=CONTENT_TYPE)
    response["Content-Security-Policy"] = POLICY
    response["Cache-Control"] = "no-store"
    response["X-DNS-Prefetch-Control"] = "off"
    response["Referrer-Policy"] = "no-referrer"
    return response


def candidates_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """POST of the workshop's form → the picker's parts as HTML, with the draft as a button of it has left it."""
    spider = edited_spider(model_admin, request)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    step = stepped(request, Draft.of_post(request.POST), is_new=spider is None)
    context = panel(request, spider, step.draft, step.state) | {"draft": step.draft}
    return TemplateResponse(request, "admin/crawler/spider/pick_parts.html", context)


def panel(
    request: HttpRequest, spider: Spider | None, draft: Draft, state: State | None = None, *, url: str = ""
) -> dict[str, object]:
    """What `pick.html` needs; `url` is the page that the preview shows. One query where something was pointed at, for
    the pinned pages on which candidates are tried."""
    state = state_of(request) if state is None else state
    document = draft.document
    path = reverse("admin:crawler_spider_candidates")
    types = tuple(picks.outline(document, state.pending))
    sample = _sample(request, draft, url or request.POST.get("url", ""))
    shown: dict[str, object] = {}
    if sample is not None and sample.answer is not None:
        shown = _of_page(spider, draft, state, sample)
    follows = tuple(picks.follows(document))
    rules = document.get("follow")
    unsaid = {problem.place for problem in untouched(document)}
    # What was typed is there again where it could not be begun with.
    name, start = (request.POST.get(key, "").strip()[:MAX_URL] for key in ("pick_name", "pick_start"))
    pick = Pick(
        path=path if spider is None else f"{path}?{urlencode({'spider': spider.pk})}",
        is_new=spider is None,
        state=state,
        types=types,
        follows=follows,
        new_follow=picks.aim_text(("follow", len(rules) if isinstance(rules, list) else 0)),
        name=name or str(document.get("name", "")),
        start=start or draft.start,
        is_named=bool(name) or "name" not in unsaid,
        is_begun=bool(start) or "start_urls[0]" not in unsaid,
        has_sitemaps=bool(document.get("sitemaps")),
        match=like(url or request.POST.get("url", "")),
        field_place=_field_place(types),
        **shown,  # type: ignore[arg-type]  # values of its fields
    )
    return {"pick": pick}


def _field_place(types: Sequence[picks.TypeOutline]) -> int:
    """The kind that waits for its first field, else the first of those that a page gives one of."""
    of_pages = [one for one in types if not one.each.source]
    return min(of_pages, key=lambda one: not one.is_pending).index if of_pages else -1


def _of_page(spider: Spider | None, draft: Draft, state: State, sample: Sample) -> dict[str, object]:
    """What the fetched page gives: a proposal for what was pointed at, and its offers."""
    answer = sample.answer
    if answer is None:
        raise ValueError(sample.url)
    found: dict[str, object] = {}
    try:
        page = tree_of(answer)
        found["frame"] = f"{reverse('admin:crawler_spider_fetched')}?{urlencode({'sample': sample.key})}"
        found["fields"] = tuple(offers.field_offers(page))
        found["feeds"] = tuple(offers.feed_offers(page))
        rules = sample.rules_for(answer.url)
        found["sitemaps"] = () if rules is None else rules.sitemaps[: offers.MAX_OFFERS]
        asked = _asked(draft, state)
        if asked is not None:
            is_tried = picks.kind_of(asked.aim) == "field"
            found["proposal"] = propose(answer, asked, pinned.answers_of(spider) if spider and is_tried else ())
    except CannotPoint as error:
        found["problem"] = _why(str(error))
    except OutsideScope as error:
        message = _("This lies in none of the items, “%(each)s”. Point inside of one, or point at the items anew.")
        found["problem"] = message % {"each": error}
    except (Outgrown, ReadingFailed):
        found["problem"] = _("The page is too large or too tangled for this; write the selector in the form.")
    except ValueError as error:
        found["problem"] = _("The selector of the items cannot be read: %(why)s") % {"why": told(reason_of(error))}
    if state.problem:  # of what was asked for just now
        found["problem"] = state.problem
    return found


def _asked(draft: Draft, state: State) -> Asked | None:
    if state.aim is None or not (state.chosen or state.example):
        return None
    document = picks.merged(draft.document, state.pending)
    many = picks.field_at(document, state.aim).get("many") is True if state.many is None else state.many
    return Asked(
        aim=state.aim,
        document=document,
        chosen=state.chosen,
        example=state.example,
        many=many,
        attribute=state.attribute,
        way=state.way,
    )


def _why(code: str) -> str:
    if code == "kind":
        return _("Only HTML and XML pages can be pointed at; write selectors of JSON in the form.")
    if code == "gone":
        return _("The page has changed since; point again.")
    return _("The page is too large or too tangled to be shown; write the selectors in the form.")


def _sample(request: HttpRequest, draft: Draft, url: str) -> Sample | None:
    try:
        asked = normalise(url.strip()[:MAX_URL])
    except UrlError:
        return None
    return SAMPLES.find(request.user.pk or 0, draft.definition, asked)
