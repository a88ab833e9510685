"""What others wrote moves no cursor and turns no line around on a terminal."""

from __future__ import annotations

import logging.config
import sys
from typing import Any

import pytest
from django.conf import settings

from scheduling.terminal import printable

EVIL = "a\x1b[2J\u202eb\x9b0m\rc"
SHOWN = r"a\x1b[2J\u202eb\x9b0m\rc"


@pytest.mark.parametrize("text", ["", "plain", "名字 é אב", '"quoted" \\ back'])
def test_what_prints_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(("text", "shown"), [(EVIL, SHOWN), ("a\nb\tc", r"a\nb\tc"), ("\ud800", r"\ud800")])
def test_what_does_not_print_is_shown_as_its_code(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_line_without_values_says_of_which_run_it_is() -> None:
    logging_settings: dict[str, Any] = settings.LOGGING
    formatter = logging.config.DictConfigurator(logging_settings).configure_formatter(
        logging_settings["formatters"]["line"]
    )
    assert isinstance(formatter, logging.Formatter)
    fields = {"action": "run_log", "run_id": 7, "line": "5 pages\n"}
    record = logging.makeLogRecord({"name": "x", "msg": "Run log", "levelname": "INFO", **fields})
    assert formatter.format(record).endswith("x Run log run_id=7 line=5 pages\n")
    told = logging.makeLogRecord({"name": "x", "msg": "Run %s ended", "args": (7,), "levelname": "INFO", "run_id": 7})
    assert formatter.format(told).endswith("x Run 7 ended")


def test_log_lines_and_tracebacks_are_printable_and_keep_their_lines() -> None:
    logging_settings: dict[str, Any] = settings.LOGGING
    config = logging.config.DictConfigurator(logging_settings)
    formatter = config.configure_formatter(logging_settings["formatters"]["line"])
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "%s failed", (EVIL,), sys.exc_info())
    assert isinstance(formatter, logging.Formatter)
    first, *lines = formatter.format(record).split("\n")
    assert first.endswith(f" x {SHOWN} failed")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == f"ValueError: {SHOWN}"
    assert all(line.isprintable() for line in (first, *lines))
