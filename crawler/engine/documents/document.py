"""Reading a JSON document key by key, collecting every problem with its place instead of stopping at the first."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TypeVar

from crawler.engine.errors import DefinitionProblem, quoted
from crawler.engine.messages import Message, printable, said

MAX_PROBLEMS = 200
"""That are told of one document. Nobody reads more, and who shows them looks for the place of each."""
_SHOWN = 60
_T = TypeVar("_T")


class Problems:
    """What is wrong with a document (`errors`), and what is allowed but probably not meant (`warnings`)."""

    def __init__(self) -> None:
        self.errors: list[DefinitionProblem] = []
        self.warnings: list[DefinitionProblem] = []

    def error(self, place: str, message: str) -> None:
        self.errors.append(_problem(place, message))

    def warn(self, place: str, message: str) -> None:
        self.warnings.append(_problem(place, message))


class Section:
    """One mapping of the document. Each getter returns the default after noting what is wrong with the value."""

    def __init__(self, document: Mapping[str, object], place: str, problems: Problems) -> None:
        self.document = document
        self.place = place
        self.problems = problems

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def error(self, key: str, message: str) -> None:
        self.problems.error(self.at(key), message)

    def allow(self, known: tuple[str, ...]) -> None:
        """Note every key that is not in `known`, with the nearest that is."""
        for key in self.document:
            if key in known:
                continue
            if len(self.problems.errors) >= MAX_PROBLEMS:
                return
            near = get_close_matches(str(key), known, n=1, cutoff=0.6)
            if near:
                self.error(str(key), said('unknown key "{key}"; did you mean "{near}"?', key=key, near=near[0]))
            else:
                self.error(str(key), said('unknown key "{key}"; known are {known}', key=key, known=", ".join(known)))

    def text(self, key: str) -> str | None:
        """A non-empty text, or None where the key is absent, null or wrong."""
        value = self.document.get(key)
        if value is None:
            return None
        return checked_text(value, self.at(key), self.problems)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.document.get(key, default)
        if isinstance(value, bool):
            return value
        self.error(key, said("{value} is not true or false", value=shown(value)))
        return default

    def integer(self, key: str, *, default: int, least: int, most: int) -> int:
        """A whole number; null and absent are the default."""
        number = self.number(key, least=least, most=most)
        if number is None:
            return default
        if not isinstance(number, int):
            self.error(key, said("{value} is not a whole number", value=shown(number)))
            return default
        return number

    def number(self, key: str, *, least: float, most: float) -> int | float | None:
        value = self.document.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            if _is_quoted_number(value):
                self.error(key, said("{value} is not a number; take the quotes off", value=shown(value)))
            else:
                message = said(
                    "{value} is not a number; give {least} to {most}", value=shown(value), least=least, most=most
                )
                self.error(key, message)
            return None
        # NaN compares false with everything: this form refuses it.
        if not least <= value <= most or (isinstance(value, float) and math.isnan(value)):
            message = said(
                "{value} is out of range; give {least} to {most}", value=shown(value), least=least, most=most
            )
            self.error(key, message)
            return None
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of non-empty texts; absent and null are the empty one."""
        found = []
        for place, value in self.entries(key):
            text = checked_text(value, place, self.problems)
            if text is not None:
                found.append(text)
        return tuple(found)

    def entries(self, key: str) -> Iterator[tuple[str, object]]:
        """The place and the value of each entry of a list."""
        value = self.document.get(key)
        if value is None:
            return
        if not isinstance(value, list | tuple):
            self.error(key, said("{value} is not a list; put it in [ ]", value=shown(value)))
            return
        for index, entry in enumerate(value):
            yield f"{self.at(key)}[{index}]", entry

    def section(self, key: str) -> Section:
        """The mapping under `key`; an empty one where it is absent, null or wrong."""
        value = self.document.get(key)
        return as_section({} if value is None else value, self.at(key), self.problems)

    def sections(self, key: str, build: Callable[[Section], _T]) -> tuple[_T, ...]:
        """What `build` makes of each mapping of a list."""
        return tuple(build(as_section(entry, place, self.problems)) for place, entry in self.entries(key))


def as_section(value: object, place: str, problems: Problems) -> Section:
    if isinstance(value, Mapping):
        return Section(value, place, problems)
    problems.error(place, said("{value} is not a mapping of keys to values", value=shown(value)))
    return Section({}, place, problems)


def checked_text(value: object, place: str, problems: Problems) -> str | None:
    """`value` if it is a text that any database and any request can hold."""
    if not isinstance(value, str):
        problems.error(place, _no_text(value))
        return None
    if not value.strip():
        problems.error(place, said("is empty; give a value or leave the key out"))
        return None
    if "\0" in value or not _is_unicode(value):
        problems.error(place, said("{value} holds a NUL or half a surrogate pair; take it out", value=shown(value)))
        return None
    return value


def shown(value: object) -> str:
    """`value` for a message: a text in double quotes, at most some sixty characters."""
    if isinstance(value, str):
        return quoted(value, _SHOWN)
    text = _JSON_WORDS.get(repr(value), repr(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


_JSON_WORDS = {"None": "null", "True": "true", "False": "false", "nan": "NaN"}


def _problem(place: str, message: str) -> DefinitionProblem:
    """Keys of a document may hold anything; what is said of them can be printed and stored."""
    return DefinitionProblem(printable(place), printable(message))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_quoted_number(value: object) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _no_text(value: object) -> Message:
    """YAML reads an unquoted date, number or truth as such."""
    if isinstance(value, dt.date | dt.time | int | float):
        return said("{value} is not a text; put it in quotes", value=shown(value))
    return said("{value} is not a text", value=shown(value))
