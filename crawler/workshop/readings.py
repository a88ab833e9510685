"""What a text may be read as: its type, and the regular expression that cuts the value out of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from crawler.engine.spider import FieldRule, FieldType

ADDRESSES = frozenset({"href", "src", "data-src", "data-href", "data-url", "data-original", "poster", "action", "cite"})
"""Attributes that hold addresses."""
MAX_TEXT = 300
"""Characters of a text in which numbers and dates are looked for."""

_CURRENCY = re.compile(
    r"[$£€¥₹₽₩₺₴₫฿]|\b(?:USD|EUR|GBP|CHF|PLN|SEK|NOK|DKK|RUB|CNY|JPY|RON|HUF|BRL|AUD|CAD|INR|TRY"
    r"|kr|zł|Kč|lei|Ft|TL|руб|円|元)(?!\w)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d(?:[\d.,'’ \u00a0\u202f]*\d)?")
_COMMA_DECIMAL = re.compile(r"(?:\d{1,3}(?:[. \u00a0\u202f'’]\d{3})+|\d+),\d{1,2}")
_DOT_DECIMAL = re.compile(r"(?:\d{1,3}(?:[, \u00a0\u202f'’]\d{3})+|\d+)\.\d+")
_DOTTED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
"""What dots may set apart into thousands; several can do nothing else."""
_WHOLE = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+|[+-]?\d+")
_UNITS = re.compile(
    r"\d\)?\s*(?:available|in stock|left|reviews?|ratings?|votes?|comments?|items?|results?|pages?|pieces?|views?"
    r"|likes?|people|sold|stars?|points?|replies|answers?|minutes?|件|个|条|页|分)(?!\w)",
    re.IGNORECASE,
)
_COUNT_NAMES = re.compile(r"stock|count|number|qty|quantity|reviews|votes|pages|total|available|size|year|age|num")
_PRICE_NAMES = re.compile(r"price|cost|amount|total|fee|sum|tax")
_RATE_NAMES = re.compile(r"rating|score|stars|weight|length|width|height|percent|rate")
_TRUTH_NAMES = re.compile(r"^(?:is|has|in|on|can)_?|stock$|available$|enabled$|active$|sold")
_TRUTHS = re.compile(
    r"\b(?:stock|available|yes|no|true|false|sold out|active|enabled)\b|有货|无货|是|否", re.IGNORECASE
)
_FORMATS = (
    "%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d, %Y", "%B %d %Y", "%d.%m.%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%d-%m-%Y", "%A, %d %B %Y", "%a, %d %b %Y", "%Y年%m月%d日", "%d.%m.%Y %H:%M", "%d %B %Y %H:%M", "%Y-%m-%d %H:%M",
)  # fmt: skip


HasThousands: TypeAlias = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to read a text."""

    type: FieldType = FieldType.TEXT
    regex: str | None = None
    format: str | None = None
    decimal_mark: str = "."

    def values(self) -> Mapping[str, str]:
        """What stands in the field's part of a document: nothing where it is the default."""
        given: dict[str, str] = {}
        if self.regex is not None:
            given["regex"] = self.regex
        if self.type is not FieldType.TEXT:
            given["type"] = self.type.value
        if self.format is not None:
            given["format"] = self.format
        if self.decimal_mark != ".":
            given["decimal_mark"] = self.decimal_mark
        return given

    def rule(self, kind: str, selector: str, *, many: bool = False) -> FieldRule:
        """The rule of a field that is read so; `kind` is the key of its source: ``css``, ``xpath``, ``jsonld`` …"""
        sources: dict[str, str | None] = {kind: selector}
        return FieldRule(
            name="value",
            css=sources.get("css"),
            xpath=sources.get("xpath"),
            jsonld=sources.get("jsonld"),
            microdata=sources.get("microdata"),
            meta=sources.get("meta"),
            many=many,
            type=self.type,
            regex=self.regex,
            format=self.format,
            decimal_mark=self.decimal_mark,
        )


TEXT = Way()


def ways(text: str, *, name: str = "", attribute: str = "", has_thousands: HasThousands = lambda _: False) -> list[Way]:
    """Ways to read `text`, the likeliest first; plain text is always among them. `name` is the field's.

    `has_thousands` says of a number like ``24.990`` whether its dot stands before thousands.
    """
    folded = " ".join(text.split())
    likely, possible = list[Way](), list[Way]()
    if attribute in ADDRESSES or re.fullmatch(r"https?://\S+", folded):
        likely.append(Way(type=FieldType.URL))
    elif folded and len(folded) <= MAX_TEXT:
        for way, is_likely in _ideas(folded, name.lower(), has_thousands):
            (likely if is_likely else possible).append(way)
    return list(dict.fromkeys([*likely, TEXT, *possible]))


