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

import os
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
_ELEMENT_BYTES = 240
_REOPENED = 32
"""Elements that one misnested end tag opens anew at most: eight rounds of four, says the standard."""
_CHARACTER_BYTES = 4
_INSTRUCTIONS = 50_000_000
"""Instructions × characters of a regular expression in some 25 ms."""

_PAGE_SIZE = resource.getpagesize()

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


def may_outgrow(body: bytes) -> bool:
    """Whether the tree of the body may take more than `INLINE_MEMORY`, by the number of its tags. (To look how much it
    takes costs 5 µs, this a tenth.)

    Of `tags` one half can be formatting elements and the other half paragraphs, in each of which they are all opened
    anew with their attributes.
    """
    half = body.count(b"<") / 2
    elements = half * half + _REOPENED * 2 * half
    return elements * _ELEMENT_BYTES + (half + _REOPENED) * len(body) * _CHARACTER_BYTES > INLINE_MEMORY


def longest_text(instructions: int) -> int:
    """Characters that a regular expression of so many instructions may search in the loop."""
    return _INSTRUCTIONS // max(instructions, 1)


class MemoryBound:
    """Calls functions that may allocate no more than so many bytes: what takes more raises `MemoryError`.

    The kernel counts, by a limit on the address space of the whole process that holds only during the call. That needs
    the function to hold the interpreter's lock, as the parser does, so that threads which run Python stand still. Those
    in native code (a query, a name that is looked up) go on: how big the process is is looked up before each call, so
    that they have what the page leaves of the allowance, beside what the C library keeps for each thread.
    """

    def __init__(self, allowance: int) -> None:
        self._allowance = allowance
        self._usual = resource.getrlimit(resource.RLIMIT_AS)
        self._most = min((limit for limit in self._usual if limit != resource.RLIM_INFINITY), default=sys.maxsize)
        self._is_known = sys.platform == "linux"  # elsewhere no kernel counts so
        self._pid = 0
        self._statm = -1
        """An open file, since opening it takes longer than all the rest."""

    def call(self, function: Callable[[], _T]) -> _T:
        if not self._is_known:
            return function()
        resource.setrlimit(resource.RLIMIT_AS, (min(self._size() + self._allowance, self._most), self._usual[1]))
        try:
            return function()
        finally:
            resource.setrlimit(resource.RLIMIT_AS, self._usual)

    def _size(self) -> int:
        """Bytes of this process's address space."""
        if self._pid != os.getpid():  # the file of a process tells of that process, also to those that it forks
            self._pid = os.getpid()
            self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        return int(os.pread(self._statm, 32, 0).split(b" ", 1)[0]) * _PAGE_SIZE
