"""What a page says about itself for machines: JSON-LD and microdata as sources of fields.

Both are read into the same shape, objects with ``@type``, once a page and only where a field asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from turbohtml import Node

from crawler.engine.messages import said
from crawler.engine.spider import FieldRule

from .jmes import JsonValue
from .jsonfields import ValueReader
from .jsonvalues import float_reader
from .microdata import Object, read_items
from .page import PageTree

_NODE_COST = 16
"""A value looked at in Python costs as much as so many characters copied."""
_REFERENCE_KEYS = {"@id"}
_VOCABULARIES = ("schema:", "http://schema.org/", "https://schema.org/")
_CONTAINERS = ("@list", "@set")


@dataclass(frozen=True, slots=True)
class TypedPath:
    """``Product.offers.price``: a type, then names of properties."""

    type: str
    """Folded: types are compared without case, for real pages do not agree about it."""
    names: tuple[str, ...]


def compile_path(text: str) -> TypedPath:
    """Raises `ValueError` with the reason."""
    kind, *names = text.split(".")
    if not kind or not all(names) or any(part != part.strip() or " " in part for part in (kind, *names)):
        raise ValueError(said('is no path; write a type and names, joined by dots: "Product.offers.price"'))
    return TypedPath(_local(kind), tuple(names))


class StructuredData:
    """The objects of one page in one notation, and how to find them by type."""

    def __init__(self, roots: list[JsonValue], broken: list[str], page: PageTree) -> None:
        self.broken = broken
        """Why parts of it could not be read."""
        self._by_type: dict[str, list[Object]] = {}
        self._by_id: dict[str, Object] = {}
        self._index(roots, page)

    @property
    def objects(self) -> Mapping[str, Sequence[Object]]:
        """Those that fields are read from, by their folded types."""
        return self._by_type

    def find(self, path: TypedPath, page: PageTree) -> list[JsonValue]:
        """What stands at the path in the objects of its type, in their order; lists are entered on the way."""
        found: list[JsonValue] = list(self._by_type.get(path.type, ()))
        for name in path.names:
            found = [value for entry in found for value in self._property(entry, name, page)]
        return found

    def find_anywhere(self, name: str, page: PageTree) -> list[JsonValue]:
        """The values of a property, whatever the type."""
        return [
            value for objects in self._by_type.values() for one in objects for value in self._property(one, name, page)
        ]

    def _property(self, value: JsonValue, name: str, page: PageTree) -> Iterator[JsonValue]:
        page.spend(_NODE_COST)
        if isinstance(value, str):
            # Where a thing could stand, a text is its name: `"brand": "Acme"`.
            if name == "name":
                yield value
            return
        if isinstance(value, dict):
            yield from self._entries(_get(value, name), page)

    def _entries(self, value: JsonValue, page: PageTree) -> Iterator[JsonValue]:
        """The values of a property, each on its own, out of lists and containers; objects in place of references."""
        stack = [value]
        while stack:
            entry = stack.pop()
            page.spend(_NODE_COST)
            if isinstance(entry, list):
                stack.extend(reversed(entry))
            elif isinstance(entry, dict):
                held = next((entry[key] for key in _CONTAINERS if key in entry), None)
                if held is not None:
                    stack.append(held)
                else:
                    yield self._resolved(entry)
            elif entry is not None:
                yield entry

    def _resolved(self, value: Object) -> Object:
        if value.keys() != _REFERENCE_KEYS:
            return value
        identity = value["@id"]
        return self._by_id.get(identity, value) if isinstance(identity, str) else value

    def _index(self, roots: list[JsonValue], page: PageTree) -> None:
        """Objects level by level. Of each type those nearest to the top are kept: what stands inside of others, as
        related products do, is asked for only where the page is about nothing else of that type.
        """
        level = [entry for root in roots for entry in _graph(root)]
        while level:
            page.check_time()
            kinds: dict[str, list[Object]] = {}
            below: list[JsonValue] = []
            for value in level:
                page.spend(_NODE_COST)
                if isinstance(value, list):
                    below.extend(value)
                elif isinstance(value, dict):
                    below.extend(value.values())
                    self._note(value, kinds)
            for kind, found in kinds.items():
                self._by_type.setdefault(kind, found)
            level = below

    def _note(self, value: Object, kinds: dict[str, list[Object]]) -> None:
        types = value.get("@type")
        for kind in types if isinstance(types, list) else [types]:
            if isinstance(kind, str):
                kinds.setdefault(_local(kind), []).append(value)
        identity = value.get("@id")
        if isinstance(identity, str) and len(value) > 1:
            self._by_id.setdefault(identity, value)


def _graph(root: JsonValue) -> Iterator[JsonValue]:
    """The objects on top: lists and ``@graph`` are taken apart."""
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, dict):
            graph = value.get("@graph")
            if isinstance(graph, list | dict):
                stack.append(graph)
            if "@type" in value or graph is None:
                yield value


def _get(value: Object, name: str) -> JsonValue:
    found = value.get(name)
    if found is None and not name.startswith("@"):
        found = next((value[prefix + name] for prefix in _VOCABULARIES if prefix + name in value), None)
    return found


def _local(kind: str) -> str:
    """``Product`` of ``http://schema.org/Product`` and ``schema:Product``, folded."""
    return re.split(r"[/#:]", kind.rstrip("/"))[-1].casefold()


