"""Selectors that count twice, so written that the tree counts once: ``tr:nth-of-type(3001) > td:nth-of-type(2)``.

The tree remembers the place that it has counted last, and counts on from there. A selector is tried from its end: asked
for the cell's place and then for its row's, again and again, the tree begins each time with the first row. With three
thousand rows that takes a third of a second. Written as ``td:is(tr:nth-of-type(3001) > *):nth-of-type(2)`` the rows are
counted one after the other, and the cells of one row alone.
"""

from __future__ import annotations

import re

FAR = 100
"""A place from which on counting anew is worth avoiding."""

_NAME = r"-?[A-Za-z_][\w-]*"
_CONDITION = rf'(?:[.#]{_NAME}|\[{_NAME}(?:[~^$*|]?="[^"\\]*")?\])'
_PLACE = r":nth-(?:of-type|child)\((?P<number>[1-9][0-9]{0,6})\)"
_COMPOUND = re.compile(rf"(?P<tag>{_NAME}|\*)?(?P<rest>{_CONDITION}*(?:{_PLACE})?)", re.ASCII)
_BETWEEN = re.compile(r"\s*(>)\s*|\s+")


def counted_once(css: str, *, far: int = FAR) -> str:
    """A selector that finds the same; `css` itself, unless a far place stands before a nearer one."""
    if css.count(":nth-") < 2:
        return css
    done, between, farthest, at = "", "", 0, 0
    while at < len(css):
        found = _COMPOUND.match(css, at)
        if found is None or not found[0]:
            return css
        number = int(found["number"] or 0)
        if 0 < number < farthest:
            done = f"{found['tag'] or ''}:is({done}{between}*){found['rest']}"
        else:
            done += between + found[0]
        farthest = max(farthest, number if number >= far else 0)
        at = found.end()
        gap = _BETWEEN.match(css, at)
        if at < len(css) and gap is None:
            return css
        if gap is not None:
            between, at = " > " if gap[1] else " ", gap.end()
            if at == len(css):
                return css
    return done
