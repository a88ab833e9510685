"""Users' regular expressions: RE2, so that no expression and no page can make a match take more than linear time.

RE2 takes microseconds to begin. What most people write, a word and some digits, means the same to Python's own `re`,
which answers for short texts in a fifth of that: there it takes the square of a few hundred steps at worst.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

import re2

from crawler.engine.messages import said

from .bounds import longest_text

_UNANCHORED = re2._Anchor.UNANCHORED

_SIMPLE_LENGTH = 60
"""Characters of an expression that is looked at for being simple."""
_SHORT = 200
"""Characters of a text in which a simple expression is searched for by `re`."""
# Each stands for ASCII characters and no others. A question mark is none: RE2 sees one in half a surrogate pair.
_ATOM = r"""(?:[\w /:=,;%@!<>"'&~-]|\\[-.+*()\[\]{}|^$/dw]|\[(?:[a-z]-[a-z]|[A-Z]-[A-Z]|\d-\d|[\w.,:/ ]|\\[-.dw])+\])"""
_SIMPLE = re.compile(
    rf"(?P<begin>\^?{_ATOM}*(?:\({_ATOM}*(?:{_ATOM}[+*])?{_ATOM}*\)|{_ATOM}[+*])?{_ATOM}*)(?P<end>\$?)", re.ASCII
)
"""At most one repetition, no alternatives, nothing optional."""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


class Pattern:
    """One expression, searched for a text to take. Raises `ValueError`, with reason and remedy, if it is refused."""

    __slots__ = ("_compiled", "_group", "_match", "longest", "simple")

    def __init__(self, expression: str) -> None:
        try:
            self._compiled = re2.compile(expression, options=_options())
        except re2.error as error:
            raise ValueError(_explain(error)) from error
        self._match: Callable[[object, bytes, int, int], Sequence[tuple[int, int]]] = self._compiled._regexp.Match
        self._group = 1 if self._compiled.groups else 0
        self.longest = longest_text(self._compiled.programsize)
        """Characters that take no time to be searched: linear time may still be seconds."""
        self.simple = _simple(expression)
        """What means the same to `re`, and may be asked of short texts; None where nothing does."""

    def take(self, text: str) -> str | None:
        """The first group of the first match, or all of the match where there is no group. None: no such thing."""
        if self.simple is not None and len(text) <= _SHORT:
            found = self.simple.search(text)
            return None if found is None else found[self._group]
        # The library's own `search` counts the characters before the match and makes objects of it.
        raw = text.encode("utf-8", "replace")
        start, end = self._match(_UNANCHORED, raw, 0, len(raw))[self._group]
        return None if start < 0 else raw[start:end].decode("utf-8", "replace")

    def is_in(self, text: str) -> bool:
        """Whether it matches anywhere, with its group or without."""
        raw = text.encode("utf-8", "replace")
        return self._match(_UNANCHORED, raw, 0, len(raw))[0][0] >= 0


class Searched(Protocol):
    """A page as a search sees it."""

    def check_search(self, length: int, longest: int) -> None:
        """Before an expression is searched for in `length` characters; in `longest` that takes no time."""


def taken(text: str, pattern: Pattern | None, page: Searched, tidy: Callable[[str], str]) -> str | None:
    """What a field takes from a match's text. None: it has no value."""
    text = tidy(text)
    if text and pattern is not None:
        page.check_search(len(text), pattern.longest)
        text = tidy(pattern.take(text) or "")
    return None if not text or text.isspace() else text


class Patterns:
    """Expressions of which one is asked whether any is found: a single search, however many there are.

    Raises `ValueError` as `Pattern` does.
    """

    __slots__ = ("_each", "_set", "_simple", "longest")

    def __init__(self, expressions: Sequence[str]) -> None:
        self._set = None
        self._each: tuple[Pattern, ...] = ()
        """Where they are too big to be searched for together."""
        self._simple: re.Pattern[str] | None = None
        self.longest = longest_text(1)
        """As `Pattern` has it."""
        if not expressions:
            return
        # They say what is wrong, which the set does not.
        patterns = tuple(map(Pattern, expressions))
        self.longest = min(pattern.longest for pattern in patterns) // len(patterns)
        if len(patterns) == 1:
            self._simple = patterns[0].simple
        searched = re2.Set.SearchSet(_options())
        for expression in expressions:
            searched.Add(expression)
        try:
            searched.Compile()
        except re2.error:
            self._each = patterns
        else:
            self._set = searched

    def first_in(self, text: str) -> int | None:
        """The index of the first expression that is found in `text`."""
        if self._simple is not None and len(text) <= _SHORT:
            return None if self._simple.search(text) is None else 0
        if self._set is None:
            return next((index for index, pattern in enumerate(self._each) if pattern.is_in(text)), None)
        found = self._set.Match(text.encode("utf-8", "replace"))
        return min(found) if found else None


def _simple(expression: str) -> re.Pattern[str] | None:
    found = _SIMPLE.fullmatch(expression) if len(expression) <= _SIMPLE_LENGTH else None
    return None if found is None else re.compile(found["begin"] + (r"\Z" if found["end"] else ""), re.ASCII)


def _explain(error: re2.error) -> str:
    reason = error.args[0].decode("utf-8", "replace") if error.args else "it cannot be read"
    if reason.startswith(("invalid perl operator: (?=", "invalid perl operator: (?!")):
        return said("look-ahead is not supported; capture the wanted part in a group instead")
    if reason.startswith("invalid perl operator: (?<"):
        return said("look-behind is not supported; capture the wanted part in a group instead")
    if reason.startswith("invalid escape sequence: \\") and reason[-1].isdigit():
        return said("back-references ({number}) are not supported; matching takes linear time here", number=reason[-2:])
    return str(reason)
