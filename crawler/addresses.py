# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""Pages by their address, or by a part of it. What that costs does not grow with the table: an address is found by its
hash however old it is, a part among the newest pages.

An index of addresses would find, among all pages, those that begin with a text and no others; it takes half as much
room as the whole table.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from django.db import connection

from crawler import rawsql
from crawler.engine.errors import UrlError
from crawler.engine.urls import hash_url, normalise
from crawler.models import Page, Spider

LOOKED_AT = 100_000
"""Pages, the newest ones (of the spider, or the crawl), in whose addresses a part is looked for."""
MOST = 10_000
"""Pages that are found, the newest ones."""
_MEANS_MORE = re.compile(r"[%_\\]")
_LITERAL = r"\\\g<0>"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPages:
    ids: list[int]
    is_cut: bool
    """Whether more pages are there than were looked at, or more were found than are told."""


def find_pages(text: str, *, spider_id: int | None = None, task_id: int | None = None, state: str = "") -> FoundPages:
    """Those whose address is `text` or holds it, whichever way its letters are written. Two queries.

    `task_id`: of those that this crawl came by last.
    """
    text = text.strip()
    where = [(name, value) for name, value in (("spider_id", spider_id), ("task_id", task_id)) if value is not None]
    holding, looked_at = _holding(text, where, state)
    ids = {*holding[:MOST], *_with_this_address(text, where, state)}
    return FoundPages(ids=sorted(ids), is_cut=looked_at > LOOKED_AT or len(holding) > MOST)


def _holding(text: str, where: Iterable[tuple[str, int]], state: str) -> tuple[list[int], int]:
    """Ids of the newest pages that hold it, one more than are told; and among how many it was looked for."""
    conditions = " AND ".join(f"{name} = %s" for name, _value in where) or "true"
    like = "ILIKE" if connection.vendor == "postgresql" else "LIKE"
    is_wanted = "AND state = %s " if state else ""
    (_none, looked_at), *found = rawsql.fetch(
        f"WITH newest AS MATERIALIZED (SELECT id, url, state FROM crawler_page WHERE {conditions} "
        "ORDER BY id DESC LIMIT %s) SELECT 0, count(*) FROM newest UNION ALL SELECT * FROM ("
        f"SELECT 1, id FROM newest WHERE url {like} %s ESCAPE '\\' {is_wanted}ORDER BY id DESC LIMIT %s) holding",
        [*(value for _name, value in where), LOOKED_AT + 1, _pattern(text), *([state] if state else []), MOST + 1],
    )
    return [cast(int, pk) for _one, pk in found], cast(int, looked_at)


def _pattern(text: str) -> str:
    """As addresses are stored: blanks, and what is not ASCII, by their codes."""
    coded = quote(text, safe=string.punctuation, errors="replace")
    return f"%{_MEANS_MORE.sub(_LITERAL, coded)}%"


def _with_this_address(text: str, where: Iterable[tuple[str, int]], state: str) -> list[int]:
    try:
        url_hash = hash_url(normalise(text))
    except UrlError:
        return []
    # The index begins with the spider.
    pages = Page.objects.filter(spider__in=Spider.objects.values("pk"), url_hash=url_hash, **dict(where))
    return list((pages.filter(state=state) if state else pages).values_list("pk", flat=True)[:MOST])
