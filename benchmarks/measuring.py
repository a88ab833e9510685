"""What the benchmarks share: a child's CPU seconds and peak memory, peers' virtual environments, the closing line."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
CACHE = ROOT / ".cache" / "peers"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a child process took."""

    seconds: float
    """By the wall clock."""
    cpu_seconds: float
    """User and system."""
    peak_bytes: int
    output: str


def run_measured(command: Sequence[str], *, env: Mapping[str, str], cpus: Iterable[int] | None = None) -> Usage:
    """Run a command to its end and say what it took. Raises `RuntimeError` with its output if it fails."""
    pin = set(cpus) if cpus is not None else None
    begin = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=dict(env),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, pin)) if pin and hasattr(os, "sched_setaffinity") else None,
    )
    output, errors = process.stdout, process.stderr
    assert output is not None
    assert errors is not None
    printed = output.read()
    complaints = errors.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    output.close()
    errors.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{printed}{complaints}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, _peak_bytes(usage), printed)


def _peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peer_python(name: str) -> Path:
    """The Python of a peer's own virtual environment, made from `benchmarks/peers/requirements-NAME.txt`."""
    requirements = PEERS / f"requirements-{name}.txt"
    folder = CACHE / name
    python = folder / "bin" / "python"
    stamp = folder / ".ready"
    if stamp.is_file() and stamp.read_text() == requirements.read_text():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"Installing {requirements.name} into {folder} …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)], check=True)
    stamp.write_text(requirements.read_text())
    return python


def median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 4)


def closing_line(benchmark: str, **fields: object) -> None:
    """The one JSON line that a benchmark prints last."""
    print(json.dumps({"benchmark": benchmark, **fields}, ensure_ascii=False))
