"""How fast the cost of a spider's selectors grows with the number of a page's elements, read from their text.

Only an upper bound is wanted: what is called too steep is read in a helper process, which takes a millisecond more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.engine.spider import SpiderDefinition

from .bounds import INLINE_CHARACTERS, INLINE_ELEMENTS, INLINE_LINKS, INLINE_NARROW, INLINE_SECONDS, Bounds
from .selectors import is_xpath

_STEPS = 2e7
"""Of the steepest selector of a spider, in some 40 ms."""
_ELEMENTS = 200_000
"""That all selectors of a spider may look at together, in some 40 ms."""

_STRINGS = re.compile(r"\"[^\"]*\"|'[^']*'")
_FAR_AXIS = re.compile(r"\b(?:preceding|following)\s*::")
_NEAR_AXIS = re.compile(r"\b(?:ancestor|ancestor-or-self|preceding-sibling|following-sibling)\s*::")
"""What it reaches is few in most pages: a table's rows, an element's parents."""
_WHOLE_TEXT = re.compile(
    r"//|\bdescendant|\.\.|(?<![\w.@/\])-])\.(?![\w.])|\b(?:normalize-space|string|string-length|number)\s*\(\s*\)"
)
_HAS = re.compile(r":has\(", re.IGNORECASE)
_LOOSE = re.compile(r"\s+(?=[),\]])|(?<=[(,\[])\s+")
"""White space that is no combinator."""
_OF = re.compile(r":nth-(?:last-)?child\([^)]*\bof\b", re.IGNORECASE)


def hasty_bounds(definition: SpiderDefinition) -> Bounds:
    """What may be read of a page of this spider in the loop."""
    found = list(degrees(definition))
    most = min(INLINE_ELEMENTS, _ELEMENTS // max(len(found), 1))
    anywhere, narrow = (max(degree, default=1) for degree in zip(*found, strict=True)) if found else (1, 1)
    return Bounds(
        seconds=INLINE_SECONDS,
        characters=INLINE_CHARACTERS,
        elements=min(most, int(_STEPS ** (1 / anywhere))),
        narrow_elements=min(most, INLINE_NARROW if narrow < anywhere else most, int(_STEPS ** (1 / narrow))),
        links=INLINE_LINKS,
        is_hasty=True,
    )


def degrees(definition: SpiderDefinition) -> Iterator[tuple[int, int]]:
    """Of every selector of the spider: on any page, and on one where nobody has many siblings or parents."""
    for rule in definition.follow:
        yield from _degrees(rule.css, rule.xpath)
    for item in definition.items:
        if item.each is not None:
            yield xpath_degrees(item.each) if is_xpath(item.each) else css_degrees(item.each)
        for field in item.fields:
            yield from _degrees(field.css, field.xpath)


def xpath_degrees(xpath: str) -> tuple[int, int]:
    """The powers of the number of elements by which the cost of `xpath` grows at worst; 1 for what most people write.

    A predicate is asked for every element: what it looks at multiplies. An axis that may reach every other element
    counts twice, because the engine sorts what it finds.
    """
    levels = _levels(xpath)
    anywhere = _degree(levels, re.compile(f"{_FAR_AXIS.pattern}|{_NEAR_AXIS.pattern}"))
    # Narrow axes within each other multiply, however few each of them reaches.
    nested = sum(bool(_NEAR_AXIS.search(text)) for text in levels) > 1
    return anywhere, anywhere if nested else _degree(levels, _FAR_AXIS)


def css_degrees(css: str) -> tuple[int, int]:
    """The same for a CSS selector."""
    bare = _LOOSE.sub("", _STRINGS.sub("''", css.strip()))
    conditions = [found.end() for found in _HAS.finditer(bare)]
    # Of an element's parents or siblings it is asked anew for each element below or beside them.
    others = 2 if any(_leads_on(bare, start) for start in conditions) else 0
    degree = max(1, len(conditions) + others) + len(_OF.findall(bare))
    return degree, degree


def _leads_on(css: str, start: int) -> bool:
    """Whether a combinator follows the bracket whose inside begins at `start`."""
    depth = sum(css.count(mark, 0, start) for mark in "([") - sum(css.count(mark, 0, start) for mark in ")]")
    level, is_other = depth - 1, False
    for character in css[start:]:
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if depth < level:
                level, is_other = depth, False
        elif depth == level:
            is_other = is_other or character == ","
            if not is_other and (character in ">+~" or character.isspace()):
                return True
    return False


def _levels(xpath: str) -> list[str]:
    """What stands outside all brackets, inside one pair, inside two."""
    levels: dict[int, str] = {}
    depth = 0
    for character in _STRINGS.sub("''", xpath):
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        else:
            levels[depth] = levels.get(depth, "") + character
    return [levels[level] for level in sorted(levels)]


def _degree(levels: list[str], axis: re.Pattern[str]) -> int:
    outermost = levels[0] if levels else ""
    reaches = axis.search(outermost) is not None
    base = 3 if reaches else 2 if ".." in outermost else 1
    inside = sum(2 if axis.search(text) else 1 if _WHOLE_TEXT.search(text) else 0 for text in levels[1:])
    # What an axis reaches is asked for its predicates once for each element that it is reached from.
    return max(base, (2 if reaches else 1) + inside)


def _degrees(css: str | None, xpath: str | None) -> Iterator[tuple[int, int]]:
    if css is not None:
        yield css_degrees(css)
    if xpath is not None:
        yield xpath_degrees(xpath)
