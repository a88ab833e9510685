"""The two kinds of selectors: CSS that may end in one pseudo-element, and XPath 1.0.

A compiled selector gives the matches within a node (`find`) and the text of each (`read`). What a match *is* for the
reader is decided here: an element, an element's own text nodes, an attribute, or the string that an XPath gave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isinf, isnan
from typing import Protocol, TypeAlias

from turbohtml import Comment, Document, Element, Node, ProcessingInstruction, XPath, parse

from crawler.engine.messages import said

from .counting import counted_once
from .page import PageTree, ReadingFailed
from .plainpaths import HTML_TAGS, plain_path
from .textpaths import text_path

Found: TypeAlias = Node | str


class Selector(Protocol):
    def find(self, context: Node, page: PageTree) -> Sequence[Found]:
        """The matches within `context` in document order."""
        ...

    def read(self, match: Found, page: PageTree, *, as_html: bool = False) -> str | None:
        """The match's text, not folded, or its outer HTML. None: it has no such value."""
        ...


def compile_css(text: str) -> CssSelector:
    """Raises `ValueError` with the reason."""
    selector = _split_pseudo_element(text)
    if selector.base is not None:
        try:
            _SAMPLE.select(selector.base)
        except ValueError as error:
            raise ValueError(_css_reason(error, text)) from error
    return selector


def compile_xpath(text: str) -> XPathSelector:
    """Raises `ValueError` with the reason."""
    _check_names(text)
    try:
        XPath(text)(_SAMPLE)
    except (ValueError, TypeError) as error:
        raise ValueError(str(error).removeprefix("xpath: ")) from error
    return XPathSelector(text)


def compile_each(text: str) -> CssSelector | XPathSelector:
    """The selector of `each`: an XPath where it begins like one."""
    if is_xpath(text):
        return compile_xpath(text)
    selector = compile_css(text)
    if not selector.is_plain:
        raise ValueError(said("each needs elements; take the pseudo-element off"))
    return selector


def is_xpath(text: str) -> bool:
    """Whether `each` holds an XPath rather than CSS: no CSS selector begins so."""
    return text.lstrip().startswith(("/", "./", "(", "../"))


def reads_whole_page(xpath: str) -> bool:
    """Whether an XPath leaves the node that it starts from."""
    return xpath.lstrip(" \t\r\n(").startswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class CssSelector:
    base: str | None
    """None: the context itself (``::attr(id)`` alone)."""
    own_text: bool = False
    attribute: str | None = None
    tags: tuple[str, ...] = ()
    """Where `base` is nothing but these: the tree has a way to look for them that is twice as fast."""

    @property
    def is_plain(self) -> bool:
        """Whether it gives elements, not their texts or attributes."""
        return self.base is not None and not self.own_text and self.attribute is None

    def find(self, context: Node, page: PageTree) -> Sequence[Found]:
        if page.is_big:
            page.check_time()
        if self.base is None:
            return [context] if isinstance(context, Element) else page.root
        return list(context.iter_elements(self.tags)) if self.tags else context.select(self.base)

    def read(self, match: Found, page: PageTree, *, as_html: bool = False) -> str | None:
        if not isinstance(match, Element):
            return None
        if self.attribute is not None:
            value = match.attr(self.attribute)
            if value is None:
                value = match.attr(self.attribute.lower())
            return None if value is None else page.charge(value)
        if self.own_text:
            return " ".join(page.own_texts(match))
        return page.html_of(match) if as_html else page.text_of(match)


