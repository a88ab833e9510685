"""`runscheduler --processes 2` at work: crawls spread over the processes, and outlive one of them."""

from __future__ import annotations

from contextlib import ExitStack

import psutil
import pytest

from tests.servers.numbered import NumberedSite
from tests.servers.serving import serve_in_thread

from .product import Product, Row, wait_for

pytestmark = [pytest.mark.process, pytest.mark.any_database]

PAGES = 400
DELAY = 0.03
"""Seconds between two pages of a crawl: long enough for everything that happens to it."""
OWNERS = (
    "SELECT r.job_key, p.pid FROM scheduling_jobrun r JOIN scheduling_process p ON p.id = r.owner_id "
    "WHERE r.state = 'running' ORDER BY r.job_key"
)
DONE = "SELECT count(*) FROM crawler_page WHERE state = 'done'"


def load(product: Product, sites: dict[str, str]) -> None:
    """A spider for each site, and a job that crawls it once, at once."""
    product.environment |= {
        "CRAWLER_ALLOWED_NETWORKS": "127.0.0.1/32",
        "CRAWLER_CHECKPOINT_PAGES": "20",
        "CRAWLER_CHECKPOINT_SECONDS": "0.2",
    }
    spiders = [
        {
            "name": name,
            "start_urls": [f"{url}/p/0"],
            "follow": [{"css": "a[href]"}],
            "manners": {"delay": DELAY, "obey_robots": False},
        }
        for name, url in sites.items()
    ]
    jobs = [
        {
            "job_id": name,
            "handler": "crawl",
            "job_data": {"type": "spider", "target": name},
            "trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"},
            "policies": {"misfire_grace_time": None},
        }
        for name in sites
    ]
    product.load(spiders=spiders, jobs=jobs)


def test_two_crawls_take_two_processes_and_outlive_one_of_them(product: Product) -> None:
    with ExitStack() as stack:
        sites = {name: NumberedSite(PAGES) for name in ("left", "right")}
        load(product, {name: stack.enter_context(serve_in_thread(site)) for name, site in sites.items()})
        first = product.start("runscheduler", "--processes", "2")

        def spread() -> list[Row]:
            owners = product.sql(OWNERS)
            return owners if len({pid for _run, pid in owners}) == 2 else []

        owners = wait_for(spread, what="two crawls in two processes")
        [second] = [int(str(pid)) for _run, pid in owners if pid != first.pid]
        wait_for(lambda: int(str(product.one(DONE))) > 60, what="pages of both")
        psutil.Process(second).kill()

        def states() -> list[Row]:
            return product.sql("SELECT state, recoveries FROM scheduling_jobrun ORDER BY recoveries")

        def another() -> set[object]:
            return {pid for _id, pid in product.alive()} - {first.pid, second}

        wait_for(another, what="another second process")
        wait_for(lambda: [state for state, _ in states()] == ["succeeded"] * 2, seconds=60, what="the crawls' ends")
        [third] = [int(str(pid)) for pid in another()]
        assert f"Process {second} ended by SIGKILL; another one is started in 1 s" in first.output()
        status = product.manage("schedulerstatus").stdout
        assert f"scheduler {first.pid} " in status
        assert f"scheduler {third} " in status
        assert first.terminate() == 0, first.output()
        assert not psutil.pid_exists(third)
        assert product.one(DONE) == 2 * PAGES
        for site in sites.values():
            counts = site.counts()
            assert counts["distinct"] == PAGES
            # What the killed process had fetched and not stored.
            assert counts["repeated"] <= 60
