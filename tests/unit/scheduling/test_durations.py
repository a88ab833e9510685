"""How long something took, for people."""

from __future__ import annotations

import pytest

from scheduling.durations import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0004, "0 s"),
        (0.0101, "0.01 s"),
        (1.5, "1.5 s"),
        (9.99, "10 s"),
        (52.4, "52 s"),
        (59.99, "59 s"),
        (60, "1 min"),
        (112, "1 min 52 s"),
        (3_600, "1 h"),
        (7_384, "2 h 3 min"),
        (7_204, "2 h"),
        (90_000, "1 day 1 h"),
        (86_400 * 30, "30 days"),
    ],
)
def test_the_two_greatest_units_are_told(seconds: float, words: str) -> None:
    assert duration(seconds) == words
