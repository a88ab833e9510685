"""Reading JSON that means one thing only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, NoReturn, TypeAlias, cast

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 100
MAX_STEP = 100
"""Characters of a key that are said again."""
KINDS: Mapping[type, str] = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}


_Place: TypeAlias = "tuple[_Place | None, str | int]"
"""Where a value stands: in which other one, and by what key or index. As texts, the places of all the values of a body
may hold a hundred thousand times as much as the body: under one long key, say."""


class StrictJSONParser(JSONParser):
    """One JSON object (RFC 8259): UTF-8, no NaN, no key twice, no NUL or lone surrogate, at most 100 levels deep."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        raw = stream.read()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ParseError(_("The body is not UTF-8: byte %(at)d.") % {"at": error.start}) from error
        value = loads_strict(text)
        if not isinstance(value, dict):
            raise ParseError(_("Give a JSON object, not %(kind)s.") % {"kind": KINDS.get(type(value), "null")})
        return cast("dict[str, object]", value)


def loads_strict(text: str) -> object:
    """The value of a JSON text. Raises `ParseError` or `FieldErrors` saying where it is wrong."""
    if _depth(text) > MAX_DEPTH:
        raise ParseError(_("The JSON is nested more than %(max)d levels deep.") % {"max": MAX_DEPTH})
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ParseError(
            _("Not valid JSON: %(what)s at line %(line)d column %(column)d.")
            % {"what": error.msg, "line": error.lineno, "column": error.colno}
        ) from error
    except ValueError as error:  # a whole number of more than 4,300 digits
        raise ParseError(_("Not valid JSON: %(what)s.") % {"what": error}) from error
    _refuse_unstorable(value)
    return value


def _depth(text: str) -> int:
    """How deep brackets nest, strings left out; counted before parsing, which would otherwise run out of stack."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ParseError(_("The key “%(key)s” stands twice in one object.") % {"key": twice})
    return result


def _no_constant(name: str) -> NoReturn:
    raise ParseError(_("%(name)s is not JSON: give a number or null.") % {"name": name})


def _refuse_unstorable(value: object) -> None:
    """No database stores NUL in text, and a lone surrogate is no character. Raises `FieldErrors` with the place."""
    stack: list[tuple[_Place | None, object]] = [(None, value)]
    while stack:
        place, current = stack.pop()
        if isinstance(current, str):
            _refuse_text(place, current)
        elif isinstance(current, dict):
            for key, inner in current.items():
                _refuse_text(place, key)
                stack.append(((place, key), inner))
        elif isinstance(current, list):
            stack.extend(((place, index), inner) for index, inner in enumerate(current))


def _refuse_text(place: _Place | None, text: str) -> None:
    # Not above: views, which `problems` needs, read the settings, which name this module.
    from .problems import FieldErrors

    if "\x00" in text:
        raise FieldErrors([(_in_words(place), _("A text holds the character NUL."))])
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FieldErrors([(_in_words(place), _("A text holds a lone surrogate, which is no character."))]) from error


def _in_words(place: _Place | None) -> str:
    """``a.b[1]``; empty: the value as a whole."""
    text = ""
    while place is not None:
        place, step = place
        text = f"[{step}]{text}" if isinstance(step, int) else f".{step[:MAX_STEP]}{text}"
    return text.removeprefix(".")
