"""The floor of storing: the rows of a crawl, already made, by bare `sqlite3` into the product's own tables."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from crawler.engine.records import Batch, PageResult

from .measuring import ROOT

MOMENT = "2027-01-31 10:00:00.000000"
_NEW = (
    "INSERT INTO crawler_page (id, spider_id, task_id, state, url, url_hash, depth, hops, chain, attempts, etag, "
    "last_modified, content_hash, links, redirected_to, reason) "
    "VALUES (?, 1, 1, 'pending', ?, ?, ?, 0, x'', 0, '', '', x'', x'', '', '')"
)
_DONE = (
    "UPDATE crawler_page SET state = ?, status_code = ?, reason = ?, etag = ?, last_modified = ?, content_hash = ?, "
    "links = ?, extracted_version = 1, checked_at = ?, changed_at = ? WHERE id = ?"
)
_ITEM = (
    "INSERT INTO crawler_item (spider_id, task_id, version, first_seen_at, changed_at, type, key, key_hash, page_id, "
    "data, data_hash, complete, problems) VALUES (1, 1, 1, ?, ?, ?, ?, ?, ?, ?, ?, 1, '[]')"
)


def store_cost(batches: Sequence[Batch]) -> float:
    """CPU seconds that the batches of a crawl into memory take: three `executemany` and a commit for each."""
    rows = [_rows(batch.results) for batch in batches]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lamplighter.sqlite3"
        env = os.environ | {"ENV_FILE": os.devnull, "SECRET_KEY": "x" * 50, "DATA_DIR": folder}
        env |= {"DATABASE_URL": f"sqlite:///{file}", "LOG_LEVEL": "ERROR"}
        subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0"], env=env, check=True)
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            # The rows that pages and items belong to are no part of what is measured.
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=OFF")
            begin = time.process_time()
            for new, done, items in rows:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_NEW, new)
                connection.executemany(_DONE, done)
                connection.executemany(_ITEM, items)
                connection.execute("COMMIT")
            return time.process_time() - begin


_Rows = list[tuple[object, ...]]


def _rows(results: Sequence[PageResult]) -> tuple[_Rows, _Rows, _Rows]:
    new: _Rows = [(result.page.page_id, result.page.url, result.page.url_hash, result.page.depth) for result in results]
    done: _Rows = [
        (
            result.state.value,
            result.status_code,
            result.reason,
            result.etag,
            result.last_modified,
            result.content_hash,
            result.link_hashes,
            MOMENT,
            MOMENT,
            result.page.page_id,
        )
        for result in results
    ]
    items: _Rows = [
        (MOMENT, MOMENT, item.type, item.key, item.key_hash, result.page.page_id, item.data_json, item.data_hash)
        for result in results
        for item in result.items
    ]
    return new, done, items
