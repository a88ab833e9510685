"""A small disk that can be filled up: a memory file system where this user may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.acceptance.product import Product

NO_DISK = (
    "A full disk needs a small file system, and this user may not mount one: run the soak as root "
    "(in a container with --cap-add SYS_ADMIN)."
)


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self) -> Iterator[None]:
        """Every byte of it taken, until the end."""
        filler = self.folder / "filler"
        with filler.open("wb") as sink:
            for size in (1 << 20, 1 << 12, 1):
                self._fill(sink.fileno(), size)
        try:
            yield
        finally:
            filler.unlink()

    def _fill(self, descriptor: int, size: int) -> None:
        block = b"x" * size
        try:
            while True:
                os.write(descriptor, block)
        except OSError:
            return


@contextmanager
def small_disk(*, megabytes: int) -> Iterator[Disk]:
    """Fails the test, saying how to have one, where none can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="lamp-disk-", dir="/tmp"))
    size = f"size={megabytes}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.fail(NO_DISK, pytrace=False)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writes_refused(product: Product) -> Iterator[None]:
    """No process of the product can write to any file, as on a disk that fails: an error of input and output."""
    running = [psutil.Process(one.pid) for one in product.started if one.process.poll() is None]
    for process in running:
        process.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
    try:
        yield
    finally:
        for process in running:
            process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
