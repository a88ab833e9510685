"""Users' regular expressions: what is taken out of a text, whatever its characters."""

from __future__ import annotations

import pytest

from crawler.engine.pages.patterns import Pattern, Patterns


@pytest.mark.parametrize(
    ("expression", "text", "taken"),
    [
        (r"\d+", "abc", None),
        (r"\d+", "ä 12 3", "12"),
        (r"(\d+) of (\d+)", "3 of 4", "3"),
        (r"(?:a|b)c", "xbc", "bc"),
        (r"(a)?b", "b", None),
        (r"x*", "y", ""),
        (r"ü.", "aüé", "üé"),
        (r"😀(.)", "a😀é", "é"),
        (r"É", "é", None),
        (r"(?i)É", "é", "é"),
        (r"\C", "ä", "\ufffd"),
        (r".$", "a\ud800", "?"),
    ],
)
def test_first_group_of_the_first_match_is_taken(expression: str, text: str, taken: str | None) -> None:
    assert Pattern(expression).take(text) == taken


def test_first_expression_that_is_found_is_named() -> None:
    patterns = Patterns(["/c$", "ä", "/a"])

    assert patterns.first_in("/a/b") == 2
    assert patterns.first_in("/a/ä/c") == 0
    assert patterns.first_in("/x") is None
