"""How much of a page may be read, and where: at once in the event loop, or at length in a helper process.

What a page costs cannot be seen from its size. Eight kilobytes of `<b a=1><b a=2>…<p>x<p>x…` are 400,000 elements,
because the standard opens every formatting element anew in each paragraph; and some XPaths take the cube of the number
of elements, inside one call that nobody can interrupt. So a page is read in the loop within narrow bounds, and what
outgrows them is read again by `parsing`, where a process may be ended. Measured (turbohtml 1.15, one core at 3 GHz):

| what                                                     | cost                                  |
|----------------------------------------------------------|---------------------------------------|
| 2 MiB of `<p>`, `<b>`, `<div>`, one line, one attribute    | 1–60 ms to parse, 240 bytes an element |
| one CSS selector, one plain XPath over all elements      | 0.1 µs an element, at worst 0.6 µs      |
| 87,000 links of 2 MiB                                    | 3 µs each                              |
| `//p[contains(., "x")]`, elements nested                  | 1 ns × elements²                       |
| `//p/preceding::p`, `[count(preceding-sibling::*) > 3]`   | 1.5 ns × elements³: 15 s for 2,000      |
| a regular expression of 3,200 instructions               | 0.5 ns × instructions × bytes         |
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

INLINE_BYTES = 2_097_152
"""A bigger body is not read in the loop. Most of this size take 10 ms to parse, one endless line or attribute too."""
TAGS_AN_ELEMENT = 4
"""A body with more ``<`` for each element that may be read is not even parsed: two are what elements have."""
INLINE_SECONDS = 0.03
"""Of processor time, looked at between two selectors."""
INLINE_ELEMENTS = 30_000
"""So that one selector takes 3 ms, at worst 18."""
INLINE_NARROW = 5_000
"""Elements where a spider's XPaths look at siblings or ancestors, of which no element of the page has many."""
INLINE_LINKS = 12_000
INLINE_CHARACTERS = 4_000_000
"""That all values of one page hold together."""
INLINE_MEMORY = 24 * 1024 * 1024
"""That the tree of one page may take, so twice what so many elements need; it is filled in some 15 ms."""
UNMEASURED_BYTES = 4_096
"""The tree of a smaller body is at worst 26 MiB big, and not worth the price of a look (3 µs)."""
_INSTRUCTIONS = 50_000_000
"""Instructions × characters of a regular expression in some 25 ms."""

_T = TypeVar("_T")


class Outgrown(Exception):
    """The page asks for more than may be done in the loop: it is to be read in a helper process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the reading of one page may cost."""

    seconds: float
    """Of this thread's processor time."""
    characters: int
    """That all values may hold together."""
    elements: float = inf
    narrow_elements: float = inf
    """Where no element has many siblings or ancestors; never fewer than `elements`."""
    links: float = inf
    is_hasty: bool = False
    """Whether what outgrows the bounds is `Outgrown`, to be read elsewhere, and not a failure of the page."""


FULL = Bounds(seconds=3.0, characters=32_000_000)
"""Beside these characters a page of the default limit is read thrice over."""


def longest_text(instructions: int) -> int:
    """Characters that a regular expression of so many instructions may search in the loop."""
    return _INSTRUCTIONS // max(instructions, 1)


class MemoryBound:
    """Calls functions that may allocate no more than so many bytes: what takes more raises `MemoryError`.

    The kernel counts, by a limit on the address space that holds only during the call. That needs the function to hold
    the interpreter's lock, as the parser does: other threads stand still meanwhile. How big the process is already is
    looked up again only where a call failed, or after a while.
    """

    _LOOK_EVERY = 1_000

    def __init__(self, allowance: int) -> None:
        self._allowance = allowance
        self._calls = 0
        self._limits: tuple[int, int] = (0, 0)
        self._usual = resource.getrlimit(resource.RLIMIT_AS)
        self._is_known = sys.platform == "linux"  # elsewhere no kernel counts so

    def call(self, function: Callable[[], _T]) -> _T:
        if not self._is_known:
            return function()
        if self._calls % self._LOOK_EVERY == 0:
            self._look()
        self._calls += 1
        most = self._limits[0]
        try:
            return self._call(function)
        except MemoryError:
            self._look()
            if self._limits[0] <= most + self._allowance // 8:
                raise
        return self._call(function)  # it was not the page: the process has grown since the last look

    def _call(self, function: Callable[[], _T]) -> _T:
        resource.setrlimit(resource.RLIMIT_AS, self._limits)
        try:
            return function()
        finally:
            resource.setrlimit(resource.RLIMIT_AS, self._usual)

    def _look(self) -> None:
        with open("/proc/self/statm", encoding="ascii") as statm:
            size = int(statm.read().split()[0]) * resource.getpagesize()
        hard = self._usual[1]
        most = size + self._allowance
        for limit in self._usual:
            if limit != resource.RLIM_INFINITY:
                most = min(most, limit)
        self._limits = (most, hard)
