"""XPaths of the plainest kind as the CSS selectors that they are.

``//div[@class='price']`` is what most XPaths look like. The engine evaluates such a condition anew for each ``div``, at
a microsecond each; as a selector it is answered out of the tree's index of tags in a tenth of that.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .page import BREAKS

_LINE_TAGS = """
    a abbr b code data em i img input label link meta small span strong td th time u
"""
HTML_TAGS = BREAKS | frozenset(_LINE_TAGS.split())
"""HTML's own, about: the tree's ways to look for a tag compare the names of others in different ways."""
_TAG = "|".join(sorted(HTML_TAGS))
_COMMON_NAMES = """
    alt class content for href id itemprop itemtype name property rel role src style title type value
"""
_NAME = rf"(?:(?:data|aria)-[a-z0-9-]+|{'|'.join(_COMMON_NAMES.split())})"
"""None that the parser spells otherwise in a drawing."""
# No quotes and no backslashes, which would have to be escaped.
_CONDITION = rf"""\[@{_NAME}(?:=(?:'[\w .:,/#&?=+@%-]+'|"[\w .:,/#&?=+@%-]+"))?\]"""
_STEP = rf"//?(?:{_TAG})(?:{_CONDITION})*"
_PATH = re.compile(rf"(?P<path>//(?:{_TAG})(?:{_CONDITION})+(?:{_STEP})*)", re.ASCII)
_COUNT = re.compile(rf"count\({_PATH.pattern}\)", re.ASCII)
_PART = re.compile(rf"(?P<far>//?)(?P<tag>{_TAG})(?![a-z0-9])(?P<conditions>(?:{_CONDITION})*)", re.ASCII)


class PlainPath(NamedTuple):
    """What an XPath says, as CSS."""

    css: str
    is_counted: bool
    """Whether the number of what is found is meant: ``count(…)``."""


def plain_path(xpath: str) -> PlainPath | None:
    """The selector that finds in a document what `xpath` finds there, in the same order; None: there is none."""
    whole = xpath.strip()
    found = _PATH.fullmatch(whole) or _COUNT.fullmatch(whole)
    if found is None:
        return None
    css = ""
    for part in _PART.finditer(found["path"]):
        if css:
            css += " " if part["far"] == "//" else " > "
        # "s": some attributes' values are compared without regard to case otherwise.
        conditions = re.sub(r"\[@([a-z0-9-]+)(=[^\]]+)?\]", _condition, part["conditions"])
        css += part["tag"] + conditions
    return PlainPath(css, found.re is _COUNT)


def _condition(found: re.Match[str]) -> str:
    return f"[{found[1]}]" if found[2] is None else f"[{found[1]}{found[2]} s]"
