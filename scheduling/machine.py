"""Which machine and process this is, so that another process can tell whether it still lives; and what it uses.

Linux says all of it in `/proc`. psutil, which asks other systems, is loaded there alone: it takes 2.6 MB.
"""

from __future__ import annotations

import os
import platform
import socket
import threading
from functools import cache
from pathlib import Path
from time import monotonic, process_time

_PROC = Path("/proc/self/stat").exists()


@cache
def host_identity() -> str:
    """Return host name, boot and pid name space: processes with an equal one can see each other's pids."""
    return f"{socket.gethostname()[:100]}/{_boot_id()}/{_pid_namespace()}"


def process_start(pid: int) -> float | None:
    """Return when the process `pid` began, in seconds since this machine's boot; None if it is gone (or a zombie).

    Since the boot and not since the epoch: a step of the wall clock must not make a living process look like another.
    Negative where the system does not say. Elsewhere than on Linux it is the wall clock's time after all.
    """
    if not _PROC:
        return _start_by_psutil(pid)
    try:
        fields = _stat(pid)
        return None if fields[0] in ("Z", "X") else int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):
        return -1.0 if _is_hidden(pid) else None
    except (OSError, IndexError, ValueError):
        return -1.0


def is_gone(pid: int, start: float) -> bool:
    """Whether the process that had this pid and start is gone. When in doubt it is not."""
    now = process_start(pid)
    if now is None:
        return True
    return now >= 0 and abs(now - start) > 1.0


class Uses:
    """What this process uses of its machine."""

    def __init__(self) -> None:
        self._asked, self._busy = monotonic(), process_time()

    def read(self) -> dict[str, object]:
        """Resident bytes, threads, and the share of one core, in percent, since it was asked before."""
        before, busy_before = self._asked, self._busy
        self._asked, self._busy = monotonic(), process_time()
        share = (self._busy - busy_before) / max(self._asked - before, 1e-3)
        return {"rss_bytes": _resident_bytes(), "cpu_percent": round(100 * share, 1), "threads": _threads()}


def _resident_bytes() -> int:
    if not _PROC:
        import psutil

        return int(psutil.Process().memory_info().rss)
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _threads() -> int:
    """Python's own alone where there is no `/proc`."""
    return int(_stat(os.getpid())[17]) if _PROC else threading.active_count()


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` after the command's name, which may hold blanks and brackets: the state first."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _is_hidden(pid: int) -> bool:
    """Whether it lives all the same: `/proc` may be mounted so that it shows nobody what others' processes do."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False  # it may be signalled, so it would be seen: it ended meanwhile


def _start_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return -1.0


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # No boot id (macOS): the time of the boot, to the minute, as the clock corrections of a day change it.
        import psutil

        return f"{platform.system()}-{int(psutil.boot_time() // 60)}"


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"
