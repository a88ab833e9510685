"""kill -9 in the middle of a crawl: the items are exact, and nothing that was stored is fetched again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import differences, shop_spider, shop_truth

from .product import Product, wait_for

pytestmark = [pytest.mark.process, pytest.mark.corpora]

DONE = "SELECT url FROM crawler_page WHERE state NOT IN ('pending')"


def wait_for_more(count: Callable[[], int], *, what: str) -> None:
    """Until there are 20 more than now."""
    before = count()
    wait_for(lambda: count() > before + 20, what=what)


def crawl_through_kills(product: Product, *, kills: int) -> None:
    product.environment |= {"CRAWLER_CHECKPOINT_PAGES": "20", "CRAWLER_CHECKPOINT_SECONDS": "0.2"}
    site = SiteServer.of_corpus("shop", delay=0.02)
    with serve_in_thread(site) as url:
        spider = shop_spider(url)
        product.load(
            spiders=[spider],
            jobs=[
                {
                    "job_id": "shop-once",
                    "handler": "crawl",
                    "job_data": {"type": "spider", "target": "shop"},
                    # One firing: the next would come after the test.
                    "trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"},
                    "policies": {"misfire_grace_time": None},
                }
            ],
        )
        chance = random.Random(kills)
        for number in range(kills):
            scheduler = product.start_scheduler()
            wait_for_more(lambda: len(product.sql(DONE)), what="pages stored")
            time.sleep(chance.uniform(0.0, 0.8))
            scheduler.kill()
            committed = {str(page).removeprefix(url) for (page,) in product.sql(DONE)}
            asked = len(site.log)
            print(f"kill {number + 1}: {len(committed)} pages in committed checkpoints, {asked} requests so far")
            product.start_scheduler()
            wait_for_more(lambda: len(site.log), what="the crawl going on")
            again = {target for target in site.targets()[asked:] if target != "/robots.txt"} & committed
            assert not again, f"fetched again though stored: {sorted(again)[:5]}"
            product.started[-1].kill()
        product.start_scheduler()
        wait_for(
            lambda: product.one("SELECT count(*) FROM scheduling_jobrun WHERE state = 'succeeded'") == 1,
            seconds=120,
            what="the crawl's end",
        )
        assert differences(shop_truth(), product.items("shop")) == []
    assert product.one("SELECT count(*) FROM scheduling_jobrun WHERE job_key = 'shop-once'") == 1
    assert product.one("SELECT count(*) FROM crawler_crawltask") == 1
    assert product.one("SELECT count(*) FROM crawler_itemversion") == 0
    ((pages, items, items_new),) = product.sql("SELECT pages, items, items_new FROM crawler_crawltask")
    assert (pages, items, items_new) == (1159, 1000, 1000)


def test_a_crawl_that_is_killed_three_times_gives_exact_items(product: Product) -> None:
    corpus("shop")
    crawl_through_kills(product, kills=3)


@pytest.mark.soak
def test_a_crawl_that_is_killed_ten_times_gives_exact_items(product: Product) -> None:
    corpus("shop")
    crawl_through_kills(product, kills=10)
