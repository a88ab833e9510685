"""YAML and JSON text → plain values, without the surprises of either.

Both are read without recursion into what the text asks for: no tags, no cycles, bounded size, depth and expansion.
A key given twice, a value that YAML would silently turn into a date or a number of seconds (``02:00``), NaN, infinity
and text that no database stores are refused, each with its line. No Django here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml

from crawler.engine.messages import said
from crawler.engine.records import Json
from crawler.problems import InvalidDefinitions, Problem
from scheduling.definitions.differences import join

MAX_CHARACTERS = 10_000_000
MAX_DEPTH = 50
MAX_VALUES = 1_000_000
"""Of the whole document with its aliases expanded: stops a few lines from growing into gigabytes."""

Scalar: TypeAlias = "bool | int | float | str | None"

_IMPLICIT = yaml.resolver.Resolver.yaml_implicit_resolvers
_ALLOWED_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map"))
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+$")
MISREAD = (_SIXTIES, _LEADING_ZERO)
"""Plain text that YAML readers do not agree about: 02:00 and 08 are text to some, 12:00 and 010 are numbers."""
_TRUE = frozenset({"yes", "true", "on"})
_JSON_LIKE = re.compile(r"\s*[{\[]")


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


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds. `line_of` finds the line of a place such as ``spiders[0].items[1].fields.price.type``."""

    value: Json
    source: str
    root: Node | None

    def line_of(self, place: str) -> int | None:
        return None if self.root is None else _line_of(self.root, place)


