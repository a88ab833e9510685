"""Pages that gave their place to their canonical page, until it is known whether that could be read.

Where it could not (404, a time-out, a redirect that leads back), they are asked for once more, and keep their items:
the checkpoint that stores the failure puts them back into the frontier.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from .errors import Reason
from .fetching.redirects import MAX_HOPS
from .records import MAX_CANONICALS, CanonicalMemory, PageResult, PageState
from .urls import hash_url

T = TypeVar("T")


class Canonicals:
    """Those of one attempt at a crawl whose spider follows canonicals. The oldest are forgotten first."""

    def __init__(self) -> None:
        self._failed: dict[int, None] = {}
        """Hashes of pages that could not be read."""
        self._waiting: dict[int, int] = {}
        """Pages, with what they gave their place to."""
        self._pages_for: dict[int, dict[int, None]] = {}
        """The same the other way round."""
        self._moved: dict[int, int] = {}
        """Pages that redirected, and where to."""
        self._back: set[int] = set()

    def go_on(self, memory: CanonicalMemory) -> None:
        """Begin with what earlier attempts of the crawl have found."""
        self._failed.update(dict.fromkeys(memory.failed))
        self._moved.update(memory.moved)
        for page, target in memory.waiting.items():
            end = self._end_of(target)
            if end not in self._failed:
                self._wait(page, end)

    def is_lost(self, page: int, target: int) -> bool:
        """Whether `page` keeps its place: it gave that up in vain before, or `target` could not be read."""
        return page in self._back or self._end_of(target) in self._failed

    def judge(self, result: PageResult) -> None:
        """Learn what became of a page. Whoever gave its place to it in vain is `back`."""
        page = result.page.url_hash
        if result.reason == Reason.CANONICAL:
            self._lead_on(result, (page,))
        elif result.state is PageState.REDIRECTED and not result.reason:
            _keep(self._moved, page, hash_url(result.redirected_to))
            self._lead_on(result, self._take(page))
        elif result.state in (PageState.DONE, PageState.UNCHANGED):
            self._take(page)
        else:
            _keep(self._failed, page, None)
            self._bring_back(result, self._take(page))

    def _lead_on(self, result: PageResult, pages: Iterable[int]) -> None:
        """`pages` wait for what `result` redirects to, unless that is known to have failed."""
        target = self._end_of(hash_url(result.redirected_to))
        if target in self._failed:
            self._bring_back(result, pages)
            return
        for page in pages:
            self._wait(page, target)

    def _end_of(self, target: int) -> int:
        """Where the redirects that are known lead from there."""
        for _ in range(MAX_HOPS):
            if target not in self._moved:
                break
            target = self._moved[target]
        return target

    def _bring_back(self, result: PageResult, pages: Iterable[int]) -> None:
        back = [page for page in pages if page not in self._back]
        self._back.update(back)
        result.back = (*result.back, *back)

    def _wait(self, page: int, target: int) -> None:
        self._drop(page)
        if len(self._waiting) >= MAX_CANONICALS:
            self._drop(next(iter(self._waiting)))
        self._waiting[page] = target
        self._pages_for.setdefault(target, {})[page] = None

    def _drop(self, page: int) -> None:
        target = self._waiting.pop(page, None)
        if target is None:
            return
        pages = self._pages_for[target]
        del pages[page]
        if not pages:
            del self._pages_for[target]

    def _take(self, target: int) -> Iterable[int]:
        pages = self._pages_for.pop(target, {})
        for page in pages:
            del self._waiting[page]
        return pages


def _keep(known: dict[int, T], page: int, value: T) -> None:
    if len(known) >= MAX_CANONICALS:
        del known[next(iter(known))]
    known[page] = value
