"""A thousand at once with slow handlers; processes that are told to end while they work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.moments import assert_all_gapless, moment, set_due
from tests.acceptance.product import Product, Running, wait_for
from tests.acceptance.test_locked_database import whole_database_locked

from .outages import EACH_SECOND, SECOND, by_name
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.soak]

AT_ONCE = 1_000
SLOTS = 3
ACTIVE = "SELECT count(*) FROM scheduling_jobrun WHERE state IN ('queued', 'running')"


@pytest.mark.fault(13, "1,000 at once, slow handlers", "none missed or skipped, each run once")
def test_a_thousand_at_one_instant_all_run(faulty: Product, witness: Witness) -> None:
    schedulers = [faulty.start_scheduler(), faulty.start_scheduler()]
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=45)
    slow: dict[str, object] = {
        "handler": "sleepy",
        "job_data": {"seconds": 0.1},
        "trigger": {"type": "date", "run_date": at.isoformat()},
    }
    faulty.load(jobs=[slow | {"job_id": f"at-once-{number}"} for number in range(AT_ONCE)])
    assert datetime.now(UTC) < at, "saved too late to show anything"
    states = "SELECT state, claim, count(*) FROM scheduling_jobrun WHERE job_key LIKE 'at-once-%' GROUP BY state, claim"
    wait_for(lambda: faulty.sql(states) == [("succeeded", 1, AT_ONCE)], seconds=240, what="all thousand")
    took = (datetime.now(UTC) - at).total_seconds()
    queued = [moment(value) for (value,) in faulty.sql("SELECT max(queued_at) FROM scheduling_jobrun")]
    assert [scheduler.terminate() for scheduler in schedulers] == [0, 0]
    witness.did(f"{AT_ONCE} jobs at one instant, handlers of 0.1 s, two schedulers of four places")
    late = (queued[0] - at).total_seconds()
    witness.saw(f"all queued {late:.2f} s after the instant, all run once within {took:.0f} s")


@pytest.mark.fault(13, "max_instances under load", "never more than its slots at once; each run once")
def test_slots_hold_under_many_claimers(faulty: Product, witness: Witness) -> None:
    faulty.environment["SCHEDULER_MAX_WORKERS"] = "8"
    trigger = {**EACH_SECOND, "end": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
    policies = {"misfire_grace_time": None, "overlap": "wait", "max_instances": SLOTS}
    # What the handlers say: the rows' times are those of asking, before a lock is waited for.
    note = faulty.folder / "spans.txt"
    job = {"job_id": "slots", "handler": "sleepy", "job_data": {"seconds": 0.05, "note": str(note)}, "trigger": trigger}
    faulty.load(jobs=[job | {"policies": policies}])
    set_due(faulty, datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=AT_ONCE - 1), "slots")
    schedulers = [faulty.start_scheduler() for _ in range(4)]
    done = "SELECT count(*) FROM scheduling_jobrun WHERE job_key = 'slots' AND state = 'succeeded'"
    wait_for(lambda: int(str(faulty.one(done))) >= AT_ONCE - 10, seconds=300, what="all runs")
    wait_for(lambda: faulty.one(ACTIVE) == 0, seconds=30, what="the last run")
    assert [scheduler.terminate() for scheduler in schedulers] == [0] * len(schedulers)
    spans = [json.loads(line) for line in note.read_text().splitlines()]
    most = max(sum(began <= at < ended for began, ended in spans) for at, _ended in spans)
    assert len(spans) == faulty.one(done)
    outputs = "".join(scheduler.output() for scheduler in schedulers)
    witness.did(f"a job of {SLOTS} slots with {len(spans)} runs of 0.05 s waiting, four processes of eight places")
    refused = outputs.count("Run not claimed now")
    witness.saw(f"never more than {most} handlers at once; {refused} claims refused by a constraint")
    assert most <= SLOTS
    assert outputs.count("Traceback") == 0


@pytest.mark.fault(14, "SIGTERM with running handlers", "exit code 0 within the limit; what is left goes on elsewhere")
def test_rolling_restarts_lose_nothing(faulty: Product, witness: Witness) -> None:
    faulty.environment["SCHEDULER_DRAIN_SECONDS"] = "2"
    jobs = [f"rolling-{number}" for number in range(12)]
    every: dict[str, object] = {"handler": "sleepy", "job_data": {"seconds": 0.5}, "trigger": EACH_SECOND}
    endless: dict[str, object] = {
        "handler": "sleepy",
        "job_data": {"seconds": 25},
        "trigger": {"type": "date", "run_date": "2026-01-01"},
    }
    faulty.load(jobs=[every | {"job_id": job_id} for job_id in jobs])
    faulty.load(jobs=[endless | {"job_id": "long"} | {"policies": {"misfire_grace_time": None}}])
    schedulers = [faulty.start_scheduler() for _ in range(3)]
    codes, longest = [], 0.0
    for number in range(9):
        time.sleep(1.5)
        began = time.monotonic()
        codes.append(schedulers[number % 3].terminate())
        longest = max(longest, time.monotonic() - began)
        schedulers[number % 3] = faulty.start_scheduler()
    wait_for(
        lambda: faulty.sql("SELECT state FROM scheduling_jobrun WHERE job_key = 'long'") == [("succeeded",)],
        seconds=90,
        what="the long run's end",
    )
    codes += [scheduler.terminate() for scheduler in schedulers]
    total = assert_all_gapless(faulty, jobs, interval=SECOND, at_least=20)
    [(claims, recoveries)] = faulty.sql("SELECT claim, recoveries FROM scheduling_jobrun WHERE job_key = 'long'")
    failed = faulty.one("SELECT count(*) FROM scheduling_jobrun WHERE state IN ('failed', 'cancelled')")
    processes = by_name(faulty.sql("SELECT state, count(*) FROM scheduling_process GROUP BY state"))
    witness.did("nine rolling restarts of three schedulers (drain limit 2 s) under a job of 25 s and twelve of 0.5 s")
    witness.saw(
        f"exit codes {sorted(set(codes))}, the slowest end {longest:.1f} s; the long run handed on "
        f"{int(str(claims)) - 1} times; {total} moments, each once; {failed} failed; processes: {processes}"
    )
    assert set(codes) == {0}
    assert (recoveries, failed) == (0, 0)
    assert set(processes) == {"stopped"}
    assert longest < 12


@contextmanager
def locked(product: Product) -> Iterator[None]:
    with whole_database_locked(product):
        yield


@pytest.mark.fault(
    14, "SIGTERM, database away", "it ends within a minute of its limit, saying so; what it held goes on elsewhere"
)
def test_a_process_ends_though_the_database_does_not_answer(faulty: Product, witness: Witness) -> None:
    faulty.environment["SCHEDULER_DRAIN_SECONDS"] = "2"
    once = {"type": "date", "run_date": "2026-01-01T00:00:00"}
    job = {"job_id": "held", "handler": "sleepy", "job_data": {"seconds": 3}, "trigger": once}
    faulty.load(jobs=[job | {"policies": {"misfire_grace_time": None}}])
    scheduler = faulty.start_scheduler()
    running = "SELECT state FROM scheduling_jobrun WHERE job_key = 'held'"
    wait_for(lambda: faulty.sql(running) == [("running",)], what="the run")
    with locked(faulty):
        began = time.monotonic()
        code = ended(scheduler, seconds=150)
        took = time.monotonic() - began
    other = faulty.start_scheduler()
    wait_for(lambda: faulty.sql(running) == [("succeeded",)], seconds=60, what="the run's end elsewhere")
    assert other.terminate() == 0
    witness.did("the whole database locked, then SIGTERM to a scheduler with a running handler")
    witness.saw(f"ended after {took:.0f} s with code {code}; the run ended in another process")
    assert code == 1
    assert "does not answer" in scheduler.output()
    assert took < 75


def ended(scheduler: Running, *, seconds: float) -> int | None:
    try:
        return scheduler.terminate(seconds=seconds)
    except TimeoutError:
        return None
