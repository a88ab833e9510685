"""One step of picking: what was pointed at on a fetched page, and what is proposed for it. Stores nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turbohtml import Element, Node

from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.items import OneField
from crawler.engine.pages.page import PageTree, ReadingFailed
from crawler.engine.pages.patterns import Patterns
from crawler.engine.records import Answer, Json
from crawler.engine.spider import FieldType
from crawler.shortening import shortened

from . import picks
from .candidates import candidates
from .containers import containers
from .examples import Place, places
from .features import attribute
from .following import follows, link_of
from .goals import Candidate, Goal
from .number_forms import NumberForms
from .picks import Aim, Choice, Document
from .pointing import CannotPoint, elements_of, tree_of
from .readings import Way, ways
from .scopes import contexts_of, home_of
from .trying import MOST_VALUES, Trial, first_values

MAX_CHOSEN = 20
MAX_PAGES = 8
"""Pinned pages on which candidates are tried."""
PAGES_SECONDS = 1.5
"""Of processor time, for reading those."""
MAX_GIVEN = 200
"""Characters of a value that are shown."""
_TAKEN = ("href", "src", "datetime", "content", "title", "alt", "value", "data-src", "srcset", "class", "id")
"""Attributes in the order in which they are offered."""
_NO_TEXT = {"img": "src", "input": "value", "meta": "content", "source": "src", "video": "src", "iframe": "src"}
_LINK_NAMES = ("url", "link", "href", "page", "address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What of an element can be had: its text, or an attribute."""

    attribute: str
    """Empty: the text."""
    value: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A way to read the text, and what comes of it."""

    text: str
    """Names the way among those for addresses, or for anything else: what was chosen of the one is none of the other.
    """
    type: str
    regex: str
    value: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A candidate as it is shown."""

    selector: str
    kind: str
    gives: str
    """Empty: nothing, read in the way that is chosen."""
    matches: int
    filled: int
    items: int
    passed: int
    pages: int
    matched: str
    """Numbers of elements, with blanks between."""
    choice: str
    reading: str = ""
    """How the text is read, where that is the row's own."""

    @property
    def is_everywhere(self) -> bool:
        return self.passed == self.pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of one meaning: ``fields``, ``each``, ``alone``, ``alike``."""

    meaning: str
    rows: tuple[Row, ...]
    count: int = 0
    """Items, or links."""
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is proposed for what was pointed at."""

    says: str = ""
    """What was pointed at: its beginning, as text."""
    taken: tuple[Taken, ...] = ()
    readings: tuple[Reading, ...] = ()
    was_read: str = ""
    """The type that the draft reads the field as, where another one is chosen now; empty where it is the same."""
    many: bool = False
    groups: tuple[Group, ...] = ()
    pages: int = 0
    """Pinned pages that the candidates were tried on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question of the picker."""

    aim: Aim
    document: Document
    """With what waits for its first field."""
    chosen: Sequence[int] = ()
    example: str = ""
    many: bool = False
    attribute: str | None = None
    """None: what is usual for the element."""
    way: str = ""
    """A `Reading.text`; empty: the likeliest."""


def propose(answer: Answer, asked: Asked, pinned: Sequence[Answer] = ()) -> Proposal:
    """Candidates for what was pointed at, or for the example.

    Raises:
        CannotPoint: the page is none, is too large, or has changed: there are no such elements.
        OutsideScope: the field belongs to items, and this lies in none of them.
        ReadingFailed, Outgrown: the page asks for more than any real page does.
        ValueError: `each` of the draft is no selector.
    """
    page = tree_of(answer)
    kind = picks.kind_of(asked.aim)
    if asked.example and not asked.chosen:
        return _of_example(page, asked, _others(answer, asked, pinned))
    elements = elements_of(page)
    if not asked.chosen or max(asked.chosen) >= len(elements):
        raise CannotPoint("gone")
    chosen = [elements[number] for number in asked.chosen[:MAX_CHOSEN]]
    numbers = {element: number for number, element in enumerate(elements)}
    if kind == "each":
        return _of_items(page, chosen, numbers)
    if kind == "follow":
        return _of_links(page, chosen[0], numbers)
    return _of_field(page, chosen, asked, numbers, _others(answer, asked, pinned))


