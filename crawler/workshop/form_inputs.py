"""What stands in a form's inputs, and which values they can carry."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from django.utils.translation import gettext as _

from crawler.definitions import InvalidDefinitions
from crawler.definitions.reading import read, with_line
from crawler.engine.records import Json

Inputs: TypeAlias = "dict[str, str | Inputs | list[Inputs]]"
"""What stands in the form's inputs: a text each, a mapping for a section, a list of mappings for rows."""
Say: TypeAlias = Callable[[str, str], None]
"""Notes a problem of the form itself: the id of the input, and the message."""

MORE = "more"
"""The box of YAML that holds what has no input."""
ON, OFF = "1", "0"


def text_of(inputs: Inputs, name: str) -> str:
    """What was typed, with the line ends of this world and none around it."""
    value = inputs.get(name)
    return value.replace("\r\n", "\n").replace("\r", "\n").strip("\n") if isinstance(value, str) else ""


def lines_of(inputs: Inputs, name: str) -> list[str]:
    return [line.strip() for line in text_of(inputs, name).split("\n") if line.strip()]


def rows_of(inputs: Inputs, name: str) -> list[Inputs]:
    value = inputs.get(name)
    return value if isinstance(value, list) else []


def mapping_of(inputs: Inputs, name: str) -> Inputs:
    value = inputs.get(name)
    return value if isinstance(value, dict) else {}


def fits_text(value: str, *, lines: bool = False) -> bool:
    """Whether an input gives `value` back as it is."""
    if not value or "\r" in value:
        return False
    return value.strip("\n") == value if lines else "\n" not in value


def fits_line(value: Json) -> bool:
    return isinstance(value, str) and fits_text(value) and value == value.strip()


def shown_secret(value: Json) -> tuple[str, str] | None:
    """`value` as a kind and a text; None where it is neither a text nor ``{secret: name}``."""
    if isinstance(value, str) and (value == "" or fits_text(value)):
        return "text", value
    if isinstance(value, dict) and list(value) == ["secret"]:
        name = value["secret"]
        if isinstance(name, str) and (name == "" or fits_text(name)):
            return "secret", name
    return None


def name_twice(name: str) -> str:
    return _("the name “%(name)s” stands twice; give it another one") % {"name": name}


def taken_secret(how: str, text: str) -> Json:
    return {"secret": text} if how == "secret" else text


def read_list(inputs: Inputs, name: str, at: str, say: Say) -> list[Json]:
    """The list that a box of YAML holds; empty where it holds none, which is noted."""
    text = text_of(inputs, name)
    if not text.strip():
        return []
    value = _read(text, f"{at}-{name}", say)
    if isinstance(value, list):
        return value
    if value is not None:
        say(f"{at}-{name}", _("is not a list; begin each entry with “-”"))
    return []


def read_mapping(inputs: Inputs, control: str, say: Say) -> dict[str, Json]:
    text = text_of(inputs, MORE)
    if not text.strip():
        return {}
    value = _read(text, control, say)
    if isinstance(value, dict):
        return value
    if value is not None:
        say(control, _("holds no keys and values; write “key: value”, one a line"))
    return {}


def _read(text: str, control: str, say: Say) -> Json:
    try:
        return read(text).value
    except InvalidDefinitions as error:
        for problem in error.problems:
            say(control, with_line(problem))
        return None


@lru_cache(maxsize=4)  # a box each of the spider, an item, a field; all their problems ask, one after the other
def keys_in(text: str) -> frozenset[str]:
    """Those of a box of YAML."""
    return frozenset(read_mapping({MORE: text}, "", lambda _control, _message: None))
