"""`docs/threats.md` keeps its word: each row has a test that is there, or says that it is open."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAST = {"A": 7, "B": 14, "C": 10, "D": 11}
EXPECTED = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]


def rows() -> dict[str, list[str]]:
    """Cells by the row's id."""
    lines = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| [A-D]\d", line)]
    assert len({row[0] for row in cells}) == len(cells), "a row stands twice"
    return {row[0]: row[1:] for row in cells}


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the test functions of a file, those within classes too."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_every_row_is_there_in_order() -> None:
    assert list(rows()) == EXPECTED


@pytest.mark.parametrize("row", EXPECTED)
def test_row_names_tests_that_exist_or_is_open(row: str) -> None:
    what, behaviour, shown = rows()[row]
    named = re.findall(r"`([^`]+)`", shown)

    assert what
    assert behaviour
    assert named or shown == "open", "neither a test nor open"
    for name in named:
        path, _colons, test = name.partition("::")
        assert (ROOT / "tests" / path).is_file(), f"{path} is not there"
        assert test in names_in(path), f"{path} has no {test}"
    if re.search(r": open\b", behaviour):
        assert "open" in shown, "what is open in the behaviour is open in its proof too"
