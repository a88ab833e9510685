"""Text that others wrote, for a terminal."""

from __future__ import annotations

import logging


def printable(text: str) -> str:
    """`text` on one line: what may move the cursor or turn the line around is shown as its code."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


_OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
MOST = 500
"""Characters of a field that stand in a line."""


class PrintableFormatter(logging.Formatter):
    """Log lines as `printable` has them. Line ends stay: a traceback has many.

    A message that has no values of its own is followed by the fields of its record: it says what, they say of which.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        if record.args:
            return line
        fields = {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
        fields.pop("action", None)  # the message in one word
        return line + "".join(f" {name}={str(value)[:MOST]}" for name, value in fields.items())

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))
