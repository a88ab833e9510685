"""One way to quote a value in a message: "…" in what is said in English alone, “…” in what is translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = ("crawler/engine", "crawler/definitions", "crawler/exports", "crawler/management", "crawler/secrets.py")
"""What is said there is part of a document's or a program's world: it quotes as YAML and JSON do."""
NO_MESSAGES = {"crawler/engine/pages/parsing.py"}
"""Code for another process, and records that were pickled wrongly."""
TRANSLATED = ("crawler", "crawlproject", "scheduling")
GETTEXT = {"_", "_lazy", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
VALUE = r"%\(\w+\)[sd]"
PYTHON = "scheduling/checks.py"
"""Settings are Python's: `%r` says whether one is a text or a number."""


def files(*roots: str) -> Iterator[tuple[str, ast.Module]]:
    for root in roots:
        path = ROOT / root
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def for_programmers(tree: ast.Module) -> set[ast.AST]:
    """What stands in a `__repr__`."""
    shown = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__repr__")
    return {inner for node in shown for inner in ast.walk(node)}


def pattern_of(text: ast.JoinedStr) -> str:
    """An f-string with `{}` where a value stands, `{!r}` where it is shown as Python shows it."""
    parts = []
    for part in text.values:
        if isinstance(part, ast.FormattedValue):
            parts.append("{!r}" if part.conversion == ord("r") else "{}")
        elif isinstance(part, ast.Constant):
            parts.append(str(part.value))
    return "".join(parts)


@pytest.mark.parametrize("root", ENGLISH)
def test_what_is_said_in_english_quotes_in_one_way(root: str) -> None:
    wrong = [
        f"{name}:{node.lineno}: {said}"
        for name, tree in files(root)
        if name not in NO_MESSAGES
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and node not in for_programmers(tree)
        for said in [pattern_of(node)]
        if "{!r}" in said or re.search(r"'\{\}'|‘\{\}’|“\{\}”|`\{\}`", said)
    ]
    assert wrong == []


@pytest.mark.parametrize("root", TRANSLATED)
def test_what_is_translated_quotes_in_one_way(root: str) -> None:
    wrong = [
        f"{name}:{node.lineno}: {said.value}"
        for name, tree in files(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GETTEXT
        for said in node.args
        if isinstance(said, ast.Constant) and isinstance(said.value, str)
        if re.search(rf"""["'‘`]{VALUE}|{VALUE}["'’`](?!s)""", said.value)
        or (re.search(r"%r|%\(\w+\)r", said.value) and name != PYTHON)
    ]
    assert wrong == []


def test_no_message_of_the_scheduler_shows_a_value_as_python_does() -> None:
    wrong = [
        f"{name}:{node.lineno}: {pattern_of(node)}"
        for name, tree in files("scheduling")
        if name != PYTHON
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and node not in for_programmers(tree) and "{!r}" in pattern_of(node)
    ]
    assert wrong == []