def _of_field(
    page: PageTree, chosen: Sequence[Element], asked: Asked, numbers: dict[Element, int], others: Sequence[PageTree]
) -> Proposal:
    name = str(asked.aim[-1])
    each = picks.each_of(asked.document, asked.aim)
    takes = _usual(chosen[0], name) if asked.attribute is None else asked.attribute
    goal = Goal(targets=tuple(chosen), each=each, many=asked.many, attribute=takes)
    found = candidates(page, goal, others)
    home = home_of(page, each, chosen[0], contexts_of(page, each))
    # What is counted, or a label's neighbour, says something else than the element itself.
    text = _plain(_first(found[0].value)) if found else _said(page, chosen[0], takes)
    offered = _named(ways(text, name=name, attribute=takes, has_thousands=NumberForms(page).has_thousands))
    way = offered.get(asked.way) or next(iter(offered.values()))
    rows = [_row(page, home, candidate, way, numbers, many=asked.many) for candidate in found]
    return Proposal(
        says=_shown(_said(page, chosen[0], "")) or f"<{chosen[0].tag}>",
        taken=tuple(_taken(page, chosen[0], takes)),
        readings=tuple(_readings(page, home, found, offered, way, many=asked.many)),
        was_read=_other_type(picks.field_at(asked.document, asked.aim), way),
        many=asked.many,
        groups=(Group(meaning="fields", rows=tuple(rows)),),
        pages=len(others),
    )


def _of_items(page: PageTree, chosen: Sequence[Element], numbers: dict[Element, int]) -> Proposal:
    groups = []
    for found in containers(page, chosen):
        rows = tuple(_plain_row(candidate, numbers) for candidate in found.candidates)
        groups.append(Group(meaning="each", rows=rows, count=found.count, says=found.says))
    return Proposal(says=_shown(_said(page, chosen[0], "")), groups=tuple(groups))


def _of_links(page: PageTree, chosen: Element, numbers: dict[Element, int]) -> Proposal:
    link = link_of(chosen)
    if link is None:
        return Proposal(says=_shown(_said(page, chosen, "")))
    groups = []
    for found in follows(page, link):
        rows = tuple(_plain_row(candidate, numbers) for candidate in found.candidates)
        groups.append(Group(meaning=found.meaning, rows=rows, count=found.links))
    return Proposal(says=_shown(_said(page, link, "")), groups=tuple(groups))


def _of_example(page: PageTree, asked: Asked, others: Sequence[PageTree]) -> Proposal:
    each = picks.each_of(asked.document, asked.aim) if picks.kind_of(asked.aim) == "field" else ""
    numbers = {element: number for number, element in enumerate(elements_of(page))}
    trial = Trial(others, each) if others else None
    rows = [_row_of_place(place, numbers, trial, many=asked.many) for place in places(page, asked.example, each=each)]
    rows.sort(key=lambda row: -row.passed)  # those that were found are in their order already
    groups = (Group(meaning="fields", rows=tuple(rows)),)
    return Proposal(says=_shown(asked.example), many=asked.many, groups=groups, pages=len(others))


def _row_of_place(place: Place, numbers: dict[Element, int], trial: Trial | None, *, many: bool) -> Row:
    candidate = place.candidate if trial is None else trial.of(place.candidate)
    choice = Choice(kind=candidate.kind, selector=candidate.selector, reading=place.way.values(), many=many)
    return _made(candidate, candidate.value, choice, numbers, reading=place.way.regex or "")


def _row(page: PageTree, home: Node, candidate: Candidate, way: Way, numbers: dict[Element, int], *, many: bool) -> Row:
    value = _read(first_values(way.rule(candidate.kind, candidate.selector, many=many)), home, page)
    choice = Choice(kind=candidate.kind, selector=candidate.selector, reading=way.values(), many=many)
    return _made(candidate, value, choice, numbers)


def _plain_row(candidate: Candidate, numbers: dict[Element, int]) -> Row:
    choice = Choice(kind=candidate.kind, selector=candidate.selector, reading={})
    return _made(candidate, candidate.value, choice, numbers)