def _ideas(text: str, name: str, has_thousands: HasThousands) -> Iterator[tuple[Way, bool]]:
    """With whether it is likelier than plain text."""
    day = _date(text)
    if day is not None:
        yield day, True
        return
    currency = _CURRENCY.search(text)
    numbers = [found[0] for found in _NUMBER.finditer(text)]
    if numbers and (currency or _PRICE_NAMES.search(name)):
        way = _price(text, numbers, currency, has_thousands)
        yield way, True
        if any(_is_open(number) for number in numbers):
            yield replace(way, decimal_mark="." if way.decimal_mark == "," else ","), False
    elif _WHOLE.fullmatch(text):
        # A long row of digits, or one that begins with 0, is the name of a thing.
        is_count = len(text) < 9 and not (text.startswith("0") and len(text) > 1)
        yield Way(type=FieldType.INTEGER), is_count and not re.search(r"id$|sku|gtin|ean|upc|isbn|code|zip|phone", name)
    elif any(form.fullmatch(text) for form in (_COMMA_DECIMAL, _DOT_DECIMAL, _DOTTED)):
        mark, is_whole = _mark(text, has_thousands)
        kind = FieldType.FLOAT if _RATE_NAMES.search(name) else FieldType.DECIMAL
        yield Way(type=FieldType.INTEGER if is_whole else kind, decimal_mark=mark), True
    elif numbers:
        yield (
            _counted(text, numbers, name, has_thousands),
            bool(_UNITS.search(text) or _COUNT_NAMES.search(name) or _RATE_NAMES.search(name)),
        )
    says_whether = bool(_TRUTH_NAMES.search(name))
    if not numbers and len(text) <= 40 and (says_whether or _TRUTHS.search(text)):
        yield Way(type=FieldType.BOOLEAN, regex=f"^{escaped(text)}$"), says_whether


def _price(text: str, numbers: list[str], currency: re.Match[str] | None, has_thousands: HasThousands) -> Way:
    number = numbers[0]
    if currency is not None and len(numbers) > 1:
        # The one beside the sign.
        near = min(
            _NUMBER.finditer(text),
            key=lambda found: min(abs(found.start() - currency.end()), abs(found.end() - currency.start())),
        )
        number = near[0]
    mark, _is_whole = _mark(number, has_thousands)
    # Where the comma marks the decimals, or the sign comes last, a blank is usual between thousands.
    is_last = currency is not None and currency.start() > text.index(number)
    digits = _digits(number, has_blanks=mark == "," or is_last)
    if number == text:
        return Way(type=FieldType.DECIMAL, decimal_mark=mark)
    regex = digits
    if currency is not None and (len(numbers) > 1 or not _is_first(digits, text, number)):
        sign = escaped(currency[0])
        regex = rf"({digits})\s*{sign}" if is_last else rf"{sign}\s*({digits})"
    return Way(type=FieldType.DECIMAL, regex=regex, decimal_mark=mark)


def _counted(text: str, numbers: list[str], name: str, has_thousands: HasThousands) -> Way:
    number = numbers[0]
    mark, is_whole = _mark(number, has_thousands)
    kind = FieldType.INTEGER if is_whole else FieldType.FLOAT if _RATE_NAMES.search(name) else FieldType.DECIMAL
    regex = digits = _digits(number, has_blanks=mark == ",")
    unit = re.search(rf"{re.escape(number)}\)?\s*([^\W\d_]{{2,}})", text)
    if len(numbers) > 1 and unit is not None:
        regex = rf"({digits})\s*{escaped(unit[1])}"
    return Way(type=kind, regex=regex, decimal_mark=mark)


def _mark(number: str, has_thousands: HasThousands) -> tuple[str, bool]:
    """The character before the decimals, and whether the number has none."""
    if _DOTTED.fullmatch(number) and (not _is_open(number) or has_thousands(number)):
        return ",", True
    return "," if _COMMA_DECIMAL.fullmatch(number) else ".", bool(_WHOLE.fullmatch(number))


def _is_open(number: str) -> bool:
    """Whether its dot may stand before thousands or before decimals."""
    return bool(_DOTTED.fullmatch(number)) and number.count(".") == 1


def _digits(number: str, *, has_blanks: bool = False) -> str:
    """An expression for numbers of any size that are written so; `has_blanks` between thousands, it may be.

    Groups of thousands are taken along even where this number has none, and so is whatever else stands between digits:
    what is no number then is told as an error, where half of it would be a wrong value that nobody sees.
    """
    if re.search(r"\s", number):
        return r"\d+(?:[\s.,'’]\d+)*"
    return r"\d+(?:[.,'’]\d+|\s\d{3})*" if has_blanks else r"\d+(?:[.,'’]\d+)*"


def _is_first(expression: str, text: str, number: str) -> bool:
    found = re.search(expression, text)
    return found is not None and found[0].strip() == number


def _date(text: str) -> Way | None:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return Way(type=FieldType.DATE)
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", text):
        return Way(type=FieldType.DATETIME)
    if len(text) > 40 or not re.search(r"\d{4}", text):
        return None
    for form in _FORMATS:
        try:
            dt.datetime.strptime(text, form)
        except ValueError:
            continue
        return Way(type=FieldType.DATETIME if "%H" in form else FieldType.DATE, format=form)
    return None


def escaped(text: str) -> str:
    return re.sub(r"([\\.+*?()\[\]{}|^$])", r"\\\1", text)
