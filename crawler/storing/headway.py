"""How a crawl gets on while it runs: how many pages wait, and how many it is through with in a second.

Written with each checkpoint into `CrawlTask.headway`, in the statement that counts anyway; pages that show a crawl read
it there, and count nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime

from crawler.engine.records import Json

SPAN = timedelta(seconds=15)
"""Over which the rate is taken."""
LEAST_SPAN = 0.5
"""Seconds: a rate of less time than this says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headway:
    """What one attempt knows between two checkpoints."""

    waiting: int = 0
    """Pages in the frontier."""
    marks: tuple[tuple[datetime, int], ...] = ()
    """Moments of checkpoints, the newest last, and how many pages the attempt was through with by then."""

    @classmethod
    def begin(cls, waiting: int, now: datetime) -> Headway:
        return cls(waiting=waiting, marks=((now, 0),))

    def after(self, *, joined: int, through: int, now: datetime) -> Headway:
        """With one more checkpoint: so many pages joined the frontier, with so many the crawl is through."""
        done = (self.marks[-1][1] if self.marks else 0) + through
        recent = [mark for mark in self.marks if timedelta(0) <= now - mark[0] <= SPAN] or list(self.marks[-1:])
        return Headway(waiting=max(0, self.waiting + joined - through), marks=(*recent, (now, done)))

    def with_more(self, joined: int) -> Headway:
        """With pages that joined the frontier before the next checkpoint."""
        return replace(self, waiting=self.waiting + joined)

    @property
    def rate(self) -> float | None:
        """Pages a second; None where that cannot be said yet."""
        if len(self.marks) < 2:
            return None
        (began, before), (now, done) = self.marks[0], self.marks[-1]
        seconds = (now - began).total_seconds()
        return (done - before) / seconds if seconds >= LEAST_SPAN else None

    def to_json(self) -> dict[str, Json]:
        rate = self.rate
        return {
            "at": self.marks[-1][0].isoformat() if self.marks else "",
            "waiting": self.waiting,
            "rate": None if rate is None else round(rate, 2),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What `to_json` gave, read back."""

    at: datetime
    waiting: int
    rate: float | None

    def rate_at(self, now: datetime) -> float | None:
        """Pages a second up to `now`: it fades while the crawl writes nothing, for then no page comes."""
        since = max(now - self.at, SPAN)
        return None if self.rate is None else self.rate * (SPAN / since)


def read(stored: object) -> Seen | None:
    """None where nothing of use is stored."""
    if not isinstance(stored, Mapping):
        return None
    at, waiting, rate = stored.get("at"), stored.get("waiting"), stored.get("rate")
    moment = parse_datetime(at) if isinstance(at, str) else None
    if moment is None or moment.tzinfo is None or not isinstance(waiting, int):
        return None
    return Seen(at=moment, waiting=waiting, rate=float(rate) if isinstance(rate, int | float) else None)
