"""What may stand nowhere in the tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHES = {".cache", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
"""The checks write them while the tests run."""
NOT_OURS = CACHES | {".git", ".venv", ".demo", "node_modules", "data"}
LARGEST = 2_000_000
"""Bytes; what is larger was not written by hand."""


def files() -> Iterator[Path]:
    """Every text of the tree, virtual environments and data left out."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in NOT_OURS and not (Path(folder) / name / "pyvenv.cfg").exists()
        ]
        for name in names:
            path = Path(folder) / name
            if path.is_file() and path.stat().st_size < LARGEST:
                yield path


@pytest.mark.parametrize("word", ["_".join(["DJANGO", "ALLOW", "ASYNC", "UNSAFE"])])
def test_the_guard_against_the_orm_on_a_loop_is_never_switched_off(word: str) -> None:
    found = [str(path.relative_to(ROOT)) for path in files() if word.encode() in path.read_bytes()]

    assert found == []
    assert word not in os.environ


def test_every_file_of_the_product_is_looked_at() -> None:
    looked = {str(path.relative_to(ROOT)) for path in files()}

    assert {"manage.py", "crawlproject/settings.py", "Makefile", "tests/unit/test_tree.py", "README.md"} <= looked
