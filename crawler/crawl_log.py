"""What a crawl writes into its run's log: its begin, some of what failed, now and then how far it is, its end.

A crawl that was broken off and goes on says so; what it counts from then on is the whole of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from . import log_lines
from .engine.records import CrawlCounts, CrawlOutcome, Ending
from .engine.spider import SpiderDefinition
from .models import CrawlTask, Spider, TaskFailure

EVERY = 30.0
"""Seconds between two lines that say how far it is."""
MOST_OF_REASON = 20
"""Failures that are written for each reason."""


class CrawlLog:
    """`log` takes a line, from any thread. Lines are English; `log_lines` has their templates."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._clock = clock
        self._tell_at = clock() + EVERY
        self._written: Counter[str] = Counter()
        self._before = CrawlCounts()

    def begin(self, task: CrawlTask, spider: Spider, definition: SpiderDefinition) -> None:
        values = {
            "task": task.task_id,
            "spider": spider.name,
            "version": spider.version,
            "pages": _amount(len(definition.start_pages), "page"),
            "sitemaps": _amount(len(definition.sitemaps), "sitemap"),
        }
        self._log((log_lines.BEGIN_WITH_SITEMAPS if definition.sitemaps else log_lines.BEGIN) % values)
        self._before = CrawlCounts(pages=task.pages, pages_failed=task.pages_failed, items=task.items)
        if self._goes_on:
            self._log(log_lines.GOES_ON % _amounts(self._before))

    def failures(self, rows: Sequence[TaskFailure]) -> None:
        """The first few of each reason."""
        for row in rows:
            self._written[row.reason] += 1
            written = self._written[row.reason]
            if written <= MOST_OF_REASON:
                template = log_lines.FAILED_WITH_DETAIL if row.detail else log_lines.FAILED
                line = template % {"url": row.url, "reason": row.reason, "detail": row.detail}
                self._log("WARNING: " + " ".join(line.split()))
            elif written == MOST_OF_REASON + 1:
                self._log(f"WARNING: {log_lines.UNWRITTEN % {'reason': row.reason}}")

    def progress(self, counts: CrawlCounts) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + EVERY
            self._log(log_lines.PROGRESS % _amounts(self.whole(counts)))

    def end(self, outcome: CrawlOutcome) -> None:
        grave = "ERROR: " if outcome.ending is Ending.FAILED else ""
        template = _ENDS[self._goes_on, bool(outcome.message)]
        values = {
            **_amounts(self.whole(outcome.counts)),
            "ending": outcome.ending.value,
            "why": outcome.message,
            "since": f"{outcome.counts.pages:,}",
            "seconds": outcome.seconds,
        }
        self._log(f"{grave}{template % values}")

    @property
    def _goes_on(self) -> bool:
        return self._before != CrawlCounts()

    def whole(self, counts: CrawlCounts) -> CrawlCounts:
        """With what attempts before this one have stored."""
        return CrawlCounts(
            pages=self._before.pages + counts.pages,
            pages_failed=self._before.pages_failed + counts.pages_failed,
            items=self._before.items + counts.items,
        )


_ENDS = {
    (False, False): log_lines.END,
    (False, True): log_lines.END_WITH_REASON,
    (True, False): log_lines.END_AFTER_ALL,
    (True, True): log_lines.END_AFTER_ALL_WITH_REASON,
}
"""By whether it went on, and whether its end has a reason."""


def _amounts(counts: CrawlCounts) -> dict[str, object]:
    return {
        "pages": _amount(counts.pages, "page"),
        "failed": f"{counts.pages_failed:,}",
        "items": "1 reading of an item" if counts.items == 1 else f"{counts.items:,} readings of items",
    }


def _amount(count: int, one: str) -> str:
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"
