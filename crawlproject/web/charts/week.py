"""Seven days of 24 hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from .svg import drawing, join, n


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Something that takes time in a week."""

    day: int
    """0 to 6, from the left."""
    start: float
    """Hours since midnight."""
    hours: float
    tone: str
    title: str
    lines: Sequence[str]
    url: str
    lane: int = 0
    lanes: int = 1
    """Blocks beside each other, and which of them this is."""
    mark: str = ""
    """How it ended, as a lamp: s ok, f failed, m missed, k left out, r goes on; empty: it lies ahead."""
    is_dashed: bool = False
    """It would not happen as things stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Hours of one day of a week that are unlike others."""

    day: int
    start: float
    hours: float
    title: str


def week(
    title: str,
    description: str,
    days: Sequence[tuple[str, bool]],
    blocks: Iterable[Block],
    *,
    now: tuple[int, float] | None = None,
    night: tuple[int, int] = (19, 6),
    bands: Iterable[Band] = (),
) -> SafeString:
    """Seven days of 24 hours. `days`: heading, and whether it is today; `now`: the day and the hours of a line."""
    left, hour, head = 5.0, 24, 38
    height, width = head + 24 * hour + 6, (100 - left) / 7
    parts: list[SafeString] = []
    for index, (heading, is_today) in enumerate(days):
        x, heading_class = n(left + width * index), "dh now" if is_today else "dh"
        rect = '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}"/>'
        parts.append(format_html(rect, "today" if is_today else "col", x, n(width), 0, height))
        for start, end in ((0, night[1]), (night[0], 24)):
            parts.append(format_html(rect, "night", x, n(width), head + start * hour, (end - start) * hour))
        text = '<text class="{}" x="{}%" y="23" text-anchor="middle">{}</text>'
        parts.append(format_html(text, heading_class, n(left + width * (index + 0.5)), heading))
    for at in range(0, 25, 2):
        y = head + at * hour
        parts.append(format_html('<line class="grid" x1="{0}%" x2="100%" y1="{1}" y2="{1}"/>', n(left), y))
        if at < 24:
            text = '<text class="ax" x="{}%" y="{}" text-anchor="end">{}:00</text>'
            parts.append(format_html(text, n(left - 0.8), y + 4, f"{at:02}"))
    for index in range(1, 7):
        line = '<line class="grid" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>'
        parts.append(format_html(line, n(left + width * index), head, height))
    parts += (
        format_html(
            '<rect class="band" x="{}%" width="{}%" y="{}" height="{}"><title>{}</title></rect>',
            n(left + width * band.day), n(width), n(head + band.start * hour), n(band.hours * hour), band.title,
        )
        for band in bands
    )  # fmt: skip
    parts += (_block(block, left, width, head, hour) for block in blocks)
    if now is not None:
        today, hours = now
        line_start = left + width * today
        parts.append(
            format_html(
                '<line class="nowline" x1="{0}%" x2="{1}%" y1="{2}" y2="{2}"/>'
                '<circle class="nowdot" cx="{0}%" cy="{2}" r="4"/>',
                n(line_start), n(line_start + width), n(head + hours * hour),
            )
        )  # fmt: skip
    return drawing("ll-week", height, title, description, parts, is_group=True)


def _block(block: Block, left: float, width: float, head: int, hour: int) -> SafeString:
    share = width * 0.94 / block.lanes
    x = left + width * (block.day + 0.03) + share * block.lane
    tall = max(17.0, block.hours * hour - 2)
    room = max(0, int((tall - 19) // 13))
    lines = format_html_join(
        "",
        '<text class="s" x="8" y="{}">{}</text>',
        ((26 + 13 * index, line) for index, line in enumerate(block.lines[:room])),
    )
    told = " · ".join([block.title, *block.lines])
    return format_html(
        '<a href="{}" class="ev is-{}{}" aria-label="{}"><title>{}</title>'
        '<svg x="{}%" y="{}" width="{}%" height="{}"><rect class="bx" width="100%" height="100%" rx="3"/>'
        '<rect class="edge" width="3" height="100%"/>{}<text x="{}" y="12.5">{}</text>{}</svg></a>',
        block.url, block.tone, " dashed" if block.is_dashed else "", told, told,
        n(x), n(head + block.start * hour + 1), n(max(0.5, share - 0.15)), n(tall),
        mark(block.mark, 8, 2), 18 if block.mark else 8, block.title, lines,
    )  # fmt: skip


def mark(letter: str, x: float, y: float) -> SafeString:
    """A small lamp whose shape says how something ended: full, broken, hollow, low, with a spark."""
    rect = '<rect class="{}" x="{}" y="{}" width="5" height="{}" rx="1"/>'
    shapes: dict[str, tuple[tuple[str, float, float], ...]] = {
        "": (),
        "s": (("is-ok", 1, 11),),
        "f": (("is-bad", 0, 6), ("is-bad", 8, 4)),
        "r": (("is-lit", 5, 7), ("is-lit", 0, 3)),
        "m": (("is-miss o", 1, 11),),
    }
    chosen = shapes.get(letter, (("is-mute", 8, 4),))
    return join(format_html(rect, name, n(x), n(y + top), n(tall)) for name, top, tall in chosen)
