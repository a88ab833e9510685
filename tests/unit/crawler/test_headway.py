"""How a crawl says how far it is: what waits, and how fast it goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from crawler.storing.headway import SPAN, Headway, read

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_pages_that_join_wait_and_those_that_are_through_do_not() -> None:
    headway = Headway.begin(1, NOW).after(joined=50, through=1, now=later(1)).after(joined=3, through=20, now=later(2))
    assert headway.waiting == 33


def test_there_are_never_fewer_than_none_waiting() -> None:
    assert Headway.begin(1, NOW).after(joined=0, through=2, now=later(1)).waiting == 0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    headway = Headway.begin(1_000, NOW)
    for second in range(1, 101):
        headway = headway.after(joined=0, through=100 if second <= 50 else 2, now=later(second))
    assert headway.rate == 2.0
    assert len(headway.marks) <= SPAN.total_seconds() + 2


def test_a_rate_of_no_time_is_not_told() -> None:
    begun = Headway.begin(10, NOW)
    assert begun.rate is None
    assert begun.after(joined=0, through=5, now=later(0.1)).rate is None


def test_after_a_long_rest_the_rate_counts_the_rest() -> None:
    headway = (
        Headway.begin(100, NOW).after(joined=0, through=10, now=later(1)).after(joined=0, through=10, now=later(101))
    )
    assert headway.rate == pytest.approx(0.1)


def test_a_clock_that_was_set_back_leaves_no_marks_behind() -> None:
    headway = Headway.begin(1_000, NOW)
    for second in range(1, 30):
        headway = headway.after(joined=0, through=10, now=later(second - 86_400))
    assert headway.rate == 10.0
    assert len(headway.marks) <= SPAN.total_seconds() + 2


def test_what_is_stored_is_read_back() -> None:
    headway = Headway.begin(9, NOW).after(joined=0, through=4, now=later(2))
    seen = read(json.loads(json.dumps(headway.to_json())))
    assert seen is not None
    assert (seen.at, seen.waiting, seen.rate) == (later(2), 5, 2.0)


def test_a_rate_fades_while_nothing_comes() -> None:
    seen = read({"at": NOW.isoformat(), "waiting": 5, "rate": 12})
    assert seen is not None
    told = [seen.rate_at(later(seconds)) for seconds in (-60, 0, 15, 30, 150)]
    assert told == [12, 12, 12, 6, pytest.approx(1.2)]
    unknown = read({"at": NOW.isoformat(), "waiting": 5, "rate": None})
    assert unknown is not None
    assert unknown.rate_at(later(99)) is None


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        "text",
        {},
        {"at": "yesterday", "waiting": 1},
        {"at": NOW.isoformat()},
        {"at": "2026-01-01T12:00:00", "waiting": 1},
    ],
    ids=["null", "list", "text", "empty", "no time", "nothing waits", "no zone"],
)
def test_what_is_no_such_document_says_nothing(stored: object) -> None:
    assert read(stored) is None
