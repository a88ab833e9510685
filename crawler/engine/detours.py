"""Sites that send each visitor over another page for a cookie, and back: the pages that we were sent away from are
asked for once more, though each URL is else fetched once.

The checkpoint that stores how a detour ended puts those pages back into the frontier, and forgets the pages on the way:
cookies live as long as their attempt, so an attempt that goes on may have to go round again. Several pages may be sent
over one and the same page: all of them are asked for again as soon as that leads back to any of them.
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
        self._left: dict[int, tuple[int, int]] = {}
        """Pages that redirected: where to, and how often cookies had changed by then."""
        self._ways: set[int] = set()
        """Pages that detours led over."""
        self._again: set[int] = set()

    def judge(self, result: PageResult, answer: Answer) -> None:
        """Where `result` led back to a page that had sent us away, with another cookie, it is no loop: the pages that
        had are `back`."""
        page = result.page
        if result.state is PageState.REDIRECTED:
            target = hash_url(result.redirected_to)
            if target in self._ways and self._may_ask_again(page.url_hash):
                # It was asked for before the cookie came, and answered when the detour was over.
                self._again.add(page.url_hash)
                result.back = (page.url_hash,)
                return
            if len(self._left) >= MAX_LEFT:
                del self._left[next(iter(self._left))]
            self._left[page.url_hash] = target, self._jar.changes
            return
        if result.reason != Reason.REDIRECT_LOOP or not page.chain:
            return
        try:
            url = resolve(answer.headers.get("location", ""), answer.url)
        except UrlError:
            return
        target = hash_url(url)
        ways = self._ways_from(target, (*page.chain, page.url_hash))
        if not ways or not self._has_new_cookie(target) or not self._may_ask_again(target):
            return
        others = (each for each, (over, _) in self._left.items() if over in ways and each not in (target, *ways))
        back = (target, *(each for each in others if self._has_new_cookie(each) and self._may_ask_again(each)))
        self._again.update(back)
        self._ways.update(ways)
        for each in back:
            self._left.pop(each, None)
        result.state, result.reason, result.detail = PageState.REDIRECTED, "", ""
        result.redirected_to = url
        result.back, result.forgotten = back, ways

    def _ways_from(self, target: int, chain: tuple[int, ...]) -> tuple[int, ...]:
        """The pages of `chain` that `target` was sent over; none where it was not."""
        if target in chain:
            return chain[chain.index(target) + 1 :]
        over = self._left.get(target, (0, 0))[0]
        return chain[chain.index(over) :] if over in chain else ()

    def _has_new_cookie(self, url_hash: int) -> bool:
        # A page that an earlier attempt asked for had none of the cookies that this one was given.
        return self._left.get(url_hash, (0, 0))[1] != self._jar.changes

    def _may_ask_again(self, url_hash: int) -> bool:
        return url_hash not in self._again and len(self._again) < MAX_AGAIN
