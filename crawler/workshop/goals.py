"""What was pointed at, and a selector that finds it."""

from __future__ import annotations

from dataclasses import dataclass

from turbohtml import Element

from crawler.engine.records import Json

MAX_SHOWN_MATCHES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What was pointed at, and what is wanted of it."""

    targets: tuple[Element, ...]
    each: str = ""
    """The selector of the items that the value belongs to; empty: the page."""
    many: bool = False
    """All of the kind, not the first alone."""
    alone: bool = False
    """The target and no other match: a link to one place."""
    wants_elements: bool = False
    """What they say does not matter: items, and links."""
    by_labels: bool = True
    """Whether texts beside the target may be held on to. What stands beside a link is seldom about it."""
    attribute: str = ""
    """Taken in place of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A selector that finds what was pointed at."""

    kind: str
    """``css`` or ``xpath``."""
    selector: str
    cost: float
    """The lower, the sturdier."""
    value: Json
    """What the extractor gives, as text."""
    matches: int
    """On the page, or in the item that was pointed into."""
    matched: tuple[Element, ...]
    """On the whole page, `MAX_SHOWN_MATCHES` at most."""
    filled: int
    """Items of the page with a value; of `items`."""
    items: int
    passed: int = 0
    """Further pages with a value; of `pages`."""
    pages: int = 0
