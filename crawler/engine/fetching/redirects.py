"""Which page led to which in one crawl, so that chains end and circles are seen."""

from __future__ import annotations

from crawler.engine.records import PendingPage

MAX_HOPS = 10
"""Redirects in a row."""
MEMO = 50_000
"""Redirects that are remembered."""


class Redirects:
    """Those that were followed, by the hashes of their pages."""

    def __init__(self) -> None:
        self._targets: dict[int, int] = {}

    def end_at(self, page: PendingPage, target: int) -> bool:
        """Whether `page` may lead no further: the chain is long enough, or `target` leads back to it."""
        return page.hops >= MAX_HOPS or self._close_circle(page, target)

    def remember(self, page: PendingPage, target: int) -> None:
        if len(self._targets) >= MEMO:
            self._targets.clear()  # a circle is then closed by what is known already, without its name
        self._targets[page.url_hash] = target

    def _close_circle(self, page: PendingPage, target: int) -> bool:
        """Whether following the known redirects from `target` leads back to `page`."""
        if target == page.url_hash or target in page.chain:
            return True
        for _ in range(MAX_HOPS):
            following = self._targets.get(target)
            if following is None:
                return False
            if following == page.url_hash:
                return True
            target = following
        return False
