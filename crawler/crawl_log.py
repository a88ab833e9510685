"""What a crawl writes into its run's log: its begin, some of what failed, now and then how far it is, its end."""

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

    def begin(self, task: CrawlTask, spider: Spider, definition: SpiderDefinition) -> None:
        starts = len(definition.start_pages)
        pages = "page" if starts == 1 else "pages"
        sitemaps = f" and {len(definition.sitemaps)} sitemaps" if definition.sitemaps else ""
        self._log(f"{task.task_id}: {spider.name}, version {spider.version}, from {starts} start {pages}{sitemaps}")

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
            self._log(f"{_amount(counts)} so far")

    def end(self, outcome: CrawlOutcome) -> None:
        grave = "ERROR: " if outcome.ending is Ending.FAILED else ""
        why = f": {outcome.message}" if outcome.message else ""
        self._log(f"{grave}{outcome.ending.value}{why}: {_amount(outcome.counts)} in {outcome.seconds:.1f} s")


def _amount(counts: CrawlCounts) -> str:
    return f"{counts.pages:,} pages ({counts.pages_failed:,} failed), {counts.items:,} items"
