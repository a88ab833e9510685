"""Keeps the sums of items in step with the items, inside the transaction that changes them.

A crawl holds its spider's rows alone (one crawl a spider), so that two checkpoints never wait for one another here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from crawler import rawsql
from crawler.models import ItemHour
from scheduling.hours import KEPT, hour_of

_HOUR = """
INSERT INTO crawler_itemhour (spider_id, start_at, added, changed, gone, returned) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (start_at, spider_id) DO UPDATE SET added = crawler_itemhour.added + excluded.added,
changed = crawler_itemhour.changed + excluded.changed, gone = crawler_itemhour.gone + excluded.gone,
returned = crawler_itemhour.returned + excluded.returned
"""
_STOCK = """
INSERT INTO crawler_itemstock (spider_id, present) VALUES (%s, %s)
ON CONFLICT (spider_id) DO UPDATE SET present = crawler_itemstock.present + excluded.present
"""


def add(spider_id: int, now: datetime, *, added: int = 0, changed: int = 0, gone: int = 0, returned: int = 0) -> None:
    """Add what a transaction does to the items of a spider: at most two statements, none where it does nothing."""
    if added or changed or gone or returned:
        hour = rawsql.moment(hour_of(now))
        rawsql.execute(_HOUR, [spider_id, hour, added, changed, gone, returned])
    if more := added + returned - gone:
        rawsql.execute(_STOCK, [spider_id, more])


def remove_hours(before: datetime, *, limit: int) -> int:
    """Remove one batch of hours that are older than `before`, and older than any page shows; returns how many."""
    before = min(before, timezone.now() - KEPT) - timedelta(hours=1)
    batch = list(ItemHour.objects.filter(start_at__lt=before).order_by("start_at").values_list("pk", flat=True)[:limit])
    if batch:
        ItemHour.objects.filter(pk__in=batch).delete()
    return len(batch)
