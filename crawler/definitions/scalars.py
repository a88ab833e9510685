"""What a scalar of YAML is: as other readers have it, but that no text becomes a date or a number of seconds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from crawler.engine.messages import said

Scalar: TypeAlias = "bool | int | float | str | None"

_IMPLICIT = yaml.resolver.Resolver.yaml_implicit_resolvers
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+$")
MISREAD = (_SIXTIES, _LEADING_ZERO)
"""Plain text that YAML readers do not agree about: 02:00 and 08 are text to some, 12:00 and 010 are numbers."""
_TRUE = frozenset({"yes", "true", "on"})


@dataclass(frozen=True, slots=True)
class Refused:
    message: str


def tag_of(text: str) -> str:
    """The tag that YAML 1.1 gives to a plain scalar."""
    if any(pattern.match(text) for pattern in MISREAD):
        return "tag:yaml.org,2002:int"
    resolvers = _IMPLICIT.get(text[:1], []) + _IMPLICIT.get(None, [])
    for tag, pattern in resolvers:
        if pattern.match(text):
            return str(tag)
    return "tag:yaml.org,2002:str"


def scalar_value(kind: str, text: str) -> Scalar | Refused:
    match kind:
        case "timestamp":
            return Refused(said("YAML would make a date of {text}; put it in quotes", text=text))
        case "int" | "float" if ":" in text:
            return Refused(
                said("YAML would make a number of {text} (minutes of 60 seconds); put it in quotes", text=text)
            )
        case "int" | "float":
            return _number(kind, text)
        case "bool":
            return text.lower() in _TRUE
        case "null":
            return None
        case _:
            return text


def _number(kind: str, text: str) -> Scalar | Refused:
    literal = text.replace("_", "")
    if literal.lower().lstrip("+-") in {".nan", ".inf"}:
        return Refused(said("{text} is no finite number", text=text))
    try:
        if kind == "float":
            value = float(literal)
            return value if math.isfinite(value) else Refused(said("{text} is no finite number", text=text[:40]))
        if len(literal) > 40:
            return Refused(said("{text}… has too many digits; if it is text, put it in quotes", text=text[:40]))
        if _LEADING_ZERO.match(literal):
            return Refused(
                said("YAML would read {text} as octal; put it in quotes, or leave the leading zero out", text=text)
            )
        return int(literal, 0)
    except ValueError:
        return Refused(said("{text} is no number; put it in quotes", text=text[:40]))
