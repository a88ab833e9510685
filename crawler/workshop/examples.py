"""From a value that somebody knows to where it stands on the page: texts, attributes, what the page tells machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from turbohtml import Element, Text

from crawler.engine.pages.page import PageTree
from crawler.engine.pages.patterns import Pattern
from crawler.engine.spider import FieldType

from .candidates import candidates
from .features import attribute
from .goals import Candidate, Goal
from .number_forms import NumberForms
from .offers import machine_values
from .readings import TEXT, Way, escaped, ways
from .scopes import OutsideScope

MAX_PLACES = 6
"""At which an example is found, of each kind."""
_SECONDS = 0.15
"""Of processor time, for each place."""
_MAX_LOOKED_AT = 60_000
_ATTRIBUTES = ("content", "datetime", "title", "alt", "href", "src", "value", "data-price", "data-value", "aria-label")
_IN_ATTRIBUTE, _INSIDE, _IN_TITLE, _BY_MACHINE, _OF_A_PART = 3.0, 8.0, 14.0, 1.5, 3.0
"""What it costs to stand in an attribute, among other words, among those of the title, in data for machines, there in a
thing of its own that is part of others: the offer of one product among several."""
_PARTS = frozenset({"offer", "aggregateoffer", "aggregaterating", "rating", "review", "person", "brand", "listitem"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an example stands, and how it is read there."""

    candidate: Candidate
    attribute: str = ""
    way: Way = TEXT


def places(page: PageTree, example: str, *, each: str = "", most: int = 8) -> list[Place]:
    """How a field can be read that is `example` on this page; ranked."""
    wanted = " ".join(example.split())
    if not wanted:
        return []
    found = list(_of_elements(page, wanted, each)) + list(_of_machines(page, wanted))
    found.sort(key=lambda place: (place.candidate.cost, len(place.candidate.selector)))
    kept: dict[tuple[str, str], Place] = {}
    for place in found:
        kept.setdefault((place.candidate.kind, place.candidate.selector), place)
    return list(kept.values())[:most]


def _of_elements(page: PageTree, wanted: str, each: str) -> Iterator[Place]:
    for element, name, is_whole in _standing(page, wanted):
        goal = Goal(targets=(element,), each=each, attribute=name)
        try:
            proposed = candidates(page, goal, most=3, seconds=_SECONDS)
        except OutsideScope:
            continue
        way = TEXT if is_whole else _way(page, _text(element, name), wanted)
        inside = _IN_TITLE if element.tag == "title" else _INSIDE
        extra = (_IN_ATTRIBUTE if name else 0.0) + (0.0 if is_whole else inside)
        for candidate in proposed:
            yield Place(candidate=_costlier(candidate, extra), attribute=name, way=way)


def _standing(page: PageTree, wanted: str) -> Iterator[tuple[Element, str, bool]]:
    """Elements that say it: whole texts, attributes, then texts that it is a part of; the innermost of each."""
    whole: list[tuple[Element, str, bool]] = []
    within: list[tuple[Element, str, bool]] = []
    for number, element in enumerate(page.document.iter_elements()):
        if number > _MAX_LOOKED_AT:
            break
        if not number % 256:
            page.check_time()
        for name in _ATTRIBUTES:
            value = attribute(element, name)
            if value is not None and " ".join(value.split()) == wanted:
                whole.append((element, name, True))
        if element.tag in ("script", "style", "html", "head"):
            continue
        own = " ".join(" ".join(child.data for child in element.children if isinstance(child, Text)).split())
        if wanted == own or (own and own in wanted and " ".join(page.text_of(element).split()) == wanted):
            whole.append((element, "", True))
        elif wanted in own and len(own) < 400:
            within.append((element, "", False))
    yield from whole[:MAX_PLACES]
    yield from within[: MAX_PLACES // 2]


def _of_machines(page: PageTree, wanted: str) -> Iterator[Place]:
    for kind, path, value in machine_values(page):
        if " ".join(value.split()) == wanted:
            candidate = Candidate(
                kind=kind, selector=path, cost=_cost_of_data(path), value=value, matches=1, matched=(),
                filled=1, items=1,
            )  # fmt: skip
            yield Place(candidate=candidate)


def _cost_of_data(path: str) -> float:
    kind, *names = path.split(".")
    return _BY_MACHINE + len(names) + (_OF_A_PART if kind.lower() in _PARTS else 0.0)


def _costlier(candidate: Candidate, by: float) -> Candidate:
    return replace(candidate, cost=candidate.cost + by)


def _text(element: Element, name: str) -> str:
    return " ".join(((attribute(element, name) or "") if name else element.text).split())


def _way(page: PageTree, text: str, wanted: str) -> Way:
    """How `wanted` is read out of `text`: as the text suggests, or else by an expression made for it."""
    for way in ways(text, has_thousands=NumberForms(page).has_thousands):
        if way.regex is not None and way.type is not FieldType.BOOLEAN:
            taken = Pattern(way.regex).take(text)
            if taken is not None and taken.strip() == wanted:
                return way
    return Way(regex=_cut(text, wanted))


def _cut(text: str, wanted: str) -> str:
    """An expression that takes `wanted` out of `text`, by what it is made of and what stands before it."""
    shape = r"[\d.,]*\d" if re.fullmatch(r"[\d.,]+", wanted) else r"\S+" if " " not in wanted else r".+"
    found = re.search(shape, text)
    if found is not None and found[0] == wanted:
        return shape
    before, _, after = text.partition(wanted)
    lead = escaped(before[-12:].lstrip()) if before.strip() else "^"
    tail = escaped(after[:12].rstrip()) if after.strip() else "$"
    shape = r"[\d.,]*\d" if re.fullmatch(r"[\d.,]+", wanted) else r".+?"
    return f"{lead}\\s*({shape})\\s*{tail}"
