"""XPaths that look for an element by its text, as ``//dt[.='UPC']/following-sibling::dd[1]``.

For ``//`` the engine walks through the whole page: 5 µs for a small one, hundreds for a large. The tree's index of tags
has the elements in question at once, and most pages have a single one with that text: what stands behind it in the path
is then the engine's affair again, from there. Wherever that is not so, all of it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from turbohtml import Element, Node, Text, XPath

from .plainpaths import HTML_TAGS

Pick: TypeAlias = "Callable[[Iterable[Element]], list[Element]]"
"""Those of some elements of which the condition holds."""

_WHITE = " \t\r\n"
"""XPath's, which is less than Unicode's."""
_RUNS = re.compile(r"[ \t\r\n]+")
_LITERAL = r"""(?:'[^']*'|"[^"]*")"""
_TEXT = r"(?:\.|normalize-space\(\.?\))"
_STEP = r"(?:[a-z]+(?:-[a-z]+)*::)?(?:[a-z][a-z0-9]*|\*|text\(\)|node\(\))(?:\[[0-9]+\])?"
_PATH = re.compile(
    rf"(?P<start>\.?)//(?P<tag>{'|'.join(sorted(HTML_TAGS, key=len, reverse=True))})"
    rf"\[(?:(?P<whole>{_TEXT}|text\(\)) ?= ?(?P<literal>{_LITERAL})"
    rf"|contains\((?P<whole_of>{_TEXT}), ?(?P<part>{_LITERAL})\))\]"
    rf"(?P<rest>(?://?(?:{_STEP}|@[a-z][a-z-]*|\.\.))*)",
    re.ASCII,
)


class TextPath:
    """Such an XPath, compiled."""

    __slots__ = ("_is_absolute", "_pick", "_rest", "_tag")

    def __init__(self, *, is_absolute: bool, tag: str, pick: Pick, rest: str) -> None:
        self._is_absolute = is_absolute
        self._tag = tag
        self._pick = pick
        self._rest = XPath(f".{rest}") if rest else None

    def find(self, context: Node, document: Node) -> Sequence[Node] | None:
        """What the XPath finds, in document order. None: the engine is to be asked."""
        found = self._pick((document if self._is_absolute else context).find_all(self._tag))
        if self._rest is None or not found:
            return found
        # From several elements one thing may be reached twice, or what comes first last.
        return self._rest(found[0]) if len(found) == 1 else None  # type: ignore[return-value]  # a path gives nodes


def text_path(xpath: str) -> TextPath | None:
    """The same as `xpath`; None where it is none of these."""
    found = _PATH.fullmatch(xpath.strip())
    if found is None:
        return None
    literal = (found["literal"] or found["part"])[1:-1]
    pick = _containing(found["whole_of"], literal) if found["part"] else _equal(found["whole"], literal)
    return TextPath(is_absolute=not found["start"], tag=found["tag"], pick=pick, rest=found["rest"])


def _equal(subject: str, literal: str) -> Pick:
    if subject == ".":
        return lambda elements: [element for element in elements if element.text == literal]
    if subject == "text()":  # any of them
        return lambda elements: [element for element in elements if literal in _own_texts(element)]
    word = _longest_word(literal)
    return lambda elements: [
        element for element in elements if word in (text := element.text) and _folded(text) == literal
    ]


def _containing(subject: str, literal: str) -> Pick:
    if subject == ".":
        return lambda elements: [element for element in elements if literal in element.text]
    word = _longest_word(literal)
    return lambda elements: [
        element for element in elements if word in (text := element.text) and literal in _folded(text)
    ]


def _own_texts(element: Element) -> list[str]:
    return [child.data for child in element.children if isinstance(child, Text)]


def _longest_word(literal: str) -> str:
    """Most texts do not even have that, and need not be folded."""
    return max(_RUNS.split(literal), key=len)


def _folded(text: str) -> str:
    """As XPath's normalize-space."""
    return _RUNS.sub(" ", text.strip(_WHITE))
