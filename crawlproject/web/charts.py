"""Drawings as SVG, made here and styled by the style sheets: bars, street, week, heat, steps.

Across, positions are percents; down, and in all text, they are pixels: so labels keep their size on every screen. No
drawing says anything by colour alone, and none has an inline style, which the content security policy forbids. Texts
come translated from the caller, who also shows the same content as a table or a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

STEPS = tuple(factor * 10**power for power in range(16) for factor in (1, 2, 5))
"""Distances of lines that a scale may have."""
MOST_LINES = 4
SHORT_NAMES = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A layer of stacked bars: a tone of the style sheet (``ok``, ``bad``, …), a word, and a value for each column."""

    tone: str
    label: str
    values: Sequence[int]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """A row of a heat map: a label with its address, and for each column a title and a value; None: there is none."""

    label: str
    told: str
    """The label in full."""
    url: str
    cells: Sequence[tuple[str, float] | None]


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


def bars(
    title: str, description: str, columns: Sequence[str], series: Sequence[Series], *, urls: Sequence[str] = ()
) -> SafeString:
    """Stacked bars, the first series at the foot; `urls`, where given, has the address that each column leads to."""
    height, top_space, foot, left = 170, 8, 24, 7.0
    plot = height - top_space - foot
    step, top = _scale(max((sum(one.values[index] for one in series) for index in range(len(columns))), default=0))
    every = max(1, len(columns) // 7)
    width = (100 - left) / max(1, len(columns))

    def y(value: float) -> float:
        return top_space + plot * (1 - value / top)

    def column(index: int) -> SafeString:
        x, base = left + width * index, 0
        layers: list[SafeString] = []
        for one in series:
            value = one.values[index]
            if value:
                rect = '<rect class="is-{}" x="{}%" width="{}%" y="{}" height="{}" rx="1.5"/>'
                tall = max(1.5, y(base) - y(base + value) - 1)
                layers.append(
                    format_html(rect, one.tone, _n(x + width * 0.14), _n(width * 0.72), _n(y(base + value)), _n(tall))
                )
            base += value
        told = f"{columns[index]}: " + ", ".join(f"{one.values[index]:,} {one.label}" for one in series)
        hit = format_html(
            '<rect class="hit" x="{}%" width="{}%" y="{}" height="{}"/>', _n(x), _n(width), top_space, plot
        )
        if not urls:
            return format_html("<g><title>{}</title>{}{}</g>", told, hit, _join(layers))
        return format_html(
            '<a href="{}" aria-label="{}"><title>{}</title>{}{}</a>', urls[index], told, told, hit, _join(layers)
        )

    lines = (
        format_html(
            '<line class="grid" x1="{0}%" x2="100%" y1="{1}" y2="{1}"/>'
            '<text class="ax" x="{2}%" y="{3}" text-anchor="end">{4}</text>',
            _n(left), _n(y(value)), _n(left - 1.2), _n(y(value) + 4), short(value),
        )
        for value in range(0, top + 1, step)
    )  # fmt: skip
    labels = (
        format_html(
            '<text class="ax" x="{}%" y="{}" text-anchor="middle">{}</text>',
            _n(left + width * (index + 0.5)), height - 6, columns[index],
        )
        for index in range(0, len(columns), every)
    )  # fmt: skip
    parts = [*lines, *map(column, range(len(columns))), *labels]
    return _drawing("ll-chart", height, title, description, parts, is_group=bool(urls))


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
            _n(start * 100),
            _n((end - start) * 100),
            road,
        )
        for start, end in nights
    )
    parts += (
        format_html(
            '<line class="tick" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>'
            '<text class="ax" x="{0}%" y="{3}" text-anchor="middle">{4}</text>',
            _n(tick.at * 100), road, road + 4, height - 6, tick.text,
        )
        for tick in ticks
    )  # fmt: skip
    parts.append(format_html('<line class="road" x1="0" x2="100%" y1="{0}" y2="{0}"/>', road))
    parts += (_lamp(lamp, road) for lamp in lamps)
    return _drawing("ll-street", height, title, description, parts, is_group=True)


