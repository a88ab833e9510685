"""How much of something is taken, hour by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from .svg import drawing, n


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """A row of a heat map: a label with its address, and for each column a title and a value; None: there is none."""

    label: str
    told: str
    """The label in full."""
    url: str
    cells: Sequence[tuple[str, float] | None]


def heat(title: str, cells: Sequence[tuple[str, float]], capacity: float) -> SafeString:
    """A strip of cells (each with its label and value), darker the more of `capacity` is taken; red above it."""
    width = 100 / max(1, len(cells))
    parts: list[SafeString] = []
    for index, (label, value) in enumerate(cells):
        cell = '<rect class="{}" x="{}%" width="{}%" y="0" height="16" rx="2"><title>{} – {}/{}</title></rect>'
        parts.append(
            format_html(
                cell, _heat(value, capacity), n(index * width), n(width - 0.35), label, f"{value:g}", f"{capacity:g}"
            )
        )
        if value > capacity:
            over = '<text class="over" x="{}%" y="12" text-anchor="middle">{}</text>'
            parts.append(format_html(over, n((index + 0.5) * width), f"{value:g}"))
    return drawing("ll-heat", 16, title, "", parts)


def heat_map(
    title: str, description: str, rows: Sequence[HeatRow], columns: Sequence[str], capacity: float
) -> SafeString:
    """Rows of cells, the darker the nearer to `capacity`; above it they are red, and hold their number."""
    left, tall, head = 13.0, 20, 16
    width = (100 - left) / max(1, len(columns))
    parts = [
        format_html('<text class="ax" x="{}%" y="10">{}</text>', n(left + width * index), text)
        for index, text in enumerate(columns)
        if text
    ]
    for number, row in enumerate(rows):
        y = head + number * (tall + 2)
        label = '<a href="{}" aria-label="{}"><text class="ax" x="0" y="{}">{}</text></a>'
        parts.append(format_html(label, row.url, row.told, y + 13, row.label))
        for index, told in enumerate(row.cells):
            if told is None:
                continue
            words, value = told
            x = left + width * index
            cell = '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}" rx="2"><title>{}</title></rect>'
            parts.append(format_html(cell, _heat(value, capacity), n(x), n(width - 0.35), y, tall, words))
            if value > capacity:
                over = '<text class="over" aria-hidden="true" x="{}%" y="{}" text-anchor="middle">{}</text>'
                parts.append(format_html(over, n(x + width / 2), y + 14, f"{value:.0f}"))
    return drawing("ll-heat", head + len(rows) * (tall + 2), title, description, parts, is_group=True)


def _heat(value: float, capacity: float) -> str:
    if value > capacity:
        return "is-bad"
    for share, name in ((0, "h0"), (0.34, "h1"), (0.67, "h2")):
        if value <= capacity * share:
            return name
    return "h3"
