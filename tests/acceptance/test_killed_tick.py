"""kill -9 in the middle of a tick with hundreds of jobs due: no firing lost, none doubled."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from .moments import assert_all_gapless, covered_by_job, moment
from .product import Product, wait_for

pytestmark = pytest.mark.process

EVERY = timedelta(seconds=6)
STATEMENTS = 6
"""Kills are spread over this many, from the one that locks what is due: the tick's own, and some after its commit."""


def kill_ticks(product: Product, *, jobs: int, kills: int) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    product.load(
        jobs=[
            {
                "job_id": f"due-{number}",
                "handler": "nothing",
                # One start for all: they are due in the same instant.
                "trigger": {
                    "type": "interval",
                    "seconds": int(EVERY.total_seconds()),
                    "start": "2026-01-01T00:00:00+00:00",
                },
                "policies": {"misfire_grace_time": None},
            }
            for number in range(jobs)
        ]
    )
    inside = 0
    due = "SELECT count(*) FROM django_apscheduler_djangojob WHERE next_run_time <= CURRENT_TIMESTAMP"
    for number in range(kills):
        wait_for(lambda: int(str(product.one(due))) >= jobs, what=f"{jobs} due jobs")
        where = _killed(product, 1 + number * STATEMENTS // kills)
        inside += json.loads(where)["inside"]
        print(f"kill {number + 1}: {where}")
    assert inside * 3 >= kills, f"only {inside} of {kills} kills hit the transaction"

    product.environment.pop("SABOTAGE")
    scheduler = product.start_scheduler()
    wait_for(lambda: _between_two_ticks(product, jobs), what="a whole tick, and one before it")
    assert scheduler.process.poll() is None, scheduler.output()
    scheduler.kill()
    job_ids = [f"due-{number}" for number in range(jobs)]
    assert_all_gapless(product, job_ids, interval=EVERY, at_least=2)
    moments = covered_by_job(product, interval=EVERY)
    assert len({moments[job_id][-1] for job_id in job_ids}) == 1, "every job is at the same moment"


def _between_two_ticks(product: Product, jobs: int) -> bool:
    """Whether every job has two moments and all wait for the same one.

    Not one job stands for all: those that were loaded before the clock went through a moment have one more. What is due
    within two seconds does not count as waiting, so that no tick begins before the scheduler is stopped.
    """
    planned = product.sql("SELECT DISTINCT next_run_time FROM django_apscheduler_djangojob WHERE id LIKE 'due-%'")
    following = {moment(due) for (due,) in planned}
    if len(following) != 1 or following.pop() < datetime.now(UTC) + timedelta(seconds=2):
        return False
    moments = covered_by_job(product, interval=EVERY)
    return all(len(moments.get(f"due-{number}", [])) >= 2 for number in range(jobs))


def _killed(product: Product, at: int) -> str:
    """Run a scheduler that dies before its nth statement in the control lane; where that was."""
    note = product.folder / "killed.txt"
    note.unlink(missing_ok=True)
    product.environment |= {"SABOTAGE": f"statement:{at}", "SABOTAGE_NOTE": str(note)}
    scheduler = product.start("runscheduler", name="killed")
    try:
        code = scheduler.process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it was not killed at statement {at}:\n{scheduler.output()[-2000:]}") from None
    assert code == -signal.SIGKILL, scheduler.output()
    return note.read_text(encoding="utf-8").strip()


@pytest.mark.any_database
def test_killed_ticks_lose_and_double_nothing(product: Product) -> None:
    kill_ticks(product, jobs=600, kills=5)


@pytest.mark.soak
def test_fifty_killed_ticks_lose_and_double_nothing(product: Product) -> None:
    kill_ticks(product, jobs=2_000, kills=50)