def _lamp(lamp: Lamp, road: int) -> SafeString:
    x, is_crowd = lamp.at * 100, lamp.count > 1
    top = road - 14 - lamp.height * (road - 34)
    radius = 8 if is_crowd else 4.5
    number = format_html(
        '<text aria-hidden="true" x="{}%" y="{}" text-anchor="middle">{}</text>', _n(x), _n(top + 4), lamp.count
    )
    return format_html(
        '<a class="{}" href="{}" aria-label="{}"><title>{}</title>'
        '<rect class="hit" x="{}%" width="2%" y="{}" height="{}"/>'
        '<line class="post" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
        '<circle class="halo" cx="{}%" cy="{}" r="{}"/><circle class="bulb" cx="{}%" cy="{}" r="{}"/>{}</a>',
        "b" if is_crowd else "a", lamp.url, lamp.title, lamp.title,
        _n(x - 1), _n(top - 10), _n(road - top + 10),
        _n(x), _n(x), road, _n(top + 5),
        _n(x), _n(top), radius + 6, _n(x), _n(top), radius, number if is_crowd else "",
    )  # fmt: skip


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
    left, hour, head = 5.0, 22, 38
    height, width = head + 24 * hour + 6, (100 - left) / 7
    parts: list[SafeString] = []
    for index, (heading, is_today) in enumerate(days):
        x, heading_class = _n(left + width * index), "dh now" if is_today else "dh"
        rect = '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}"/>'
        parts.append(format_html(rect, "today" if is_today else "col", x, _n(width), 0, height))
        for start, end in ((0, night[1]), (night[0], 24)):
            parts.append(format_html(rect, "night", x, _n(width), head + start * hour, (end - start) * hour))
        text = '<text class="{}" x="{}%" y="23" text-anchor="middle">{}</text>'
        parts.append(format_html(text, heading_class, _n(left + width * (index + 0.5)), heading))
    for at in range(0, 25, 2):
        y = head + at * hour
        parts.append(format_html('<line class="grid" x1="{0}%" x2="100%" y1="{1}" y2="{1}"/>', _n(left), y))
        if at < 24:
            text = '<text class="ax" x="{}%" y="{}" text-anchor="end">{}:00</text>'
            parts.append(format_html(text, _n(left - 0.8), y + 4, f"{at:02}"))
    for index in range(1, 7):
        line = '<line class="grid" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>'
        parts.append(format_html(line, _n(left + width * index), head, height))
    parts += (
        format_html(
            '<rect class="band" x="{}%" width="{}%" y="{}" height="{}"><title>{}</title></rect>',
            _n(left + width * band.day), _n(width), _n(head + band.start * hour), _n(band.hours * hour), band.title,
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
                _n(line_start), _n(line_start + width), _n(head + hours * hour),
            )
        )  # fmt: skip
    return _drawing("ll-week", height, title, description, parts, is_group=True)


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
        _n(x), _n(head + block.start * hour + 1), _n(max(0.5, share - 0.15)), _n(tall),
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
    return _join(format_html(rect, name, _n(x), _n(y + top), _n(tall)) for name, top, tall in chosen)


def heat(title: str, cells: Sequence[tuple[str, float]], capacity: float) -> SafeString:
    """A strip of cells (each with its label and value), darker the more of `capacity` is taken; red above it."""
    width = 100 / max(1, len(cells))
    parts: list[SafeString] = []
    for index, (label, value) in enumerate(cells):
        cell = '<rect class="{}" x="{}%" width="{}%" y="0" height="16" rx="2"><title>{} – {}/{}</title></rect>'
        parts.append(
            format_html(
                cell, _heat(value, capacity), _n(index * width), _n(width - 0.35), label, f"{value:g}", f"{capacity:g}"
            )
        )
        if value > capacity:
            over = '<text class="over" x="{}%" y="12" text-anchor="middle">{}</text>'
            parts.append(format_html(over, _n((index + 0.5) * width), f"{value:g}"))
    return _drawing("ll-heat", 16, title, "", parts)


