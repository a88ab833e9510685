"""What a format is, and which there are."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Protocol

from crawler.engine.messages import said
from crawler.engine.records import Json
from crawler.engine.spider import FieldType
from crawler.exceptions import CrawlerError

COMING = ("parquet",)
"""Promised and not there yet: refused by name."""


class ExportRefused(CrawlerError):
    """What cannot be exported as it was asked for; the message says what can."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
        """What of the question is at fault: ``spider``, ``type``, ``format`` or ``fields``; empty: none of it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the items, or one of what is known about them (its name begins with an underscore)."""

    name: str
    type: FieldType


class ExportFormat(Protocol):
    """How rows become a file. Memory must not grow with their number."""

    name: str
    """As it stands behind ``--format``."""
    title: str
    """As people call it, in any language."""
    content_type: str
    is_text: bool
    """Whether people can read it."""
    one_type: bool
    """Whether the file has one set of columns, so that items of several types do not fit in."""

    def encode(self, rows: Iterable[Mapping[str, Json]], columns: Sequence[Column]) -> Iterator[bytes]:
        """The file in pieces. A row may lack columns, and hold what is no column."""
        ...


def get_format(name: str, *, for_people: bool = False) -> ExportFormat:
    """The format of a name; `for_people`: as it is best for who opens the file by hand.

    Raises:
        ExportRefused: the format is not there.
    """
    known = _for_people() if for_people else formats()
    if name in known:
        return known[name]
    there = ", ".join(known)
    if name in COMING:
        raise ExportRefused(
            said('the format "{name}" is not there yet; there are {known}', name=name, known=there), field="format"
        )
    if near := get_close_matches(name, known, n=1):
        message = said('the format "{name}" is not known; did you mean "{near}"?', name=name[:100], near=near[0])
    else:
        message = said('the format "{name}" is not known; there are {known}', name=name[:100], known=there)
    raise ExportRefused(message, field="format")


@cache
def formats() -> dict[str, ExportFormat]:
    """The formats by their names, in that order."""
    return _named("FORMAT")


@cache
def _for_people() -> dict[str, ExportFormat]:
    return formats() | _named("FOR_PEOPLE")


def _named(constant: str) -> dict[str, ExportFormat]:
    """What the modules of this package have under a name."""
    package = import_module(__package__)
    modules = (import_module(f"{__package__}.{found.name}") for found in pkgutil.iter_modules(package.__path__))
    found: list[ExportFormat] = [getattr(module, constant) for module in modules if hasattr(module, constant)]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}
