"""From a link that somebody pointed at to rules that follow it: this one alone (the next page), or all like it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from turbohtml import Element, Node

from crawler.engine.pages.page import PageTree

from .candidates import candidates
from .goals import Candidate, Goal
from .labels import literal, text_label
from .scopes import alike

_STEPS = re.compile(
    r"next|older|more|forward|weiter|nächste|suivant|siguiente|successiv|volgende|следующ|下一页|下页|次へ|다음|[›»→>]",
    re.IGNORECASE,
)
"""Words of links that lead to a list's next page."""


_WORDS = 15.0
"""What it costs to find a link by what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Candidates of one meaning."""

    meaning: Literal["alone", "alike"]
    candidates: tuple[Candidate, ...]
    links: int
    """Different addresses that the first one gives; of more links than are looked at, the links."""


def link_of(element: Element) -> Element | None:
    """The link that an element is, or stands in, or holds."""
    node: Node | None = element
    while isinstance(node, Element):
        if node.tag in ("a", "area") and node.attr("href") is not None:
            return node
        node = node.parent
    return element.select_one("a[href]")


def follows(page: PageTree, link: Element) -> list[Follow]:
    """What may be followed, the likelier meaning first. `link` has an ``href``."""
    text = " ".join(link.text[:200].split())
    alone = candidates(page, Goal(targets=(link,), alone=True, wants_elements=True, by_labels=False))
    written = literal(text)
    if text_label(link) and written:
        # The words of a link outlive its place, and change with the language.
        xpath = f"//a[normalize-space()={written}]"
        found = [one for one in page.document.select("a[href]") if " ".join(one.text.split()) == text]
        if len({one.attr("href") for one in found}) == 1:
            alone.append(_by_words(xpath, link, found))
            alone.sort(key=lambda one: one.cost)
    group = alike(link, page.document)
    like_it = Goal(targets=(link,), many=True, wants_elements=True, by_labels=False)
    together = candidates(page, like_it) if len(group) > 1 else []
    results = [
        Follow(meaning="alone", candidates=tuple(map(_as_link, alone)), links=1),
        Follow(meaning="alike", candidates=tuple(map(_as_link, together)), links=_count(together)),
    ]
    results = [one for one in results if one.candidates]
    is_step = bool(_STEPS.search(text)) or link.attr("rel") in ("next", ["next"])
    return results if is_step or len(group) < 3 else results[::-1]


def _by_words(xpath: str, link: Element, found: list[Element]) -> Candidate:
    return Candidate(
        kind="xpath", selector=xpath, cost=_WORDS, value=link.attr("href"), matches=len(found), matched=tuple(found),
        filled=1, items=1,
    )  # fmt: skip


def _as_link(candidate: Candidate) -> Candidate:
    """With the first address in place of the text."""
    hrefs = [one.attr("href") for one in candidate.matched if one.attr("href") is not None]
    return replace(candidate, value=hrefs[0] if hrefs else None)


def _count(together: list[Candidate]) -> int:
    if not together:
        return 0
    [first, *_others] = together
    are_all = first.matches <= len(first.matched)
    return len({one.attr("href") for one in first.matched}) if are_all else first.matches
