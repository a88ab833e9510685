"""docs/rest.md names every query parameter that REST takes, and no other."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.api import changes, exporting
from crawler.api.urls import router as crawl
from crawlproject.web.filters import PAGINATION
from scheduling.api.urls import router as schedule

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rest.md").read_text(encoding="utf-8")
ELSEWHERE = {"feed_response": changes.KNOWN, "export_response": exporting.KNOWN}
"""Functions that views leave the whole of their work to, and what these take."""


def documented() -> dict[str, set[str]]:
    """The keys of each path, by the table of the section."""
    section = PAGE.partition("## What may stand behind the question mark")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(?P<path>[^`]+)` \| (?P<keys>.+) \|$", section, re.MULTILINE)
    # What stands in brackets are values and explanations.
    return {path: set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", keys))) for path, keys in rows}


def offered() -> Iterator[tuple[str, set[str]]]:
    """The same, by the code: filters of lists, and what actions do not refuse."""
    for prefix, router in (("crawl", crawl), ("schedule", schedule)):
        registry: list[tuple[str, Any, str]] = router.registry
        for name, viewset, _basename in registry:
            yield f"{prefix}/{name}", {*viewset.filterset_class.base_filters, *PAGINATION}
            field = "id" if viewset.lookup_field == "pk" else viewset.lookup_field
            for action in viewset.get_extra_actions():
                keys = taken_by(action) if "get" in action.mapping else set()
                if keys:
                    middle = f"/{{{field}}}" if action.detail else ""
                    yield f"{prefix}/{name}{middle}/{action.url_path}", keys


def taken_by(action: object) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(action)))  # type: ignore[arg-type]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "refuse_unknown":
                return {part.value for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant)}  # type: ignore[misc]
            if node.func.id in ELSEWHERE:
                return set(ELSEWHERE[node.func.id])
    return set()


@pytest.mark.parametrize(("path", "keys"), list(offered()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_key_is_documented_and_no_other(path: str, keys: set[str]) -> None:
    assert documented().get(path) == keys


def test_no_path_is_documented_that_takes_nothing() -> None:
    assert set(documented()) == {path for path, _keys in offered()}
