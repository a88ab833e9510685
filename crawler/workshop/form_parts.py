"""What a form holds of a document: parts that take values out of a mapping as texts, and put them back.

Each part keeps one law: what it took by `show` is what `take` gives back, value for value, but for explicit defaults
and nulls, whose absence says the same. A value that its inputs cannot carry (a number where a text belongs, a key that
nobody knows) it leaves where it is; `Shape` then shows that as YAML in a box of its own. So no document is too odd for
the form, and nothing of one is lost in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from django.utils.translation import gettext as _

from crawler.definitions import to_yaml
from crawler.engine.records import Json

from .form_inputs import (
    MORE,
    OFF,
    ON,
    Inputs,
    Say,
    fits_line,
    fits_text,
    keys_in,
    lines_of,
    mapping_of,
    name_twice,
    read_mapping,
    rows_of,
    shown_secret,
    taken_secret,
    text_of,
)

Parts: TypeAlias = "Sequence[str | int]"
"""A place within a mapping, as its keys and indexes."""


class Part(Protocol):
    """One or several inputs that carry one or several keys of a mapping."""

    @property
    def keys(self) -> tuple[str, ...]: ...

    def show(self, rest: dict[str, Json]) -> Inputs:
        """The inputs for what stands in `rest`, and takes that out of it."""
        ...

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        """The keys and values for what stands in the inputs, whose ids begin with `at`."""
        ...

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        """The id of the input, or the list of rows, that shows the place; the first of `parts` is one of its keys."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """All parts of one mapping, in the order in which its keys are written."""

    parts: tuple[Part, ...]
    order: tuple[str, ...]
    """Of its keys; others follow as they were given."""
    anchor: str
    """The input at which a problem of the mapping as a whole is shown."""

    def show(self, document: Mapping[str, Json]) -> Inputs:
        rest = dict(document)
        inputs: Inputs = {}
        for part in self.parts:
            inputs |= part.show(rest)
        inputs[MORE] = to_yaml(rest) if rest else ""
        return inputs

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for part in self.parts:
            found |= part.take(inputs, at, say)
        for key, value in read_mapping(inputs, f"{at}-{MORE}", say).items():
            if key in found:
                say(f"{at}-{MORE}", _("“%(key)s” has an input of its own; leave it out here") % {"key": key})
            else:
                found[key] = value
        return {key: found[key] for key in self.order if key in found} | found

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        if not parts:
            return f"{at}-{self.anchor}"
        if parts[0] in keys_in(text_of(inputs, MORE)):
            return f"{at}-{MORE}"
        part = next((part for part in self.parts if parts[0] in part.keys), None)
        return f"{at}-{MORE}" if part is None else part.locate(inputs, parts, at)


# --- single values ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _OfOneKey:
    """What is the same of parts that carry one key, in one input of its name."""

    key: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        return f"{at}-{self.key}"


@dataclass(frozen=True, slots=True)
class Text(_OfOneKey):
    """A text; empty where the key is absent."""

    lines: bool = False
    """Whether its input may hold line ends."""

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        if not isinstance(value, str) or not fits_text(value, lines=self.lines):
            return {self.key: ""}
        del rest[self.key]
        return {self.key: value}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        text = text_of(inputs, self.key)
        return {self.key: text} if text else {}


@dataclass(frozen=True, slots=True)
class Choice(_OfOneKey):
    """One of several texts; the default where the key is absent."""

    options: tuple[str, ...]
    default: str = ""

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        if value not in self.options:
            return {self.key: self.default}
        return {self.key: str(rest.pop(self.key))}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        text = text_of(inputs, self.key)
        return {} if text in ("", self.default) else {self.key: text}


@dataclass(frozen=True, slots=True)
class Flag(_OfOneKey):
    """True or false. Nothing at all in its input (a part of the form that was not sent) is the default."""

    default: bool = False

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = rest.get(self.key)
        if isinstance(value, bool):
            del rest[self.key]
        else:
            value = self.default
        return {self.key: ON if value else OFF}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        text = text_of(inputs, self.key)
        value = self.default if text == "" else text == ON
        return {} if value is self.default else {self.key: value}


@dataclass(frozen=True, slots=True)
class Number(_OfOneKey):
    """A number. What is none stays a text: the document's reader says what is wrong with it."""

    default: int | None = None

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        text = str(value) if isinstance(value, int | float | str) else ""
        if not fits_line(text) or _number_in(text) != value or isinstance(value, bool):
            return {self.key: ""}
        del rest[self.key]
        return {self.key: "" if value == self.default else text}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        text = text_of(inputs, self.key).strip()
        return {self.key: _number_in(text)} if text and _number_in(text) != self.default else {}


