"""`manage.py crawl`: ended by a signal, killed, and where the spider is busy."""

from __future__ import annotations

import signal

import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import quotes_spider

from .crawls import RUN_STATES, TASK_STATES, assert_shop_is_exact, load_shop, stored_pages, wait_for_pages
from .product import Product, wait_for

pytestmark = [pytest.mark.process, pytest.mark.corpora, pytest.mark.any_database]

COMMANDS = "SELECT state FROM scheduling_process WHERE kind = 'command' ORDER BY id"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_cancels_run_and_task(product: Product, number: int) -> None:
    corpus("shop")
    with serve_in_thread(SiteServer.of_corpus("shop", delay=0.1)) as url:
        load_shop(product, url, scheduled=False)
        crawl = product.start("crawl", "shop")
        wait_for_pages(product)
        crawl.signal(number)
        assert crawl.process.wait(timeout=15) == 1, crawl.output()

    assert "Cancelled in " in crawl.output()
    assert "Traceback" not in crawl.output()
    assert product.sql(RUN_STATES) == product.sql(TASK_STATES) == [("cancelled",)]
    assert product.sql(COMMANDS) == [("stopped",)]


def test_a_live_scheduler_takes_over_what_was_killed(product: Product) -> None:
    corpus("shop")
    with serve_in_thread(SiteServer.of_corpus("shop", delay=0.02)) as url:
        load_shop(product, url, scheduled=False)
        product.start_scheduler()
        crawl = product.start("crawl", "shop")
        wait_for_pages(product)
        crawl.kill()
        assert stored_pages(product) < 1159, "killed too late to show anything"
        assert_shop_is_exact(product)

    assert product.sql(COMMANDS) == [("lost",)]
    assert product.one("SELECT claim FROM scheduling_jobrun") == 2


def test_a_busy_spider_is_refused_or_waited_for(product: Product) -> None:
    corpus("quotes")
    with serve_in_thread(SiteServer.of_corpus("quotes", delay=0.8)) as url:
        product.load(spiders=[quotes_spider(url)])
        first = product.start("crawl", "quotes")
        wait_for(lambda: product.sql(RUN_STATES) == [("running",)], what="the first crawl")
        run_id = product.one("SELECT id FROM scheduling_jobrun")
        refused = product.manage("crawl", "quotes", check=False)
        waiting = product.start("crawl", "quotes", "--wait")
        interrupted = product.start("crawl", "quotes", "--wait")
        wait_for(lambda: len(product.sql(COMMANDS)) == 4, what="those who wait")
        interrupted.signal(signal.SIGINT)
        assert interrupted.process.wait(timeout=15) == 1
        assert first.process.wait(timeout=60) == 0, first.output()
        assert waiting.process.wait(timeout=60) == 0, waiting.output()

    assert refused.returncode == 1
    assert f"run #{run_id}" in refused.stderr
    assert "Interrupted before it began" in interrupted.output()
    assert "Traceback" not in refused.stderr + interrupted.output()
    times = product.sql("SELECT state, started_at, finished_at FROM scheduling_jobrun ORDER BY id")
    assert [state for state, _started, _finished in times] == ["succeeded", "succeeded"]
    assert str(times[1][1]) >= str(times[0][2])
