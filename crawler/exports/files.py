"""Exports in the background: a thread writes the file, its progress stands beside it, and a day later both are gone.

Files in ``DATA_DIR/exports``, so that each process of the site sees them: ``<id>.json`` says how it stands,
``<id>.part`` becomes ``<id>.data`` when it is whole, ``<id>.cancel`` asks the thread to stop. What the process that
wrote it left behind when it died is known by its last sign of life.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone
from django.utils.translation import activate, get_language
from django.utils.translation import gettext as _

from crawler.engine.records import Json

from .formats import Column, ExportFormat, ExportRefused
from .selection import Selection, select

logger = logging.getLogger(__name__)

KEPT = timedelta(days=1)
AT_ONCE = 2
"""Exports that run at the same time, of the whole installation."""
MOST = 50
"""Exports that are kept."""
LEAST_FREE = 500 * 1024 * 1024
"""Bytes that the disk keeps free: the database needs them."""
SILENT = timedelta(seconds=60)
"""Without a sign of life for so long, its process has died."""
BEAT = 0.5
"""Seconds between two signs of life."""
QUIET_BEAT = 10.0
"""The same while the database keeps the thread waiting."""
PATIENCE = 600.0
"""Seconds for which it may: then the export makes room for others."""
_ID = re.compile(r"[0-9a-f]{32}")


class ExportsBusy(ExportRefused):
    """As many as may run at the same time do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export, and how it stands."""

    id: str
    by: str
    """Who asked for it."""
    spider: str
    type: str
    format: str
    name: str
    """Of the file, as people save it."""
    content_type: str
    state: str = "running"
    """``running``, ``completed``, ``failed``, ``cancelled``."""
    rows: int = 0
    total: int | None = None
    """Rows that there were at the beginning; None: not counted (yet)."""
    bytes: int = 0
    started_at: str
    beat_at: str
    message: str = ""
    field: str = ""
    """Of one that failed: what of the question is at fault, as in `ExportRefused`."""

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.started_at)

    @property
    def seconds(self) -> float:
        """That it took, or has taken so far."""
        return (datetime.fromisoformat(self.beat_at) - self.moment).total_seconds()

    @property
    def path(self) -> Path:
        """Of the whole file."""
        return folder() / f"{self.id}.data"


def folder() -> Path:
    return Path(settings.DATA_DIR) / "exports"


def start(selection: Selection, file_format: ExportFormat, *, by: str, wait: float = 0.0) -> Export:
    """Begin an export, and give it `wait` seconds: a small one is whole then.

    Raises:
        ExportRefused: what is asked for cannot be exported, or the disk is nearly full.
        ExportsBusy: as many run as may.
    """
    columns, rows = select(selection, one_type=file_format.one_type)
    now = timezone.now().isoformat()
    what = "-".join(part for part in (selection.spider.name, selection.type) if part)
    begun = Export(
        id=secrets.token_hex(16),
        by=by,
        spider=selection.spider.name,
        type=selection.type,
        format=file_format.name,
        name=re.sub(r"[^\w.-]+", "-", f"{what}-{timezone.localtime():%Y%m%d-%H%M}") + f".{file_format.name}",
        content_type=file_format.content_type,
        started_at=now,
        beat_at=now,
    )
    with _alone():
        check_room()
        _write(begun)
    arguments = (selection, file_format, columns, _Progress(begun, rows), get_language())
    thread = threading.Thread(target=_run, args=arguments, name=f"export-{begun.id[:8]}", daemon=True)
    thread.start()
    thread.join(wait)
    return find(begun.id) or begun


def find(export_id: str) -> Export | None:
    """None for one that there is not (any more)."""
    if not _ID.fullmatch(export_id):
        return None
    try:
        found = Export(**json.loads((folder() / f"{export_id}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if found.is_running and timezone.now() - datetime.fromisoformat(found.beat_at) > SILENT:
        return replace(found, state="failed", message=_("The process that wrote it has ended. Start it again."))
    return found


def exports() -> list[Export]:
    """All that are kept, the newest first."""
    found = (find(path.stem) for path in folder().glob("*.json"))
    return sorted((one for one in found if one is not None), key=lambda one: one.started_at, reverse=True)


def cancel(found: Export) -> None:
    """Ask an export to stop: it does within a second or two. One that has ended is left alone."""
    if found.is_running:
        (folder() / f"{found.id}.cancel").touch()


def check_room() -> None:
    """Remove what is older than a day, and see whether another export may begin. Raises `ExportRefused`."""
    oldest = timezone.now() - KEPT
    kept = exports()
    for index, one in enumerate(kept):
        if not one.is_running and (one.moment < oldest or index >= MOST):
            remove(one)
    if sum(one.is_running for one in kept) >= AT_ONCE:
        message = _("Already %(most)d exports are running: wait for one of them, or cancel it.")
        raise ExportsBusy(message % {"most": AT_ONCE})
    check_disk()


def check_disk() -> None:
    """Raises `ExportRefused`."""
    if shutil.disk_usage(folder()).free < LEAST_FREE:
        raise ExportRefused(_("The disk is nearly full: make room first."))


def remove(found: Export) -> None:
    for ending in ("data", "part", "cancel", "json"):
        (folder() / f"{found.id}.{ending}").unlink(missing_ok=True)


class _Cancelled(Exception):
    """Somebody asked for it."""


class _Progress:
    """Counts the rows that pass, and tells how far they are twice a second."""

    def __init__(self, begun: Export, rows: Iterator[Mapping[str, Json]]) -> None:
        self.now = begun
        self._rows = rows
        self._beat = time.monotonic()
        self._passed = 0
        self._writing = threading.Lock()
        self._has_ended = threading.Event()

    def __iter__(self) -> Iterator[Mapping[str, Json]]:
        for row in self._rows:
            self._passed += 1
            yield row

    def tell(self, written: int, *, at_once: bool = False) -> None:
        """Raises `_Cancelled`, `ExportRefused` where it has to stop."""
        if not at_once and time.monotonic() - self._beat < BEAT:
            return
        self._beat = time.monotonic()
        if (folder() / f"{self.now.id}.cancel").exists():
            raise _Cancelled
        check_disk()
        with self._writing:
            self.now = replace(self.now, rows=self._passed, bytes=written, beat_at=timezone.now().isoformat())
            _write(self.now)

    def count(self, total: int | None) -> None:
        with self._writing:
            self.now = replace(self.now, total=total)

    def keep_alive(self) -> None:
        """A thread of its own: signs of life while a query takes long, or waits for a lock."""
        while not self._has_ended.wait(QUIET_BEAT):
            if time.monotonic() - self._beat > PATIENCE:
                continue
            with self._writing, suppress(OSError):
                if not self._has_ended.is_set():
                    self.now = replace(self.now, beat_at=timezone.now().isoformat())
                    _write(self.now)

    def end(self, state: str, message: str, field: str) -> None:
        self._has_ended.set()
        now = timezone.now().isoformat()
        with self._writing:
            self.now = replace(self.now, state=state, message=message, field=field, beat_at=now)
            _write(self.now)


def _run(
    selection: Selection,
    file_format: ExportFormat,
    columns: Sequence[Column],
    progress: _Progress,
    language: str | None,
) -> None:
    """The thread: whatever happens, it says how it ended, in its reader's language, and gives its connection back."""
    if language is not None:
        activate(language)
    part = folder() / f"{progress.now.id}.part"
    threading.Thread(target=progress.keep_alive, name=f"alive-{progress.now.id[:8]}", daemon=True).start()
    state, message, field = _outcome(selection, file_format, columns, progress, part)
    # First, so that nothing is left of an export that is said to have ended.
    with suppress(OSError):
        part.unlink(missing_ok=True)
    connections.close_all()
    progress.end(state, message, field)


