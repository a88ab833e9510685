"""Text that others wrote, for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line: what may move the cursor or turn the line around is shown as its code."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
