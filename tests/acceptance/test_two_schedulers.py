"""Several schedulers on one database: none lost, none doubled, whoever dies."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from .product import Product, wait_for

pytestmark = pytest.mark.process

JOBS = 200


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(moment, datetime)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _covered(row: tuple[object, ...]) -> list[datetime]:
    """The whole-second moments that one row accounts for."""
    scheduled, missed_count, coalesced_count, coalesced_from = row
    moments = [_moment(scheduled)]
    if isinstance(missed_count, int) and missed_count > 1:
        moments += [moments[0] + timedelta(seconds=n) for n in range(1, missed_count)]
    if coalesced_count and coalesced_from is not None:
        first = _moment(coalesced_from)
        assert isinstance(coalesced_count, int)
        moments += [first + timedelta(seconds=n) for n in range(coalesced_count)]
    return moments


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
        rows = product.sql(
            "SELECT scheduled_time, missed_count, coalesced_count, coalesced_from FROM scheduling_jobrun "
            "WHERE job_key = ? AND cause = 'schedule' ORDER BY scheduled_time",
            [f"every-second-{number}"],
        )
        moments = sorted(moment for row in rows for moment in _covered(row))
        gaps = {(later - earlier).total_seconds() for earlier, later in zip(moments, moments[1:], strict=False)}
        assert gaps == {1.0}, f"every-second-{number}: gaps {gaps} among {len(moments)} moments"
        assert len(moments) >= seconds - 5


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