def _outcome(
    selection: Selection, file_format: ExportFormat, columns: Sequence[Column], progress: _Progress, part: Path
) -> tuple[str, str, str]:
    """Write the file; how that ended, what is said of it, and what of the question was at fault."""
    try:
        progress.count(None if selection.text else selection.count())
        with part.open("xb") as file:
            for piece in file_format.encode(progress, columns):
                file.write(piece)
                progress.tell(file.tell())
            progress.tell(file.tell(), at_once=True)
        part.replace(progress.now.path)
    except _Cancelled:
        return "cancelled", "", ""
    except ExportRefused as error:
        return "failed", str(error), error.field
    except (OSError, DatabaseError) as error:
        logger.warning("Export failed", extra={"action": "export_failed", "error": str(error)})
        return "failed", str(error).partition("\n")[0][:300], ""
    except Exception:  # the outermost frame of the thread
        logger.exception("Export failed", extra={"action": "export_failed"})
        return "failed", _("An error of ours; it is in the log."), ""
    return "completed", "", ""


@contextmanager
def _alone() -> Iterator[None]:
    """One at a time, of all threads and processes: the folder itself is locked, for as long as its holder lives."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)  # a process that was forked meanwhile would keep it
        os.close(handle)


def _write(export: Export) -> None:
    """Whole or not at all: somebody may be reading it."""
    place = folder() / f"{export.id}.json"
    draft = place.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(export)), encoding="utf-8")
    draft.replace(place)
