"""Where a value is looked for: the page, or the items of a page; and what stands where another element stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turbohtml import Element, Node

from crawler.engine.pages.page import PageTree
from crawler.engine.pages.selectors import compile_each

from .features import attribute, classes

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
    if not (target.tag.isascii() and target.tag.isalnum()):
        return [target]
    stands = _Standing(target, within)
    return [one for one in within.select(f":is({target.tag})") if one == target or stands.like(one)]


def ancestors(target: Element, home: Node, levels: int = LEVELS) -> Iterator[Element]:
    """Between the target and what it is looked for in, the nearest first."""
    node = target.parent
    for _ in range(levels):
        if not isinstance(node, Element) or node == home:
            return
        yield node
        node = node.parent


class _Standing:
    """Where one element stands and what it is called. Remembers what it found out: thousands share their ancestors, and
    their classes."""

    def __init__(self, target: Element, within: Node) -> None:
        self._within = within
        self._path = [target.tag, *(one.tag for one in ancestors(target, within, levels=_DEEPEST))]
        self._names = set(classes(target))
        self._is_called: dict[str, bool] = {}
        self._is_there: dict[tuple[Node | None, int], bool] = {}
        """Whether what is so many steps above an element of this kind stands where the path has it."""

    def like(self, element: Element) -> bool:
        given = attribute(element, "class") or ""
        is_called = self._is_called.get(given)
        if is_called is None:
            is_called = self._is_called[given] = set(classes(element)) == self._names
        return is_called and self._is_at(element, 0)

    def _is_at(self, node: Node | None, level: int) -> bool:
        """Whether the tags from the node upwards are those of the path from `level` on."""
        passed: list[tuple[Node | None, int]] = []
        is_there = None
        while is_there is None:
            if level == len(self._path):
                is_there = level > _DEEPEST or node == self._within or not isinstance(node, Element)
            elif not isinstance(node, Element) or node == self._within or node.tag != self._path[level]:
                is_there = False
            else:
                node, level = node.parent, level + 1
                is_there = self._is_there.get((node, level))
                passed.append((node, level))
        self._is_there.update(dict.fromkeys(passed, is_there))
        return is_there
