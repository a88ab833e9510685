"""What a crawl writes into its run's log: its begin, some of what failed, now and then how far it is, its end.

A crawl that was broken off and goes on says so; what it counts from then on is the whole of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from .engine.records import CrawlCounts, CrawlOutcome, Ending
from .engine.spider import SpiderDefinition
from .models import CrawlTask, Spider, TaskFailure

EVERY = 30.0
"""Seconds between two lines that say how far it is."""
MOST_OF_REASON = 20
"""Failures that are written for each reason."""


class CrawlLog:
    """`log` takes a line, from any thread. Lines are English: the log is one text for all readers."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._clock = clock
        self._tell_at = clock() + EVERY
        self._written: Counter[str] = Counter()
        self._before = CrawlCounts()

    def begin(self, task: CrawlTask, spider: Spider, definition: SpiderDefinition) -> None:
        starts = len(definition.start_pages)
        pages = "page" if starts == 1 else "pages"
        sitemaps = f" and {len(definition.sitemaps)} sitemaps" if definition.sitemaps else ""
        self._log(f"{task.task_id}: {spider.name}, version {spider.version}, from {starts} start {pages}{sitemaps}")
        self._before = CrawlCounts(pages=task.pages, pages_failed=task.pages_failed, items=task.items)
        if self._goes_on:
            self._log(f"it was broken off and goes on: {_amount(self._before)} are stored")

    def failures(self, rows: Sequence[TaskFailure]) -> None:
        """The first few of each reason."""
        for row in rows:
            self._written[row.reason] += 1
            written = self._written[row.reason]
            if written <= MOST_OF_REASON:
                told = f": {row.detail}" if row.detail else ""
                self._log("WARNING: " + " ".join(f"{row.url}: {row.reason}{told}".split()))
            elif written == MOST_OF_REASON + 1:
                self._log(f"WARNING: what else is {row.reason} is counted and not written here")

    def progress(self, counts: CrawlCounts) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + EVERY
            self._log(f"{_amount(self._whole(counts))} so far")

    def end(self, outcome: CrawlOutcome) -> None:
        grave = "ERROR: " if outcome.ending is Ending.FAILED else ""
        why = f": {outcome.message}" if outcome.message else ""
        since = f", {outcome.counts.pages:,} of the pages since it went on" if self._goes_on else ""
        whole = _amount(self._whole(outcome.counts))
        self._log(f"{grave}{outcome.ending.value}{why}: {whole}{since} in {outcome.seconds:.1f} s")

    @property
    def _goes_on(self) -> bool:
        return self._before != CrawlCounts()

    def _whole(self, counts: CrawlCounts) -> CrawlCounts:
        """With what attempts before this one have stored."""
        return CrawlCounts(
            pages=self._before.pages + counts.pages,
            pages_failed=self._before.pages_failed + counts.pages_failed,
            items=self._before.items + counts.items,
        )


def _amount(counts: CrawlCounts) -> str:
    return f"{counts.pages:,} pages ({counts.pages_failed:,} failed), {counts.items:,} items"
