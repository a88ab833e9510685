"""Texts become values: the short ways mean what the long ones do."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.pages.values import canonical_json, cleaned, converter, fold, storable_json
from crawler.engine.records import Json
from crawler.engine.spider import FieldRule, FieldType

TO_DECIMAL = converter(FieldRule(name="price", css="p", type=FieldType.DECIMAL))


@given(st.text(st.sampled_from("ab \t\n\x0b\x1c\x85\xa0\u2003\u3000\u00ad\u200b\ud800é"), max_size=12))
def test_folding_leaves_single_blanks_alone(text: str) -> None:
    assert fold(text) == " ".join(text.split())


@given(st.text(" \t\xa0\u2003\u3000aé漢", min_size=290, max_size=700))
def test_a_long_text_is_folded_as_a_short_one(text: str) -> None:
    assert fold(text) == " ".join(text.split())


def test_each_kind_of_white_space_in_a_long_text_becomes_a_blank() -> None:
    white = [character for character in map(chr, range(0x110000)) if character.isspace()]
    assert len(white) > 25
    for character in white:
        assert fold("a" * 400 + character + "b") == "a" * 400 + " b"


@given(st.from_regex(r"\A-?[0-9]{1,5}(\.[0-9]{1,4})?\Z"))
def test_decimals_are_stored_without_an_exponent_and_with_all_their_digits(text: str) -> None:
    assert TO_DECIMAL(text, "") == format(Decimal(text), "f")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters() | st.sampled_from('"\\/\0\x1f\x7f\u2028\ud800😀')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(PLAIN)
def test_the_quick_way_to_write_an_item_gives_the_same_bytes(value: Json) -> None:
    assert storable_json(value, is_plain=True) == storable_json(value, is_plain=False)


@given(PLAIN)
def test_what_no_database_stores_is_told_and_can_be_cleaned(value: Json) -> None:
    raw = storable_json(value, is_plain=True)
    if raw is None:
        raw = storable_json(cleaned(value), is_plain=False)

    assert raw is not None or "\\u0000" in canonical_json(value)
    assert raw is None or json.loads(raw) == cleaned(value)


def test_floats_keep_the_form_in_which_they_have_always_been_stored() -> None:
    assert storable_json({"b": 1e16, "a": 1e-7}, is_plain=False) == b'{"a":1e-07,"b":1e+16}'
