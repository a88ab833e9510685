"""YAML and JSON are read without surprises, and refused with all their problems."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.definitions.reading import MAX_CHARACTERS, read
from crawler.definitions.scalars import MISREAD
from crawler.problems import InvalidDefinitions


def refused(text: str, source: str = "") -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        read(text, source=source)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -1.5", {"a": -1.5}),
        ("a: 1_000", {"a": 1000}),
        ("a: 0x10", {"a": 16}),
        ("a: yes\nb: Off", {"a": True, "b": False}),
        ("a: ~\nb: null\nc:", {"a": None, "b": None, "c": None}),
        ('a: "02:00"', {"a": "02:00"}),
        ("a: '2027-01-01'", {"a": "2027-01-01"}),
        ("a: 2:1:x", {"a": "2:1:x"}),
        ("a: =", {"a": "="}),
        ("a: !!str 12", {"a": "12"}),
        ("a: [1, {b: c}]", {"a": [1, {"b": "c"}]}),
        ("- a\n- b", ["a", "b"]),
        ("\ufeffa: 1", {"a": 1}),
        ("{a: 1}", {"a": 1}),
        ('{"a": 1e2, "b": "\\ud83d\\ude00", "c": "\\/"}', {"a": 100.0, "b": "😀", "c": "/"}),
        ('{\n\t"a": [true, null]\n}', {"a": [True, None]}),
        ('a: {"<<": 1}', {"a": {"<<": 1}}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: &x {b: 1}\ne: &y {b: 2}\nd: {<<: [*x, *y]}", {"a": {"b": 1}, "e": {"b": 2}, "d": {"b": 1}}),
        ("a: &x {b: 1}\ne: &y {b: 2}\nd: {<<: *x, <<: *y}", {"a": {"b": 1}, "e": {"b": 2}, "d": {"b": 1}}),
    ],
)
def test_what_is_written_is_what_is_read(text: str, value: object) -> None:
    assert read(text).value == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", 'line 3: the key "a" is given twice (first on line 1)'),
        ("a: 2027-01-01", "line 1: YAML would make a date of 2027-01-01; put it in quotes"),
        ("a: 2027-01-01T12:00:00Z", "line 1: YAML would make a date of 2027-01-01T12:00:00Z; put it in quotes"),
        ("a: 02:00", "line 1: YAML would make a number of 02:00 (minutes of 60 seconds); put it in quotes"),
        ("a: 1:30.5", "line 1: YAML would make a number of 1:30.5 (minutes of 60 seconds); put it in quotes"),
        ("a: 0755", "line 1: YAML would read 0755 as octal; put it in quotes, or leave the leading zero out"),
        ("a: 08", "line 1: YAML would read 08 as octal; put it in quotes, or leave the leading zero out"),
        ("a: .nan", "line 1: .nan is no finite number"),
        ("a: -.inf", "line 1: -.inf is no finite number"),
        ("1: a", "line 1: a key must be text; put it in quotes"),
        ("no: a", "line 1: a key must be text; put it in quotes"),
        ("? [a]\n: b", "line 1: a key must be text; put it in quotes"),
        (
            "a: !!python/object/apply:os.system [id]",
            'line 1: the tag "tag:yaml.org,2002:python/object/apply:os.system" is not read',
        ),
        ("a: !!binary aGk=", 'line 1: the tag "tag:yaml.org,2002:binary" is not read'),
        ("a: &x [*x]", 'line 1: "*x" stands within itself'),
        (
            f"a: &a {{{', '.join(f'k{n}: 1' for n in range(2_000))}}}\nb:\n" + "  <<: *a\n" * 2_000,
            "line 3: more than 1,000,000 values",
        ),
        ("a: {<<: 3}", 'line 1: "<<" wants a mapping, or a list of mappings'),
        ("a: 1\n---\nb: 2", 'line 2: a second document ("---"); a file holds one'),
        ("", "the file is empty"),
        ("# nothing", "the file is empty"),
        ("a: " + "[" * 60 + "]" * 60, "line 1: nested more than 50 levels deep"),
        ("a: " + "[" * 100_000, "line 1: nested more than 50 levels deep"),
        ("a: " + "9" * 5000, f"line 1: {'9' * 40}… has too many digits; if it is text, put it in quotes"),
        ('a: "\\0"', "line 1: holds a NUL or half of a surrogate pair"),
        ('{"a": NaN}', "NaN is no finite number"),
        ('{"a": 1e999}', "1e999 is no finite number"),
        ('{"a": 1, "b": {"a": 1, "a": 2}}', 'the key "a" is given twice'),
        ('{"a": ["\\ud800"]}', "a[0]: holds a NUL or half of a surrogate pair"),
        ('{"a": ["x\\u0000"]}', "a[0]: holds a NUL or half of a surrogate pair"),
        ('{"a": ' + "9" * 5000 + "}", f"{'9' * 40}… has too many digits"),
    ],
)
def test_surprises_are_refused_with_their_line(text: str, message: str) -> None:
    assert refused(text) == [message]


def test_all_problems_are_told_at_once() -> None:
    assert [problem.split(":")[0] for problem in refused("a: 2027-01-01\nb: 02:00\na: .inf")] == [
        "line 1",
        "line 2",
        "line 3",
        "line 3",
    ]


def test_json_nested_without_end_is_refused() -> None:
    assert "nested more than 50 levels deep" in refused('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")[0]


def test_a_few_lines_of_aliases_do_not_grow_into_gigabytes() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    assert "more than 1,000,000 values" in refused("\n".join(lines))[-1]


def test_a_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    assert "longer than" in refused("a" * (MAX_CHARACTERS + 1))[0]


def test_what_is_neither_is_refused_with_its_line() -> None:
    assert refused("a: [1\nb: 2")[0].startswith("line 2: not YAML")
    assert refused('{"a": 1,\n"b" 2}', "x.json") == ["x.json:2: not JSON: Expecting ':' delimiter"]


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("spiders", 1),
        ("spiders[0].items[0].fields.price.typ", 6),
        ("spiders[0].items[0].fields.price", 5),
        ("spiders[0].items[0].fields.missing", 3),
        ("spiders[0].manners.headers.X.Y", 8),
        ("spiders[7].name", 1),
    ],
)
def test_a_place_has_its_line(place: str, line: int) -> None:
    reading = read(
        "spiders:\n  - items:\n    - fields:\n        title: {}\n        price:\n          typ: x\n"
        "    manners:\n      headers: {X.Y: z}\n"
    )
    assert reading.line_of(place) == line


def test_json_has_lines_too() -> None:
    assert read('{\n  "jobs": [\n    {"a": 1}\n  ]\n}').line_of("jobs[0].a") == 3


# What PyYAML writes plain and the reader refuses on purpose; our own dump puts it in quotes.
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs", "Cc"])).filter(
    lambda text: not any(pattern.match(text) for pattern in MISREAD)
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(plain)
@settings(max_examples=200, deadline=None)
def test_what_is_dumped_plainly_is_read_back(value: object) -> None:
    assert read(json.dumps({"a": value})).value == {"a": value}
    assert read(yaml.safe_dump({"a": value}, allow_unicode=True)).value == {"a": value}


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidDefinitions):
        assert read(text).line_of("a[0].b") is not None
