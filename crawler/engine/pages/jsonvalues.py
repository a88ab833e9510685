"""From JSON values to typed values: numbers stay numbers, decimals keep the digits that stand in the document."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol, TypeAlias

from crawler.engine.records import Json
from crawler.engine.spider import FieldType

from .jmes import JsonValue
from .values import MAX_JSON_DEPTH, MAX_NUMBER, canonical_json


class Budget(Protocol):
    """`page.Budget`."""

    def charge(self, text: str) -> str: ...

    def spend(self, characters: int) -> None: ...


class HastyBudget(Budget, Protocol):
    @property
    def is_hasty(self) -> bool: ...


DirectConverter: TypeAlias = Callable[[JsonValue, Budget], Json]
"""The typed value of a JSON value that is no text; None: read it as its text. Raises `ValueError` where it has none."""

_MOST_EXACT = 2**53
"""Up to here every whole number is a float."""
_TOO_GREAT = 10**MAX_NUMBER
_FEW_FRACTIONS = 131_072
"""Characters of a JSON text in which no more fractions stand than are read in 30 ms."""
_NODE_COST = 16
"""A value looked at in Python costs as much as so many characters copied."""


class ExactFloat(float):
    """A number with a fraction or an exponent, and how it is written: ``26.10``."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> ExactFloat:
        number = super().__new__(cls, literal)
        number.literal = literal
        return number

    def __reduce__(self) -> tuple[type[ExactFloat], tuple[str]]:
        return ExactFloat, (self.literal,)


# JMESPath's functions know the types of their arguments by name.
ExactFloat.__name__ = "float"


def float_reader(budget: HastyBudget, length: int) -> Callable[[str], float]:
    """What `json.loads` is to make of the fractions in a text of so many characters.

    Each takes a microsecond, so that 2 MiB may hold half a second's of them: of long texts they are charged.
    """
    if length <= _FEW_FRACTIONS or not budget.is_hasty:
        return ExactFloat

    def read(literal: str) -> float:
        budget.spend(1)
        return ExactFloat(literal)

    return read


def plain_text(value: JsonValue, budget: Budget) -> str:
    """A text as it is, a number as it is written, ``true`` and ``false``; lists and objects as canonical JSON.

    Raises `ValueError` as `plain_value` does, and `ReadingFailed`.
    """
    if isinstance(value, str):
        return _clean(budget.charge(value))
    if isinstance(value, ExactFloat):
        return budget.charge(value.literal)
    return _clean(canonical_json(plain_value(value, budget)))


def plain_value(value: JsonValue, budget: Budget, depth: int = 0) -> Json:
    """`value` as any database holds it. Raises `ValueError` where none does: nested too deep, or too great a number."""
    if isinstance(value, str):
        return budget.charge(value)
    budget.spend(_NODE_COST)
    if depth > MAX_JSON_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels")
    if isinstance(value, list):
        return [plain_value(entry, budget, depth + 1) for entry in value]
    if isinstance(value, dict):
        return {budget.charge(key): plain_value(entry, budget, depth + 1) for key, entry in value.items()}
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number that is too great")
        return float(value)
    return value


def shown(value: JsonValue, budget: Budget) -> str:
    """`value` for a message about it."""
    try:
        return plain_text(value, budget)
    except ValueError:
        return "{…}" if isinstance(value, dict) else "[…]"


def _clean(text: str) -> str:
    """Without half surrogate pairs, which JSON can write and regular expressions cannot read."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def direct_converter(kind: FieldType) -> DirectConverter | None:
    """How values other than texts are read as this type; None: as the text that they are."""
    return _DIRECT.get(kind)


def _to_integer(value: JsonValue, budget: Budget) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _MOST_EXACT else None
    return value if abs(value) < _TOO_GREAT else None


def _to_float(value: JsonValue, budget: Budget) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("too great a number for type float")
    return number


def _to_decimal(value: JsonValue, budget: Budget) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    text = plain_text(value, budget)
    number = Decimal(text)
    # 1e999999999 is a short text and a gigabyte of digits.
    if not number.is_finite() or len(text) > MAX_NUMBER or abs(number.adjusted()) > MAX_NUMBER:
        raise ValueError("not a number of type decimal")
    return format(number, "f")


def _to_boolean(value: JsonValue, budget: Budget) -> Json:
    return value if isinstance(value, bool) else None


def _to_url(value: JsonValue, budget: Budget) -> Json:
    if value is None:
        return None
    raise ValueError("not a URL")  # though any text is a relative one


_DIRECT: dict[FieldType, DirectConverter] = {
    FieldType.INTEGER: _to_integer,
    FieldType.FLOAT: _to_float,
    FieldType.DECIMAL: _to_decimal,
    FieldType.BOOLEAN: _to_boolean,
    FieldType.URL: _to_url,
    FieldType.JSON: plain_value,
}
