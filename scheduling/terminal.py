"""Text that others wrote, for a terminal."""

from __future__ import annotations

import logging


def printable(text: str) -> str:
    """`text` on one line: what may move the cursor or turn the line around is shown as its code."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class PrintableFormatter(logging.Formatter):
    """Log lines as `printable` has them. Line ends stay: a traceback has many."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))
