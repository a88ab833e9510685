"""One parsed page: the tree, its base URL, and the text of its elements, within a budget.

A hostile page can nest elements so that reading every one of them costs the square of its size. What is read out of a
page is therefore counted; past the budget `ReadingFailed` ends the page's extraction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NoReturn, cast

from turbohtml import Document, Element, Node, Text, XPath, parse

from crawler.engine.errors import UrlError
from crawler.engine.urls import resolve

from .bounds import FULL, INLINE_MEMORY, TAGS_AN_ELEMENT, Bounds, MemoryBound, Outgrown, may_outgrow
from .charsets import UNICODE, codec_of, decoded, with_query_in

_BETWEEN_LOOKS = 64
"""Texts read between two looks at the clock."""
_NODE_COST = 16
"""A node walked in Python costs as much as so many characters copied."""

_COUNT = XPath("count(//*)")
_BROAD = XPath("count(//*[65])")
_BROADER = XPath("boolean(//*[257])")
_DEEP = XPath(f"boolean({'/*' * 40})")
_MOST_BROAD = 3
"""A narrow page has no element with 257 children, at most three with 65, and 39 levels: all pairs of siblings and of
ancestors are then some 20 million."""
_MANY_ELEMENTS = 4_000
"""Nested as deep as the parser nests them (512), each costs a selector such as ``.a span`` 5 µs."""
_MEMORY = MemoryBound(INLINE_MEMORY)
_MARKUP_BYTES = 131_072
"""Of a body whose tags are counted before it is parsed."""

_BREAK_TAGS = """
    address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption figure
    footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li listing main menu nav ol optgroup
    option p plaintext pre search section select summary table tbody td tfoot th thead title tr ul xmp
