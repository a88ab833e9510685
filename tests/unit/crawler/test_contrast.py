"""The likeliest reason why one crawl found other than another, judged by what both counted."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.account.contrast import likely, signed, why_not
from crawler.models import CrawlTask

WHOLE: dict[str, Any] = {
    "status": "completed",
    "pages": 1_240,
    "items": 1_204,
    "spider_version": 7,
    "spider_id": 1,
    "task_type": "spider",
}


def task(**fields: object) -> CrawlTask:
    """A crawl of one spider that went well, unless it is said otherwise; not stored."""
    return CrawlTask(**WHOLE | fields)


def lacking(field: str, count: int, pages: int) -> dict[str, object]:
    return {
        "rules": {"recipe": {"pages": pages, "bare": 0, "missing": {field: count}}},
        "reasons": {"missing_required": count},
        "items_rejected": count,
    }


CASES = {
    "the markup changed": (
        task(),
        task(items=37, **lacking("price", 1_191, 1_240)),
        "warn",
        "1,167 items fewer, and the definition is the same",
        "“price” had no value on 96% of them: the site has changed its markup",
    ),
    "the definition changed": (
        task(),
        task(items=37, spider_version=8, **lacking("price", 1_191, 1_240)),
        "warn",
        "1,167 items fewer, and the definition was changed (version 7, then 8)",
        "What was changed in the definition stands below",
    ),
    "the site blocks": (
        task(),
        task(pages=1_240, items=100, reasons={"http_403": 1_140}),
        "warn",
        "1,104 items fewer, and the definition is the same",
        "The site blocks the crawler",
    ),
    "fewer links": (
        task(),
        task(pages=600, items=600),
        "warn",
        "604 items fewer, and the definition is the same",
        "links to fewer pages",
    ),
    "fewer pages where items say nothing": (
        task(pages_unchanged=1_000, items=240),
        task(pages=600, pages_unchanged=590, items=10),
        "warn",
        "640 pages fewer, and the definition is the same",
        "links to fewer pages",
    ),
    "it failed": (
        task(),
        task(status="failed", message="No start page answered"),
        "bad",
        "The later crawl failed",
        "No start",
    ),
    "it is going": (task(), task(status="running", pages=3), "lit", "has not ended", ""),
    "it was cancelled": (task(), task(status="cancelled", message="Cancelled by mei."), "mute", "was cancelled", "mei"),
    "the earlier one failed": (task(status="failed"), task(), "info", "The earlier crawl did not come to its end", ""),
    "it was stopped": (
        task(),
        task(pages=100, items=90, message="Stopped at max_pages = 100"),
        "info",
        "The later crawl stopped before it was through",
        "max_pages = 100",
    ),
    "something goes wrong more often": (
        task(),
        task(reasons={"http_500": 60}),
        "warn",
        "More went wrong: The site's server failed (0, then 60)",
        "",
    ),
    "a little goes wrong": (task(), task(reasons={"http_500": 3}), "ok", "Nothing of weight differs", ""),
    "nothing differs": (task(), task(items_new=12), "ok", "Nothing of weight differs", "12 new items"),
    "some came back": (
        task(),
        task(items_gone=2, items_returned=1_300),
        "ok",
        "Nothing of weight differs",
        "0 changed, 2 gone and 1,300 back again.",
    ),
    "more": (task(pages=500), task(), "ok", "740 pages more than before", ""),
    "few items": (task(pages=5, items=4), task(pages=5, items=0), "ok", "Nothing of weight differs", ""),
}


@pytest.mark.parametrize(("before", "after", "tone", "title", "line"), CASES.values(), ids=CASES)
def test_the_likeliest_reason(before: CrawlTask, after: CrawlTask, tone: str, title: str, line: str) -> None:
    found = likely(before, after)
    assert found.tone == tone
    assert title in found.title
    assert line in " ".join(found.lines)


def test_items_are_no_measure_where_pages_were_unchanged() -> None:
    assert likely(task(), task(items=3, pages_unchanged=1_200)).tone == "ok"


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (task(pk=1), task(pk=1), "one and the same"),
        (task(pk=1), task(pk=2, spider_id=None), "several spiders"),
        (task(pk=1), task(pk=2, spider_id=2), "different spiders"),
        (task(pk=1), task(pk=2, task_type="urls"), "given addresses"),
        (task(pk=1), task(pk=2), ""),
    ],
    ids=["same", "several", "different", "addresses", "fitting"],
)
def test_what_cannot_be_compared_is_told(one: CrawlTask, other: CrawlTask, says: str) -> None:
    told = why_not(one, other)
    assert says in told
    assert bool(told) is bool(says)


def test_a_difference_has_its_sign() -> None:
    assert [signed(number) for number in (2, -1_167, 0)] == ["+2", "−1,167", "–"]
