"""Pick by pointing: the fetched page for the frame, and what is proposed for what somebody points at in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from crawler.engine.errors import UrlError
from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.page import ReadingFailed
from crawler.engine.urls import normalise
from crawler.models import Spider
from crawler.workshop import offers, picks, pinned
from crawler.workshop.candidates import OutsideScope
from crawler.workshop.draft import Draft
from crawler.workshop.picking import Asked, Proposal, propose
from crawler.workshop.picks import Aim, BadChoice, Choice, Pending, Target, TypeOutline
from crawler.workshop.pointing import CONTENT_TYPE, POLICY, CannotPoint, tree_of, written
from crawler.workshop.samples import SAMPLES, Sample

ASK = "_pick"
"""The name of the picker's buttons. Their values are a verb and what it is about: ``aim:["items",0,"each"]``."""
MAX_NUMBERS = 50
MAX_URL = 8_192

Model = admin.ModelAdmin[Spider]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the picker's hidden inputs carry beside the draft."""

    aim: Aim | None = None
    pending: Pending | None = None
    chosen: tuple[int, ...] = ()
    many: bool | None = None
    """None: as the draft says."""
    attribute: str | None = None
    way: str = ""
    example: str = ""
    next_field: int | None = None
    """The kind of item of which another field may be named now."""
    problem: str = ""


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
    def has_rows(self) -> bool:
        return self.proposal is not None and any(group.rows for group in self.proposal.groups)

    @property
    def has_offers(self) -> bool:
        return bool(self.fields or self.feeds or (self.sitemaps and not self.has_sitemaps))

    @property
    def pending(self) -> str:
        return "" if self.state.pending is None else self.state.pending.as_text()

    @property
    def chosen(self) -> str:
        return " ".join(map(str, self.state.chosen))


@dataclass(slots=True)
class Step:
    """The draft after a button of the picker, and where the picker stands then."""

    draft: Draft
    state: State = field(default_factory=State)


def fetched_view(model_admin: Model, request: HttpRequest) -> HttpResponse:
    """GET: the page of a sample of the user's own, harmless, under a policy of its own that loads nothing."""
    _check_allowed(model_admin, request, None)
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
    spider = _spider(model_admin, request)
    _check_allowed(model_admin, request, spider)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    step = stepped(request, Draft.of_post(request.POST))
    context = panel(request, spider, step.draft, step.state) | {"draft": step.draft}
    return TemplateResponse(request, "admin/crawler/spider/pick_parts.html", context)


def stepped(request: HttpRequest, draft: Draft) -> Step:
    """What a button of the picker does to the draft. Nothing is stored."""
    state = _state(request)
    verb, _colon, about = request.POST.get(ASK, "").partition(":")
    act = _VERBS.get(verb)
    if act is None:
        return Step(draft, state)
    if not draft.document and draft.problems:
        problem = _("The draft cannot be read as it stands: mend the YAML first.")
        return Step(draft, replace(state, problem=problem))
    try:
        return act(request, draft, state, about)
    except (BadChoice, LookupError):
        problem = _("This cannot be put into the draft as it stands; look at the YAML, or choose again.")
        return Step(draft, State(aim=state.aim, pending=state.pending, problem=problem))


def panel(
    request: HttpRequest, spider: Spider | None, draft: Draft, state: State | None = None, *, url: str = ""
) -> dict[str, object]:
    """What `pick.html` needs; `url` is the page that the preview shows. One query where something was pointed at, for
    the pinned pages on which candidates are tried."""
    state = _state(request) if state is None else state
    document = draft.document
    path = reverse("admin:crawler_spider_candidates")
    starts = document.get("start_urls")
    start = starts[0] if isinstance(starts, list) and starts and isinstance(starts[0], str) else ""
    types = tuple(picks.outline(document, state.pending))
    sample = _sample(request, draft, url or request.POST.get("url", ""))
    shown: dict[str, object] = {}
    if sample is not None and sample.answer is not None:
        shown = _of_page(spider, draft, state, sample)
    follows = tuple(picks.follows(document))
    rules = document.get("follow")
    pick = Pick(
        path=path if spider is None else f"{path}?{urlencode({'spider': spider.pk})}",
        is_new=spider is None,
        state=state,
        types=types,
        follows=follows,
        new_follow=picks.aim_text(("follow", len(rules) if isinstance(rules, list) else 0)),
        name=str(document.get("name", "")),
        start=start,
        has_sitemaps=bool(document.get("sitemaps")),
        field_place=next((one.index for one in types if not one.each.source), -1),
        **shown,  # type: ignore[arg-type]  # values of its fields
    )
    return {"pick": pick}


