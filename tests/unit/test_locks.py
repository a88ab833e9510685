"""The lock files hold all that pip asks for: it refuses a package whose extras are not pinned, as uv does not."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def pinned(text: str) -> dict[str, Requirement]:
    """What a lock file names, by canonical name."""
    lines = re.findall(r"^([A-Za-z0-9].*?)(?: \\)?$", text, re.MULTILINE)
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def missing(locked: dict[str, Requirement]) -> list[str]:
    """What the packages of a lock file need here, as installed, and the file does not pin."""
    found = []
    for name, pin in locked.items():
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            needed = [Requirement(one) for one in requires(name) or ()]
        except PackageNotFoundError:
            found.append(f"{name} is not installed")
            continue
        for one in needed:
            extras = ["", *pin.extras]
            if one.marker is not None and not any(one.marker.evaluate({"extra": extra}) for extra in extras):
                continue
            its_pin = locked.get(canonicalize_name(one.name))
            if its_pin is None or not one.extras <= its_pin.extras:
                found.append(f"{name} needs {one}")
    return found


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_and_extra_that_another_needs_is_pinned(file: str) -> None:
    assert missing(pinned((ROOT / file).read_text(encoding="utf-8"))) == []


def test_an_extra_that_is_not_pinned_is_found() -> None:
    locked = pinned((ROOT / "requirements-dev.txt").read_text(encoding="utf-8"))
    locked["coverage"].extras.clear()
    del locked["pluggy"]
    found = missing(locked)
    assert any(one.startswith("pytest-cov needs coverage[toml]") for one in found)
    assert any(one.startswith("pytest needs pluggy") for one in found)
