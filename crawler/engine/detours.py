"""Sites that send each visitor over another page for a cookie, and back: the page that we were sent away from is asked
for once more, though each URL is else fetched once."""

from __future__ import annotations

from .errors import Reason, UrlError
from .fetching.cookies import CookieJar
from .records import Answer, PageResult, PageState, PendingPage
from .urls import hash_url, resolve

MAX_LEFT = 1_000
"""Pages that are remembered; the oldest go first."""


class Detours:
    """Those of one crawl that keeps cookies."""

    def __init__(self, jar: CookieJar) -> None:
        self._jar = jar
        self._left: dict[int, tuple[PendingPage, int]] = {}
        """Pages that redirected, and how often cookies had changed by then."""

    def end_of(self, result: PageResult, answer: Answer) -> PendingPage | None:
        """The page to ask for again, where `result` led back to it with another cookie; it is then no loop.

        Links join the frontier with a commit: the page's first result is stored before the second one comes.
        """
        page = result.page
        if result.state is PageState.REDIRECTED:
            if len(self._left) >= MAX_LEFT:
                del self._left[next(iter(self._left))]
            self._left[page.url_hash] = (page, self._jar.changes)
            return None
        if result.reason != Reason.REDIRECT_LOOP or not page.chain:
            return None
        try:
            target = hash_url(resolve(answer.headers.get("location", ""), answer.url))
        except UrlError:
            return None
        left = self._left.pop(target, None) if target in page.chain else None
        if left is None or left[1] == self._jar.changes:
            return None
        result.state, result.reason, result.detail = PageState.REDIRECTED, "", ""
        result.redirected_to = left[0].url
        return _afresh(left[0])


def _afresh(page: PendingPage) -> PendingPage:
    """As a page of which nothing is known: what its row said of its content went with the redirect."""
    page.etag = page.last_modified = ""
    page.content_hash = b""
    page.may_revalidate = False
    return page
