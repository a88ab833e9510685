"""Texts become values: the short ways mean what the long ones do."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.pages.values import converter, fold
from crawler.engine.spider import FieldRule, FieldType

TO_DECIMAL = converter(FieldRule(name="price", css="p", type=FieldType.DECIMAL))


@given(st.text(st.sampled_from("ab \t\n\x0b\x1c\x85\xa0\u2003\u3000\u00ad\u200b\ud800é"), max_size=12))
def test_folding_leaves_single_blanks_alone(text: str) -> None:
    assert fold(text) == " ".join(text.split())


@given(st.from_regex(r"\A-?[0-9]{1,5}(\.[0-9]{1,4})?\Z"))
def test_decimals_are_stored_without_an_exponent_and_with_all_their_digits(text: str) -> None:
    assert TO_DECIMAL(text, "") == format(Decimal(text), "f")
