"""A wall clock that can be set while processes run: libfaketime, which leaves the monotonic clock alone."""

from __future__ import annotations

import glob
import os
import platform
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance.product import Product

LIBRARY = "libfaketimeMT"
PLACES = (
    "/usr/lib/*/faketime",
    "/usr/lib/faketime",
    "/usr/lib64/faketime",
    "/usr/local/lib/faketime",
    "/opt/homebrew/lib/faketime",
)
NO_LIBRARY = (
    "Setting a clock needs libfaketime, which was not found: install it (`apt-get install libfaketime`, "
    "`dnf install libfaketime`, `brew install libfaketime`), or name its file in FAKETIME_LIBRARY."
)


def library() -> str:
    """The library's file. Fails the test, saying how to get one, where there is none."""
    ending = ".1.dylib" if platform.system() == "Darwin" else ".so.1"
    candidates = [os.environ.get("FAKETIME_LIBRARY", "")]
    candidates += [path for place in PLACES for path in sorted(glob.glob(f"{place}/{LIBRARY}{ending}"))]
    for path in candidates:
        if path and Path(path).is_file():
            return path
    pytest.fail(NO_LIBRARY, pytrace=False)


class Clock:
    """The wall clock of a product's processes. Their monotonic clock goes on as it is."""

    def __init__(self, product: Product, reading: str = "+0") -> None:
        self._file = product.folder / "clock"
        self.set(reading)
        product.environment |= {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "TZ": "UTC",
        }

    def step(self, *, hours: int) -> None:
        """Set it so far from the true time."""
        self.set(f"{hours * 3600:+d}")

    def run_from(self, moment: datetime, *, speed: int) -> None:
        """Each process begins at that moment, and its clock runs so many times faster."""
        self.set(f"@{moment:%Y-%m-%d %H:%M:%S} x{speed}")

    def set(self, reading: str) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(reading + "\n")
        fresh.replace(self._file)
