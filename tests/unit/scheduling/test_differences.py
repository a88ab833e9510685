"""A change is told field by field."""

from __future__ import annotations

import pytest

from scheduling.definitions.differences import ABSENT, differences, same


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["s.a: 1 → true"]),
        ({"a": [1]}, {"a": [True]}, ["s.a: [1] → [true]"]),
        ({"a": None}, {}, ["s.a: null → (not set)"]),
        (
            {"items": [{"fields": {"price": {"regex": "a"}}}]},
            {"items": [{"fields": {"price": {"regex": "b"}}}]},
            ['s.items[0].fields.price.regex: "a" → "b"'],
        ),
        ({"u": ["x"]}, {"u": ["x", "é"]}, ['s.u: ["x"] → ["x", "é"]']),
        ({"f": [{"css": "a"}]}, {"f": [{"css": "a"}, {"css": "b"}]}, ['s.f[1]: (not set) → {"css": "b"}']),
        ({"f": [{"css": "a"}]}, {}, ['s.f: [{"css": "a"}] → (not set)']),
        (
            {"a": {"b": 1, "c": 2}},
            {"a": {"c": 3, "d": 4}},
            ["s.a.b: 1 → (not set)", "s.a.c: 2 → 3", "s.a.d: (not set) → 4"],
        ),
        ({"a": "x" * 100}, {"a": ""}, [f's.a: "{"x" * 78}… → ""']),
    ],
)
def test_each_difference_is_as_deep_as_it_goes(before: object, after: object, lines: list[str]) -> None:
    found = differences(before, after, "s")
    assert [str(difference) for difference in found] == lines
    assert same(before, after) is not bool(lines)


def test_an_absent_value_is_told_apart_from_null_for_programs() -> None:
    assert differences({"a": None}, {}, "")[0].as_dict() == {"place": "a", "before": None}
    assert differences({}, {"a": 1}, "")[0].before is ABSENT


def test_the_order_of_keys_matters_only_where_it_is_said_to() -> None:
    before, after = {"fields": {"a": {"x": 1, "y": 2}, "b": 1}}, {"fields": {"b": 1, "a": {"y": 2, "x": 1}}}
    assert differences(before, after) == []
    assert [str(one) for one in differences(before, after, ordered=["fields"])] == ['fields: ["a", "b"] → ["b", "a"]']
    assert not same(before, after, ordered=["fields"])
