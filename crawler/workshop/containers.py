"""From one element, or two of different items, to what repeats around it: "one item for each"."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2

from turbohtml import Element

from crawler.engine.pages.page import PageTree
from crawler.shortening import shortened

from .candidates import candidates
from .goals import Candidate, Goal
from .scopes import alike

_LEVELS = 24
_SECONDS = 1.0
"""Of this thread's processor time."""
_WHOLE_PAGE = 0.9
"""Of the page's text: what holds more is no item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Elements that are alike and may be items."""

    candidates: tuple[Candidate, ...]
    """Selectors of them, the sturdiest first; never empty."""
    score: float
    count: int
    """Items that the first selector gives."""
    says: str
    """The beginning of the first one's text."""


def containers(page: PageTree, chosen: Sequence[Element], most: int = 4) -> list[Container]:
    """What repeats and holds the chosen element; with a second one from another item only what parts the two.

    The likeliest first: many alike, each with several things inside, together most of the page's text.
    """
    found: list[Container] = []
    inner_texts: list[str] = []
    seen: set[frozenset[Element]] = set()
    whole = max(len(page.document.text), 1)
    deadline = time.thread_time() + _SECONDS
    for element in _around(chosen):
        if time.thread_time() > deadline:
            break
        group = alike(element, page.document)
        kind = frozenset(group)
        if len(group) < 2 or kind in seen:
            continue
        seen.add(kind)
        # `alike` asks for the same place; whoever has a second element says what belongs together.
        share = sum(len(one.text) for one in group) / whole
        if share > _WHOLE_PAGE and len(group) < 3:
            continue
        proposed = candidates(
            page, Goal(targets=(element,), many=True, wants_elements=True), most=3, seconds=_SECONDS / 8
        )
        proposed = [one for one in proposed if one.kind == "css" and 2 <= one.matches <= 4 * len(group)]
        texts = [" ".join(one.text.split()) for one in group]
        if proposed and found and (found[-1].count, inner_texts) == (proposed[0].matches, texts):
            # Around the same items: a column of the grid. What is called better stays.
            if found[-1].candidates[0].cost <= proposed[0].cost:
                continue
            found.pop()
        if proposed:
            richness = min(sum(1 for _ in element.iter_elements()), 12) / 12
            sturdiness = 1 / (1 + proposed[0].cost / 30)
            score = log2(1 + min(len(group), 64)) * (0.15 + richness) * (0.1 + min(share, 1.0)) * sturdiness
            found.append(
                Container(
                    candidates=tuple(proposed), score=score, count=proposed[0].matches, says=shortened(texts[0], 80)
                )
            )
            inner_texts = texts
    found.sort(key=lambda one: -one.score)
    return found[:most]


def _around(chosen: Sequence[Element]) -> Iterator[Element]:
    """The first element and its ancestors, up to where they would hold the second."""
    others = {one for other in chosen[1:] for one in (other, *_parents(other))}
    for element in (chosen[0], *_parents(chosen[0])):
        if element in others or element.tag in ("body", "html", "head"):
            return
        yield element


def _parents(element: Element) -> Iterator[Element]:
    node = element.parent
    for _ in range(_LEVELS):
        if not isinstance(node, Element):
            return
        yield node
        node = node.parent
