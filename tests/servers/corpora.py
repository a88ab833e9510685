"""The real sites and cases that tests and benchmarks are judged by, unpacked once a machine.

They never enter the repository: `$CORPORA` names the folder of the archives (default: ``../shared/corpora``).
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


class Case(TypedDict):
    """One conformance case; what `input` and `expected` are is told by its source."""

    id: str
    input: object
    expected: object
    source: str


def folder() -> Path:
    """Where the archives lie; relative paths count from the repository's root."""
    return (REPOSITORY / os.environ.get("CORPORA", "../shared/corpora")).resolve()


def find(name: str) -> Path:
    """The unpacked corpus `name`: a folder with ``site/``, ``truth/`` or case files.

    Raises `FileNotFoundError` where the archive is absent.
    """
    archive = folder() / f"{name}.tar.xz"
    stamp = archive.stat()
    cache = Path(tempfile.gettempdir()) / f"lamplighter-corpora-{os.getuid()}"
    target = cache / f"{name}-{stamp.st_size}-{stamp.st_mtime_ns}"
    if not target.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        _unpack(archive, target)
    nested = target / name
    return nested if nested.is_dir() else target


def corpus(name: str) -> Path:
    """`find` for a test: skips it, saying why, where the corpus is absent."""
    try:
        return find(name)
    except FileNotFoundError:
        pytest.skip(f"corpus {name!r} is not in {folder()}; set CORPORA to the folder of the archives")


def cases(name: str) -> list[Case]:
    """The cases of ``cases/NAME.json``; an empty list where they are absent, for use in `parametrize`."""
    try:
        path = find("cases") / f"{name}.json"
    except FileNotFoundError:
        return []
    return _load(path)


@cache
def _load(path: Path) -> list[Case]:
    return cast("list[Case]", json.loads(path.read_text(encoding="utf-8")))


def _unpack(archive: Path, target: Path) -> None:
    """Several processes may do this at once: each unpacks for itself, the first to rename wins."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            # Python 3.11.0 to 3.11.3 (Debian 12's) know no filters: there the attribute says nothing, elsewhere it
            # refuses what would be written outside of the folder.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(scratch)
        try:
            scratch.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