"""
BREAKS = frozenset(_BREAK_TAGS.split())
_UNREAD = frozenset({"script", "style", "template", "iframe", "noembed", "noframes"})
"""What the last three hold is markup that the parser keeps as text, and no browser shows."""
_INTERRUPTS = BREAKS | _UNREAD
_INTERRUPTING = ",".join(sorted(_INTERRUPTS))
_FEW_ELEMENTS = 4
"""Inside another, that are looked at in less time than the selector of all that interrupts takes to be compiled."""


class ReadingFailed(Exception):
    """The page asks for more than any real page does, or an expression cannot be evaluated on it."""


class Budget:
    """What may be read out of one page, and for how long.

    Where the bounds are hasty, what outgrows them raises `Outgrown`, here and in every method.
    """

    def __init__(self, bounds: Bounds = FULL) -> None:
        self._bounds = bounds
        self._characters = bounds.characters
        self._looks = 0
        self.is_big = False
        """Whether one search may take milliseconds: the clock is then looked at before each."""
        self._deadline = 0.0
        """Counted from the first look at the clock: most pages never need one, and it is a call of the system."""

    @property
    def is_hasty(self) -> bool:
        """Whether what takes longer than a moment is `Outgrown`."""
        return self._bounds.is_hasty

    def charge(self, text: str) -> str:
        self._characters -= len(text) + 1
        self._looks += 1
        if self._characters < 0 or not self._looks % _BETWEEN_LOOKS:
            self._look()
        return text

    def check_time(self) -> None:
        """Raises `ReadingFailed` after the seconds that the bounds allow."""
        now = time.thread_time()
        if not self._deadline:
            self._deadline = now + self._bounds.seconds
        if now > self._deadline:
            self._give_up(f"reading the page took longer than {self._bounds.seconds:g} s")

    def check_links(self, count: int) -> None:
        """Before work that looks at no clock."""
        if count > self._bounds.links:
            raise Outgrown

    def check_search(self, length: int, longest: int) -> None:
        """Before an expression is searched for in `length` characters; in `longest` that takes no time."""
        if length > longest and self._bounds.is_hasty:
            raise Outgrown

    def spend(self, characters: int) -> None:
        """Raises `ReadingFailed` where that is more than is left."""
        self._characters -= characters
        self._looks += 1
        if self._characters < 0 or not self._looks % _BETWEEN_LOOKS:
            self._look()

    def _look(self) -> None:
        self.check_time()
        if self._characters < 0:
            self._give_up(f"the page's values hold more than {self._bounds.characters:,} characters")

    def _give_up(self, why: str) -> NoReturn:
        if self._bounds.is_hasty:
            raise Outgrown
        raise ReadingFailed(why)


class PageTree(Budget):
    """The one tree that serves CSS, XPath and links."""

    def __init__(self, url: str, body: bytes, charset: str, bounds: Bounds = FULL) -> None:
        super().__init__(bounds)
        self.url = url
        """The final one, normalised."""
        if bounds.is_hasty:
            if len(body) > _MARKUP_BYTES and body.count(b"<") > TAGS_AN_ELEMENT * bounds.elements:
                raise Outgrown
            self.document = _parse_within(body, charset)
            self.is_big = _check_size(self.document, bounds) > _MANY_ELEMENTS
        else:
            self.document = _parse(body, charset)
        root = self.document.root
        self.root: Sequence[Element] = () if root is None else (root,)
        self._templates = self._empty_templates()
        self.base = self._find_base()
        self.entries: Sequence[str] | None = None
        """The links of a feed's entries, which follow rules without a selector take; None where it is no feed."""

    @cached_property
    def kept(self) -> dict[str, object]:
        """What a source of fields has read out of the page for all fields of its kind, by the source's name."""
        return {}

    @property
    def query_encoding(self) -> str:
        """The encoding in which the queries of its links go out; empty where that is UTF-8."""
        encoding = (self.document.encoding or "utf-8").lower()
        return "" if encoding in UNICODE else encoding

    def encoded(self, href: str) -> str:
        """A link of the page as it is to be resolved: its query in the page's encoding."""
        return href if href.isascii() or not self.query_encoding else with_query_in(self.query_encoding, href)

    def text_of(self, node: Node) -> str:
        """All text in the node but what no reader sees (`_UNREAD`) inside it; blanks where blocks meet."""
        if _is_one_line(node) or node.select_one(_INTERRUPTING) is None:
            return self.charge(node.text)
        return "".join(self._pieces(node))

    def html_of(self, node: Node) -> str:
        """The node's outer HTML, what its templates hold included."""
        if not self._templates:
            return self.charge(node.html)
        inside = [element for element in [node, *node.select("template")] if element in self._templates]
        for template in inside:
            self._templates[template][0].extend(self._templates[template][1])
        html = node.html
        for template in inside:
            self._templates[template][0].clear()
        return self.charge(html)

    def own_texts(self, element: Element) -> list[str]:
        """The element's own text nodes, those of its children left out."""
        texts = [child.data for child in element.children if isinstance(child, Text)]
        self.spend(sum(map(len, texts)) + _NODE_COST * len(texts))
        return texts

    def _pieces(self, node: Node) -> Iterator[str]:
        # A stack of iterators, not recursion: pages nest 100,000 deep.
        open_nodes: list[tuple[Iterator[Node], bool]] = [(iter(node), False)]
        while open_nodes:
            children, is_block = open_nodes[-1]
            for child in children:
                self.spend(_NODE_COST)
                if isinstance(child, Text):
                    yield self.charge(child.data)
                elif isinstance(child, Element):
                    tag = child.tag
                    if tag in _UNREAD:
                        continue
                    if tag in BREAKS:
                        yield " "
                    open_nodes.append((iter(child), tag in BREAKS))
                    break
            else:
                open_nodes.pop()
                if is_block:
                    yield " "

    def _empty_templates(self) -> dict[Node, tuple[Element, list[Node]]]:
        """Take out what the outermost templates hold, and return it.

        It is no part of the document: no selector of a browser finds it, while the parser's selectors walk into it.
        That holds for a shadow root (`<template shadowrootmode>`) too: `querySelectorAll` does not enter it.
        """
        # `select_one` makes the tree's index of tags, which all that looks for a tag from here on is answered by;
        # `find` would walk through the tree.
        if self.document.select_one("template") is None:
            return {}
        nested = frozenset(self.document.select("template template"))
        held: dict[Node, tuple[Element, list[Node]]] = {}
        for template in self.document.select("template"):
            if template not in nested:
                held[template] = (template, [node for fragment in template for node in fragment])
                template.clear()
        return held

    def _find_base(self) -> str:
        if self.document.find("base") is None:
            return self.url
        base = self.document.select_one("base[href]")
        if base is None:
            return self.url
        try:
            return resolve(base.attr("href") or "", self.url)
        except UrlError:
            return self.url


def _is_one_line(node: Node) -> bool:
    """Whether nothing interrupts the node's text, as far as a look at a few elements can tell: as in most headings."""
    for count, element in enumerate(node.iter_elements()):
        if count == _FEW_ELEMENTS or element.tag in _INTERRUPTS:
            return False
    return True


def _check_size(document: Document, bounds: Bounds) -> float:
    """The number of elements."""
    count = cast("float", _COUNT(document))
    if count <= bounds.elements:
        return count
    if count > bounds.narrow_elements or _BROADER(document) or _DEEP(document):
        raise Outgrown
    if cast("float", _BROAD(document)) > _MOST_BROAD:
        raise Outgrown
    return count


def _parse_within(body: bytes, charset: str) -> Document:
    if not may_outgrow(body):
        return _parse(body, charset)
    try:
        return _MEMORY.call(lambda: _parse(body, charset))
    except MemoryError:
        raise Outgrown from None


def _parse(body: bytes, charset: str) -> Document:
    try:
        return parse(body, encoding=charset or None, positions=False)
    except LookupError:
        codec = codec_of(charset)
        if codec is None:  # a label that nobody knows is as good as none
            return parse(body, positions=False)
        return parse(decoded(body, codec).encode("utf-8", "replace"), encoding="utf-8", positions=False)