def _of_page(spider: Spider | None, draft: Draft, state: State, sample: Sample) -> dict[str, object]:
    """What the fetched page gives: a proposal for what was pointed at, and its offers."""
    answer = sample.answer
    if answer is None:
        raise ValueError(sample.url)
    found: dict[str, object] = {"problem": state.problem}
    try:
        page = tree_of(answer)
        found["frame"] = f"{reverse('admin:crawler_spider_fetched')}?{urlencode({'sample': sample.key})}"
        found["fields"] = tuple(offers.field_offers(page))
        found["feeds"] = tuple(offers.feed_offers(page))
        rules = sample.rules_for(answer.url)
        found["sitemaps"] = () if rules is None else rules.sitemaps[: offers.MAX_OFFERS]
        asked = _asked(draft, state)
        if asked is not None:
            is_tried = spider is not None and picks.kind_of(asked.aim) == "field" and bool(asked.chosen)
            found["proposal"] = propose(answer, asked, pinned.answers_of(spider) if spider and is_tried else ())
    except CannotPoint as error:
        found["problem"] = _why(str(error))
    except OutsideScope as error:
        message = _("This lies in none of the items, “%(each)s”. Point inside of one, or point at the items anew.")
        found["problem"] = message % {"each": error}
    except (Outgrown, ReadingFailed):
        found["problem"] = _("The page is too large or too tangled for this; write the selector in the form.")
    except ValueError as error:
        found["problem"] = _("The selector of the items cannot be read: %(why)s") % {"why": error}
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


