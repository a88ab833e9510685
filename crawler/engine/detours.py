"""Sites that send each visitor over another page for a cookie, and back: the page that we were sent away from is asked
for once more, though each URL is else fetched once.

The checkpoint that stores how a detour ended puts that page back into the frontier, and forgets the pages on the way:
cookies live as long as their attempt, so an attempt that goes on may have to go round again.
"""

from __future__ import annotations

from .errors import Reason, UrlError
from .fetching.cookies import CookieJar
from .records import Answer, PageResult, PageState
from .urls import hash_url, resolve

MAX_LEFT = 1_000
"""Pages that are remembered; the oldest go first."""
MAX_AGAIN = 100_000
"""Pages that one attempt asks for again."""


class Detours:
    """Those of one attempt at a crawl that keeps cookies."""

    def __init__(self, jar: CookieJar) -> None:
        self._jar = jar
        self._left: dict[int, int] = {}
        """Pages that redirected, and how often cookies had changed by then."""
        self._again: set[int] = set()

    def judge(self, result: PageResult, answer: Answer) -> None:
        """Where `result` led back to a page that had sent us away, with another cookie, it is no loop: set `detour`."""
        page = result.page
        if result.state is PageState.REDIRECTED:
            if len(self._left) >= MAX_LEFT:
                del self._left[next(iter(self._left))]
            self._left[page.url_hash] = self._jar.changes
            return
        if result.reason != Reason.REDIRECT_LOOP or not page.chain:
            return
        try:
            url = resolve(answer.headers.get("location", ""), answer.url)
        except UrlError:
            return
        target = hash_url(url)
        # One that an earlier attempt asked for had none of the cookies that this one was given.
        if target not in page.chain or self._left.pop(target, 0) == self._jar.changes:
            return
        if target in self._again or len(self._again) >= MAX_AGAIN:
            return
        self._again.add(target)
        result.state, result.reason, result.detail = PageState.REDIRECTED, "", ""
        result.redirected_to = url
        result.detour = (*page.chain[page.chain.index(target) :], page.url_hash)
