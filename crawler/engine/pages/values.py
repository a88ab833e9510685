"""From text to typed values: what `type` in a field's rule means."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from json.encoder import c_encode_basestring, c_make_encoder  # type: ignore[attr-defined]
from typing import TypeAlias

import ada_url
import orjson

from crawler.engine.records import Json
from crawler.engine.spider import FieldRule, FieldType

Converter: TypeAlias = Callable[[str, str], Json]
"""The value that a text has, given the base URL of its page. Raises `ValueError` where it has none."""

MAX_NUMBER = 400
"""Characters of a number; beyond any use, and quadratic to read."""
MAX_JSON_DEPTH = 100
"""Nesting that every database's JSON takes."""

_SHORT = 300
"""Characters of a text that `fold` looks at one by one."""
_WHITE = tuple("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") + tuple(
    map(chr, range(0x2000, 0x200B))
)
"""What `str.split` takes for white space, but for the blank."""
_TRUTHS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
_WHOLE = r"[+-]?(?:[0-9]{1,3}(?:(?P<group>[%s '])[0-9]{3})(?:(?P=group)[0-9]{3})*|[0-9]+)"
_EXPONENT = r"(?:[eE][+-]?[0-9]{1,3})?"
_USUAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
"""A decimal that is written as it is stored."""
# What `fromisoformat` takes beyond ISO 8601: any character between date and time.
_ISO = re.compile(r"[0-9W-]+(?:[Tt ][0-9:.,]+(?:[Zz]|[+-][0-9:]+)?)?", re.ASCII)


def fold(text: str) -> str:
    """Runs of white space as one blank, none at the ends."""
    text = text.strip()
    # All white space but the blank itself is unprintable: texts are seldom to be taken apart. Long ones are searched
    # for each kind of it, which takes a third of the time of a look at each of their characters.
    is_folded = text.isprintable() if len(text) <= _SHORT else not any(map(text.__contains__, _WHITE))
    return text if is_folded and "  " not in text else " ".join(text.split())


def tidier(kind: FieldType) -> Callable[[str], str]:
    """What is done to the white space of a text before a value of this type is read from it."""
    if kind in (FieldType.HTML, FieldType.JSON):
        return str  # which gives a text as it is
    # Two blanks inside a URL are two, and a line end is none: it is read as links are.
    return str.strip if kind is FieldType.URL else fold


def converter(rule: FieldRule) -> Converter:
    """How a text becomes a value of the rule's type."""
    match rule.type:
        case FieldType.INTEGER | FieldType.FLOAT | FieldType.DECIMAL:
            return _number_converter(rule.type, rule.decimal_mark)
        case FieldType.DATE | FieldType.DATETIME:
            return _time_converter(rule.type, rule.format)
        case FieldType.BOOLEAN:
            return _to_boolean
        case FieldType.URL:
            return _to_url
        case FieldType.JSON:
            return _to_json
        case FieldType.TEXT | FieldType.HTML | FieldType.ARTICLE:
            return _to_text


def cleaned(value: Json) -> Json:
    """`value` with U+FFFD for half surrogate pairs and without NUL, which PostgreSQL refuses."""
    if isinstance(value, str):
        text = value.replace("\0", "")
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [cleaned(entry) for entry in value]
    if isinstance(value, dict):
        return {str(cleaned(key)): cleaned(entry) for key, entry in value.items()}
    return value


def canonical_json(value: Json) -> str:
    """Sorted keys, no blanks, characters as they are. Equal values of equal types have equal text."""
    return "".join(_CANONICAL(value, 0))


def storable_json(value: Json, *, is_plain: bool) -> bytes | None:
    """`canonical_json` as UTF-8; None where it holds what no database stores: NUL, or half a surrogate pair.

    `is_plain`: the value holds no float (of which each encoder writes another form), and is written twelve times as
    fast.
    """
    try:
        raw = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if is_plain else canonical_json(value).encode()
    except UnicodeEncodeError:
        return None
    except orjson.JSONEncodeError:  # half a pair, or a number beyond 64 bits
        return storable_json(value, is_plain=False)
    return None if b"\\u0000" in raw else raw


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON")


# What `json.JSONEncoder.encode` makes anew for each value: (markers for circles, default, strings, indent, separators,
# sort_keys, skipkeys, allow_nan).
_CANONICAL = c_make_encoder(None, _refuse, c_encode_basestring, None, ":", ",", True, False, False)


def _to_text(text: str, base: str) -> Json:
    return text


def _to_boolean(text: str, base: str) -> Json:
    try:
        return _TRUTHS[text.lower()]
    except KeyError:
        raise ValueError("not one of true/false, yes/no, 1/0, on/off") from None


def _to_url(text: str, base: str) -> Json:
    try:
        href: str = ada_url.join_url(base, text)
    except ValueError:
        raise ValueError("not a URL") from None
    return href


def _number_converter(kind: FieldType, decimal_mark: str) -> Converter:
    whole = _WHOLE % ("," if decimal_mark == "." else ".")
    fraction = rf"(?:{re.escape(decimal_mark)}[0-9]+)"
    leading_mark = rf"[+-]?{fraction}"
    patterns = {
        FieldType.INTEGER: whole,
        FieldType.DECIMAL: rf"{whole}{fraction}?|{leading_mark}",
        FieldType.FLOAT: rf"(?:{whole}{fraction}?|{leading_mark}){_EXPONENT}",
    }
    shape = re.compile(patterns[kind], re.ASCII)
    is_usual = _USUAL.fullmatch if kind is FieldType.DECIMAL and decimal_mark == "." else None

    def convert(text: str, base: str) -> Json:
        if is_usual is not None and len(text) <= MAX_NUMBER and is_usual(text):
            return text
        found = None if len(text) > MAX_NUMBER else shape.fullmatch(text)
        if found is None:
            raise ValueError(f"not a number of type {kind}")
        group = found["group"]
        number = text if group is None else text.replace(group, "")
        if decimal_mark != ".":
            number = number.replace(decimal_mark, ".")
        if kind is FieldType.INTEGER:
            return int(number)
        if kind is FieldType.DECIMAL:
            return format(Decimal(number), "f")
        value = float(number)
        if not math.isfinite(value):
            raise ValueError("too great a number for type float")
        return value

    return convert


def _time_converter(kind: FieldType, form: str | None) -> Converter:
    def convert(text: str, base: str) -> Json:
        moment = _moment(text, form)
        if kind is FieldType.DATE:
            return moment.date().isoformat()
        return moment.isoformat()

    return convert


def _moment(text: str, form: str | None) -> dt.datetime:
    """The time that a text names; a date alone is its midnight, and no zone is added."""
    try:
        if form is not None:
            return dt.datetime.strptime(text, form)
        if _ISO.fullmatch(text):
            return dt.datetime.fromisoformat(text)
        raise ValueError(text)
    except (ValueError, re.error, OverflowError):
        expected = "ISO 8601, as 2027-01-31" if form is None else f"the format {form}"
        raise ValueError(f"does not follow {expected}") from None


def _to_json(text: str, base: str) -> Json:
    try:
        value: Json = json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    _check_depth(value)
    return value


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError(literal)
    return value


def _refuse_constant(literal: str) -> float:
    raise ValueError(literal)


def _check_depth(value: Json) -> None:
    level: list[Json] = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [entry for container in level for entry in _entries(container)]
        if not level:
            return
    raise ValueError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels")


def _entries(value: Json) -> list[Json]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []
