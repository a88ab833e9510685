from __future__ import annotations

import pytest

from scheduling import runlog
from scheduling.runlog import LogBuffer


def texts(buffer: LogBuffer) -> list[str]:
    """The lines that wait, without their times."""
    return [line.split(" ", 1)[1] if line[:1].isdigit() else line for line in buffer.take()[0]]


def test_lines_wait_in_order_and_are_taken_once() -> None:
    buffer = LogBuffer()
    assert [buffer.add("one"), buffer.add("two")] == [1, 2]

    assert buffer.waits
    assert texts(buffer) == ["one", "two"]
    assert not buffer.waits


def test_what_could_not_be_stored_comes_before_what_came_since() -> None:
    buffer = LogBuffer()
    buffer.add("one")
    lines, progress = buffer.take()
    buffer.add("two")
    buffer.put_back(lines, progress)

    assert texts(buffer) == ["one", "two"]


def test_of_progress_the_last_counts_also_against_what_is_put_back() -> None:
    buffer = LogBuffer()
    buffer.show("1 %")
    taken = buffer.take()
    buffer.show("2 %")
    buffer.put_back(*taken)

    assert buffer.take() == ([], "2 %")


def test_a_run_that_talks_without_end_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runlog, "LINES_LIMIT", 3)
    buffer = LogBuffer()
    for number in range(10):
        buffer.add(str(number))

    assert texts(buffer) == ["0", "1", "2", "(only 3 lines of a run are kept)"]


def test_lines_can_be_stored_whatever_they_hold() -> None:
    buffer = LogBuffer()
    buffer.add("a\x00b" + "x" * runlog.LINE_LIMIT)

    [line] = texts(buffer)
    assert line.startswith("a\ufffdb")
    assert len(line) == runlog.LINE_LIMIT
