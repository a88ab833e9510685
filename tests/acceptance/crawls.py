"""Crawls that are interrupted: what they are, and how far they have come."""

from __future__ import annotations

from tests.spiders import differences, shop_spider, shop_truth

from .product import Product, wait_for

DONE = "SELECT url FROM crawler_page WHERE state NOT IN ('pending')"
RUN_STATES = "SELECT state FROM scheduling_jobrun ORDER BY id"
TASK_STATES = "SELECT status FROM crawler_crawltask ORDER BY id"


def load_shop(product: Product, url: str, *, scheduled: bool = True) -> None:
    """The shop's spider, stored often; with a job that fires once, at once."""
    product.environment |= {"CRAWLER_CHECKPOINT_PAGES": "20", "CRAWLER_CHECKPOINT_SECONDS": "0.2"}
    job = {
        "job_id": "shop-once",
        "handler": "crawl",
        "job_data": {"type": "spider", "target": "shop"},
        # One firing: the next would come after the test.
        "trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"},
        "policies": {"misfire_grace_time": None},
    }
    product.load(spiders=[shop_spider(url)], jobs=[job] if scheduled else [])


def stored_pages(product: Product) -> int:
    return len(product.sql(DONE))


def wait_for_pages(product: Product) -> None:
    """Until a crawl has stored some."""
    wait_for(lambda: stored_pages(product) > 20, what="pages stored")


def assert_shop_is_exact(product: Product) -> None:
    """One run and one task, ended well, and every item as it is, stored once."""
    wait_for(lambda: product.sql(RUN_STATES) == [("succeeded",)], seconds=120, what="the crawl's end")
    assert differences(shop_truth(), product.items("shop")) == []
    assert product.sql("SELECT status, pages, items, items_new FROM crawler_crawltask") == [
        ("completed", 1159, 1000, 1000)
    ]
    assert product.one("SELECT count(*) FROM crawler_itemversion") == 0
