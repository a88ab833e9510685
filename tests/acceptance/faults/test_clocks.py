"""The wall clock is set while schedulers run, and runs through the nights in which the clocks change."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from tests.acceptance.moments import assert_all_gapless, moment, stored
from tests.acceptance.product import Product, Running, wait_for
from tests.nights import NIGHTS, Night, triggers

from .clocks import Clock
from .outages import JOBS, LOST, NEWEST, SECOND, assert_alive, load_jobs
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.soak]

SPEED = 120
NOTICED_WITHIN = 3.0
"""Seconds: the timer's second, and the asking."""
ROWS = "SELECT count(*), max(queued_at) FROM scheduling_jobrun WHERE job_key LIKE 'second-%'"
NEWER = (
    "SELECT min(queued_at), count(*) FROM scheduling_jobrun WHERE job_key LIKE 'second-%' AND id > ? AND queued_at > ?"
)
NEWEST_ID = "SELECT max(id) FROM scheduling_jobrun"


def start_two(product: Product) -> list[Running]:
    load_jobs(product)
    schedulers = [product.start_scheduler(), product.start_scheduler()]
    wait_for(lambda: product.one(NEWEST), what="the first firings")
    time.sleep(3)
    return schedulers


def busy(schedulers: list[Running], seconds: float) -> float:
    """The share of a processor that they use for so long."""
    processes = [psutil.Process(scheduler.pid) for scheduler in schedulers]
    before = sum(sum(process.cpu_times()[:2]) for process in processes)
    time.sleep(seconds)
    return (sum(sum(process.cpu_times()[:2]) for process in processes) - before) / seconds


@pytest.mark.fault(
    10,
    "clock +1 h",
    "seen within a second; no storm: what was skipped is one missed row a job but for its grace of 30 s; nobody lost",
)
def test_a_clock_set_forward_makes_no_storm(faulty: Product, witness: Witness) -> None:
    clock = Clock(faulty)
    schedulers = start_two(faulty)
    newest = faulty.one(NEWEST_ID)
    clock.step(hours=1)
    real = datetime.now(UTC)
    far = "SELECT count(*) FROM scheduling_jobrun WHERE job_key LIKE 'second-%' AND state = 'missed' AND id > ?"
    wait_for(lambda: faulty.one(far, [newest]) == len(JOBS), seconds=20, what="the rows of the missed hour")
    load = busy(schedulers, 20)
    assert_alive(schedulers)
    lost = faulty.one(LOST)
    assert [scheduler.terminate() for scheduler in schedulers] == [0, 0]

    total = assert_all_gapless(faulty, JOBS, interval=SECOND, at_least=3600)
    [(first, rows)] = faulty.sql(NEWER, [newest, stored(faulty, real + timedelta(minutes=59))])
    noticed = (moment(first) - real - timedelta(hours=1)).total_seconds()
    assert moment(faulty.sql(ROWS)[0][1]) > real + timedelta(minutes=59), "the clock was not set"
    witness.did(f"set forward by an hour under two schedulers, {len(JOBS)} jobs a second")
    witness.saw(
        f"seen in {noticed:.1f} s; {rows} rows in 20 s account for {total} moments, each once; "
        f"{load:.0%} of a processor; {lost} processes taken for lost"
    )
    assert lost == 0
    assert noticed < NOTICED_WITHIN
    assert int(str(rows)) < len(JOBS) * (30 + 30)


@pytest.mark.fault(
    10,
    "clock -1 h",
    "no moment is repeated; what is new fires; nobody lost, no spin; set right again, all goes on within a second",
)
def test_a_clock_set_back_repeats_nothing(faulty: Product, witness: Witness) -> None:
    clock = Clock(faulty)
    schedulers = start_two(faulty)
    usual = busy(schedulers, 5)
    clock.step(hours=-1)
    stepped = time.monotonic()
    faulty.load(jobs=[{"job_id": "new", "handler": "nothing", "trigger": {"type": "interval", "seconds": 1}}])
    fired = "SELECT count(*) FROM scheduling_jobrun WHERE job_key = 'new' AND state = 'succeeded'"
    wait_for(lambda: int(str(faulty.one(fired))) >= 3, seconds=20, what="firings of a job made after the step")
    new = time.monotonic() - stepped
    before = faulty.sql(ROWS)
    load = busy(schedulers, 20)
    during = faulty.sql(ROWS)
    clock.step(hours=0)
    back = time.monotonic()
    wait_for(lambda: faulty.sql(ROWS) != during, seconds=20, what="firings after the clock was right again")
    again = time.monotonic() - back
    time.sleep(3)
    assert_alive(schedulers)
    lost = faulty.one(LOST)
    assert [scheduler.terminate() for scheduler in schedulers] == [0, 0]

    total = assert_all_gapless(faulty, JOBS, interval=SECOND, at_least=10)
    witness.did(f"set back by an hour for 25 s under two schedulers, {len(JOBS)} jobs a second, then right again")
    witness.saw(
        f"no row more of the old jobs in the repeated time; a new job fired three times within {new:.1f} s; "
        f"right again: firing in {again:.1f} s; {total} moments, each once; "
        f"{load:.0%} of a processor, {usual:.0%} before; {lost} processes taken for lost"
    )
    assert before == during, "moments that had fired were planned again"
    assert lost == 0
    assert again < NOTICED_WITHIN
    assert load < usual + 0.5


@pytest.mark.fault(11, "both clock changes", "each line fires in the night as the rule says, each moment once")
@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: night.name)
def test_lines_fire_through_the_night_as_the_rule_says(faulty: Product, witness: Witness, night: Night) -> None:
    clock = Clock(faulty)
    clock.run_from(night.begin - timedelta(minutes=2), speed=1)
    faulty.load(
        jobs=[
            {
                "job_id": name,
                "handler": "nothing",
                "trigger": trigger,
                # A second of the test is two minutes of the night.
                "policies": {"misfire_grace_time": None, "overlap": "wait"},
            }
            for name, trigger in triggers(night).items()
        ]
    )
    clock.run_from(night.begin - timedelta(minutes=2), speed=SPEED)
    faulty.start_scheduler()
    length = (night.end - night.begin).total_seconds() / SPEED
    over = "SELECT count(*) FROM scheduling_jobrun WHERE job_key = 'steps' AND scheduled_time >= ?"
    end = night.end.strftime("%Y-%m-%d %H:%M:%S") if faulty.database_url.startswith("sqlite") else night.end
    wait_for(lambda: faulty.one(over, [end]), seconds=length + 60, what="the night's end")

    for name, expected in night.firings.items():
        rows = faulty.sql(
            "SELECT scheduled_time FROM scheduling_jobrun WHERE job_key = ? AND state <> 'missed'", [name]
        )
        fired = sorted(moment(value) for (value,) in rows)
        assert [one for one in fired if night.begin <= one < night.end] == expected, name
    witness.did(f"the night of {night.name} in Berlin lived through at {SPEED} times the speed, five jobs")
    counts = ", ".join(f"{name} {len(expected)}" for name, expected in night.firings.items())
    witness.saw(f"firings as expected: {counts}")
