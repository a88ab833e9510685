"""What schedulers must be like after something that they need was away for a while."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from tests.acceptance.moments import assert_all_gapless
from tests.acceptance.product import Product, Row, Running, wait_for

from .table import Witness

SECOND = timedelta(seconds=1)
EACH_SECOND = {"type": "interval", "seconds": 1, "start": "2026-01-01T00:00:00+00:00"}
JOBS = [f"second-{number}" for number in range(20)]
NEWEST = "SELECT max(scheduled_time) FROM scheduling_jobrun WHERE job_key LIKE 'second-%' AND state = 'succeeded'"
STATES = "SELECT state, count(*) FROM scheduling_jobrun GROUP BY state"
WAITING = "SELECT count(*) FROM scheduling_jobrun WHERE id <= ? AND state IN ('queued', 'running')"
LOST = "SELECT count(*) FROM scheduling_process WHERE state = 'lost'"
SLOW = "SELECT state, claim, recoveries, retry_count, message FROM scheduling_jobrun WHERE job_key = 'slow'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    seconds: float
    """How long it is away."""
    back_within: float = 5.0
    """Seconds from its return to the first firing."""
    says: str = ""
    """What stands in the schedulers' logs."""


def load_jobs(product: Product) -> None:
    product.load(jobs=[{"job_id": job_id, "handler": "nothing", "trigger": EACH_SECOND} for job_id in JOBS])


def load_slow_run(product: Product, *, seconds: float) -> None:
    """One run that ends after so many seconds."""
    once = {"type": "date", "run_date": "2026-01-01T00:00:00"}
    job = {"job_id": "slow", "handler": "sleepy", "job_data": {"seconds": seconds}, "trigger": once}
    product.load(jobs=[job | {"policies": {"misfire_grace_time": None}}])
    wait_for(lambda: [row[0] for row in product.sql(SLOW)] == ["running"], what="the slow run")


def live_through(product: Product, outage: AbstractContextManager[None], bounds: Bounds, witness: Witness) -> None:
    """Two schedulers fire 20 jobs a second; during the outage a run ends. Nothing is lost, doubled or given up."""
    load_jobs(product)
    schedulers = [product.start_scheduler(), product.start_scheduler()]
    wait_for(lambda: product.one(NEWEST), what="the first firings")
    load_slow_run(product, seconds=bounds.seconds / 2)
    with outage:
        time.sleep(bounds.seconds)
    back = time.monotonic()
    before = product.one(NEWEST)
    wait_for(lambda: product.one(NEWEST) != before, seconds=90, what="firings afterwards")
    took = time.monotonic() - back
    wait_for(lambda: [row[0] for row in product.sql(SLOW)] == ["succeeded"], seconds=60, what="the slow run's end")
    newest = product.one("SELECT max(id) FROM scheduling_jobrun")
    wait_for(lambda: product.one(WAITING, [newest]) == 0, seconds=90, what="the end of what was caught up")
    assert_alive(schedulers)
    slow, lost = product.sql(SLOW), product.one(LOST)
    assert [scheduler.terminate() for scheduler in schedulers] == [0, 0]

    total = assert_all_gapless(product, JOBS, interval=SECOND, at_least=int(bounds.seconds))
    states = by_name(product.sql(STATES))
    rows = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    witness.saw(f"firing again {took:.1f} s afterwards; {total} moments, each once ({rows})")
    assert lost == 0
    assert slow == [("succeeded", 1, 0, 0, f"slept {bounds.seconds / 2} s")]
    assert set(states) <= {"succeeded", "skipped", "missed", "queued"}, states
    assert bounds.says in schedulers[0].output() + schedulers[1].output()
    assert took < bounds.back_within


def by_name(rows: Iterable[Row]) -> dict[str, object]:
    """Rows of two columns as a mapping."""
    return {str(name): value for name, value in rows}


def assert_alive(schedulers: list[Running]) -> None:
    for scheduler in schedulers:
        assert scheduler.process.poll() is None, scheduler.output()[-3000:]
