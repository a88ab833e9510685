from __future__ import annotations

import json
import tracemalloc

import pytest
from rest_framework.exceptions import ParseError

from crawlproject.web.parsers import loads_strict
from crawlproject.web.problems import FieldErrors


def test_ordinary_json_is_read() -> None:
    assert loads_strict('{"a": [1, 2.5, null, "\\"[{"]}') == {"a": [1, 2.5, None, '"[{']}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('{"a": NaN}', "NaN is not JSON", id="nan"),
        pytest.param('{"a": -Infinity}', "-Infinity is not JSON", id="infinity"),
        pytest.param('{"a": 1, "b": 2, "a": 3}', "“a” stands twice", id="duplicate key"),
        pytest.param("[" * 10_000 + "]" * 10_000, "nested more than 100", id="depth"),
        pytest.param("{", "line 1 column 2", id="cut short"),
        pytest.param("[" + "1" * 5_000 + "]", "4300 digits", id="huge number"),
    ],
)
def test_what_is_not_plain_json_is_refused_saying_why(text: str, says: str) -> None:
    with pytest.raises(ParseError) as caught:
        loads_strict(text)
    assert says in str(caught.value.detail)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ('{"a": {"b": [1, "\\u0000"]}}', "a.b[1]", "NUL"),
        ('{"a": {"b\\u0000": 1}}', "a", "NUL"),
        ('["\\ud800"]', "[0]", "surrogate"),
    ],
)
def test_what_no_database_stores_is_refused_at_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(FieldErrors) as caught:
        loads_strict(text)
    [(found, message)] = caught.value.errors
    assert found == place
    assert says in message


def test_many_values_below_a_long_key_take_no_more_room_than_they_are_long() -> None:
    text = json.dumps({"k" * 10_000: [0] * 10_000 + ["\0"]})
    tracemalloc.start()
    try:
        with pytest.raises(FieldErrors) as caught:
            loads_strict(text)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000
    assert caught.value.errors[0][0] == f"{'k' * 100}[10000]"
