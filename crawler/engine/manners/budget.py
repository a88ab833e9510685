"""When a spider fetches nothing: in its quiet hours, and from hosts whose pages of the day are used up.

Both are judged by what the clocks of the `Calendar`'s zone show. All bounds are whole minutes, so that one look a
minute is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from crawler.engine.errors import Reason
from crawler.engine.records import PageResult
from crawler.engine.spider import Manners
from crawler.engine.storage import CrawlStorage
from crawler.engine.urls import origin_of

from .hours import QuietHours
from .slots import host_key

MAX_WAIT = 300.0
"""Seconds for which a crawl waits in its place for the end of quiet hours; what takes longer ends it as limited."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The zone in which days and hours are meant, and the wall clock."""

    zone: tzinfo = UTC
    now: Callable[[], datetime] = _utc_now

    def local(self) -> datetime:
        return self.now().astimezone(self.zone)

    def shown(self, moment: datetime) -> str:
        """A moment for people: ``2027-01-01 00:00 (Asia/Shanghai)``."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M} ({self.zone})"


@dataclass(slots=True)
class _Day:
    """A host's pages today."""

    stored: int
    """Of all spiders and processes, as the storage knew last."""
    unsaved: int = 0
    """Our own since."""

    @property
    def pages(self) -> int:
        return self.stored + self.unsaved


def requests_by_host(results: Iterable[PageResult]) -> Counter[str]:
    """How many requests for pages these results took, by `host_key`."""
    requests: Counter[str] = Counter()
    for result in results:
        if count := result.requests:
            requests[host_key(origin_of(result.page.url))] += count
    return requests


class Budget:
    """`pages_per_day` and `quiet_hours` of one spider in one crawl."""

    def __init__(self, manners: Manners, calendar: Calendar, storage: CrawlStorage) -> None:
        self._limit = manners.pages_per_day
        self._quiet = QuietHours(manners.quiet_hours)
        self._calendar = calendar
        self._storage = storage
        self._days: dict[str, _Day] = {}
        self._look_at = 0.0
        self._quiet_until: datetime | None = None
        self.day: date = calendar.local().date()

    @classmethod
    def of(cls, manners: Manners, calendar: Calendar, storage: CrawlStorage) -> Budget | None:
        """None where the spider has neither."""
        if manners.pages_per_day is None and not manners.quiet_hours:
            return None
        return cls(manners, calendar, storage)

    def quiet_until(self, now: float) -> datetime | None:
        """The end of the quiet hours that hold now. `now` is monotonic; the wall clock is read once a minute.

        (In quiet hours each time: who waits for their end must not find the old one after a step of the clock.)
        """
        if now >= self._look_at or (self._quiet_until is not None and self._calendar.now() >= self._quiet_until):
            self._look(now)
        return self._quiet_until

    def seconds_until(self, moment: datetime) -> float:
        return max(0.0, (moment - self._calendar.now()).total_seconds())

    def knows(self, origin: str) -> bool:
        """Whether the pages of the host today are known; else `learn` comes first."""
        return self._limit is None or host_key(origin) in self._days

    async def learn(self, origin: str) -> None:
        key, day = host_key(origin), self.day
        pages = await self._storage.pages_on(key, day)
        if day == self.day:
            self._days.setdefault(key, _Day(pages))

    def is_spent(self, origin: str) -> bool:
        return self._limit is not None and self._days[host_key(origin)].pages >= self._limit

    def count(self, origin: str) -> None:
        """A request for a page of the host begins."""
        if self._limit is not None:
            self._days[host_key(origin)].unsaved += 1

    def stored(self, day: date | None, pages: Mapping[str, tuple[int, int]]) -> None:
        """A checkpoint has counted, by host: the pages of that day altogether, and how many of them were its own."""
        if day != self.day:
            return
        for key, (together, own) in pages.items():
            known = self._days.get(key)
            if known is not None:
                known.stored = together
                known.unsaved = max(0, known.unsaved - own)

    @property
    def next_day(self) -> datetime:
        """When the next day begins."""
        midnight = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), self._calendar.zone)
        return midnight.astimezone(UTC)

    def why(self, reason: Reason, until: datetime) -> str:
        """A sentence's part for the crawl's end."""
        shown = self._calendar.shown(until)
        if reason is Reason.QUIET_HOURS:
            return f"quiet_hours until {shown}"
        return f"pages_per_day = {self._limit} is used up until {shown}"

    def _look(self, now: float) -> None:
        local = self._calendar.local()
        self._look_at = now + 60.0 - local.second - local.microsecond / 1e6
        self._quiet_until = self._quiet.end(local, self._calendar.zone) if self._quiet.hold(local) else None
        if local.date() != self.day:
            self.day = local.date()
            self._days.clear()
