"""Several schedulers on one database: none lost, none doubled, whoever dies."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from .moments import assert_gapless
from .product import Product, wait_for

pytestmark = pytest.mark.process

JOBS = 200


def check_every_second(product: Product, *, seconds: float) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    product.load(
        jobs=[
            {
                "job_id": f"every-second-{number}",
                "handler": "nothing",
                "trigger": {"type": "interval", "seconds": 1},
                "policies": {"misfire_grace_time": 60},
            }
            for number in range(JOBS)
        ]
    )
    first, second = product.start_scheduler(), product.start_scheduler()
    time.sleep(seconds / 2)
    first.kill()
    time.sleep(seconds / 2)
    assert second.process.poll() is None, second.output()
    assert second.terminate() == 0, second.output()

    for number in range(JOBS):
        assert_gapless(product, f"every-second-{number}", interval=timedelta(seconds=1), at_least=int(seconds) - 5)


def test_two_schedulers_fire_every_second_once_though_one_is_killed(product: Product) -> None:
    check_every_second(product, seconds=20)


@pytest.mark.soak
def test_two_schedulers_fire_every_second_once_for_a_minute(product: Product) -> None:
    check_every_second(product, seconds=60)


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
