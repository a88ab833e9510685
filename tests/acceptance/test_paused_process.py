"""SIGSTOP: a process that wakes after its runs were given away writes nothing."""

from __future__ import annotations

import signal
import sqlite3
import time

import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import differences, shop_spider, shop_truth

from .product import Product, Row, Running, wait_for

pytestmark = [pytest.mark.process, pytest.mark.corpora]

EFFECTS = (
    "SELECT id, state, owner_id, claim, message, retry_count FROM scheduling_jobrun ORDER BY id",
    "SELECT id, status, pages, items, requests FROM crawler_crawltask ORDER BY id",
    "SELECT id, state, status_code, checked_at FROM crawler_page ORDER BY id",
    "SELECT id, version, data_hash FROM crawler_item ORDER BY id",
)


def effects(product: Product) -> list[list[Row]]:
    return [product.sql(query) for query in EFFECTS]


def stop(product: Product, running: Running) -> None:
    """SIGSTOP; on SQLite only where it holds no lock, since a stopped writer would keep everybody out for ever."""
    while True:
        running.signal(signal.SIGSTOP)
        if not product.database_url.startswith("sqlite") or _is_writable(product):
            return
        running.signal(signal.SIGCONT)
        time.sleep(0.05)


def _is_writable(product: Product) -> bool:
    connection = sqlite3.connect(product.database_url.removeprefix("sqlite:///"), timeout=0.5, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def test_a_process_that_wakes_late_writes_nothing_and_says_claim_lost(product: Product) -> None:
    corpus("shop")
    product.environment |= {"CRAWLER_CHECKPOINT_PAGES": "20", "CRAWLER_CHECKPOINT_SECONDS": "0.2"}
    # Slow enough that neither process is through before the comparison.
    site = SiteServer.of_corpus("shop", delay=0.25)
    with serve_in_thread(site) as url:
        product.load(
            spiders=[shop_spider(url)],
            jobs=[
                {
                    "job_id": "shop-once",
                    "handler": "crawl",
                    "job_data": {"type": "spider", "target": "shop"},
                    "trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"},
                    "policies": {"misfire_grace_time": None},
                }
            ],
        )
        late = product.start_scheduler()
        wait_for(lambda: product.one("SELECT count(*) FROM crawler_item") != 0, what="the first items")
        stop(product, late)
        other = product.start_scheduler()
        stopped_at = time.monotonic()
        claimed = "SELECT claim FROM scheduling_jobrun WHERE state = 'running'"
        wait_for(lambda: product.sql(claimed) == [(2,)], seconds=40, what="the other process's claim")
        before = len(site.log)
        wait_for(lambda: len(site.log) > before + 40, what="the other process's requests")
        wait_for(lambda: time.monotonic() - stopped_at > 30, seconds=35, what="30 seconds")
        stop(product, other)
        rows = effects(product)
        late.signal(signal.SIGCONT)
        wait_for(lambda: "ClaimLost" in late.output(), seconds=10, what="ClaimLost in the late process's log")
        time.sleep(1)
        assert effects(product) == rows
        site.delay = 0.0
        other.signal(signal.SIGCONT)
        wait_for(
            lambda: product.one("SELECT count(*) FROM scheduling_jobrun WHERE state = 'succeeded'") == 1,
            seconds=60,
            what="the crawl's end",
        )
        assert differences(shop_truth(), product.items("shop")) == []
