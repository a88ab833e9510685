"""What a crawl writes into its run's log."""

from __future__ import annotations

from crawler.crawl_log import EVERY, CrawlLog
from crawler.engine.documents.definition import parse
from crawler.engine.records import CrawlCounts, CrawlOutcome, Ending, Json
from crawler.models import CrawlTask, Spider

PLAIN: dict[str, Json] = {"name": "books", "start_urls": ["https://shop.example/"], "follow": [{"css": "a"}]}


def written(task: CrawlTask, *, pages: int, items: int) -> list[str]:
    """The lines of an attempt that stores so much."""
    lines: list[str] = []
    clock = iter([0.0, EVERY, EVERY])
    log = CrawlLog(lines.append, clock=lambda: next(clock))
    log.begin(task, Spider(name="books"), parse(PLAIN))
    counts = CrawlCounts(pages=pages, items=items)
    log.progress(counts)
    log.end(CrawlOutcome(Ending.COMPLETED, counts, "", 1.25))
    return lines[1:]


def test_a_crawl_that_went_on_counts_the_whole_of_it() -> None:
    task = CrawlTask(task_id="crawl_1", pages=7, pages_failed=1, items=5)
    assert written(task, pages=46, items=40) == [
        "it was broken off and goes on: 7 pages (1 failed), 5 items are stored",
        "53 pages (1 failed), 45 items so far",
        "completed: 53 pages (1 failed), 45 items, 46 of the pages since it went on in 1.2 s",
    ]


def test_a_crawl_in_one_piece_says_nothing_of_going_on() -> None:
    assert written(CrawlTask(task_id="crawl_1"), pages=46, items=40) == [
        "46 pages (0 failed), 40 items so far",
        "completed: 46 pages (0 failed), 40 items in 1.2 s",
    ]