class StructuredReader(ValueReader[Node, PageTree]):
    """A field of JSON-LD or microdata. It is the page's, within `each` too."""

    _simplifies = True

    def __init__(self, rule: FieldRule) -> None:
        super().__init__(rule)
        self._is_jsonld = rule.jsonld is not None
        self._path = compile_path(rule.jsonld or rule.microdata or "")

    def _find(self, context: Node, page: PageTree) -> Sequence[JsonValue]:
        return self._data(page).find(self._path, page)

    def _simplified(self, match: JsonValue) -> JsonValue:
        """Of an object what stands for it: its value, its name; as an address its own, if it has one."""
        if not isinstance(match, dict):
            return match
        keys = ("url", "contentUrl", "@id") if self._is_url else ("@value", "name", "@id")
        for key in keys:
            value = _get(match, key)
            if isinstance(value, list) and value:
                value = value[0]
            if value is not None and not isinstance(value, list | dict):
                return value
        return match

    def _data(self, page: PageTree) -> StructuredData:
        return structured_data(page, is_jsonld=self._is_jsonld)

    def _complaint(self, page: PageTree) -> tuple[str, str] | None:
        broken = self._data(page).broken
        return (broken[0], "in structured data that cannot be read") if broken else None


def structured_data(page: PageTree, *, is_jsonld: bool) -> StructuredData:
    """The page's JSON-LD, or its microdata; read once."""
    key = "jsonld" if is_jsonld else "microdata"
    data = page.kept.get(key)
    if not isinstance(data, StructuredData):
        data = read_jsonld(page) if is_jsonld else StructuredData(read_items(page), [], page)
        page.kept[key] = data
    return data


def read_jsonld(page: PageTree) -> StructuredData:
    """All ``<script type="application/ld+json">`` of the page. Those that are no JSON, not even by lenient reading, are
    left out, and named in `broken`.
    """
    roots: list[JsonValue] = []
    broken: list[str] = []
    for script in page.document.select("script[type]"):
        if (script.attr("type") or "").partition(";")[0].strip().lower() != "application/ld+json":
            continue
        text = page.charge(script.text)
        try:
            roots.append(_lenient(text, page))
        except (ValueError, RecursionError) as error:
            broken.append(f"{' '.join(text[:100].split())}: {str(error)[:100]}")
    return StructuredData(roots, broken, page)


_TEXT = r'"[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+(?:"|\Z)'
"""Stays as it is; one without end is all that is left, so that a search never begins again inside of it."""
_COMMENTS = r"/\*.*?(?:\*/|\Z)|//[^\n]*"
_FURNITURE = (
    # A comment beside the JSON, then one around it.
    re.compile(rf"({_TEXT})|<!--.*?(?:-->|\Z)|<!\[CDATA\[|\]\]>|{_COMMENTS}", re.DOTALL),
    re.compile(rf"({_TEXT})|<!--|-->|<!\[CDATA\[|\]\]>|{_COMMENTS}", re.DOTALL),
)
_QUICKLY_MENDED = 65_536
"""Characters of a script that are searched through for furniture in some 30 ms at worst."""
_TRAILING_COMMA = re.compile(rf"({_TEXT})|,(?=\s*[}}\]])", re.DOTALL)


def _lenient(text: str, page: PageTree) -> JsonValue:
    """The JSON of a script as it stands in real pages: line ends in texts, comments of HTML and JavaScript around and
    inside, commas before a closing bracket, a semicolon at the end. Raises `ValueError`, `RecursionError`.
    """
    read_float = float_reader(page, len(text))
    try:
        return _loads(text, read_float)
    except ValueError as error:
        page.check_search(len(text), _QUICKLY_MENDED)
        for furniture in _FURNITURE:
            bare = _TRAILING_COMMA.sub(_only_text, furniture.sub(_only_text, text))
            with suppress(ValueError):
                return _loads(bare.strip().rstrip(";"), read_float)
        raise error


def _only_text(match: re.Match[str]) -> str:
    return match[1] or ""


def _loads(text: str, read_float: Callable[[str], float]) -> JsonValue:
    value: JsonValue = json.loads(text, strict=False, parse_float=read_float, parse_constant=lambda literal: None)
    return value