@dataclass(frozen=True, slots=True)
class Lines(_OfOneKey):
    """A list of texts, one a line."""

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        if not isinstance(value, list) or not all(fits_line(entry) for entry in value):
            return {self.key: ""}
        del rest[self.key]
        return {self.key: "\n".join(str(entry) for entry in value)}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found = lines_of(inputs, self.key)
        return {self.key: list(found)} if found else {}


# --- several keys, or several forms of one ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """Keys of which one is given: `NAME_how` says which, `NAME` holds its text."""

    name: str
    keys: tuple[str, ...]
    implied: Mapping[str, str] = field(default_factory=dict)
    """The text of keys that have but one."""

    def show(self, rest: dict[str, Json]) -> Inputs:
        for key in self.keys:
            _pop_null(rest, key)
        for key in self.keys:
            value = rest.get(key)
            if isinstance(value, str) and fits_text(value, lines=True):
                del rest[key]
                return {f"{self.name}_how": key, self.name: value}
        return {f"{self.name}_how": self.keys[0], self.name: ""}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        how = text_of(inputs, f"{self.name}_how") or self.keys[0]
        text = text_of(inputs, self.name) or self.implied.get(how, "")
        if not text:
            return {}
        if how not in self.keys:
            say(f"{at}-{self.name}", _("“%(key)s” is none of the kinds; choose one of the list") % {"key": how})
            return {}
        return {how: text}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        return f"{at}-{self.name}"


@dataclass(frozen=True, slots=True)
class TextOrSecret(_OfOneKey):
    """A text, or ``{secret: name}``: `KEY_how` says which."""

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        shown = shown_secret(value)
        if shown is None or not shown[1]:
            return {f"{self.key}_how": "text", self.key: ""}
        del rest[self.key]
        return {f"{self.key}_how": shown[0], self.key: shown[1]}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        text = text_of(inputs, self.key)
        return {self.key: taken_secret(text_of(inputs, f"{self.key}_how"), text)} if text else {}


@dataclass(frozen=True, slots=True)
class Section(_OfOneKey):
    """A mapping of its own inside the mapping."""

    shape: Shape

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        if not isinstance(value, dict):
            return {self.key: self.shape.show({})}
        return {self.key: self.shape.show(rest.pop(self.key))}  # type: ignore[arg-type]  # the same mapping

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found = self.shape.take(mapping_of(inputs, self.key), f"{at}-{self.key}", say)
        return {self.key: found} if found else {}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        return self.shape.locate(mapping_of(inputs, self.key), parts[1:], f"{at}-{self.key}")


# --- rows -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Rows(_OfOneKey):
    """A list of mappings, a row each."""

    shape: Shape

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            return {self.key: []}
        del rest[self.key]
        return {self.key: [self.shape.show(entry) for entry in value if isinstance(entry, dict)]}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        rows = rows_of(inputs, self.key)
        found: list[Json] = [self.shape.take(row, f"{at}-{self.key}-{index}", say) for index, row in enumerate(rows)]
        return {self.key: found} if found else {}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        rows = rows_of(inputs, self.key)
        here = f"{at}-{self.key}"
        if len(parts) < 2 or not isinstance(parts[1], int) or parts[1] >= len(rows):
            return here
        return self.shape.locate(rows[parts[1]], parts[2:], f"{here}-{parts[1]}")


@dataclass(frozen=True, slots=True)
class NamedValues(_OfOneKey):
    """A mapping of names to texts or ``{secret: name}``, a row each: headers and cookies."""

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = _pop_null(rest, self.key)
        rows: list[Inputs] = []
        for name, entry in value.items() if isinstance(value, dict) else ():
            shown = shown_secret(entry)
            if shown is None or not fits_text(name):
                return {self.key: []}
            rows.append({"name": name, "value_how": shown[0], "value": shown[1]})
        if isinstance(value, dict):
            del rest[self.key]
        return {self.key: rows}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for index, row in enumerate(rows_of(inputs, self.key)):
            name, value = text_of(row, "name"), text_of(row, "value")
            if not name and not value:
                continue
            if name in found:
                say(f"{at}-{self.key}-{index}-name", name_twice(name))
                continue
            found[name] = taken_secret(text_of(row, "value_how"), value)
        return {self.key: found} if found else {}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        rows = rows_of(inputs, self.key)
        for index, row in enumerate(rows):
            if len(parts) > 1 and text_of(row, "name") == parts[1]:
                return f"{at}-{self.key}-{index}-value"
        return f"{at}-{self.key}"


def _pop_null(rest: dict[str, Json], key: str) -> Json:
    """The value of a key; a null, which says what its absence says, goes."""
    if key in rest and rest[key] is None:
        del rest[key]
    return rest.get(key)


_DIGITS = re.compile(r"-?[0-9]{1,40}")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")


def _number_in(text: str) -> int | float | str:
    if _DIGITS.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text
