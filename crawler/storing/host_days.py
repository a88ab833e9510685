"""The requests that a host has had on a day, from all spiders and processes: what `pages_per_day` is judged by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from django.conf import settings

from crawler import rawsql
from crawler.engine.manners.budget import Calendar, requests_by_host
from crawler.engine.records import Batch
from crawler.models import HostDay, Spider

MAX_HOST = 300
"""Characters of a name that are stored: DNS has 253."""
KEPT_DAYS = 7
"""Older rows go when the first page of a new day is counted."""


def calendar() -> Calendar:
    """The scheduler's zone, in which days and quiet hours are meant."""
    return Calendar(ZoneInfo(settings.SCHEDULER_TIMEZONE))


def is_counted() -> bool:
    """Whether any spider has `pages_per_day`."""
    return Spider.objects.filter(definition__manners__pages_per_day__isnull=False).exists()


def pages_on(host: str, day: date) -> int:
    """What a host has had on a day so far."""
    return HostDay.objects.filter(host=host, day=day).values_list("pages", flat=True).first() or 0


def count(batch: Batch, now: datetime) -> dict[str, tuple[int, int]]:
    """Add a batch's requests, inside the checkpoint's transaction; gives each host's pages, and the batch's own.

    The hosts are written in one order, so that two checkpoints never wait for one another.
    """
    # No host has so long a name, so none was asked; cut to what is stored, two of them might be one.
    own = {host: pages for host, pages in requests_by_host(batch.results).items() if len(host) <= MAX_HOST}
    if not own:
        return {}
    day = batch.day or now.astimezone(calendar().zone).date()
    columns = (("host", "text"), ("pages", "integer"))
    stored = rawsql.fetch_rows(
        "INSERT INTO crawler_hostday (host, day, pages) SELECT v.host, %s, v.pages FROM v WHERE true "
        "ON CONFLICT (day, host) DO UPDATE SET pages = crawler_hostday.pages + excluded.pages RETURNING host, pages",
        columns,
        [(rawsql.text(host), own[host]) for host in sorted(own)],
        [rawsql.day(day)],
    )
    together = dict(cast("list[tuple[str, int]]", stored))
    if any(together[host] == own[host] for host in together):
        HostDay.objects.filter(day__lt=day - timedelta(days=KEPT_DAYS)).delete()
    return {host: (together[host], own[host]) for host in together}
