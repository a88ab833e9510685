"""The lines of a run's log, read back: when, how grave, what. Filtered and bounded, the newest first looked at.

A line that begins with ``WARNING: `` or ``ERROR: `` is one. What stands below a line without a time of its own (a
stack, say) belongs to it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet

from .models import RunLog
from .wording import told_line

MOST_LINES = 500
MOST_CHARACTERS = 300_000
"""That one look gives."""
MOST_PIECES = 1_000
"""Of the log that one look goes through, the newest: each has a hundred lines at most."""
_STEP = 20
_TIMED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z (.*)", re.DOTALL)
_GRAVE = re.compile(r"(WARNING|ERROR): ")


class Level(StrEnum):
    """What a look is for."""

    ALL = "all"
    WARNINGS = "warnings"
    """Errors too."""
    ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class LogLine:
    at: datetime | None
    """None where the line has none."""
    text: str
    level: str
    """``warning``, ``error`` or nothing."""


@dataclass(frozen=True, slots=True)
class LogLook:
    """The newest lines that fit, the oldest of them first."""

    lines: list[LogLine]
    is_cut: bool
    """Whether older lines were not looked at, or have no room."""


def look(run_id: int, *, level: Level = Level.ALL, search: str = "", most: int = MOST_LINES) -> LogLook:
    """The newest lines of a run's log that are of a level and hold a text, whatever its case.

    What our own code wrote is told in the active language; its stored text is found as well, in English.
    """
    pieces = _wanted(RunLog.objects.filter(run=run_id), level, search).order_by("-seq").values_list("text", flat=True)
    found: deque[LogLine] = deque()
    characters = 0
    texts = list(pieces[:1])
    seen = 0
    while texts:
        for text in texts:
            for line in reversed(list(_fitting(text, level, search))):
                characters += len(line.text)
                if len(found) >= most or (found and characters > MOST_CHARACTERS):
                    return LogLook(list(found), is_cut=True)
                found.appendleft(replace(line, text=told_line(line.text)))
        seen += len(texts)
        texts = list(pieces[seen : min(seen + _STEP, MOST_PIECES)])
    return LogLook(list(found), is_cut=seen >= MOST_PIECES)


def read(text: str) -> Iterator[LogLine]:
    """The lines of one piece."""
    entry: list[str] = []
    for row in text.split("\n"):
        if entry and _TIMED.match(row):
            yield _line("\n".join(entry))
            entry = []
        entry.append(row)
    if entry:
        yield _line("\n".join(entry))


def _line(text: str) -> LogLine:
    timed = _TIMED.fullmatch(text)
    if timed is None:
        return LogLine(None, text, "")
    grave = _GRAVE.match(timed[2])
    at = datetime.fromisoformat(f"{timed[1]}+00:00")
    return LogLine(at, timed[2], grave[1].lower() if grave else "")


def _fitting(text: str, level: Level, search: str) -> Iterable[LogLine]:
    wanted = {Level.ALL: ("", "warning", "error"), Level.WARNINGS: ("warning", "error"), Level.ERRORS: ("error",)}[
        level
    ]
    term = search.casefold()
    return (
        line
        for line in read(text)
        if line.level in wanted and (term in line.text.casefold() or term in told_line(line.text).casefold())
    )


def _wanted(pieces: QuerySet[RunLog], level: Level, search: str) -> QuerySet[RunLog]:
    """Pieces that may hold such a line."""
    if level is not Level.ALL:
        grave = Q(text__contains="Z ERROR: ")
        pieces = pieces.filter(grave | Q(text__contains="Z WARNING: ") if level is Level.WARNINGS else grave)
    # The database's idea of case is narrower than ours beyond ASCII.
    return pieces.filter(text__icontains=search) if search.isascii() and search else pieces
