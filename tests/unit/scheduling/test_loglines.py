"""A run's log, read back line by line."""

from __future__ import annotations

from datetime import UTC, datetime

from scheduling.loglines import LogLine, read
from scheduling.runlog import LogBuffer

AT = datetime(2026, 11, 24, 22, 39, 28, 104_000, tzinfo=UTC)
STAMP = "2026-11-24T22:39:28.104000Z"


def test_a_line_has_its_time_its_weight_and_its_text() -> None:
    piece = f"{STAMP} one\n{STAMP} WARNING: two\n{STAMP} ERROR: three\n{STAMP} it said WARNING: four"
    assert list(read(piece)) == [
        LogLine(AT, "one", ""),
        LogLine(AT, "WARNING: two", "warning"),
        LogLine(AT, "ERROR: three", "error"),
        LogLine(AT, "it said WARNING: four", ""),
    ]


def test_what_has_no_time_belongs_to_the_line_above() -> None:
    piece = f"{STAMP} ERROR: it broke, at:\n  file.py:7\n\n  other.py:9\n{STAMP} next"
    assert [line.text for line in read(piece)] == ["ERROR: it broke, at:\n  file.py:7\n\n  other.py:9", "next"]


def test_a_piece_that_begins_without_a_time_is_shown_all_the_same() -> None:
    assert list(read(f"(only 50000 lines of a run are kept)\n{STAMP} one")) == [
        LogLine(None, "(only 50000 lines of a run are kept)", ""),
        LogLine(AT, "one", ""),
    ]


def test_what_the_buffer_writes_is_read_back() -> None:
    buffer = LogBuffer()
    texts = ["one", "ERROR: two\nlines", "", "2026-11-24 is no time", "\ud800 and \x00"]
    for text in texts:
        buffer.add(text)
    lines, _progress = buffer.take()
    found = list(read("\n".join(lines)))
    assert [line.text for line in found[:4]] == texts[:4]
    assert len(found) == len(texts)
    assert all(line.at is not None for line in found)
