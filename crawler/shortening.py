"""Texts of pages and items, as long as there is room for them."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """`text`, `most` characters of it: a sign at the end says that more stands there."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
