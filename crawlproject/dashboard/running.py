"""What runs now, and how far it is: one query, asked every two seconds while somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, IntegerField, OuterRef, Subquery
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawler.models import CrawlTask
from crawler.storing import headway
from scheduling import wording
from scheduling.models import JobRun
from scheduling.recent import Equals

SHOWN = 12
LEAST_SECONDS = 3
"""Before that a crawl has no speed to be told."""
LEAST_RATE = 0.05
"""What would be shown as nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One run."""

    run: int
    name: str
    about: str
    """The spider, or nothing."""
    url: str
    is_crawl: bool
    done: int
    """Pages that the crawl is through with."""
    expected: int | None
    """Pages in all, as far as one can say: as many as the crawl before read, or as are known by now; None: unknown."""
    items: int
    rate: str
    """Pages a second; empty where nothing can be said."""
    words: str
    """“1,284 of 2,096 pages · about 2 min”; of other runs their message."""


def running(now: datetime) -> list[Progress]:
    """The oldest `SHOWN`."""
    # By the index (spider, -id), as `schedules.py` explains.
    spider = OuterRef("crawl_task__spider")
    own = CrawlTask.objects.filter(spider__gte=spider, spider__lte=spider, status=CrawlTask.Status.COMPLETED)
    before = own.exclude(task_type=CrawlTask.Type.URLS).order_by("spider_id", "-id")
    through = F("pages") + F("pages_redirected") + F("pages_refused")
    rows = JobRun.objects.filter(Equals("state", "running")).order_by("started_at", "id")
    values = rows.annotate(
        before=Subquery(before.values(through=through)[:1], output_field=IntegerField()),
    ).values(
        *("pk", "job_key", "job_name", "message", "started_at", "before"),
        *(f"crawl_task__{name}" for name in ("pk", "task_type", "pages", "pages_redirected", "pages_refused", "items")),
        *("crawl_task__started_at", "crawl_task__headway", "crawl_task__spider__name"),
    )
    return [_progress(row, now) for row in values[:SHOWN]]


def _progress(row: Mapping[str, object], now: datetime) -> Progress:
    is_crawl = row["crawl_task__spider__name"] is not None
    done = sum(_count(row, f"crawl_task__{name}") for name in ("pages", "pages_redirected", "pages_refused"))
    seen = headway.read(row["crawl_task__headway"])
    waiting = seen.waiting if seen is not None else 0
    expected = _expected(row, done, waiting) if is_crawl else None
    rate = _rate(row, done, seen, now) if is_crawl else 0.0
    return Progress(
        run=_count(row, "pk"),
        name=str(row["job_name"] or row["job_key"]),
        about=str(row["crawl_task__spider__name"] or ""),
        url=reverse("admin:scheduling_jobrun_change", args=[row["pk"]]),
        is_crawl=is_crawl,
        done=done,
        expected=expected,
        items=_count(row, "crawl_task__items"),
        rate=f"{rate:.1f}" if rate >= LEAST_RATE else "",
        words=_in_words(done, expected, waiting, rate) if is_crawl else wording.shown(str(row["message"] or ""))[:200],
    )


def _expected(row: Mapping[str, object], done: int, waiting: int) -> int | None:
    """Nothing is known while a spider is crawled for the first time: each page may lead on to others."""
    before = row["before"]
    if row["crawl_task__task_type"] == CrawlTask.Type.URLS:
        return done + waiting
    return max(before, done + waiting) if isinstance(before, int) and before else None


def _rate(row: Mapping[str, object], done: int, seen: headway.Seen | None, now: datetime) -> float:
    """Pages a second: of the last checkpoints, else since the crawl began; 0 where nothing can be said."""
    if seen is not None and seen.rate:
        return seen.rate_at(now) or 0.0
    begun = row["crawl_task__started_at"] or row["started_at"]
    seconds = (now - begun).total_seconds() if isinstance(begun, datetime) else 0.0
    return done / seconds if seconds >= LEAST_SECONDS else 0.0


def _in_words(done: int, expected: int | None, waiting: int, rate: float) -> str:
    values = {"done": f"{done:,}", "all": f"{expected or 0:,}", "waiting": f"{waiting:,}"}
    if expected is None:
        if waiting:
            text = ngettext(
                "%(done)s page, %(waiting)s wait · size not known yet",
                "%(done)s pages, %(waiting)s wait · size not known yet",
                done,
            )
        else:
            text = ngettext("%(done)s page · size not known yet", "%(done)s pages · size not known yet", done)
        return text % values
    left = _left((expected - done) / rate) if rate >= LEAST_RATE and expected > done else ""
    if left:
        return _("%(done)s of %(all)s pages · %(left)s") % {**values, "left": left}
    return _("%(done)s of %(all)s pages") % values


def _left(seconds: float) -> str:
    if seconds < 15:
        return _("a few seconds")
    if seconds < 55:
        return _("less than a minute")
    minutes = round(seconds / 60)
    if minutes < 60:
        return ngettext("about %(count)d min", "about %(count)d min", minutes) % {"count": minutes}
    hours = round(minutes / 60)
    return ngettext("about %(count)d h", "about %(count)d h", hours) % {"count": hours}


def _count(row: Mapping[str, object], name: str) -> int:
    value = row[name]
    return value if isinstance(value, int) else 0
