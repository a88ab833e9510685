"""How a number went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from .svg import drawing, n

HEIGHT = 110
NARROW = 70
"""Percent: what stands further to the right may be cut."""
APART = 14
"""Percent: what stands nearer to the text before may run into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A value that holds until the next one."""

    at: float
    """Where, 0 to 1."""
    value: float
    text: str
    """The value in words."""
    label: str
    """When."""


def steps(title: str, points: Sequence[Step]) -> SafeString:
    """How a number went: each value holds until the next one."""
    low, high = min(point.value for point in points), max(point.value for point in points)

    def y(value: float) -> float:
        return 16 + (HEIGHT - 44) * (1 - (value - low) / ((high - low) or 1))

    parts = [format_html('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>', HEIGHT - 24)]
    last_text = max((index for index, point in enumerate(points) if point.text), default=-1)
    before = max((point.at * 100 for point in points[:last_text] if point.text), default=-APART)
    last_label = max((index for index, point in enumerate(points) if point.label), default=-1)
    for index, point in enumerate(points):
        following = points[index + 1] if index + 1 < len(points) else None
        x, until = point.at * 100, 100 if following is None else following.at * 100
        line = '<line class="{}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
        parts.append(format_html(line, "st", n(x), n(until), n(y(point.value)), n(y(point.value))))
        if following is not None:
            parts.append(format_html(line, "st q", n(until), n(until), n(y(point.value)), n(y(following.value))))
        parts.append(format_html('<circle class="dot" cx="{}%" cy="{}" r="3.5"/>', n(x + 0.6), n(y(point.value))))
        place = 100.0 if index == last_text and x - before < APART else x + 1.6
        parts.append(_text("lb", place, y(point.value) - 6, point.text, is_last=index == last_text))
        parts.append(_text("ax", x, HEIGHT - 8, point.label, is_last=index == last_label))
    return drawing("ll-chart", HEIGHT, title, "", parts)


def _text(name: str, x: float, y: float, text: str, *, is_last: bool) -> SafeString:
    """At its point; the last one, where it might not have room beside it, up to the end of the drawing."""
    place, anchor = (100.0, "end") if is_last and x > NARROW else (x, "start")
    drawn = '<text class="{}" x="{}%" y="{}" text-anchor="{}">{}</text>'
    return format_html(drawn, name, n(place), n(y), anchor, text) if text else SafeString()
