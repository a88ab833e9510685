"""What stands in the calendar: firings that lie ahead and runs of the past, those of one minute together; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawlproject.templatetags.lamplighter import STATES
from crawlproject.web.charts import mark
from scheduling.calendar.firings import Firing
from scheduling.calendar.past import Ran
from scheduling.calendar.schedules import Schedule
from scheduling.calendar.spans import Span
from scheduling.rounds import LETTERS
from scheduling.triggers.zones import offset_at
from scheduling.upcoming import Hold

from .calendar_words import about, page_of

# handler → tone of the style sheet, word
HANDLERS: Mapping[str, tuple[str, StrOrPromise]] = {
    "crawl": ("info", gettext_lazy("crawl")),
    "CrawlJobHandler": ("info", gettext_lazy("crawl")),
    "report": ("ok", gettext_lazy("report")),
    "maintenance": ("mute", gettext_lazy("maintenance")),
}
OTHER: tuple[str, StrOrPromise] = ("lit", gettext_lazy("other work"))
HELD: Mapping[Hold, StrOrPromise] = {
    Hold.PAUSED: gettext_lazy("paused"),
    Hold.DISABLED: gettext_lazy("off"),
    Hold.QUARANTINED: gettext_lazy("quarantined"),
    Hold.PAUSED_ALL: gettext_lazy("everything is paused"),
}
WORST = ("failed", "missed", "running", "queued", "cancelled", "skipped", "succeeded")
TONES = {"succeeded": "ok", "failed": "bad", "missed": "miss", "running": "lit"}
MOST_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One schedule of an entry."""

    name: str
    url: str
    words: str
    """How it is, or was; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A block of the week, a line of the agenda."""

    at: datetime
    end: datetime
    day: int
    hour: float
    """By the clock, since midnight."""
    time: str
    """“02:00”; with the offset where that time comes twice."""
    title: str
    lines: tuple[str, ...]
    parts: tuple[Part, ...]
    more: int
    """Parts that are not named."""
    tone: str
    url: str
    mark: str = ""
    is_dashed: bool = False
    collides: bool = False

    @property
    def shape(self) -> SafeString:
        """The mark, drawn."""
        return mark(self.mark, 0, 1)


def planned(firings: Iterable[Firing], span: Span, *, met: set[tuple[int, datetime]]) -> Iterator[Entry]:
    """Those that lie ahead. `met`: those that meet others elsewhere than at their begin."""
    parts: dict[int, Part] = {}
    groups: dict[tuple[datetime, bool], list[Firing]] = {}
    for firing in firings:
        minute = firing.at.replace(second=0, microsecond=0)
        groups.setdefault((minute, firing.schedule.is_live), []).append(firing)
        if firing.schedule.job.id not in parts:
            parts[firing.schedule.job.id] = _part(firing.schedule)
    for (_minute, is_live), group in groups.items():
        named = tuple(parts[firing.schedule.job.id] for firing in group[:MOST_LINES])
        yield _planned(group, named, span, is_live=is_live, met=met)


def _planned(
    group: Sequence[Firing], parts: tuple[Part, ...], span: Span, *, is_live: bool, met: set[tuple[int, datetime]]
) -> Entry:
    first = group[0]
    day, hour = span.place(first.at)
    shown = _clock(first.at, span)
    is_crowd = len({firing.schedule.job.id for firing in group}) > 1
    collides = is_live and (is_crowd or any((firing.schedule.job.id, firing.at) in met for firing in group))
    tone = HANDLERS.get(first.schedule.job.handler, OTHER)[0]
    more = len(group) - len(parts)
    if is_crowd:
        title = _("%(count)d at %(time)s") % {"count": len(group), "time": shown}
        lines = [part.name for part in parts] + ([_("+ %(count)d more") % {"count": more}] if more else [])
    else:
        title, lines = first.schedule.job.name, [f"{shown} · {parts[0].words}"]
    if not is_live:
        lines.append(str(HELD[first.schedule.hold or Hold.PAUSED]))
    return Entry(
        at=first.at,
        end=max(firing.end for firing in group),
        day=day,
        hour=hour,
        time=shown,
        title=title,
        lines=tuple(lines),
        parts=parts,
        more=more,
        tone="bad" if collides else "mute" if not is_live else tone,
        url="#collisions" if is_crowd and is_live else parts[0].url,
        is_dashed=not is_live,
        collides=collides,
    )


def _part(schedule: Schedule) -> Part:
    usual = about(schedule.usual)
    words = usual if schedule.is_known else _("length not known yet")
    if schedule.hold is not None:
        words = f"{words} · {HELD[schedule.hold]}"
    url = page_of("scheduling_scheduledjob", schedule.job.id)
    return Part(name=schedule.job.name, url=url, words=words)


def ran(rows: Iterable[Ran], span: Span) -> Iterator[Entry]:
    """What is over, or going on."""
    groups: dict[datetime, list[Ran]] = {}
    for row in rows:
        groups.setdefault(row.at.replace(second=0, microsecond=0), []).append(row)
    for group in groups.values():
        yield _ran(group, span)


def _ran(group: Sequence[Ran], span: Span) -> Entry:
    first = group[0]
    parts = tuple(_part_of(row) for row in group[:MOST_LINES])
    more = len(group) - len(parts)
    day, hour = span.place(first.at)
    shown = _clock(first.at, span)
    worst = min((row.state for row in group), key=lambda state: WORST.index(state) if state in WORST else len(WORST))
    if len(group) > 1:
        title = _("%(count)d at %(time)s") % {"count": len(group), "time": shown}
        lines = [f"{part.name}: {part.words}" for part in parts]
        lines += [_("+ %(count)d more") % {"count": more}] if more else []
    else:
        title, lines = first.name, [f"{shown} · {parts[0].words}"]
    return Entry(
        at=first.at,
        end=max(row.end for row in group),
        day=day,
        hour=hour,
        time=shown,
        title=title,
        lines=tuple(lines),
        parts=parts,
        more=more,
        tone=TONES.get(worst, "mute"),
        url=parts[0].url,
        mark=LETTERS.get(worst, "k"),
    )


def _part_of(row: Ran) -> Part:
    word = str(STATES[row.state][0]) if row.state in STATES else row.state
    words = word if row.state in ("missed", "skipped", "queued") else f"{word} · {about(row.end - row.at)}"
    if row.moments > 1:
        words = _("%(state)s, %(count)d moments") % {"state": word, "count": row.moments}
    return Part(name=row.name, url=page_of("scheduling_jobrun", row.run), words=words)


def _clock(moment: datetime, span: Span) -> str:
    """With the offset on the day of a change, when a time alone would not say which of two it is."""
    local = moment.astimezone(span.tz)
    near = timedelta(hours=3)
    is_plain = offset_at(span.tz, moment - near) == offset_at(span.tz, moment + near)
    return f"{local:%H:%M}" if is_plain else f"{local:%H:%M} {local.isoformat()[-6:]}"
