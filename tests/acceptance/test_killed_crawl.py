"""kill -9 in the middle of a crawl: the items are exact, and nothing that was stored is fetched again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .crawls import DONE, assert_shop_is_exact, load_shop, stored_pages
from .product import Product, wait_for

pytestmark = [pytest.mark.process, pytest.mark.corpora]


def wait_for_more(count: Callable[[], int], *, what: str) -> None:
    """Until there are 20 more than now."""
    before = count()
    wait_for(lambda: count() > before + 20, what=what)


def crawl_through_kills(product: Product, *, kills: int, delay: float) -> None:
    """`delay` (seconds a page) makes the crawl long enough for all the kills."""
    site = SiteServer.of_corpus("shop", delay=delay)
    with serve_in_thread(site) as url:
        load_shop(product, url)
        chance = random.Random(kills)
        for number in range(kills):
            scheduler = product.start_scheduler()
            wait_for_more(lambda: stored_pages(product), what="pages stored")
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
        assert_shop_is_exact(product)


def test_a_crawl_that_is_killed_three_times_gives_exact_items(product: Product) -> None:
    corpus("shop")
    crawl_through_kills(product, kills=3, delay=0.02)


@pytest.mark.soak
def test_a_crawl_that_is_killed_ten_times_gives_exact_items(product: Product) -> None:
    corpus("shop")
    crawl_through_kills(product, kills=10, delay=0.1)
