"""JMESPath under bounds: what may stand in an expression, and how long it may run on a page.

The language has no loops, yet two ways to hang a crawl: lists that are made of copies of each other (``[@,@]`` thirty
times in a row is a thousand million values), and functions in a filter, which cost the square of a document. The first
is refused when the expression is read, the second ends with the page's budget of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

import jmespath
from jmespath import functions, visitor
from jmespath.exceptions import JMESPathError

from crawler.engine.messages import said

from .page import Budget

MAX_LENGTH = 2_000
"""Characters of an expression."""
MAX_DEPTH = 60
"""Nesting of an expression: it is evaluated by recursion."""
MAX_COPIES = 200
"""How many times over what it starts from an expression may hold in its result."""
_BETWEEN_LOOKS = 64
"""Steps between two looks at the clock."""
_LONG_STEPS = {"comparator": 8, "function_expression": 16}
"""Steps that may read a great part of the document count for so many."""

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
_Node: TypeAlias = Mapping[str, object]


class ExpressionFailed(Exception):
    """The expression cannot be evaluated on this value: a function was given what it does not take."""

    def __init__(self, expression: str, reason: str) -> None:
        super().__init__(reason)
        self.expression = expression


class Expression:
    """One compiled JMESPath expression. Safe to use from several threads.

    Raises `ValueError`, with the reason, for what is no expression or one that may hang.
    """

    __slots__ = ("_parsed", "_path", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise ValueError(
                said(
                    "is {length} characters long; at most {most} are read",
                    length=f"{len(text):,}",
                    most=f"{MAX_LENGTH:,}",
                )
            )
        try:
            self._parsed: _Node = jmespath.compile(text).parsed
        except JMESPathError as error:
            raise ValueError(_explain(error)) from error
        except (RecursionError, ValueError) as error:
            raise ValueError(said("is no JMESPath expression: {reason}", reason=error)) from error
        _check(self._parsed, 0)
        self._path = _plain_path(self._parsed)

    def search(self, value: JsonValue, budget: Budget) -> JsonValue:
        """What the expression gives on `value`; None for nothing.

        Raises `ExpressionFailed`, and what `budget` raises when it is used up.
        """
        if self._path is not None:
            return _walk(self._path, value)
        try:
            return cast(JsonValue, _Interpreter(budget).visit(self._parsed, value))
        except (JMESPathError, TypeError, ValueError, OverflowError, ArithmeticError) as error:
            raise ExpressionFailed(self.text, " ".join(str(error).split())[:300]) from error
        except RecursionError as error:
            raise ExpressionFailed(self.text, "the document is nested too deep for it") from error


class _Interpreter(visitor.TreeInterpreter):  # type: ignore[misc]  # the library has no types
    """The reference implementation with a look at the clock now and then. One for a search."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(visitor.Options(custom_functions=_Functions(budget)))
        self._budget = budget
        self._steps = 0
        self._methods: dict[str, Callable[..., object]] = {}

    def visit(self, node: _Node, *args: object, **kwargs: object) -> object:
        kind = cast(str, node["type"])
        self._steps += _LONG_STEPS.get(kind, 1)
        if self._steps >= _BETWEEN_LOOKS:
            self._steps = 0
            self._budget.check_time()
        method = self._methods.get(kind)
        if method is None:
            method = self._methods[kind] = getattr(self, f"visit_{kind}")
        return method(node, *args, **kwargs)


class _Functions(functions.Functions):  # type: ignore[misc]
    """The built-in functions; those that make texts are charged for them."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})  # type: ignore[untyped-decorator]
    def _func_join(self, separator: str, texts: list[str]) -> str:
        self._budget.spend(len(separator) * len(texts) + sum(map(len, texts)))
        return separator.join(texts)

    @functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_to_string(self, value: JsonValue) -> str:
        return self._budget.charge(cast(str, super()._func_to_string(value)))


_Step: TypeAlias = str | int


def _plain_path(node: _Node) -> tuple[_Step, ...] | None:
    """The names and indexes of an expression such as ``author.links[0].url``, which needs no interpreter."""
    match node["type"]:
        case "current" | "identity":
            return ()
        case "field" | "index":
            return (cast(_Step, node["value"]),)
        case "subexpression" | "index_expression":
            parts = [_plain_path(child) for child in _children(node)]
            return None if None in parts else tuple(step for part in parts if part is not None for step in part)
        case _:
            return None


def _walk(path: Sequence[_Step], value: JsonValue) -> JsonValue:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
        if value is None:
            return None
    return value


def _children(node: _Node) -> list[_Node]:
    children = cast("list[object]", node.get("children") or [])
    return [child for child in children if isinstance(child, Mapping)]


def _check(node: _Node, depth: int) -> int:
    """How many copies of its input the node's result may hold. Raises `ValueError` for what may hang or never works."""
    if depth > MAX_DEPTH:
        raise ValueError(said("is nested deeper than {most} levels", most=MAX_DEPTH))
    copies = [_check(child, depth + 1) for child in _children(node)]
    match node["type"]:
        case "function_expression":
            _check_function(node)
            applied = any(child["type"] == "expref" for child in _children(node))
            total = math.prod(copies) if applied else sum(copies)
        case "multi_select_list" | "multi_select_dict":
            total = sum(copies)
        case "comparator" | "not_expression":
            total = 1
        case "or_expression" | "and_expression":
            total = max(copies)
        case "literal":
            _check_literal(node["value"])
            total = 1
        case _:
            total = math.prod(copies)
    if total > MAX_COPIES:
        raise ValueError(
            said("may give more than {most} copies of what it reads; read it in several fields", most=MAX_COPIES)
        )
    return max(total, 1)


def _check_function(node: _Node) -> None:
    name = str(node["value"])
    spec = functions.Functions.FUNCTION_TABLE.get(name)
    if spec is None:
        raise ValueError(
            said('"{name}()" is no function of JMESPath; known are {known}', name=name, known=", ".join(sorted(_KNOWN)))
        )
    given, wanted = len(_children(node)), len(spec["signature"])
    is_variadic = bool(wanted) and bool(spec["signature"][-1].get("variadic"))
    if given < wanted or (given > wanted and not is_variadic):
        if is_variadic:
            message = said(
                '"{name}()" takes at least {wanted} arguments, {given} are given', name=name, wanted=wanted, given=given
            )
        else:
            message = said(
                '"{name}()" takes {wanted} arguments, {given} are given', name=name, wanted=wanted, given=given
            )
        raise ValueError(message)


_KNOWN = frozenset(functions.Functions.FUNCTION_TABLE)


def _check_literal(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(said("holds a number that JSON does not have (NaN or Infinity)"))
    if isinstance(value, list):
        for entry in value:
            _check_literal(entry)
    if isinstance(value, dict):
        for entry in value.values():
            _check_literal(entry)


def _explain(error: JMESPathError) -> str:
    """The library's message in one line, without the expression, which the caller shows."""
    position = getattr(error, "lex_position", None)
    found = getattr(error, "token_value", None)
    if position is None:
        return said("is no JMESPath expression: {reason}", reason=" ".join(str(error).split())[:200])
    if found in ("", None):
        return said("is no JMESPath expression: it ends too early")
    if found == "-":
        return said(
            'is no JMESPath expression: "-" cannot stand at character {position}; a name with other characters than '
            'letters, digits and _ wants double quotes: "\\"a-b\\""',
            position=position + 1,
        )
    return said(
        'is no JMESPath expression: "{found}" cannot stand at character {position}', found=found, position=position + 1
    )
