"""Seven days of 24 hours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from .svg import drawing, join, n

HOUR = 24
"""Pixels, as all that follows."""
HEAD = 38
LEAST_TALL = 17.0
ROW = 13
MOST_ROWS = 8
COLUMN = 19
"""Letters that a day's column holds on a desk, about."""
MOST_GROWN = 4
"""Rows for which a block grows beyond its time."""


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
    """What else is said of it, or the names that it holds."""
    url: str
    time: str = ""
    """Its moment, where its title does not say it."""
    lane: int = 0
    lanes: int = 1
    """Blocks beside each other, and which of them this is."""
    room: float = 0
    """Hours from `start` on in which nothing else is drawn: its words may need more than its time."""
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
    left, hour, head = 5.0, HOUR, HEAD
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
    if now is not None:  # below the blocks: it would strike their names out
        today, hours = now
        line_start = left + width * today
        parts.append(
            format_html(
                '<line class="nowline" x1="{0}%" x2="{1}%" y1="{2}" y2="{2}"/>'
                '<circle class="nowdot" cx="{0}%" cy="{2}" r="4"/>',
                n(line_start), n(line_start + width), n(head + hours * hour),
            )
        )  # fmt: skip
    parts += (_block(block, left, width) for block in blocks)
    return drawing("ll-week", height, title, description, parts, is_group=True)


def _block(block: Block, left: float, width: float) -> SafeString:
    """Its edge is as high as it takes long; its words are HTML, which alone breaks and shortens them."""
    share = width * 0.94 / block.lanes
    x = left + width * (block.day + 0.03) + share * block.lane
    long = max(LEAST_TALL, block.hours * HOUR - 2)
    tall = max(long, min(block.room * HOUR - 2, 4 + ROW * _rows(block)))
    rows = min(MOST_ROWS, int((tall - 4) // ROW))
    told = escape(" · ".join(filter(None, [block.title, block.time, *block.lines])))
    time = f"<i>{escape(block.time)}</i> " if block.time else ""
    words = f"<b>{escape(block.title)}</b> {time}<span>{escape(' · '.join(block.lines))}</span>"
    dashed, marked = " dashed" if block.is_dashed else "", " marked" if block.mark else ""
    # A page has hundreds of them: what are numbers and words of ours is not looked through for markup.
    return mark_safe(  # noqa: S308
        f'<a href="{escape(block.url)}" class="ev is-{block.tone}{dashed}" aria-label="{told}"><title>{told}</title>'
        f'<svg x="{n(x)}%" y="{n(HEAD + block.start * HOUR + 1)}" width="{n(max(0.5, share - 0.15))}%" '
        f'height="{n(tall)}"><rect class="bx" width="100%" height="100%" rx="3"/>'
        f'<rect class="edge" width="3" height="{n(long)}"/>{mark(block.mark, 8, 2)}'
        f'<foreignObject width="100%" height="100%"><div class="r{rows}{marked}">{words}</div></foreignObject>'
        "</svg></a>"
    )


def _rows(block: Block) -> int:
    """How many its name needs where a day is as wide as on a desk; with the names of those that it holds."""
    words = " · ".join([block.title, *(() if block.time else block.lines)])[: MOST_GROWN * COLUMN]
    letters = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in words)
    return min(MOST_GROWN, math.ceil(letters * block.lanes / COLUMN))


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