def _made(candidate: Candidate, value: Json, choice: Choice, numbers: dict[Element, int], reading: str = "") -> Row:
    return Row(
        selector=candidate.selector, kind=candidate.kind, gives=_shown(_plain(value)), matches=candidate.matches,
        filled=candidate.filled, items=candidate.items, passed=candidate.passed, pages=candidate.pages,
        matched=" ".join(str(numbers[one]) for one in candidate.matched if one in numbers), choice=choice.as_text(),
        reading=reading,
    )  # fmt: skip


def _readings(
    page: PageTree, home: Node, found: Sequence[Candidate], offered: Mapping[str, Way], chosen: Way, *, many: bool
) -> list[Reading]:
    if not found:
        return []
    best = found[0]
    return [
        Reading(
            text=text,
            type=way.type.value,
            regex=way.regex or "",
            value=_shown(_plain(_read(first_values(way.rule(best.kind, best.selector, many=many)), home, page))),
            is_chosen=way == chosen,
        )
        for text, way in offered.items()
    ]


def _read(field: OneField[Node, PageTree], home: Node, page: PageTree) -> Json:
    try:
        return field.read(home, page).value
    except (ReadingFailed, Outgrown):
        return None


def _taken(page: PageTree, element: Element, takes: str) -> list[Taken]:
    text = _said(page, element, "")
    found = [Taken(attribute="", value=_shown(text), is_chosen=not takes)] if text or not takes else []
    names = [name for name in (*_TAKEN, *_data_names(element)) if attribute(element, name) is not None]
    return found + [
        Taken(attribute=name, value=_shown(attribute(element, name) or ""), is_chosen=name == takes)
        for name in dict.fromkeys(names)
    ]


def _data_names(element: Element) -> list[str]:
    """Attributes of the page's own that are short enough to be values."""
    names = [
        name for _, name in zip(range(40), element.attrs, strict=False) if name.startswith(("data-", "aria-label"))
    ]
    return [
        name for name in names if name.replace("-", "").isalnum() and len(attribute(element, name) or "") <= MAX_GIVEN
    ][:6]


def _usual(element: Element, name: str) -> str:
    """What one wants of such an element: of a picture its address, of a link its text, unless the field says so."""
    if element.tag == "a" and attribute(element, "href") is not None:
        words = name.lower().split("_")
        return "href" if any(word in _LINK_NAMES for word in words) or not element.text.strip() else ""
    if element.tag == "time" and attribute(element, "datetime"):
        return "datetime"
    usual = _NO_TEXT.get(element.tag, "")
    return usual if usual and attribute(element, usual) is not None else ""


def _said(page: PageTree, element: Element, takes: str) -> str:
    text = attribute(element, takes) if takes else page.text_of(element)
    return " ".join((text or "").split())


def _others(answer: Answer, asked: Asked, pinned: Sequence[Answer]) -> list[PageTree]:
    """The pinned pages that the field is read from, but the one that is pointed at."""
    match = picks.match_of(asked.document, asked.aim)
    wanted = Patterns([match]) if match else None
    end = time.thread_time() + PAGES_SECONDS
    found: list[PageTree] = []
    for other in pinned:
        if len(found) >= MAX_PAGES or time.thread_time() > end:
            break
        if other.url == answer.url or (wanted is not None and wanted.first_in(other.url) is None):
            continue
        try:
            found.append(tree_of(other))
        except (CannotPoint, Outgrown):
            continue
    return found


def _named(offered: Sequence[Way]) -> dict[str, Way]:
    """The ways by the texts that name them: a reading that was chosen for a text says nothing of an address."""
    kind = "address" if offered[0].type is FieldType.URL else "text"
    return {"|".join([kind, *(f"{key}={value}" for key, value in way.values().items())]): way for way in offered}


def _other_type(field: Document, way: Way) -> str:
    """The type of a field that the draft has, where `way` reads another one."""
    known = str(field.get("type", FieldType.TEXT.value)) if field else ""
    return known if known != way.type.value else ""


def _first(value: Json) -> Json:
    return value[0] if isinstance(value, list) and value else value


def _plain(value: Json) -> str:
    if isinstance(value, list):
        return " · ".join(map(_plain, value[:MOST_VALUES]))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(text: str) -> str:
    return shortened(text, MAX_GIVEN)
