"""JMESPath expressions: what they give, and that neither they nor a document can hang a crawl."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.pages.bounds import FULL
from crawler.engine.pages.jmes import Expression, ExpressionFailed, JsonValue
from crawler.engine.pages.page import Budget, ReadingFailed

BOOK: JsonValue = {
    "title": "Emma",
    "a-b": 1,
    "tags": [{"name": "x"}, {"name": "y"}, {}],
    "author": {"name": "Jane", "links": [{"url": "/j"}]},
    "page": 2,
    "has_next": True,
    "nothing": None,
}

FOUND: dict[str, JsonValue] = {
    "title": "Emma",
    "author.name": "Jane",
    "author.links[0].url": "/j",
    "author.links[-1].url": "/j",
    "author.links[1].url": None,
    "author[0]": None,
    "title.name": None,
    "nothing.at.all": None,
    '"a-b"': 1,
    "@.page": 2,
    "tags[].name": ["x", "y"],
    "tags[?name=='y'].name | [0]": "y",
    "length(tags)": 3,
    "has_next && sum([page, `1`])": 3,
    "{a: title, b: page}": {"a": "Emma", "b": 2},
    "map(&name, tags)": ["x", "y", None],
    "join('-', tags[].name)": "x-y",
    "to_string(author)": '{"name":"Jane","links":[{"url":"/j"}]}',
}


@pytest.mark.parametrize("text", FOUND)
def test_what_an_expression_gives(text: str) -> None:
    assert Expression(text).search(BOOK, Budget()) == FOUND[text]


REFUSED = {
    "unfinished": ("a[", "ends too early"),
    "two dots": ("a..b", '"." cannot stand at character 3'),
    "a name with a hyphen": ("a-b", "wants double quotes"),
    "an unknown function": ("size(a)", '"size()" is no function of JMESPath; known are abs, avg'),
    "a function with too much": ("length(a, b)", '"length()" takes 1 arguments, 2 are given'),
    "a function with too little": ("not_null()", '"not_null()" takes at least 1 arguments, 0 are given'),
    "what JSON does not have": ("[?a > `NaN`]", "NaN or Infinity"),
    "the same inside a literal": ('`{"a": [Infinity]}`', "NaN or Infinity"),
    "brackets without end": ("(" * 1_500, "is no JMESPath expression"),
    "negations without end": ("!" * 1_500 + "a", "is n"),
    "a book": ("a" * 3_000, "at most 2,000 are read"),
    "copies of copies": ("|".join(["[@,@]"] * 30), "copies of what it reads"),
    "copies of copies, applied": ("map(&[@,@],map(&[@,@],map(&[@,@],@)))" + "|[@,@,@,@,@]" * 3, "copies"),
    "nested mapping": ("map(&[@,@], " * 20 + "@" + ")" * 20, "copies"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_expression_or_may_hang_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Expression(text)


@pytest.mark.parametrize("text", ["sum(title)", "sort_by(tags, &name)", "length(nothing)", "max([title, page])"])
def test_a_function_that_does_not_take_what_it_is_given_says_so(text: str) -> None:
    with pytest.raises(ExpressionFailed, match="invalid type for value"):
        Expression(text).search(BOOK, Budget())


HANGING: dict[str, tuple[str, JsonValue]] = {
    "the square of a list": ("[?contains(@.a, 'x')] || [?a[?@ == 'y']]", [{"a": ["z"] * 2_000}] * 4_000),
    "comparing great documents": ("[?a == b]", [{"a": list(range(200_000)), "b": list(range(200_000))}] * 20_000),
    "sorting by an expression": ("sort_by(@, &length(a))", [{"a": "z"}] * 1_000_000),
    "a text that grows": ("join(a, b)", {"a": "x" * 1_000_000, "b": ["y"] * 1_000}),
}


@pytest.mark.parametrize(("text", "document"), HANGING.values(), ids=HANGING.keys())
def test_no_document_keeps_an_expression_busy_for_long(text: str, document: JsonValue) -> None:
    with pytest.raises(ReadingFailed, match=r"longer than|characters"):
        Expression(text).search(document, Budget(replace(FULL, seconds=0.1)))


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc") | st.text(), inner, max_size=4),
    max_leaves=20,
)
PIECES = ["a", "b", "c", "[0]", "[-1]", "[]", "[*]", ".*", "[?a]", "|", "&&", "||", "!", "@", ".", "length(@)", "`1`"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=8), document=DOCUMENTS)
def test_whatever_the_expression_and_the_document_nothing_else_is_raised(
    pieces: list[str], document: JsonValue
) -> None:
    try:
        found = Expression("".join(pieces)).search(document, Budget())
    except (ValueError, ExpressionFailed):
        return
    json.dumps(found)


@given(steps=st.lists(st.sampled_from(["a", "b", 0, 1, -1]), min_size=1, max_size=5), document=DOCUMENTS)
def test_a_plain_path_gives_what_the_interpreter_gives(steps: list[str | int], document: JsonValue) -> None:
    text = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in steps).removeprefix(".")
    plain, interpreted = Expression(text), Expression(f"({text}) || null_")
    assert plain._path is not None
    assert interpreted._path is None
    found = plain.search(document, Budget())
    assert interpreted.search(document, Budget()) == (found if found not in ("", [], {}, False) else None)
