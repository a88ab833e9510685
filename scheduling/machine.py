"""Which machine and process this is, so that another process can tell whether it still lives."""

from __future__ import annotations

import os
import platform
import socket
from functools import cache
from pathlib import Path

import psutil


@cache
def host_identity() -> str:
    """Return host name, boot and pid name space: processes with an equal one can see each other's pids."""
    return f"{socket.gethostname()[:100]}/{_boot_id()}/{_pid_namespace()}"


def process_start(pid: int) -> float | None:
    """Return when the process `pid` began, in seconds since this machine's boot; None if it is gone (or a zombie).

    Since the boot and not since the epoch: a step of the wall clock must not make a living process look like another.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return _start_since_boot(pid, process)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return -1.0


def is_gone(pid: int, start: float) -> bool:
    """Whether the process that had this pid and start is gone. When in doubt it is not."""
    now = process_start(pid)
    if now is None:
        return True
    return now >= 0 and abs(now - start) > 1.0


def _start_since_boot(pid: int, process: psutil.Process) -> float:
    try:
        # After the command name, which may hold blanks and brackets, the 20th field is the start in clock ticks.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return process.create_time()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # No boot id (macOS): the time of the boot, to the minute, as the clock corrections of a day change it.
        return f"{platform.system()}-{int(psutil.boot_time() // 60)}"


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"
