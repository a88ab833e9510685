"""Fields whose matches are JSON values: of a JSON answer, or of the structured data inside a page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar, cast

from crawler.engine.records import Json
from crawler.engine.spider import FieldRule, FieldType

from .fields import Reading
from .jmes import ExpressionFailed, JsonValue
from .jsonvalues import direct_converter, plain_text, shown
from .patterns import Pattern, Patterns, taken
from .values import converter, tidier


class Page(Protocol):
    """A budget, and what addresses are resolved against."""

    @property
    def base(self) -> str: ...

    def charge(self, text: str) -> str: ...

    def spend(self, characters: int) -> None: ...

    def check_search(self, length: int, longest: int) -> None: ...

    def check_time(self) -> None: ...


_Page = TypeVar("_Page", bound=Page)
_Context_contra = TypeVar("_Context_contra", contravariant=True)


class ValueReader(ABC, Generic[_Context_contra, _Page]):
    """Reads the value of one field, as `fields.FieldReader` does, out of values that have types already.

    One for a crawl; holds nothing of a page.
    """

    _simplifies = False
    """Whether something stands for a match: `_simplified`."""

    def __init__(self, rule: FieldRule) -> None:
        self.name = rule.name
        self._many = rule.many
        self._tidy = tidier(rule.type)
        self._as_json = rule.type is FieldType.JSON and rule.regex is None
        self._is_url = rule.type is FieldType.URL
        asks_whether = rule.type is FieldType.BOOLEAN and rule.regex is not None
        self._asked = Patterns([rule.regex]) if asks_whether and rule.regex is not None else None
        self._pattern = None if asks_whether or rule.regex is None else Pattern(rule.regex)
        self._direct = None if rule.regex is not None else direct_converter(rule.type)
        self._convert = converter(rule)

    @abstractmethod
    def _find(self, context: _Context_contra, page: _Page) -> Sequence[JsonValue]:
        """The matches within `context`. Raises `ReadingFailed` and `ExpressionFailed`."""

    def _simplified(self, match: JsonValue) -> JsonValue:
        """What stands for a match where the field is not of the type json."""
        return match

    def _complaint(self, page: _Page) -> tuple[str, str] | None:
        """What to say where nothing was found: a part of the page that could not be read, and that."""
        return None

    def read(self, context: _Context_contra, page: _Page) -> Reading:
        """The field's value within `context`. Raises `ReadingFailed`."""
        try:
            matches = self._find(context, page)
        except ExpressionFailed as error:
            return Reading([] if self._many else None, 0, [(error.expression, f"not to be evaluated here: {error}")])
        if not matches and (complaint := self._complaint(page)) is not None:
            return Reading([] if self._many else None, 0, [complaint])
        if self._simplifies and not self._as_json:
            matches = [self._simplified(match) for match in matches]
        if self._asked is not None:
            return self._read_whether(self._asked, matches, page)
        unreadable: list[tuple[str, str]] = []
        values = self._values(matches, page, unreadable)
        if self._many:
            return Reading(list(values), len(matches), unreadable)
        return Reading(next(values, None), len(matches), unreadable)

    def _read_whether(self, asked: Patterns, matches: Sequence[JsonValue], page: _Page) -> Reading:
        answers: list[Json] = []
        unreadable: list[tuple[str, str]] = []
        for match in matches:
            try:
                text = self._text(match, page)
            except ValueError as error:
                unreadable.append((shown(match, page), str(error)))
                continue
            if text is not None:
                page.check_search(len(text), asked.longest)
                answers.append(asked.first_in(text) is not None)
        return Reading(answers if self._many else any(answers), len(matches), unreadable)

    def _values(self, matches: Sequence[JsonValue], page: _Page, unreadable: list[tuple[str, str]]) -> Iterator[Json]:
        """The value of each match that has one, or null where it is not of the field's type."""
        for match in matches:
            try:
                value = self._value(match, page)
            except ValueError as error:
                unreadable.append((shown(match, page), str(error)))
                yield None
            else:
                if value is not None:
                    yield value

    def _value(self, match: JsonValue, page: _Page) -> Json:
        """None: it has no value. Raises `ValueError` where it is not of the field's type."""
        if self._direct is not None and (self._as_json or not isinstance(match, str)):
            page.spend(1)
            value = self._direct(match, page)
            if value is not None:
                return value
        text = self._text(match, page)
        if text is None:
            return None
        value = self._convert(text, page.base)
        return page.charge(cast("str", value)) if self._is_url else value

    def _text(self, match: JsonValue, page: _Page) -> str | None:
        """The text that is the match's value: what the regex takes out of it. None: it has no value."""
        if match is None:
            return None
        return taken(plain_text(match, page), self._pattern, page, self._tidy)
