"""What stands in the calendar: firings that lie ahead and runs of the past, those of one minute together; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from itertools import groupby

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawlproject.templatetags.lamplighter import STATES
from crawlproject.web.charts import mark
from scheduling.calendar.firings import Firing
from scheduling.calendar.past import Ran
from scheduling.calendar.schedules import Schedule
from scheduling.calendar.spans import Span, clock_at, minute_of
from scheduling.rounds import LETTERS
from scheduling.triggers.zones import changes, offset_at
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
NEAR = timedelta(hours=3)
"""To a change of the clock, at most: a time alone would not say which of two it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One schedule of an entry."""

    name: str
    url: str
    words: str
    """How it is, or was; may be empty."""


class Entry:
    """A block of the week, a line of the agenda. A page has thousands and shows few of them: their words are made when
    they are asked for."""

    mark = ""
    is_dashed = False

    def __init__(self, at: datetime, end: datetime, count: int, telling: _Telling) -> None:
        self.at = at
        self.end = end
        self.count = count
        """Firings that it stands for."""
        self.day, self.hour = telling.span.place(at)
        """Which of the days, and hours by the clock since midnight."""
        self._telling = telling

    @property
    def name(self) -> str:
        """Of the first one."""
        raise NotImplementedError

    @property
    def is_crowd(self) -> bool:
        """Several schedules: its title tells how many and when."""
        return self.count > 1

    @property
    def collides(self) -> bool:
        return False

    @property
    def tone(self) -> str:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return self.parts[0].url

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Those that are named."""
        raise NotImplementedError

    @property
    def more(self) -> int:
        """Parts that are not named."""
        return self.count - len(self.parts)

    @cached_property
    def time(self) -> str:
        """“02:00”; with the offset where that time comes twice."""
        return self._telling.clock(self.at)

    @property
    def title(self) -> str:
        return self._telling.title % {"count": self.count, "time": self.time} if self.is_crowd else self.name

    @property
    def lines(self) -> list[str]:
        """What else is said of it: how long, or who."""
        if not self.is_crowd:
            return [self.parts[0].words]
        return [*map(self._line, self.parts), *([self._telling.more % {"count": self.more}] if self.more else [])]

    @property
    def shape(self) -> SafeString:
        """The mark, drawn."""
        return mark(self.mark, 0, 1)

    def _line(self, part: Part) -> str:
        return part.name


class _Planned(Entry):
    """What lies ahead."""

    def __init__(
        self, group: Sequence[Firing], telling: _Telling, *, is_live: bool, met: set[tuple[int, datetime]]
    ) -> None:
        super().__init__(group[0].at, max(firing.end for firing in group), len(group), telling)
        self._group = group
        self._first = group[0].schedule
        self._met = met
        self.is_dashed = not is_live

    @property
    def name(self) -> str:
        return self._first.job.name

    @cached_property
    def is_crowd(self) -> bool:
        return self.count > 1 and len({firing.schedule.job.id for firing in self._group}) > 1

    @cached_property
    def collides(self) -> bool:
        if self.is_dashed:
            return False
        return self.is_crowd or any((one.schedule.job.id, one.at) in self._met for one in self._group)

    @property
    def tone(self) -> str:
        if self.is_dashed:
            return "mute"
        return "bad" if self.collides else HANDLERS.get(self._first.job.handler, OTHER)[0]

    @property
    def url(self) -> str:
        return "#collisions" if self.is_crowd and not self.is_dashed else super().url

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._telling.part(firing.schedule) for firing in self._group[:MOST_LINES])

    @property
    def lines(self) -> list[str]:
        held = [str(HELD[self._first.hold or Hold.PAUSED])] if self.is_dashed else []
        return [*super().lines, *held]


class _Over(Entry):
    """What is over, or going on."""

    def __init__(self, group: Sequence[Ran], telling: _Telling) -> None:
        super().__init__(group[0].at, max(row.end for row in group), len(group), telling)
        self._group = group
        states = {row.state for row in group}
        worst = min(states, key=lambda state: WORST.index(state) if state in WORST else len(WORST))
        self._worst = worst
        self.mark = LETTERS.get(worst, "k")

    @property
    def name(self) -> str:
        return self._group[0].name

    @property
    def tone(self) -> str:
        return TONES.get(self._worst, "mute")

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._telling.part_of(row) for row in self._group[:MOST_LINES])

    def _line(self, part: Part) -> str:
        return f"{part.name}: {part.words}"


def planned(firings: Iterable[Firing], span: Span, *, met: set[tuple[int, datetime]]) -> Iterator[Entry]:
    """Those that lie ahead, which come by their moment. `met`: those that meet others elsewhere than at their begin."""
    telling = _Telling(span)
    for _minute, group in groupby(firings, key=lambda firing: minute_of(firing.at)):
        every = list(group)
        for is_live in (True, False):
            if own := [firing for firing in every if firing.schedule.is_live is is_live]:
                yield _Planned(own, telling, is_live=is_live, met=met)


def ran(rows: Iterable[Ran], span: Span) -> Iterator[Entry]:
    """What is over, or going on."""
    telling = _Telling(span)
    groups: dict[datetime, list[Ran]] = defaultdict(list)
    for row in rows:
        groups[minute_of(row.at)].append(row)
    for group in groups.values():
        yield _Over(group, telling)


class _Telling:
    """The words of one page: most are the same again and again."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.title = _("%(count)d at %(time)s")
        self.more = _("+ %(count)d more")
        self._about = cache(about)
        self._is_plain = not any(changes(span.tz, span.start - NEAR, span.end + NEAR))

    def clock(self, moment: datetime) -> str:
        """With the offset on the day of a change."""
        tz = self.span.tz
        text = f"{clock_at(tz, moment):%H:%M}"
        if self._is_plain or offset_at(tz, moment - NEAR) == offset_at(tz, moment + NEAR):
            return text
        return f"{text} {moment.astimezone(tz).isoformat()[-6:]}"

    def part(self, schedule: Schedule) -> Part:
        words = self._about(schedule.usual) if schedule.is_known else _("length not known yet")
        if schedule.hold is not None:
            words = f"{words} · {HELD[schedule.hold]}"
        url = page_of("scheduling_scheduledjob", schedule.job.id)
        return Part(name=schedule.job.name, url=url, words=words)

    def part_of(self, row: Ran) -> Part:
        word = str(STATES[row.state][0]) if row.state in STATES else row.state
        words = word if row.state in ("missed", "skipped", "queued") else f"{word} · {self._about(row.end - row.at)}"
        if row.moments > 1:
            words = _("%(state)s, %(count)d moments") % {"state": word, "count": row.moments}
        return Part(name=row.name, url=page_of("scheduling_jobrun", row.run), words=words)
