"""Handlers that fail, and one that blocks the event loop, in a scheduler as users run it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from .moments import moment
from .product import Product, wait_for

pytestmark = [pytest.mark.process, pytest.mark.any_database]

AT_ONCE = {"trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"}}
WITHIN = timedelta(seconds=5)


def test_retry_counts_survive_a_kill(product: Product) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    policies = {"misfire_grace_time": None, "max_retries": 9}
    product.load(jobs=[{"job_id": "fails", "handler": "failing", "policies": policies, **AT_ONCE}])
    retries = "SELECT state, retry_count, claim FROM scheduling_jobrun"

    scheduler = product.start_scheduler()
    wait_for(lambda: product.sql(retries) == [("running", 1, 1)], what="the first retry")
    scheduler.kill()
    product.start_scheduler()

    wait_for(lambda: product.sql(retries) == [("running", 2, 2)], what="the second retry, not the first once more")


def test_a_handler_that_blocks_the_loop_is_named_within_5_seconds_while_it_does(product: Product) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    policies = {"misfire_grace_time": None}
    blocks = {"job_id": "blocks", "handler": "blocking", "job_data": {"seconds": 6}, "policies": policies}
    product.load(jobs=[{**blocks, **AT_ONCE}])
    scheduler = product.start_scheduler()

    [(log, state, started_at, run_id)] = wait_for(
        lambda: product.sql(
            "SELECT l.text, r.state, r.started_at, r.id FROM scheduling_runlog l "
            "JOIN scheduling_jobrun r ON r.id = l.run_id ORDER BY l.seq LIMIT 1"
        ),
        what="the run's log",
    )
    named_at, _, line = str(log).partition(" ")
    assert state == "running", "named while it blocks"
    assert line.startswith("WARNING: This run has blocked the event loop for")
    assert "time.sleep(seconds)" in line
    assert datetime.fromisoformat(named_at) - moment(started_at) < WITHIN
    assert f"by run #{run_id} (handler blocking)" in scheduler.output()
    status = product.manage("schedulerstatus").stdout
    assert "event loop blocked: " in status
    assert f"by run #{run_id} (handler blocking)" in status
