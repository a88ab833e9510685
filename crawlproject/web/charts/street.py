"""The next hours as a road with lamps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from .svg import drawing, n


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis: where (0 to 1), and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """Firings at one moment of the street."""

    at: float
    """Where, 0 to 1."""
    height: float
    """Of the post, 0 to 1: the usual work."""
    title: str
    url: str
    count: int = 1
    """More than one is a crowd: a red lamp with the number."""


def street(
    title: str,
    description: str,
    lamps: Iterable[Lamp],
    *,
    nights: Iterable[tuple[float, float]],
    ticks: Iterable[Tick],
) -> SafeString:
    """The next hours as a road: each firing a lamp post. `nights` are its dark parts, from and to, 0 to 1."""
    height, foot = 118, 24
    road = height - foot
    parts = [format_html('<rect class="day" width="100%" height="{}" rx="4"/>', road)]
    parts += (
        format_html(
            '<rect class="night" x="{}%" width="{}%" height="{}" rx="4"/>',
            n(start * 100),
            n((end - start) * 100),
            road,
        )
        for start, end in nights
    )
    parts += (
        format_html(
            '<line class="tick" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>'
            '<text class="ax" x="{0}%" y="{3}" text-anchor="middle">{4}</text>',
            n(tick.at * 100), road, road + 4, height - 6, tick.text,
        )
        for tick in ticks
    )  # fmt: skip
    parts.append(format_html('<line class="road" x1="0" x2="100%" y1="{0}" y2="{0}"/>', road))
    parts += (_lamp(lamp, road) for lamp in lamps)
    return drawing("ll-street", height, title, description, parts, is_group=True)


def _lamp(lamp: Lamp, road: int) -> SafeString:
    x, is_crowd = lamp.at * 100, lamp.count > 1
    top = road - 14 - lamp.height * (road - 34)
    radius = 8 if is_crowd else 4.5
    number = format_html(
        '<text aria-hidden="true" x="{}%" y="{}" text-anchor="middle">{}</text>', n(x), n(top + 4), lamp.count
    )
    return format_html(
        '<a class="{}" href="{}" aria-label="{}"><title>{}</title>'
        '<rect class="hit" x="{}%" width="2%" y="{}" height="{}"/>'
        '<line class="post" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
        '<circle class="halo" cx="{}%" cy="{}" r="{}"/><circle class="bulb" cx="{}%" cy="{}" r="{}"/>{}</a>',
        "b" if is_crowd else "a", lamp.url, lamp.title, lamp.title,
        n(x - 1), n(top - 10), n(road - top + 10),
        n(x), n(x), road, n(top + 5),
        n(x), n(top), radius + 6, n(x), n(top), radius, number if is_crowd else "",
    )  # fmt: skip