# --- the buttons ------------------------------------------------------------------------------------------------------
def _start(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """The first start page, and what the spider is called; the page is fetched at once."""
    url = request.POST.get("pick_start", "").strip()[:MAX_URL]
    try:
        normalise(url)
    except UrlError as error:
        problem = _("“%(url)s” is no address: %(why)s") % {"url": url[:200], "why": error}
        return Step(draft, State(problem=problem))
    document = dict(draft.document)
    if request.POST.get("pick_is_new"):
        document = {key: value for key, value in document.items() if key not in ("items", "follow")}
        document["name"] = request.POST.get("pick_name", "").strip() or document.get("name")
    starts = document.get("start_urls")
    document["start_urls"] = [url, *(starts[1:] if isinstance(starts, list) else ())]
    posted = request.POST.copy()
    posted.update({"url": url, "_preview": "fetch"})
    posted.setlist("url", [url])
    request.POST = posted  # type: ignore[assignment]  # the page beside is shown, too
    return Step(Draft.of_document(document))


def _aim(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    return Step(draft, State(aim=picks.aim_of(about), pending=state.pending))


def _look(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """Candidates for what was pointed at."""
    return Step(draft, replace(state, example=""))


def _example(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    return Step(draft, replace(state, chosen=(), attribute=None, way=""))


def _cancel(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    return Step(draft, State(pending=state.pending))


def _new_field(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """Points at a field that has only a name yet."""
    name = request.POST.get(f"pick_field_{about}", "").strip()[: picks.MAX_NAME]
    if not about.isdecimal() or len(about) > 6:
        raise BadChoice(about)
    if not name:
        problem = _("Give the field a name first.")
        return Step(draft, State(pending=state.pending, next_field=int(about), problem=problem))
    return Step(draft, State(aim=("items", int(about), "fields", name), pending=state.pending))


def _new_type(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    name = request.POST.get("pick_type", "").strip()[: picks.MAX_NAME]
    if not name:
        return Step(draft, State(pending=state.pending, problem=_("Give the kind of item a name first.")))
    rules = draft.document.get("items")
    index = len(rules) if isinstance(rules, list) else 0
    pending = Pending(type=name)
    if about == "each":
        return Step(draft, State(aim=("items", index, "each"), pending=pending))
    return Step(draft, State(pending=pending, next_field=index))


def _use(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """Puts the chosen selector in its place; then the next field is asked for."""
    if state.aim is None:
        raise BadChoice(about)
    choice = Choice.of_text(about)
    index = int(state.aim[1])
    rules = draft.document.get("items")
    is_pending = state.pending is not None and index == (len(rules) if isinstance(rules, list) else 0)
    if picks.kind_of(state.aim) == "follow":
        return Step(Draft.of_document(picks.used(draft.document, state.aim, choice)), State(pending=state.pending))
    if is_pending and picks.kind_of(state.aim) == "each" and state.pending is not None:
        waiting = Pending(type=state.pending.type, each=choice.selector)
        return Step(draft, State(pending=waiting, next_field=index))
    document = picks.merged(draft.document, state.pending if is_pending else None)
    used = Draft.of_document(picks.used(document, state.aim, choice))
    return Step(used, State(pending=None if is_pending else state.pending, next_field=index))


def _offer(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """Adds a field that the page offers: ``NUMBER:NAME:CHOICE``."""
    number, _colon, rest = about.partition(":")
    name, _colon, text = rest.partition(":")
    choice = Choice.of_text(text)
    rules = draft.document.get("items")
    count = len(rules) if isinstance(rules, list) else 0
    index = int(number) if number.isdecimal() and len(number) < 7 else count
    pending = state.pending if state.pending is not None and index == count else None
    if pending is None and index >= count:
        pending, index = Pending(type="page"), count
    document = picks.merged(draft.document, pending)
    taken = picks.outline(document, None)
    names = {one.name for rule in taken if rule.index == index for one in rule.fields}
    free = name if name not in names else next(f"{name}_{n}" for n in range(2, 10_000) if f"{name}_{n}" not in names)
    used = picks.used(document, ("items", index, "fields", free), choice)
    left = None if pending is not None else state.pending
    return Step(Draft.of_document(used), State(pending=left, next_field=index))


def _feed(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """One more start page: a feed, whose entries are followed by a rule without a selector."""
    starts = draft.document.get("start_urls")
    known = starts if isinstance(starts, list) else []
    document = dict(draft.document)
    document["start_urls"] = [*known, about] if about not in known else known
    rules = document.get("follow")
    if not rules:
        document["follow"] = [{}]
    return Step(Draft.of_document(document), State(pending=state.pending))


def _sitemap(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    return Step(draft.with_value("sitemaps", "robots"), State(pending=state.pending))


_VERBS = {
    "start": _start,
    "aim": _aim,
    "look": _look,
    "example": _example,
    "cancel": _cancel,
    "field": _new_field,
    "type": _new_type,
    "use": _use,
    "offer": _offer,
    "feed": _feed,
    "sitemap": _sitemap,
}


# --- what a request carries -------------------------------------------------------------------------------------------
def _state(request: HttpRequest) -> State:
    posted = request.POST
    numbers = [int(word) for word in posted.get("pick_chosen", "")[:1000].split() if word.isdecimal() and len(word) < 8]
    return State(
        aim=picks.aim_of(posted.get("pick_aim", "")),
        pending=Pending.of_text(posted.get("pick_pending", "")),
        chosen=tuple(dict.fromkeys(numbers[:MAX_NUMBERS])),
        many="pick_many" in posted if "pick_shown" in posted else None,
        attribute=posted.get("pick_what"),
        way=posted.get("pick_way", ""),
        example=" ".join(posted.get("pick_example", "")[:1000].split()),
    )


def _sample(request: HttpRequest, draft: Draft, url: str) -> Sample | None:
    try:
        asked = normalise(url.strip()[:MAX_URL])
    except UrlError:
        return None
    return SAMPLES.find(request.user.pk or 0, draft.definition, asked)


def _spider(model_admin: Model, request: HttpRequest) -> Spider | None:
    number = request.GET.get("spider", "")
    if not number:
        return None
    spider = model_admin.get_object(request, number)
    if spider is None:
        raise Http404(_("There is no such spider (any more)."))
    return spider


def _check_allowed(model_admin: Model, request: HttpRequest, spider: Spider | None) -> None:
    may_change = model_admin.has_change_permission(request, spider)
    if not (may_change or (spider is None and model_admin.has_add_permission(request))):
        raise PermissionDenied
