"""Somebody holds the database's write lock, or one due row, for long."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.acceptance.moments import assert_all_gapless
from tests.acceptance.product import Product, wait_for
from tests.acceptance.test_locked_database import whole_database_locked

from .outages import EACH_SECOND, SECOND, Bounds, live_through
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.soak]

HELD = 60


@pytest.mark.fault(
    3, "write lock", "nobody ends or is declared lost; firing again within 5 s of the release; each moment has its row"
)
@pytest.mark.parametrize("seconds", [10, 20, 60])
def test_a_database_that_is_locked_is_waited_for(faulty: Product, witness: Witness, seconds: int) -> None:
    what = "the write lock" if faulty.database_url.startswith("sqlite") else "an exclusive lock on three tables"
    witness.did(f"{what} held for {seconds} s under two schedulers, 20 jobs a second, one run in flight")
    live_through(faulty, whole_database_locked(faulty), Bounds(seconds=seconds), witness)


@pytest.mark.only_on("PostgreSQL")
@pytest.mark.fault(
    12,
    "a due row held for 60 s",
    "no spin; the others fire on time; it fires after the release, each moment accounted for",
)
def test_a_due_row_that_is_held_for_a_minute_makes_no_spin(faulty: Product, witness: Witness) -> None:
    jobs = ["held", *(f"free-{number}" for number in range(20))]
    faulty.load(jobs=[{"job_id": job_id, "handler": "nothing", "trigger": EACH_SECOND} for job_id in jobs])
    commits = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    faulty.start_scheduler()
    wait_for(lambda: faulty.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'held'"), what="the first firings")
    with psycopg.connect(faulty.database_url) as postgres:
        postgres.execute("SELECT 1 FROM django_apscheduler_djangojob WHERE id = 'held' FOR UPDATE")
        began, before = time.monotonic(), int(str(faulty.one(commits)))
        held_at = faulty.one("SELECT max(id) FROM scheduling_jobrun")
        time.sleep(HELD)
        rate = (int(str(faulty.one(commits))) - before) / (time.monotonic() - began)
        [(late, fired)] = faulty.sql(
            "SELECT max(extract(epoch FROM queued_at - scheduled_time)), count(*) FROM scheduling_jobrun "
            "WHERE job_key LIKE 'free-%' AND id > ?",
            [held_at],
        )
        assert faulty.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'held' AND id > ?", [held_at]) == []
        postgres.rollback()
    released = time.monotonic()
    wait_for(
        lambda: faulty.sql("SELECT 1 FROM scheduling_jobrun WHERE job_key = 'held' AND id > ?", [held_at]),
        what="the held job's firing",
    )
    after = time.monotonic() - released
    time.sleep(2)
    assert_all_gapless(faulty, jobs, interval=SECOND, at_least=HELD)
    witness.did(f"one of 21 rows that are due each second locked for {HELD} s")
    witness.saw(
        f"{rate:.0f} transactions a second in all; {fired} firings of the others, the latest {float(str(late)):.2f} s "
        f"late; the held one fired {after:.1f} s after the release"
    )
    # 20 runs a second with their claims and ends are most of them
    assert rate < 150
    assert float(str(late)) < 1.5
    assert after < 3
