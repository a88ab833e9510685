"""A run's log: buffered in the process, written in pieces behind the run's guard."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from .claims import Claimed, guarded
from .exceptions import ClaimLost
from .log_lines import CUT
from .models import RunLog
from .storable import storable_text

PIECE = 100
"""So many lines are written at once, or what there is after a second."""
LINE_LIMIT = 4_000
LINES_LIMIT = 50_000
"""Characters of a line, and lines of one claim of a run, that are kept."""


class LogBuffer:
    """Lines (and the last progress) of one run that wait to be written. Filled from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._count = 0
        self._progress: str | None = None

    def add(self, line: str) -> int:
        """Take a line, with the time; returns how many wait."""
        with self._lock:
            self._count += 1
            if self._count <= LINES_LIMIT:
                at = timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                self._lines.append(f"{at} {storable_text(line, LINE_LIMIT)}")
            elif self._count == LINES_LIMIT + 1:
                self._lines.append(CUT % {"count": LINES_LIMIT})
            return len(self._lines)

    def show(self, progress: str) -> None:
        """Take what the run's message is to say; only the last counts."""
        with self._lock:
            self._progress = progress

    @property
    def waits(self) -> bool:
        return bool(self._lines) or self._progress is not None

    def take(self) -> tuple[list[str], str | None]:
        """Return and forget what waits: lines, progress."""
        with self._lock:
            lines, progress = self._lines, self._progress
            self._lines, self._progress = [], None
        return lines, progress

    def put_back(self, lines: Sequence[str], progress: str | None) -> None:
        """Take back what could not be written."""
        with self._lock:
            self._lines[:0] = lines
            self._progress = self._progress if self._progress is not None else progress


def write(claimed: Claimed, lines: Sequence[str], progress: str | None) -> None:
    """Store lines and progress of a running run: one transaction.

    Raises:
        ClaimLost: nothing was written.
    """
    with transaction.atomic():
        row = guarded(claimed.run_id, claimed.owner, claimed.claim)
        if progress is None:
            ours = row.select_for_update().exists()
        else:
            ours = row.update(message=storable_text(progress)) == 1
        if not ours:
            raise ClaimLost(claimed.run_id, claimed.claim)
        append(claimed.run_id, lines)


def append(run_id: int, lines: Sequence[str]) -> None:
    """Add lines to a run's log, inside the caller's transaction and behind its guard."""
    if not lines:
        return
    last = RunLog.objects.filter(run_id=run_id).aggregate(last=Max("seq"))["last"] or 0
    pieces = [lines[start : start + PIECE] for start in range(0, len(lines), PIECE)]
    RunLog.objects.bulk_create(
        RunLog(run_id=run_id, seq=last + number, text="\n".join(piece)) for number, piece in enumerate(pieces, 1)
    )
