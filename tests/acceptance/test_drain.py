"""SIGTERM of a scheduler in the middle of a crawl: it drains within its limit, and another goes on."""

from __future__ import annotations

import time

import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .crawls import DONE, RUN_STATES, TASK_STATES, assert_shop_is_exact, load_shop, wait_for_pages
from .product import Product, wait_for

pytestmark = [pytest.mark.process, pytest.mark.corpora, pytest.mark.any_database]

DRAIN = 2


def wait_until_running(product: Product) -> None:
    wait_for(lambda: product.sql(RUN_STATES) == [("running",)], what="the run")


def test_a_drained_crawl_is_handed_back_and_goes_on_elsewhere(product: Product) -> None:
    corpus("shop")
    product.environment["SCHEDULER_DRAIN_SECONDS"] = str(DRAIN)
    site = SiteServer.of_corpus("shop", delay=0.02)
    with serve_in_thread(site) as url:
        load_shop(product, url)
        scheduler = product.start_scheduler()
        wait_for_pages(product)
        began = time.monotonic()
        assert scheduler.terminate() == 0, scheduler.output()
        assert time.monotonic() - began < DRAIN + 5

        assert (product.sql(RUN_STATES), product.sql(TASK_STATES)) == ([("queued",)], [("pending",)])
        assert product.sql("SELECT state FROM scheduling_process") == [("stopped",)]
        stored = {str(page).removeprefix(url) for (page,) in product.sql(DONE)}
        assert len(stored) < 1159, "drained too late to show anything"
        asked = len(site.log)
        product.start_scheduler()
        assert_shop_is_exact(product)

    again = {target for target in site.targets()[asked:] if target != "/robots.txt"} & stored
    assert not again, f"fetched again though stored: {sorted(again)[:5]}"
    assert product.one("SELECT recoveries FROM scheduling_jobrun") == 0


@pytest.mark.parametrize("handler", ["sleepy", "stuck"])
def test_a_handler_that_does_not_end_is_handed_back_after_the_limit(product: Product, handler: str) -> None:
    product.environment |= {
        "SCHEDULER_DRAIN_SECONDS": str(DRAIN),
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.settings",
    }
    trigger = {"type": "date", "run_date": "2026-01-01T00:00:00"}
    policies = {"misfire_grace_time": None}
    job = {"job_id": "endless", "handler": handler, "job_data": {"seconds": 600} if handler == "sleepy" else {}}
    product.load(jobs=[{**job, "trigger": trigger, "policies": policies}])
    scheduler = product.start_scheduler()
    wait_until_running(product)
    began = time.monotonic()
    assert scheduler.terminate() == 0, scheduler.output()
    took = time.monotonic() - began

    assert DRAIN <= took < DRAIN + 10
    assert product.sql(RUN_STATES) == [("queued",)]
    product.start_scheduler()
    wait_until_running(product)