class XPathSelector:
    __slots__ = ("_by_text", "_compiled", "_plain", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._compiled = XPath(text)
        self._plain = plain_path(text)
        self._by_text = text_path(text)

    def find(self, context: Node, page: PageTree) -> Sequence[Found]:
        if page.is_big:
            page.check_time()
        if self._plain is not None:
            found = page.document.select(self._plain.css)
            return [str(len(found))] if self._plain.is_counted else found
        if self._by_text is not None:
            known = self._by_text.find(context, page.document)
            if known is not None:
                return known
        try:
            result = self._compiled(context)
        except (ValueError, TypeError) as error:
            raise ReadingFailed(f"XPath {self._text}: {error}") from error
        if isinstance(result, list):
            return result
        text = _scalar_text(result)
        return [] if text is None else [text]

    def read(self, match: Found, page: PageTree, *, as_html: bool = False) -> str | None:
        if isinstance(match, str):
            return page.charge(match)
        if isinstance(match, Comment | ProcessingInstruction):
            return page.charge(match.data)
        return page.html_of(match) if as_html else page.text_of(match)


def _scalar_text(value: float | bool | str) -> str | None:
    """A number, truth or text of XPath as text. Not a number is no value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value.is_integer():
        return str(int(value))
    if isnan(value):
        return None
    if isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return format(Decimal(repr(value)), "f")


_SAMPLE: Document = parse("<p>", positions=False)

_TAGS = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\s*,\s*[A-Za-z][A-Za-z0-9]*)+")
_PSEUDO_AT_END = re.compile(r"::(?:(?P<text>text)|attr\(\s*(?P<attribute>[^\s()\"']+)\s*\))\s*\Z")
_PSEUDO_NAME = re.compile(r"::\s*[-\w]*(?:\([^)]*\)?)?")
_OPEN, _CLOSE = "([", ")]"


def _split_pseudo_element(text: str) -> CssSelector:
    """The CSS before the pseudo-element, and which that is.

    Raises `ValueError` for one that is unknown, nested, not at the end, or in a list.
    """
    places, in_list = _scan(text)
    if not places:
        whole = text.strip()
        if not _TAGS.fullmatch(whole):
            return CssSelector(base=counted_once(whole))
        tags = tuple(tag.strip() for tag in whole.lower().split(","))
        # The tree walks through all of itself for a list; this form means the same, and is found three times as fast.
        return CssSelector(base=f":is({whole})", tags=tags if HTML_TAGS.issuperset(tags) else ())
    position, is_nested = places[0]
    shown = _PSEUDO_NAME.match(text, position)
    name = shown[0] if shown else "::"
    if in_list:
        raise ValueError(said('"{name}" may not stand in a comma list; write :is(a, b){name} instead', name=name))
    if is_nested:
        raise ValueError(said('"{name}" may not stand inside brackets; it belongs at the very end', name=name))
    known = _PSEUDO_AT_END.match(text, position)
    if known is None:
        raise ValueError(_pseudo_reason(name, text[position + len(name) :]))
    base: str | None = text[:position].strip() or None
    # As in CSS, a combinator without a compound after it means any element: `div ::text` is `div *::text`.
    if base is not None and (text[position - 1].isspace() or base[-1] in ">+~"):
        base += " *"
    return CssSelector(base=base and counted_once(base), own_text=bool(known["text"]), attribute=known["attribute"])


def _scan(text: str) -> tuple[list[tuple[int, bool]], bool]:
    """Where each ``::`` stands outside strings and whether inside brackets; whether there is a comma outside them."""
    places: list[tuple[int, bool]] = []
    depth, quote, has_comma, index = 0, "", False, 0
    while index < len(text):
        character = text[index]
        if character == "\\":
            index += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == "," and depth <= 0:
            has_comma = True
        elif text.startswith("::", index):
            places.append((index, depth > 0))
            index += 1
        index += 1
    return places, has_comma


def _pseudo_reason(name: str, rest: str) -> str:
    if name == "::text" or (name.startswith("::attr(") and name.endswith(")") and name[7:-1].strip()):
        return said('"{name}" may stand once, at the very end; "{rest}" follows it', name=name, rest=rest.strip())
    if name.startswith("::attr"):
        return said('"{name}" names no attribute. Write "::attr(href)"', name=name)
    nearest = "::attr(name)" if name.startswith("::a") else "::text"
    return said('"{name}" is not known. Did you mean "{nearest}"?', name=name, nearest=nearest)


def _css_reason(error: ValueError, text: str) -> str:
    reason = str(error).partition('": ')[2] or str(error)
    single = re.search(r":(text|attr)\b", text)
    return said('{reason}; did you mean "::{single}"?', reason=reason, single=single[1]) if single else reason


_STRINGS = re.compile(r"\"[^\"]*\"|'[^']*'")
_VARIABLE = re.compile(r"\$\s*([\w.-]+)")
_CALL = re.compile(r"(?<![\w.:@$-])([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)\s*\(")
_PREFIX = re.compile(r"(?<![\w.:-])([A-Za-z_][\w.-]*):(?!:)(?:[A-Za-z_][\w.-]*|\*)(?!\s*[\w(.-])")
_NODE_TESTS = {"node", "text", "comment", "processing-instruction"}
_OPERATORS = {"and", "or", "div", "mod"}
_CORE_FUNCTIONS = """
    boolean ceiling concat contains count false floor id lang last local-name name namespace-uri normalize-space not
    number position round starts-with string string-length substring substring-after substring-before sum translate true
"""
_FUNCTIONS = frozenset(_CORE_FUNCTIONS.split())


def _check_names(xpath: str) -> None:
    """Raises `ValueError` for what the compiler would notice only on a page where it is reached."""
    bare = _STRINGS.sub("''", xpath)
    if variable := _VARIABLE.search(bare):
        raise ValueError(said("${variable}: there are no variables here; write the value itself", variable=variable[1]))
    for call in _CALL.findall(bare):
        if call in _FUNCTIONS or call in _NODE_TESTS or call in _OPERATORS:
            continue
        raise ValueError(
            said('"{call}()" is not a function of XPath 1.0; take what can be matched to the field\'s regex', call=call)
        )
    if prefix := _PREFIX.search(bare):
        raise ValueError(
            said(
                '"{prefix}": prefixes are not known; write *[local-name()="rect"] for such an element', prefix=prefix[0]
            )
        )
