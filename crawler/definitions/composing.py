"""YAML → a tree of nodes, each with its line; iteratively, and within the bounds of a document."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from crawler.engine.messages import said
from crawler.engine.records import Json
from crawler.problems import InvalidDefinitions, Problem

from .scalars import Refused, Scalar, scalar_value, tag_of

MAX_DEPTH = 50
MAX_VALUES = 1_000_000
"""Of the whole document with its aliases expanded: stops a few lines from growing into gigabytes."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ALLOWED_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map"))


@dataclass(slots=True)
class Node:
    """A value of the document with the line on which it begins (counted from 1)."""

    line: int
    scalar: Scalar = None
    entries: dict[str, Node] | None = None
    key_lines: dict[str, int] = field(default_factory=dict)
    elements: list[Node] | None = None
    size: int = 1
    """Values in it, itself included, with aliases expanded."""
    depth: int = 1
    """Levels in it, itself included."""
    closed: bool = False
    is_merge: bool = False
    """A plain ``<<``: as a key it brings another mapping's entries in. In quotes it is a name like any other."""

    def plain(self) -> Json:
        """The plain value. Nothing is shared between two places of it, so that nobody's change shows elsewhere."""
        if self.entries is not None:
            return {key: node.plain() for key, node in self.entries.items()}
        if self.elements is not None:
            return [node.plain() for node in self.elements]
        return self.scalar

    def inside(self, part: str | int) -> Node | None:
        """What stands under a key, or at an index."""
        if isinstance(part, str):
            return None if self.entries is None else self.entries.get(part)
        return self.elements[part] if self.elements is not None and part < len(self.elements) else None


class Composer:
    """Builds the tree from the parser's events, iteratively: depth costs no stack."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._open: list[tuple[Node, list[Node]]] = []
        """Collections that have begun: the node, and its keys and values (or elements) so far."""
        self._root: Node | None = None

    def compose(self) -> Node:
        try:
            for event in yaml.parse(self._text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = ", ".join(part for part in (error.context, error.problem) if part)
            message = too_deep() if "nesting depth" in what else said("not YAML: {reason}", reason=what)
            self._complain(message, None if mark is None else mark.line + 1)
        except yaml.YAMLError as error:
            self._complain(said("not YAML: {reason}", reason=str(error).splitlines()[0]), None)
        if self._root is None and not self._problems:
            self._complain(said("the file is empty"), None)
        if self._problems or self._root is None:
            raise InvalidDefinitions(self._problems)
        return self._root

    def _take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent() if self._root is not None:
                self._stop(said('a second document ("---"); a file holds one'), line)
            case yaml.AliasEvent():
                self._place(self._aliased(event.anchor or "", line))
            case yaml.ScalarEvent():
                is_merge = event.implicit[0] and event.value == "<<"
                node = Node(line, scalar=self._scalar(event, line), closed=True, is_merge=is_merge)
                self._anchor(event.anchor, node)
                self._place(node)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._check_tag(event.tag, line)
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                node = Node(line, entries={} if is_mapping else None, elements=None if is_mapping else [])
                self._anchor(event.anchor, node)
                self._open.append((node, []))
                if len(self._open) > MAX_DEPTH:
                    self._stop(too_deep(), line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case _:
                pass

    def _close(self) -> None:
        node, parts = self._open.pop()
        if node.elements is not None:
            node.elements = parts
        else:
            self._fill(node, parts)
        inner = node.elements if node.elements is not None else list((node.entries or {}).values())
        node.size = 1 + sum(part.size for part in inner)
        node.depth = 1 + max((part.depth for part in inner), default=0)
        node.closed = True
        if node.size > MAX_VALUES:
            self._stop(_too_many(), node.line)
        if node.depth + len(self._open) > MAX_DEPTH:
            self._stop(too_deep(), node.line)
        self._place(node)

    def _fill(self, node: Node, parts: list[Node]) -> None:
        entries: dict[str, Node] = {}
        brought: list[Node] = []
        for key_node, value in zip(parts[::2], parts[1::2], strict=True):
            key = key_node.scalar
            if key_node.entries is not None or key_node.elements is not None or not isinstance(key, str):
                self._complain(said("a key must be text; put it in quotes"), key_node.line)
            elif key_node.is_merge:
                brought += self._brought_by(value)
            elif key in entries:
                self._complain(
                    said('the key "{key}" is given twice (first on line {line})', key=key, line=node.key_lines[key]),
                    key_node.line,
                )
            else:
                entries[key] = value
                node.key_lines[key] = key_node.line
        if sum(source.size for source in brought) > MAX_VALUES:
            self._stop(_too_many(), node.line)
        merged: dict[str, Node] = {}
        for source in reversed(brought):  # the earlier of several wins, as YAML 1.1 says
            merged.update(source.entries or {})
        for key, value in merged.items():
            if key not in entries:
                entries[key] = value
                node.key_lines[key] = value.line
        node.entries = entries

    def _brought_by(self, value: Node) -> list[Node]:
        """The mappings of ``<<: *defaults``, and of ``<<: [*a, *b]``."""
        sources = value.elements if value.elements is not None else [value]
        mappings = [source for source in sources if source.entries is not None]
        if len(mappings) < len(sources):
            self._complain(said('"<<" wants a mapping, or a list of mappings'), value.line)
        return mappings

    def _place(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        else:
            self._root = node

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self._anchors[name] = node

    def _aliased(self, name: str, line: int) -> Node:
        node = self._anchors.get(name)
        if node is None:
            self._complain(said('"*{name}" refers to no anchor before it', name=name), line)
            return Node(line, closed=True)
        if not node.closed:
            self._stop(said('"*{name}" stands within itself', name=name), line)
        return node

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        text: str = event.value
        if UNSTORABLE.search(text):
            self._complain(said("holds a NUL or half of a surrogate pair"), line)
        self._check_tag(event.tag, line)
        tag = event.tag or (tag_of(text) if event.implicit[0] else "tag:yaml.org,2002:str")
        kind = tag.rpartition(":")[2]
        value = scalar_value(kind, text)
        if isinstance(value, Refused):
            self._complain(value.message, line)
            return None
        return value

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag is not None and tag != "!" and tag not in _ALLOWED_TAGS:
            self._complain(said('the tag "{tag}" is not read', tag=tag), line)

    def _complain(self, message: str, line: int | None) -> None:
        self._problems.append(Problem(message=message, source=self._source, line=line))

    def _stop(self, message: str, line: int) -> None:
        self._complain(message, line)
        raise InvalidDefinitions(self._problems)


def too_deep() -> str:
    return said("nested more than {most} levels deep", most=MAX_DEPTH)


def _too_many() -> str:
    return said("more than {most} values", most=f"{MAX_VALUES:,}")