def read(text: str, *, source: str = "") -> Reading:
    """Read YAML or JSON. Raises `InvalidDefinitions` with every problem that could be told apart."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidDefinitions(
            [
                Problem(
                    message=said(
                        "longer than {most} characters; split it into several files", most=f"{MAX_CHARACTERS:,}"
                    ),
                    source=source,
                )
            ]
        )
    text = text.removeprefix("\ufeff")
    if source.endswith(".json") or _JSON_LIKE.match(text):
        try:
            return _read_json(text, source)
        except json.JSONDecodeError as error:
            # Braces may also begin YAML in its flow style.
            if source.endswith(".json"):
                raise InvalidDefinitions(
                    [Problem(message=said("not JSON: {reason}", reason=error.msg), source=source, line=error.lineno)]
                ) from error
    root = _Composer(text, source).compose()
    return Reading(_construct(root), source, root)


def with_line(problem: Problem) -> str:
    """What a problem says, after its line."""
    if problem.line is None:
        return problem.message
    return said("line {line}: {problem}", line=problem.line, problem=problem.message)


# --- JSON -------------------------------------------------------------------------------------------------------------
def _read_json(text: str, source: str) -> Reading:
    problems: list[Problem] = []

    def pairs(entries: list[tuple[str, Json]]) -> dict[str, Json]:
        values = dict(entries)
        if len(values) != len(entries):
            seen: set[str] = set()
            for key, _value in entries:
                if key in seen:
                    problems.append(Problem(message=said('the key "{key}" is given twice', key=key), source=source))
                seen.add(key)
        return values

    def number(literal: str) -> float:
        value = float(literal)
        if not math.isfinite(value):
            problems.append(Problem(message=said("{text} is no finite number", text=literal[:40]), source=source))
        return value

    def integer(literal: str) -> int:
        if len(literal) > 40:
            problems.append(Problem(message=said("{text}… has too many digits", text=literal[:40]), source=source))
            return 0
        return int(literal)

    try:
        value: Json = json.loads(
            text, object_pairs_hook=pairs, parse_float=number, parse_int=integer, parse_constant=number
        )
    except RecursionError as error:
        raise InvalidDefinitions([Problem(message=_too_deep(), source=source)]) from error
    problems.extend(Problem(message=message, place=place, source=source) for place, message in _judge(value))
    if not problems:
        return Reading(value, source, _lines_of_json(text))
    raise InvalidDefinitions(problems)


def _judge(value: Json) -> Iterator[tuple[str, str]]:
    """What no document may hold, however it was written: too much depth, or text that no database stores."""
    waiting: list[tuple[str, int, Json]] = [("", 1, value)]
    while waiting:
        place, depth, current = waiting.pop()
        if depth > MAX_DEPTH:
            yield place, _too_deep()
            return
        if isinstance(current, str):
            if _UNSTORABLE.search(current):
                yield place, said("holds a NUL or half of a surrogate pair")
        elif isinstance(current, dict):
            for key, inner in current.items():
                if _UNSTORABLE.search(key):
                    yield place, said("a key holds a NUL or half of a surrogate pair")
                waiting.append((join(place, key), depth + 1, inner))
        elif isinstance(current, list):
            waiting.extend((f"{place}[{index}]", depth + 1, inner) for index, inner in enumerate(current))


def _lines_of_json(text: str) -> Node | None:
    """JSON is nearly YAML: where it is, that gives the lines for later messages."""
    try:
        return _Composer(text, "").compose()
    except InvalidDefinitions:
        return None


def _too_deep() -> str:
    return said("nested more than {most} levels deep", most=MAX_DEPTH)


# --- YAML -------------------------------------------------------------------------------------------------------------
class _Composer:
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
            message = _too_deep() if "nesting depth" in what else said("not YAML: {reason}", reason=what)
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
                    self._stop(_too_deep(), line)
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
            self._stop(said("more than {most} values", most=f"{MAX_VALUES:,}"), node.line)
        if node.depth + len(self._open) > MAX_DEPTH:
            self._stop(_too_deep(), node.line)
        self._place(node)

    def _fill(self, node: Node, parts: list[Node]) -> None:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, value in zip(parts[::2], parts[1::2], strict=True):
            key = key_node.scalar
            if key_node.entries is not None or key_node.elements is not None or not isinstance(key, str):
                self._complain(said("a key must be text; put it in quotes"), key_node.line)
            elif key_node.is_merge:
                merged = self._merge(value) | merged
            elif key in entries:
                self._complain(
                    said('the key "{key}" is given twice (first on line {line})', key=key, line=node.key_lines[key]),
                    key_node.line,
                )
            else:
                entries[key] = value
                node.key_lines[key] = key_node.line
        for key, value in merged.items():
            if key not in entries:
                entries[key] = value
                node.key_lines[key] = value.line
        node.entries = entries

    def _merge(self, value: Node) -> dict[str, Node]:
        """``<<: *defaults``: the earlier of several wins, as YAML 1.1 says."""
        merged: dict[str, Node] = {}
        for source in value.elements if value.elements is not None else [value]:
            if source.entries is None:
                self._complain(said('"<<" wants a mapping, or a list of mappings'), value.line)
                continue
            merged = source.entries | merged
        return merged

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
        if _UNSTORABLE.search(text):
            self._complain(said("holds a NUL or half of a surrogate pair"), line)
        self._check_tag(event.tag, line)
        tag = event.tag or (_resolve(text) if event.implicit[0] else "tag:yaml.org,2002:str")
        kind = tag.rpartition(":")[2]
        value = _scalar_value(kind, text)
        if isinstance(value, _Refused):
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


@dataclass(frozen=True, slots=True)
class _Refused:
    message: str


def _resolve(text: str) -> str:
    """The tag that YAML 1.1 gives to a plain scalar."""
    if any(pattern.match(text) for pattern in MISREAD):
        return "tag:yaml.org,2002:int"
    resolvers = _IMPLICIT.get(text[:1], []) + _IMPLICIT.get(None, [])
    for tag, pattern in resolvers:
        if pattern.match(text):
            return str(tag)
    return "tag:yaml.org,2002:str"


def _scalar_value(kind: str, text: str) -> Scalar | _Refused:
    match kind:
        case "timestamp":
            return _Refused(said("YAML would make a date of {text}; put it in quotes", text=text))
        case "int" | "float" if ":" in text:
            return _Refused(
                said("YAML would make a number of {text} (minutes of 60 seconds); put it in quotes", text=text)
            )
        case "int" | "float":
            return _number(kind, text)
        case "bool":
            return text.lower() in _TRUE
        case "null":
            return None
        case _:
            return text


def _number(kind: str, text: str) -> Scalar | _Refused:
    literal = text.replace("_", "")
    if literal.lower().lstrip("+-") in {".nan", ".inf"}:
        return _Refused(said("{text} is no finite number", text=text))
    try:
        if kind == "float":
            value = float(literal)
            return value if math.isfinite(value) else _Refused(said("{text} is no finite number", text=text[:40]))
        if len(literal) > 40:
            return _Refused(said("{text}… has too many digits; if it is text, put it in quotes", text=text[:40]))
        if _LEADING_ZERO.match(literal):
            return _Refused(
                said("YAML would read {text} as octal; put it in quotes, or leave the leading zero out", text=text)
            )
        return int(literal, 0)
    except ValueError:
        return _Refused(said("{text} is no number; put it in quotes", text=text[:40]))


def _construct(root: Node) -> Json:
    """The plain value. Nothing is shared between two places of it, so that nobody's change shows elsewhere."""
    if root.entries is not None:
        return {key: _construct(node) for key, node in root.entries.items()}
    if root.elements is not None:
        return [_construct(node) for node in root.elements]
    return root.scalar


# --- places -----------------------------------------------------------------------------------------------------------
_INDEX = re.compile(r"\[(\d+)\]")


def _line_of(node: Node, place: str) -> int | None:
    """The line of the deepest part of `place` that is there; keys may hold dots, so the longest that fits is taken."""
    line = node.line
    while place:
        if node.elements is not None and (found := _INDEX.match(place)) and int(found[1]) < len(node.elements):
            node = node.elements[int(found[1])]
            place = place[found.end() :].removeprefix(".")
            line = node.line
            continue
        keys = [key for key in (node.entries or {}) if place == key or place.startswith((f"{key}.", f"{key}["))]
        if not keys:
            return line
        key = max(keys, key=len)
        line = node.key_lines[key]
        node = cast("dict[str, Node]", node.entries)[key]
        place = place[len(key) :].removeprefix(".")
    return line
