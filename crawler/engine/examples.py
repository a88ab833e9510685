"""Pages that are named as examples of what a crawl leaves out because it was asked to: the counts alone point nowhere.

(Pages that failed or were refused name themselves.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .errors import Reason
from .records import Notice, PageResult

MAX_EXAMPLES = 3
"""Of one reason, in one attempt at a crawl."""
_OF_PAGES = frozenset({Reason.NOINDEX, Reason.CANONICAL})
_OF_LINKS = frozenset({Reason.NOFOLLOW, Reason.CANONICAL_FAILED})


class Examples:
    """Those of one attempt at a crawl."""

    def __init__(self) -> None:
        self._named: Counter[str] = Counter()

    def of(self, result: PageResult) -> Iterator[Notice]:
        """What `result` is an example of, as long as there are few."""
        if result.reason in _OF_PAGES and self._is_wanted(result.reason):
            detail = f"its canonical page is {result.redirected_to}"[:500] if result.redirected_to else ""
            yield Notice(result.page.url, result.reason, detail, result.status_code)
        for reason in _OF_LINKS.intersection(result.reasons):
            if self._is_wanted(reason):
                yield Notice(result.page.url, reason, "", result.status_code)

    def _is_wanted(self, reason: str) -> bool:
        self._named[reason] += 1
        return self._named[reason] <= MAX_EXAMPLES
