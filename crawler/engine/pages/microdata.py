"""Microdata as JSON-LD would have it: objects with ``@type``.

Read as the HTML standard says, but for two habits of real pages: an attribute `content` is the value of any element,
not of `meta` alone (schema.org's own examples write it so), and an item that is no item's property stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import ada_url
from turbohtml import Element, Node

from .jmes import JsonValue
from .page import PageTree
from .values import MAX_JSON_DEPTH

Object = dict[str, JsonValue]

_STEP_COST = 8
"""A step in the tree costs as much as so many characters copied."""
_ADDRESSES = {
    **dict.fromkeys(("audio", "embed", "iframe", "img", "source", "track", "video"), "src"),
    **dict.fromkeys(("a", "area", "link"), "href"),
    "object": "data",
}
_VALUES = {"data": "value", "meter": "value", "time": "datetime"}


def read_items(page: PageTree) -> list[JsonValue]:
    """The items of a page that are no properties of others. Raises `ReadingFailed`."""
    if page.document.select_one("[itemscope]") is None:
        return []
    return list(_Items(page).roots())


class _Items:
    """Which property belongs to which item, found once a page."""

    def __init__(self, page: PageTree) -> None:
        self._page = page
        self._owners: dict[Element, Element | None] = {}
        self._members: dict[Element, list[Element]] = {}
        self._ids: dict[str, Element] | None = None
        for element in page.document.select("[itemprop]"):
            owner = self._owner(element)
            self._owners[element] = owner
            if owner is not None:
                self._members.setdefault(owner, []).append(element)

    def roots(self) -> Iterator[Object]:
        for element in self._page.document.select("[itemscope]"):
            if self._owners.get(element) is None:
                yield self._build(element, ())

    def _owner(self, element: Element) -> Element | None:
        """The item around an element."""
        parent: Node | None = element.parent
        while isinstance(parent, Element):
            self._page.spend(_STEP_COST)
            if parent.attr("itemscope") is not None:
                return parent
            parent = parent.parent
        return None

    def _build(self, item: Element, around: tuple[Element, ...]) -> Object:
        """An item with all inside it. `around`: the items that it is part of, which it cannot hold."""
        self._page.spend(_STEP_COST)
        made: Object = {}
        if types := (item.attr("itemtype") or "").split():
            made["@type"] = types[0] if len(types) == 1 else list[JsonValue](types)
        if identity := item.attr("itemid"):
            made["@id"] = identity
        if len(around) >= MAX_JSON_DEPTH - 1:
            return made
        inside = (*around, item)
        for element in self._properties(item):
            if element in inside:
                continue
            is_item = element.attr("itemscope") is not None
            value: JsonValue = self._build(element, inside) if is_item else self._value(element)
            for name in (element.attr("itemprop") or "").split():
                _add(made, name, value)
        return made

    def _properties(self, item: Element) -> Iterator[Element]:
        yield from self._members.get(item, ())
        for identity in dict.fromkeys((item.attr("itemref") or "").split()):
            # Each is a walk through what has this id, and a page may name a hundred thousand.
            self._page.check_time()
            root = self._with_id(identity)
            if root is None:
                continue
            if root.attr("itemprop") is not None:
                yield root
            if root.attr("itemscope") is None:
                owner = self._owner(root)
                for element in root.select("[itemprop]"):
                    self._page.spend(_STEP_COST)
                    if self._owners.get(element) == owner:
                        yield element

    def _with_id(self, identity: str) -> Element | None:
        """The first element with it."""
        if self._ids is None:
            # From the last one to the first, which stays.
            self._ids = {element.attr("id") or "": element for element in reversed(self._page.document.select("[id]"))}
        return self._ids.get(identity)

    def _value(self, element: Element) -> str:
        content = element.attr("content")
        if content is not None and (content or element.tag == "meta"):
            return self._page.charge(content)
        if attribute := _ADDRESSES.get(element.tag):
            return self._page.charge(_absolute(self._page.encoded(element.attr(attribute) or ""), self._page.base))
        value = element.attr(_VALUES[element.tag]) if element.tag in _VALUES else None
        return self._page.text_of(element) if value is None else self._page.charge(value)


def _add(item: Object, name: str, value: JsonValue) -> None:
    """A property that stands several times is a list."""
    if name.startswith("@"):
        return
    known = item.get(name)
    if known is None:
        item[name] = value
    elif isinstance(known, list):
        known.append(value)
    else:
        item[name] = [known, value]


def _absolute(href: str, base: str) -> str:
    if not href:
        return ""
    try:
        address: str = ada_url.join_url(base, href)
    except ValueError:
        return href
    return address
