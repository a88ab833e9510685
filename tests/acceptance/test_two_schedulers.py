"""Several schedulers on one database: none lost, none doubled, whoever dies."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest

from .faults.table import Witness
from .moments import assert_all_gapless
from .product import Product, wait_for

pytestmark = pytest.mark.process

STATES = "SELECT state, count(*) FROM scheduling_jobrun GROUP BY state ORDER BY state"


def check_every_second(product: Product, *, jobs: int, seconds: float) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    product.load(
        jobs=[
            {
                "job_id": f"every-second-{number}",
                "handler": "nothing",
                "trigger": {"type": "interval", "seconds": 1},
                "policies": {"misfire_grace_time": 60},
            }
            for number in range(jobs)
        ]
    )
    first, second = product.start_scheduler(), product.start_scheduler()
    time.sleep(seconds / 2)
    first.kill()
    time.sleep(seconds / 2)
    assert second.process.poll() is None, second.output()
    assert second.terminate() == 0, second.output()

    assert_all_gapless(
        product,
        (f"every-second-{number}" for number in range(jobs)),
        interval=timedelta(seconds=1),
        at_least=int(seconds) - 5,
    )


@pytest.mark.only_on("PostgreSQL")
def test_two_schedulers_fire_every_second_once_though_one_is_killed(product: Product) -> None:
    check_every_second(product, jobs=100, seconds=12)


@pytest.mark.soak
@pytest.mark.fault(5, "two schedulers, one killed", "each moment of each job has one row, whoever ticked")
def test_two_schedulers_fire_every_second_once_for_ten_minutes(product: Product, witness: Witness) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    jobs = 200
    witness.did(f"{jobs} jobs a second for {seconds:g} s; one of the two killed half-way")
    check_every_second(product, jobs=jobs, seconds=seconds)
    states = ", ".join(f"{count} {state}" for state, count in product.sql(STATES))
    twice = product.one("SELECT count(*) FROM scheduling_jobrun WHERE claim > 1 + recoveries")
    recovered = product.one("SELECT count(*) FROM scheduling_jobrun WHERE recoveries > 0")
    witness.saw(f"no gap, none doubled: {states}; {recovered} taken back from the dead, {twice} claimed twice")
    assert twice == 0


def test_a_dead_process_on_this_host_is_seen_lost_at_once(product: Product) -> None:
    first = product.start_scheduler()
    second = product.start_scheduler()
    first.kill()
    wait_for(
        lambda: product.sql("SELECT 1 FROM scheduling_process WHERE pid = ? AND state = 'lost'", [first.pid]),
        seconds=12,
        what="the dead process marked lost",
    )
    assert second.process.poll() is None
