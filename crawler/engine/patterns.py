"""Users' regular expressions: RE2, so that no expression and no page can make a match take more than linear time."""

from __future__ import annotations

from typing import Protocol

import re2


class Match(Protocol):
    def group(self, index: int, /) -> str | None: ...


class Pattern(Protocol):
    """What we use of a compiled expression."""

    @property
    def groups(self) -> int: ...

    def search(self, text: str, /) -> Match | None: ...


def compile_pattern(expression: str) -> Pattern:
    """`expression`, ready to be searched for. Raises `ValueError` with the reason and the remedy."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(expression, options=options)
    except re2.error as error:
        raise ValueError(_explain(error)) from error
    return compiled


def first_group(match: Match) -> str | None:
    """The first group where the expression has one, else the whole match. None: the group took no part."""
    try:
        return match.group(1)
    except IndexError:
        return match.group(0)


def _explain(error: re2.error) -> str:
    reason = error.args[0].decode("utf-8", "replace") if error.args else "it cannot be read"
    if reason.startswith(("invalid perl operator: (?=", "invalid perl operator: (?!")):
        return "look-ahead is not supported; capture the wanted part in a group instead"
    if reason.startswith("invalid perl operator: (?<"):
        return "look-behind is not supported; capture the wanted part in a group instead"
    if reason.startswith("invalid escape sequence: \\") and reason[-1].isdigit():
        return f"back-references ({reason[-2:]}) are not supported; matching takes linear time here"
    return reason
