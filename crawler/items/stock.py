# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""How many items a spider has, counted: whether the sums that `hours` keeps are still what is there.

They are unless a process wrote items that keeps no sums: one of an old release that ran on through an upgrade.
"""

from __future__ import annotations

from typing import cast

from crawler import rawsql
from crawler.models import Spider

# Two indexes are counted, and no row is read: a million items take 0.1 seconds.
_COUNT = (
    "((SELECT count(*) FROM crawler_item i WHERE i.spider_id = {spider})"
    " - (SELECT count(*) FROM crawler_item i WHERE i.spider_id = {spider} AND i.gone_at IS NOT NULL))"
)
_DRIFTED = (
    "SELECT s.id FROM crawler_spider s LEFT JOIN crawler_itemstock k ON k.spider_id = s.id "
    f"WHERE coalesce(k.present, 0) <> {_COUNT.format(spider='s.id')} ORDER BY s.id"
)
_LOCK = """
INSERT INTO crawler_itemstock (spider_id, present) VALUES (%s, 0)
ON CONFLICT (spider_id) DO UPDATE SET present = crawler_itemstock.present
"""
_RECOUNT = (
    f"UPDATE crawler_itemstock SET present = {_COUNT.format(spider='crawler_itemstock.spider_id')} WHERE spider_id = %s"
)


def drifted() -> list[int]:
    """Spiders, by their keys, whose sum is not what is there. In one statement: it sees checkpoints whole."""
    return [cast(int, row[0]) for row in rawsql.fetch(_DRIFTED, [])]


def recount(spider_id: int) -> None:
    """Write what is there, within a transaction.

    The sum is locked before it is counted: a checkpoint that has written items and not added them yet adds them
    afterwards, one that has is over by then.
    """
    # It cannot be deleted meanwhile; a checkpoint goes on.
    if Spider.objects.select_for_update(no_key=True).filter(pk=spider_id).first() is None:
        return
    rawsql.execute(_LOCK, [spider_id])
    rawsql.execute(_RECOUNT, [spider_id])
