"""Places of a document: ``items[0].fields.price.css``, as problems name them, and what stands there."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Sequence
from typing import TypeAlias

from crawler.engine.records import Json

Place: TypeAlias = "str | Sequence[str | int]"
"""As text, or as its keys and indexes one by one: those of a field whose name holds a dot are told apart only so."""

_INDEX = re.compile(r"\[(\d+)\]")
_KEY = re.compile(r"[^.\[]+")
_END = re.compile(r"[.\[]")
_LONGEST = 1_000
"""Characters of a key that holds dots or brackets, and is told apart from what follows it."""


class NoSuchPlace(LookupError):
    """A place that a document has not, and that cannot be made in it."""


def parts_of(place: Place, document: Json) -> tuple[str | int, ...]:
    """The keys and indexes of `place`, one by one.

    Keys may hold dots and brackets: of those that `document` has, the longest that fits is taken.
    """
    if not isinstance(place, str):
        return tuple(place)
    parts: list[str | int] = []
    here: Json = document
    rest = place
    while rest:
        part: str | int
        if (found := _INDEX.match(rest)) and not _key_in(here, rest):
            part, rest = int(found[1]), rest[found.end() :]
        else:
            part = _key_in(here, rest) or _key_of(rest)
            rest = rest[len(part) :]
        parts.append(part)
        here = _inside(here, part)
        rest = rest.removeprefix(".")
    return tuple(parts)


def with_value(document: dict[str, Json], place: Place, value: Json) -> dict[str, Json]:
    """A copy of `document` with `value` at `place`; mappings and lists on the way are made where they are missing.

    Raises:
        NoSuchPlace: the way leads through a text or a number, or past the end of a list.
    """
    parts = parts_of(place, document)
    if not parts:
        raise NoSuchPlace("no place is given")
    whole = copy.deepcopy(document)
    here: Json = whole
    for part, following in itertools.pairwise(parts):
        inner = _inside(here, part)
        if inner is None:
            inner = [] if isinstance(following, int) else {}
            _put(here, part, inner)
        here = inner
    _put(here, parts[-1], copy.deepcopy(value))
    return whole


def without(document: dict[str, Json], place: Place) -> dict[str, Json]:
    """A copy of `document` without what stands at `place`; the same where nothing does."""
    parts = parts_of(place, document)
    whole = copy.deepcopy(document)
    here: Json = whole
    for part in parts[:-1]:
        here = _inside(here, part)
    last = parts[-1] if parts else ""
    if isinstance(here, dict) and isinstance(last, str):
        here.pop(last, None)
    elif isinstance(here, list) and isinstance(last, int):
        del here[last : last + 1]
    return whole


def _key_in(here: Json, rest: str) -> str:
    """The longest key of a mapping that `rest` begins with; empty where there is none."""
    if not isinstance(here, dict):
        return ""
    # From what may end a key, not from the keys: a mapping of thousands is asked for each of its problems.
    ends = [*(found.start() for found in _END.finditer(rest, 0, _LONGEST)), len(rest)]
    return next((rest[:end] for end in reversed(ends) if rest[:end] in here), "")


def _key_of(rest: str) -> str:
    found = _KEY.match(rest)
    return found[0] if found else rest


def _inside(here: Json, part: str | int) -> Json:
    if isinstance(here, dict):
        return here.get(part) if isinstance(part, str) else None
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _put(here: Json, part: str | int, value: Json) -> None:
    if isinstance(here, dict) and isinstance(part, str):
        here[part] = value
    elif isinstance(here, list) and isinstance(part, int) and part <= len(here):
        here[part : part + 1] = [value]
    else:
        raise NoSuchPlace(f"nothing can be put at {part}")
