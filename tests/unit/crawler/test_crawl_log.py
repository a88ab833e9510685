"""What a crawl writes into its run's log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils.translation import override

from crawler.causes import cause_of
from crawler.crawl_log import EVERY, MOST_OF_REASON, CrawlLog
from crawler.engine.documents.definition import parse
from crawler.engine.records import CrawlCounts, CrawlOutcome, Ending, Json
from crawler.models import CrawlTask, Spider, TaskFailure
from scheduling import wording

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
        "it was broken off and goes on: 7 pages answered, 1 failed, 5 readings of items are stored",
        "53 pages answered, 1 failed, 45 readings of items so far",
        "completed: 53 pages answered, 1 failed, 45 readings of items, 46 of the pages since it went on in 1.2 s",
    ]


def test_a_crawl_in_one_piece_says_nothing_of_going_on() -> None:
    assert written(CrawlTask(task_id="crawl_1"), pages=46, items=40) == [
        "46 pages answered, 0 failed, 40 readings of items so far",
        "completed: 46 pages answered, 0 failed, 40 readings of items in 1.2 s",
    ]


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another language, in which each template is marked."""
    monkeypatch.setattr(wording, "gettext", lambda text: f"… {text}")
    # Of a call of its own, so that nothing that was told before is told again.
    monkeypatch.setattr(wording, "_told", wording._told.__wrapped__)
    monkeypatch.setattr(wording, "_told_line", wording._told_line.__wrapped__)
    with override("zh-hans"):
        yield


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("pages", [0, 1], ids=["in one piece", "in two"])
@pytest.mark.parametrize("message", ["", "Stopped at max_pages = 50"], ids=["by itself", "by a limit"])
@pytest.mark.parametrize("sitemaps", [[], ["https://shop.example/sitemap.xml"]], ids=["links", "sitemaps"])
def test_all_that_a_crawl_says_can_be_told_in_another_language(pages: int, message: str, sitemaps: list[Json]) -> None:
    lines: list[str] = []
    log = CrawlLog(lines.append, clock=iter([0.0, EVERY, EVERY]).__next__)
    log.begin(CrawlTask(task_id="crawl_1", pages=pages), Spider(name="books"), parse(PLAIN | {"sitemaps": sitemaps}))
    detail = "nobody answers at shop.example, port 443: the connection is refused"
    log.failures(
        [
            *[TaskFailure(url="https://shop.example/", reason="http_500")] * (MOST_OF_REASON + 1),
            TaskFailure(url="https://shop.example/a", reason="connect_error", detail=detail),
        ]
    )
    log.progress(CrawlCounts(pages=1_046))
    log.end(CrawlOutcome(Ending.FAILED if message else Ending.COMPLETED, CrawlCounts(pages=1_046), message, 1.25))
    told = [wording.told_line(line) for line in lines]
    own = list(dict.fromkeys(told))
    assert len(own) == (7 if pages else 6)
    assert [line for line in own if not line.removeprefix("ERROR: ").removeprefix("WARNING: ").startswith("… ")] == []
    failed, counted, unanswered = own[-5:-2]
    title = str(cause_of("http_500").title)
    assert (title != "http_500", title in failed, title in counted, "http_500" in failed) == (True,) * 4
    assert str(cause_of("connect_error").title) in unanswered
    assert unanswered.endswith(f": … {detail}")
    assert "… 1,046 个页面" in own[-2] if pages == 0 else "… 1,047 个页面" in own[-2]
    assert ("… Stopped at" in own[-1]) is bool(message)
    assert ("1 个页面 and 1 个站点地图" in own[0]) is bool(sitemaps)
