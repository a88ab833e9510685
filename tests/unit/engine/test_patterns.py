"""Users' regular expressions: what is taken out of a text, whatever its characters."""

from __future__ import annotations

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from crawler.engine.pages.patterns import Pattern, Patterns

QUIET = re2.Options()
QUIET.log_errors = False


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


def test_expressions_that_are_too_big_for_one_search_are_asked_one_by_one() -> None:
    alone = Patterns([r"\pL{140}$"])
    assert (alone.first_in("ä" * 140), alone.first_in("ä" * 139)) == (0, None)

    patterns = Patterns(["q", r"\pL{80}", r"q\pL{80}", r"(y)?z"])
    assert [patterns.first_in(text) for text in ("ä" * 80, "1z", "q" + "ä" * 80, "1")] == [1, 3, 0, None]


def test_what_is_no_expression_is_refused_before_it_is_taken_for_a_simple_one() -> None:
    with pytest.raises(ValueError, match="invalid character class range"):
        Patterns(["[z-a]"])


ATOMS = ["a", "1", "/", " ", "_", r"\.", r"\(", r"\$", r"\d", r"\w", "[a-c]", "[0-9.]", r"[\w/]", r"[\d.]", r"\?", "é"]
EXPRESSIONS = st.builds(
    lambda begin, parts, end: begin + "".join(parts) + end,
    st.sampled_from(["", "", "^", "("]),
    st.lists(st.sampled_from([*ATOMS, "+", "*", ")", "(", "|", "?"]), max_size=7),
    st.sampled_from(["", "", "$", "+", ")", ")$"]),
)
TEXTS = st.text(st.sampled_from("aabc112/ _.($?é€\n\ud800"), max_size=20)


@given(EXPRESSIONS, TEXTS)
def test_simple_expressions_take_from_short_texts_what_re2_takes(expression: str, text: str) -> None:
    try:
        pattern = Pattern(expression)
    except ValueError:
        assume(False)
    found = re2.compile(expression, options=QUIET).search(text.encode("utf-8", "replace"))
    taken = None if found is None else found[1 if found.re.groups else 0]
    assert pattern.take(text) == (None if taken is None else taken.decode("utf-8", "replace"))
    assert Patterns([expression]).first_in(text) == (None if found is None else 0)


@pytest.mark.parametrize("expression", [r"/product/\d+$", r"[\d.]+", r"\((\d+) available", r"^/a/[a-z0-9]*"])
def test_usual_expressions_are_simple(expression: str) -> None:
    assert Pattern(expression).simple is not None


@pytest.mark.parametrize(
    "expression", [r"\d+\d+", r"(\d+)+", "(?i)a", "a|b", ".*", "[^a]+", r"a\b", r"\s+", "a{9}", "ä"]
)
def test_what_may_take_long_or_means_something_else_to_python_is_left_to_re2(expression: str) -> None:
    assert Pattern(expression).simple is None


def test_half_a_surrogate_pair_is_searched_as_a_question_mark() -> None:
    assert Patterns(["a|b"]).first_in("\ud800") is None
    assert Patterns(["x", r"^\?$"]).first_in("\ud800") == 1
