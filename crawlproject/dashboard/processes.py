"""The processes that are alive, the database's size, and what is free on the disk; no query."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from .pulse import Alive, Pulse

SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    shown: Sequence[tuple[Alive, str]]
    """Each with its page."""
    more: int
    database: int | None
    """Bytes, as a process has asked with a beat."""
    free: int | None
    """Bytes, on the disk of `DATA_DIR`, where this process may look."""


def machines_of(pulse: Pulse) -> Machines:
    shown = [
        (process, reverse("admin:scheduling_process_change", args=[process.pk])) for process in pulse.processes[:SHOWN]
    ]
    sizes = [process.database for process in pulse.processes if process.database is not None]
    return Machines(
        shown=shown,
        more=len(pulse.processes) - len(shown),
        database=sizes[0] if sizes else None,
        free=_free(Path(settings.DATA_DIR)),
    )


def _free(folder: Path) -> int | None:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        return shutil.disk_usage(existing).free
    except OSError:
        return None
