"""The buttons of the picker: what each does to the draft, and where the picker stands then. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.http import HttpRequest
from django.utils.translation import gettext as _

from crawler.engine.errors import UrlError
from crawler.engine.messages import reason_of
from crawler.engine.urls import normalise
from crawler.workshop import picks
from crawler.workshop.beginning import giving_way, without_examples
from crawler.workshop.draft import Draft
from crawler.workshop.likeness import like
from crawler.workshop.picks import Aim, BadChoice, Choice, Pending
from crawler.workshop.wording import told

ASK = "_pick"
"""The name of the picker's buttons. Their values are a verb and what it is about: ``aim:["items",0,"each"]``."""
MAX_NUMBERS = 50
MAX_URL = 8_192


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


@dataclass(slots=True)
class Step:
    """The draft after a button of the picker, and where the picker stands then."""

    draft: Draft
    state: State = field(default_factory=State)


def stepped(request: HttpRequest, draft: Draft, *, is_new: bool = False) -> Step:
    """What a button of the picker does to the draft; `is_new` where no spider is stored yet. Nothing is stored."""
    state = state_of(request)
    verb, _colon, about = request.POST.get(ASK, "").partition(":")
    act = _VERBS.get(verb)
    if act is None:
        return Step(draft, state)
    if not draft.document and draft.problems:
        problem = _("The draft cannot be read as it stands: mend the YAML first.")
        return Step(draft, replace(state, problem=problem))
    if is_new and act is _new_type and request.POST.get("pick_type", "").strip():
        # Who begins a kind of their own has no use for the one that the draft began with.
        document = without_examples(draft.document, "items")
        draft = draft if document == draft.document else Draft.of_document(document)
    if is_new and act is _use and state.aim is not None:
        draft, state = _giving_way(draft, state, state.aim)
    try:
        return act(request, draft, state, about)
    except (BadChoice, LookupError):
        problem = _("This cannot be put into the draft as it stands; look at the YAML, or choose again.")
        return Step(draft, State(aim=state.aim, pending=state.pending, problem=problem))


def _giving_way(draft: Draft, state: State, aim: Aim) -> tuple[Draft, State]:
    """Without the examples that the choice takes the place of. A kind that had nothing else waits for a field again;
    where another one waits already, all stays."""
    way = giving_way(draft.document, aim)
    if way.document == draft.document or (way.begins and state.pending is not None):
        return draft, state
    pending = Pending(type=way.begins[: picks.MAX_NAME]) if way.begins else state.pending
    return Draft.of_document(way.document), replace(state, aim=way.aim, pending=pending)


def without_fields(pending: Pending) -> str:
    """Why a kind of item cannot stay as it is, and what to do."""
    return _("“%(type)s” has no field yet: point at a field of it first, or take the kind away.") % {
        "type": pending.type
    }


def state_of(request: HttpRequest) -> State:
    """What the picker's inputs carry."""
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


def _start(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """The first start page, and what the spider is called; the page is fetched at once."""
    url = request.POST.get("pick_start", "").strip()[:MAX_URL]
    try:
        normalise(url)
    except UrlError as error:
        problem = _("“%(url)s” is no address: %(why)s") % {"url": url[:200], "why": told(reason_of(error))}
        return Step(draft, State(problem=problem))
    document = dict(draft.document)
    if request.POST.get("pick_is_new"):
        document = without_examples(document, "items", "follow")
        document["name"] = request.POST.get("pick_name", "").strip() or document.get("name")
    starts = document.get("start_urls")
    document["start_urls"] = [url, *(starts[1:] if isinstance(starts, list) else ())]
    posted = request.POST.copy()
    posted.update({"url": url, "_preview": "fetch"})
    posted.setlist("url", [url])
    posted.setlist("_assumed", [""])
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
    if state.pending is not None and state.pending.type != name:
        return Step(draft, replace(state, problem=without_fields(state.pending)))
    rules = draft.document.get("items")
    index = len(rules) if isinstance(rules, list) else 0
    pending = Pending(type=name)
    if about == "each":
        return Step(draft, State(aim=("items", index, "each"), pending=pending))
    return Step(draft, State(pending=pending, next_field=index))


def _drop(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """Takes a kind of item away that has no field yet."""
    return Step(draft)


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
    names = picks.field_names(document, index)
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


def _match(request: HttpRequest, draft: Draft, state: State, about: str) -> Step:
    """Keeps a kind of item to pages whose addresses are like that of the page beside."""
    expression = like(request.POST.get("url", "").strip()[:MAX_URL])
    if not expression or not about.isdecimal() or len(about) > 6:
        raise BadChoice(about)
    rules = draft.document.get("items")
    if not isinstance(rules, list) or int(about) >= len(rules) or not isinstance(rules[int(about)], dict):
        raise BadChoice(about)
    return Step(draft.with_value(("items", int(about), "match"), expression), State(pending=state.pending))


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
    "drop": _drop,
    "use": _use,
    "offer": _offer,
    "feed": _feed,
    "match": _match,
    "sitemap": _sitemap,
}
