"""What selectors give: the values that are shown of the page itself, and whether there are any on further pages."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import inf
from typing import TypeAlias

from turbohtml import Node

from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.fields import FieldReader
from crawler.engine.pages.fields import Reading as FieldReading
from crawler.engine.pages.items import OneField
from crawler.engine.pages.page import PageTree, ReadingFailed
from crawler.engine.pages.selectors import Found
from crawler.engine.pages.structured import StructuredReader
from crawler.engine.spider import FieldRule

from .goals import Candidate
from .readings import TEXT
from .scopes import contexts_of

MAX_CONTEXTS = 100
"""Items of a page on which a selector is tried."""
MOST_VALUES = 20
"""Of one field that are shown."""
SECONDS = 1.0
"""Of this thread's processor time, for trying candidates on further pages."""
GAP = 14.0
"""What it costs to give no value on all items, or on all pages."""


def first_values(rule: FieldRule) -> OneField[Node, PageTree]:
    """The engine's own, which reads no more values than are shown. Raises `ValueError` for a selector that is none."""
    return _FirstValues(rule) if rule.jsonld is None and rule.microdata is None else StructuredReader(rule)


class _FirstValues(FieldReader):
    def _read_all(self, matches: Sequence[Found], page: PageTree) -> FieldReading:
        texts = (text for match in matches if (text := self._text(match, page)) is not None)
        unreadable: list[tuple[str, str]] = []
        values = [
            text if self._is_folded_text else self._value(text, page, unreadable) for text in islice(texts, MOST_VALUES)
        ]
        return FieldReading(values, len(matches), unreadable)


Coming: TypeAlias = "tuple[float, Candidate | None]"
"""What a search has found, if it has, and what all that it finds from then on costs at least."""


class Trial:
    """Further pages, on which candidates have to give a value too."""

    def __init__(self, pages: Sequence[PageTree], each: str) -> None:
        self._pages = [(page, _contexts(page, each)) for page in pages]
        self._spent = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has taken its time."""
        return self._spent > SECONDS

    def of(self, candidate: Candidate) -> Candidate:
        """The candidate with how many of the pages it gives a value on, and what that costs."""
        begin = time.thread_time()
        # The first value is enough, also where all are wanted.
        read = first_values(TEXT.rule(candidate.kind, candidate.selector, many=False))
        passed = sum(_gives(read, page, contexts) for page, contexts in self._pages)
        # A label that is not on a page may say that there is no such value.
        gap = GAP if candidate.kind == "xpath" else 2 * GAP
        cost = candidate.cost + gap * (1 - passed / len(self._pages))
        self._spent += time.thread_time() - begin
        return replace(candidate, passed=passed, pages=len(self._pages), cost=cost)


def cheapest_first(found: Iterable[Coming], trial: Trial | None) -> Iterator[Candidate]:
    """The candidates by what they cost once they are tried, where there is a `trial`; no more of them are looked for
    than somebody takes. Each is tried when its turn comes, since that makes none of them cheaper; whose turn comes
    after `SECONDS` is left out, but for the first."""
    waiting: list[tuple[tuple[float, int], int, Candidate]] = []
    for number, (least, candidate) in enumerate(found):
        if candidate is not None:
            heapq.heappush(waiting, (rank(candidate), number, candidate))
        yield from _cheaper(waiting, least, trial)
    yield from _cheaper(waiting, inf, trial)


def _cheaper(
    waiting: list[tuple[tuple[float, int], int, Candidate]], least: float, trial: Trial | None
) -> Iterator[Candidate]:
    """Takes those out that cost less than all that may still come."""
    while waiting and waiting[0][0][0] < least:
        _rank, number, candidate = heapq.heappop(waiting)
        if trial is None or candidate.pages:
            yield candidate
        elif not trial.is_over:
            candidate = trial.of(candidate)
            heapq.heappush(waiting, (rank(candidate), number, candidate))


def rank(candidate: Candidate) -> tuple[float, int]:
    """The sturdiest first, of two the shorter."""
    return candidate.cost, len(candidate.selector)


def _contexts(page: PageTree, each: str) -> Sequence[Node]:
    try:
        return contexts_of(page, each)[:MAX_CONTEXTS]
    except (Outgrown, ReadingFailed):
        return ()


def _gives(read: OneField[Node, PageTree], page: PageTree, contexts: Sequence[Node]) -> bool:
    try:
        return any(read.read(context, page).value is not None for context in contexts)
    except (Outgrown, ReadingFailed):
        return False
