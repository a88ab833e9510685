"""Stacked bars over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from .svg import drawing, join, n

STEPS = tuple(factor * 10**power for power in range(16) for factor in (1, 2, 5))
"""Distances of lines that a scale may have."""
MOST_LINES = 4
MOST_LABELS = 7
HEIGHT, ABOVE, BELOW, LEFT = 170, 8, 24, 7.0
"""Of the drawing, and the room around the columns: pixels, but to the left, which is in percent."""
TALL = HEIGHT - ABOVE - BELOW
"""The highest column."""
SHORT_NAMES = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A layer of stacked bars: a tone of the style sheet (``ok``, ``bad``, …), a word, and a value for each column."""

    tone: str
    label: str
    values: Sequence[int]


def bars(
    title: str, description: str, columns: Sequence[str], series: Sequence[Series], *, urls: Sequence[str] = ()
) -> SafeString:
    """Stacked bars, the first series at the foot; `urls`, where given, has the address that each column leads to."""
    step, top = _scale(max((sum(one.values[index] for one in series) for index in range(len(columns))), default=0))
    plot = _Plot(columns=columns, series=series, urls=urls, top=top)
    parts = [*plot.lines(step), *map(plot.column, range(len(columns))), *plot.labels()]
    return drawing("ll-chart", HEIGHT, title, description, parts, is_group=bool(urls))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    """The columns, and where they stand."""

    columns: Sequence[str]
    series: Sequence[Series]
    urls: Sequence[str]
    top: int
    """The value at the upper end."""

    @property
    def width(self) -> float:
        """Of a column, in percent."""
        return (100 - LEFT) / max(1, len(self.columns))

    def y(self, value: float) -> float:
        return ABOVE + TALL * (1 - value / self.top)

    def lines(self, step: int) -> Iterator[SafeString]:
        """Of the scale, with their numbers."""
        for value in range(0, self.top + 1, step):
            yield format_html(
                '<line class="grid" x1="{0}%" x2="100%" y1="{1}" y2="{1}"/>'
                '<text class="ax" x="{2}%" y="{3}" text-anchor="end">{4}</text>',
                n(LEFT), n(self.y(value)), n(LEFT - 1.2), n(self.y(value) + 4), short(value),
            )  # fmt: skip

    def labels(self) -> Iterator[SafeString]:
        """Of as many columns as have room for one; on a phone of half of these. The last one ends with the drawing."""
        last = len(self.columns) - 1
        for number, index in enumerate(range(0, len(self.columns), max(1, len(self.columns) // MOST_LABELS))):
            x, anchor = (100.0, "end") if index == last > 0 else (LEFT + self.width * (index + 0.5), "middle")
            text = '<text class="ax{}" x="{}%" y="{}" text-anchor="{}">{}</text>'
            yield format_html(text, " ll-wide" if number % 2 else "", n(x), HEIGHT - 6, anchor, self.columns[index])

    def column(self, index: int) -> SafeString:
        x = LEFT + self.width * index
        values = [(one.label, one.values[index]) for one in self.series]
        told = f"{self.columns[index]}: " + ", ".join(f"{value:,} {label}" for label, value in values)
        hit = '<rect class="hit" x="{}%" width="{}%" y="{}" height="{}"/>'
        content = join([format_html(hit, n(x), n(self.width), ABOVE, TALL), *self._layers(index, x)])
        if not self.urls:
            return format_html("<g><title>{}</title>{}</g>", told, content)
        link = '<a href="{}" aria-label="{}"><title>{}</title>{}</a>'
        return format_html(link, self.urls[index], told, told, content)

    def _layers(self, index: int, x: float) -> Iterator[SafeString]:
        base = 0
        for one in self.series:
            value = one.values[index]
            if value:
                upper = self.y(base + value)
                tall = max(1.5, self.y(base) - upper - 1)
                rect = '<rect class="is-{}" x="{}%" width="{}%" y="{}" height="{}" rx="1.5"/>'
                yield format_html(rect, one.tone, n(x + self.width * 0.14), n(self.width * 0.72), n(upper), n(tall))
            base += value


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
