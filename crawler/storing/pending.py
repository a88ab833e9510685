# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""Rows of the frontier: as the engine wants them, and put into it a second time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crawler import rawsql
from crawler.engine.records import PageResult, PendingPage

PENDING_COLUMNS = (
    "id, url, url_hash, depth, hops, attempts, etag, last_modified, content_hash, extracted_version, chain, size"
)


def pending_page(row: tuple[Any, ...], spider_version: int) -> PendingPage:
    """A row of `PENDING_COLUMNS` as the engine wants it."""
    (page_id, url, url_hash, depth, hops, attempts, etag, last_modified, content_hash, version, chain, size) = row
    return PendingPage(
        page_id,
        url,
        url_hash,
        depth,
        hops,
        attempts,
        etag,
        last_modified,
        bytes(content_hash),
        version == spider_version,
        size=size or 0,
        chain=rawsql.unpack(chain) if chain else (),
    )


def go_back(results: Sequence[PageResult], spider_id: int, task_id: int, spider_version: int) -> list[PendingPage]:
    """Pages that led on in vain are pending again.

    Those on a detour for a cookie are the task's no more: who goes on without the cookie must go that way again.
    """
    back = {url_hash for result in results for url_hash in result.back}
    if not back:
        return []
    forgotten = {url_hash for result in results for url_hash in result.forgotten}
    if forgotten:
        condition, hashes = rawsql.among("url_hash", sorted(forgotten))
        rawsql.execute(
            f"UPDATE crawler_page SET task_id = NULL WHERE spider_id = %s AND {condition} AND task_id = %s",
            [spider_id, hashes, task_id],
        )
    condition, hashes = rawsql.among("url_hash", sorted(back))
    rows = rawsql.fetch(
        f"UPDATE crawler_page SET state = 'pending', attempts = 0 WHERE spider_id = %s AND {condition} "
        f"AND task_id = %s AND state = 'redirected' RETURNING {PENDING_COLUMNS}",
        [spider_id, hashes, task_id],
    )
    return [pending_page(row, spider_version) for row in rows]
