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
