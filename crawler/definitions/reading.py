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
from dataclasses import dataclass

from crawler.engine.messages import said
from crawler.engine.records import Json
from crawler.problems import InvalidDefinitions, Problem
from scheduling.definitions.differences import join

from .composing import MAX_DEPTH, UNSTORABLE, Composer, Node, too_deep
from .places import parts_of

MAX_CHARACTERS = 10_000_000
_JSON_LIKE = re.compile(r"\s*[{\[]")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds. `line_of` finds the line of a place such as ``spiders[0].items[1].fields.price.type``."""

    value: Json
    source: str
    root: Node | None

    def line_of(self, place: str) -> int | None:
        """Of the deepest part of `place` that is there."""
        if self.root is None:
            return None
        node, line = self.root, self.root.line
        for part in parts_of(place, self.value):
            inner = node.inside(part)
            if inner is None:
                break
            line = inner.line if isinstance(part, int) else node.key_lines[part]
            node = inner
        return line


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
    root = Composer(text, source).compose()
    return Reading(root.plain(), source, root)


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
        raise InvalidDefinitions([Problem(message=too_deep(), source=source)]) from error
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
            yield place, too_deep()
            return
        if isinstance(current, str):
            if UNSTORABLE.search(current):
                yield place, said("holds a NUL or half of a surrogate pair")
        elif isinstance(current, dict):
            for key, inner in current.items():
                if UNSTORABLE.search(key):
                    yield place, said("a key holds a NUL or half of a surrogate pair")
                waiting.append((join(place, key), depth + 1, inner))
        elif isinstance(current, list):
            waiting.extend((f"{place}[{index}]", depth + 1, inner) for index, inner in enumerate(current))


def _lines_of_json(text: str) -> Node | None:
    """JSON is nearly YAML: where it is, that gives the lines for later messages."""
    try:
        return Composer(text, "").compose()
    except InvalidDefinitions:
        return None
