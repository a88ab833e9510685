"""Where a value is looked for: the page, or the items of a page; and what stands where another element stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turbohtml import Element, Node

from crawler.engine.pages.page import PageTree
from crawler.engine.pages.selectors import compile_each

from .features import classes

LEVELS = 10
"""Ancestors that are looked at."""
_DEEPEST = 64
"""Ancestors that are compared."""


class OutsideScope(Exception):
    """What was pointed at lies in none of the items."""


def contexts_of(page: PageTree, each: str) -> list[Node]:
    """What items are read from: each match, or the page. Raises `ValueError` for a selector that is none."""
    if not each:
        return [page.document]
    return [found for found in compile_each(each).find(page.document, page) if isinstance(found, Element)]


def home_of(page: PageTree, each: str, target: Element, contexts: Sequence[Node]) -> Node:
    """The item that `target` lies in, of those that `each` gives. Raises `OutsideScope`."""
    if not each:
        return page.document
    known = set(contexts)
    node: Node | None = target
    while node is not None and node not in known:
        node = node.parent
    if node is None:
        raise OutsideScope(each)
    return node


def alike(target: Element, within: Node) -> list[Element]:
    """What stands where `target` stands and is called the same, in document order: the other cells of its column."""
    names, path = set(classes(target)), _path(target, within)
    if not (target.tag.isascii() and target.tag.isalnum()):
        return [target]
    return [
        one
        for one in within.select(f":is({target.tag})")
        if one == target or (names == set(classes(one)) and _is_at(one, path, within))
    ]


def ancestors(target: Element, home: Node, levels: int = LEVELS) -> Iterator[Element]:
    """Between the target and what it is looked for in, the nearest first."""
    node = target.parent
    for _ in range(levels):
        if not isinstance(node, Element) or node == home:
            return
        yield node
        node = node.parent


def _path(element: Element, within: Node) -> list[str]:
    """Tags from the element upwards."""
    return [element.tag, *(one.tag for one in ancestors(element, within, levels=_DEEPEST))]


def _is_at(element: Element, path: Sequence[str], within: Node) -> bool:
    node: Node | None = element
    for tag in path:
        if not isinstance(node, Element) or node == within or node.tag != tag:
            return False
        node = node.parent
    return len(path) > _DEEPEST or node == within or not isinstance(node, Element)