def heat_map(
    title: str, description: str, rows: Sequence[HeatRow], columns: Sequence[str], capacity: float
) -> SafeString:
    """Rows of cells, the darker the nearer to `capacity`; above it they are red, and hold their number."""
    left, tall, head = 13.0, 20, 16
    width = (100 - left) / max(1, len(columns))
    parts = [
        format_html('<text class="ax" x="{}%" y="10">{}</text>', _n(left + width * index), text)
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
            parts.append(format_html(cell, _heat(value, capacity), _n(x), _n(width - 0.35), y, tall, words))
            if value > capacity:
                over = '<text class="over" aria-hidden="true" x="{}%" y="{}" text-anchor="middle">{}</text>'
                parts.append(format_html(over, _n(x + width / 2), y + 14, f"{value:.0f}"))
    return _drawing("ll-heat", head + len(rows) * (tall + 2), title, description, parts, is_group=True)


def _heat(value: float, capacity: float) -> str:
    if value > capacity:
        return "is-bad"
    for share, name in ((0, "h0"), (0.34, "h1"), (0.67, "h2")):
        if value <= capacity * share:
            return name
    return "h3"


def steps(title: str, points: Sequence[Step]) -> SafeString:
    """How a number went: each value holds until the next one."""
    height = 110
    low, high = min(point.value for point in points), max(point.value for point in points)

    def y(value: float) -> float:
        return 16 + (height - 44) * (1 - (value - low) / ((high - low) or 1))

    parts = [format_html('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>', height - 24)]
    for index, point in enumerate(points):
        following = points[index + 1] if index + 1 < len(points) else None
        x, until = point.at * 100, 100 if following is None else following.at * 100
        line = '<line class="{}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
        parts.append(format_html(line, "st", _n(x), _n(until), _n(y(point.value)), _n(y(point.value))))
        if following is not None:
            parts.append(format_html(line, "st q", _n(until), _n(until), _n(y(point.value)), _n(y(following.value))))
        parts.append(
            format_html(
                '<circle class="dot" cx="{}%" cy="{}" r="3.5"/><text class="lb" x="{}%" y="{}">{}</text>'
                '<text class="ax" x="{}%" y="{}">{}</text>',
                _n(x + 0.6), _n(y(point.value)), _n(x + 1.6), _n(y(point.value) - 6), point.text,
                _n(x), height - 8, point.label,
            )
        )  # fmt: skip
    return _drawing("ll-chart", height, title, "", parts)


def short(value: int) -> str:
    """“950”, “1.5k”, “2M”: for axes."""
    for size, letter in SHORT_NAMES:
        if value >= size:
            return f"{value / size:g}{letter}"
    return str(value)


def _scale(most: int) -> tuple[int, int]:
    """The distance of the lines of a scale from 0, and where it ends: at or above `most`."""
    most = max(1, most)
    step = next(step for step in STEPS if most <= step * MOST_LINES)
    return step, -(-most // step) * step


def _drawing(
    css_class: str, height: int, title: str, description: str, parts: Iterable[SafeString], *, is_group: bool = False
) -> SafeString:
    """One that holds links is a group: what has the role of a picture hides them from readers."""
    label = f"{title}. {description}" if description else title
    return format_html(
        '<svg class="{}" width="100%" height="{}" role="{}" aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>',
        css_class, height, "group" if is_group else "img", label, title, description or title, _join(parts),
    )  # fmt: skip


def _join(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308  # each is safe already


def _n(value: float) -> str:
    """A number as SVG wants it, whatever the language: two places at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
