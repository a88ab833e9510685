"""Somebody holds a lock: the timer lives, and what was late is accounted for."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from .moments import assert_gapless
from .product import Product, wait_for

pytestmark = pytest.mark.process


@contextmanager
def whole_database_locked(product: Product) -> Iterator[None]:
    """A writer that holds everything that a tick needs."""
    if product.database_url.startswith("sqlite"):
        connection = sqlite3.connect(product.database_url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()
        return
    with psycopg.connect(product.database_url) as postgres:
        postgres.execute(
            "LOCK TABLE django_apscheduler_djangojob, scheduling_jobrun, scheduling_process IN ACCESS EXCLUSIVE MODE"
        )
        yield
        postgres.rollback()


def test_a_database_locked_for_20_seconds_kills_nothing_and_hides_nothing(product: Product) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    product.load(
        jobs=[{"job_id": "tick", "handler": "nothing", "trigger": {"type": "interval", "seconds": 1}}],
    )
    scheduler, other = product.start_scheduler(), product.start_scheduler()
    count = "SELECT count(*) FROM scheduling_jobrun WHERE job_key = 'tick'"
    wait_for(lambda: product.one(count), what="the first firing")
    with whole_database_locked(product):
        time.sleep(20)
    before = product.one(count)
    assert isinstance(before, int)
    wait_for(lambda: int(str(product.one(count))) > before + 3, seconds=30, what="firings after the release")
    assert scheduler.process.poll() is None, scheduler.output()
    assert other.process.poll() is None, other.output()
    assert product.one("SELECT count(*) FROM scheduling_process WHERE state = 'lost'") == 0
    # 20 seconds are within the grace of 30: each second's firing ran, or was skipped for one that was in the way.
    assert_gapless(product, "tick", interval=timedelta(seconds=1), at_least=20)


def test_a_due_row_that_is_held_holds_up_no_other_and_makes_no_spin(product: Product) -> None:
    """PostgreSQL alone has row locks; SQLite's whole-database lock is the test above."""
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    product.load(
        jobs=[
            {"job_id": name, "handler": "nothing", "trigger": {"type": "interval", "seconds": 1}}
            for name in ("held", "free")
        ]
    )
    if product.database_url.startswith("sqlite"):
        product.start_scheduler()
        wait_for(lambda: len(product.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'free'")) > 2, what="firings")
        return
    with psycopg.connect(product.database_url) as postgres:
        postgres.execute("SELECT 1 FROM django_apscheduler_djangojob WHERE id = 'held' FOR UPDATE")
        product.start_scheduler()
        wait_for(
            lambda: len(product.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'free'")) > 5,
            what="firings of the free job",
        )
        commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        before = int(str(product.one(commits)))
        time.sleep(5)
        rate = (int(str(product.one(commits))) - before) / 5
        # Twenty looks a second for edits, the beats, and the free job's runs; a spin makes hundreds.
        assert rate < 120, f"{rate:g} transactions a second"
        assert product.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'held'") == []
        postgres.rollback()
    wait_for(
        lambda: product.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'held'"), what="the held job's firing"
    )


def test_a_job_without_its_handler_is_quarantined_and_the_others_fire(product: Product) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    product.load(
        jobs=[
            {"job_id": name, "handler": "nothing", "trigger": {"type": "interval", "seconds": 1}}
            for name in ("spoilt", "well")
        ]
    )
    product.sql("UPDATE scheduling_scheduledjob SET handler = 'gone' WHERE job_id = 'spoilt'")
    product.start_scheduler()
    wait_for(
        lambda: len(product.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'well' AND state = 'succeeded'")) > 2,
        what="the other job's firings",
    )
    ((problem, state, error),) = product.sql(
        "SELECT j.problem, r.state, r.error FROM scheduling_scheduledjob j JOIN scheduling_jobrun r ON r.job_id = j.id "
        "WHERE j.job_id = 'spoilt' ORDER BY r.id LIMIT 1"
    )
    assert "gone" in str(problem)
    assert state == "failed"
    assert "gone" in str(error)
