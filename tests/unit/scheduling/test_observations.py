from __future__ import annotations

from scheduling.liveness import Observations


def test_a_beat_that_stands_still_for_15_seconds_is_lost() -> None:
    seen = Observations(15.0)

    assert seen.judge({1: 5, 2: 9}, 100.0) == []
    assert seen.judge({1: 5, 2: 10}, 114.9) == []
    assert seen.judge({1: 5, 2: 11}, 115.0) == [(1, 5)]


def test_a_beat_that_moved_begins_the_count_anew() -> None:
    seen = Observations(15.0)
    seen.judge({1: 5}, 100.0)
    seen.judge({1: 6}, 114.0)

    assert seen.judge({1: 6}, 128.0) == []
    assert seen.judge({1: 6}, 129.0) == [(1, 6)]


def test_what_was_forgotten_is_not_held_against_anybody() -> None:
    seen = Observations(15.0)
    seen.judge({1: 5}, 100.0)
    seen.forget()

    assert seen.judge({1: 5}, 200.0) == []
    assert seen.judge({1: 5}, 215.0) == [(1, 5)]


def test_a_process_that_vanished_is_no_longer_observed() -> None:
    seen = Observations(15.0)
    seen.judge({1: 5}, 100.0)
    seen.judge({}, 110.0)

    assert seen.judge({1: 5}, 120.0) == []
