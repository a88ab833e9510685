"""kill -9 at any moment of a tick, and between its commit and whoever executes what it queued."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.moments import assert_all_gapless, set_due
from tests.acceptance.product import Product, wait_for

from .outages import EACH_SECOND, by_name
from .sabotaging import sabotaged, wait_for_death, wait_for_kill
from .table import Witness

pytestmark = pytest.mark.process

JOBS, MOMENTS = 5_000, 4
ROWS = JOBS * MOMENTS
EVERY = timedelta(days=1)
FIRINGS = "SELECT count(*), count(DISTINCT job_id) FROM scheduling_jobrun WHERE job_key LIKE 'due-%'"
PLANNED = (
    "SELECT count(*), count(CASE WHEN next_run_time <= CURRENT_TIMESTAMP THEN 1 END), count(DISTINCT next_run_time) "
    "FROM django_apscheduler_djangojob WHERE id LIKE 'due-%'"
)


class Cohort:
    """5,000 jobs of which four moments each are due: 20,000 rows, which one tick takes on."""

    def __init__(self, product: Product) -> None:
        self.product = product
        # Half a day from the next moment, so that no more becomes due in the meantime.
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30, hours=12)
        self.due = start + (30 - MOMENTS + 1) * EVERY
        product.load(
            jobs=[
                {
                    "job_id": f"due-{number}",
                    "handler": "nothing",
                    "trigger": {"type": "interval", "days": 1, "start": start.isoformat()},
                    "policies": {"misfire_grace_time": None},
                }
                for number in range(JOBS)
            ]
        )

    def restore(self) -> None:
        self.product.sql("DELETE FROM scheduling_jobrun WHERE job_key LIKE 'due-%'")
        set_due(self.product, self.due, "due-%")

    def is_done(self) -> bool:
        """Whether the tick is there as a whole; it must be nothing else than wholly there or wholly absent."""
        [(rows, jobs)] = self.product.sql(FIRINGS)
        planned = self.product.sql(PLANNED)
        assert (rows, jobs) in [(0, 0), (ROWS, JOBS)], f"half of a tick: {rows} rows of {jobs} jobs"
        assert planned == [(JOBS, 0 if rows else JOBS, 1)], f"{rows} rows, and times that do not belong to them"
        return bool(rows)

    def assert_exact(self) -> None:
        found = assert_all_gapless(
            self.product, (f"due-{number}" for number in range(JOBS)), interval=EVERY, at_least=MOMENTS
        )
        assert found == ROWS


@pytest.mark.soak
@pytest.mark.fault(
    1, "kill -9 in a tick", "each tick is there as a whole or not at all; the next start does what is missing, once"
)
def test_a_tick_of_20000_rows_is_killed_at_random_points(faulty: Product, witness: Witness) -> None:
    kills = int(os.environ.get("SOAK_KILLS", "100"))
    seed = int(os.environ.get("SOAK_SEED", "4"))
    chance = random.Random(seed)
    cohort = Cohort(faulty)
    cohort.restore()
    whole = wait_for_kill(faulty, sabotaged(faulty, "committed"), "committed")
    assert cohort.is_done()
    statements, milliseconds = int(str(whole["statement"])), float(str(whole["ms"]))
    inside = in_time = done = 0
    for number in range(kills):
        if number % 2:
            plan = f"after:{chance.uniform(0, 1.1 * milliseconds):.1f}"
        else:
            plan = f"statement:{chance.randint(1, statements)}"
        cohort.restore()
        where = wait_for_kill(faulty, sabotaged(faulty, plan), plan)
        is_done = cohort.is_done()
        print(f"kill {number + 1}: {plan} {where} {'whole' if is_done else 'nothing'}")
        inside += bool(where["inside"])
        in_time += bool(where["inside"]) and plan.startswith("after")
        done += is_done
        if is_done:
            cohort.assert_exact()
    witness.did(
        f"{kills} kills (seed {seed}): half before one of the {statements} statements, half within the "
        f"{milliseconds:.0f} ms of a tick of {ROWS:,} rows"
    )
    assert inside * 2 >= kills, f"only {inside} of {kills} kills hit the transaction"

    cohort.restore()
    scheduler = faulty.start_scheduler()
    wait_for(cohort.is_done, seconds=120, what="the tick after all the kills")
    scheduler.kill()
    cohort.assert_exact()
    witness.saw(
        f"{inside} hit the transaction, {in_time} of them inside a statement or between; {done} ticks whole, "
        f"{kills - done} without a trace; then {ROWS:,} rows, none lost, none doubled"
    )


RECOVERED = "SELECT count(*) FROM scheduling_jobrun WHERE recoveries > 0"


@pytest.mark.only_on("PostgreSQL")
@pytest.mark.fault(
    2, "kill between commit and hand-off", "whoever lives executes what was queued, once, within seconds"
)
@pytest.mark.parametrize("point", ["claimed", pytest.param("committed", marks=pytest.mark.soak)])
def test_what_a_killed_process_queued_is_executed_by_whoever_lives(
    faulty: Product, witness: Witness, point: str
) -> None:
    faulty.load(
        jobs=[{"job_id": f"second-{number}", "handler": "nothing", "trigger": EACH_SECOND} for number in range(20)]
    )
    victim = sabotaged(faulty, point)
    wait_for_kill(faulty, victim, point)
    left = faulty.sql("SELECT id, state FROM scheduling_jobrun WHERE state IN ('queued', 'running')")
    assert left, "nothing was left to hand off"
    other = faulty.start_scheduler()
    query = "SELECT count(*) FROM scheduling_jobrun WHERE id <= ? AND state IN ('queued', 'running')"
    newest = max(int(str(run)) for run, _state in left)
    wait_for(lambda: faulty.one(query, [newest]) == 0, seconds=60, what="the end of what was left")
    # and one that lives already when the other dies
    victim = sabotaged(faulty, point)
    wait_for_death(victim)
    newest = newest_run(faulty)
    wait_for(lambda: faulty.one(query, [newest]) == 0, seconds=60, what="the end of what was left")
    assert other.terminate() == 0, other.output()

    total = assert_all_gapless(
        faulty, (f"second-{number}" for number in range(20)), interval=timedelta(seconds=1), at_least=2
    )
    # What was queued after that may wait for the next start.
    states = by_name(faulty.sql("SELECT state, count(*) FROM scheduling_jobrun WHERE id <= ? GROUP BY state", [newest]))
    assert set(states) <= {"succeeded", "skipped"}, states
    recovered = int(str(faulty.one(RECOVERED)))
    assert recovered or point == "committed"
    twice = faulty.one("SELECT count(*) FROM scheduling_jobrun WHERE claim > 1 + recoveries")
    assert twice == 0
    witness.did(f"killed after the COMMIT of a {'tick' if point == 'committed' else 'claim'}, alone and beside another")
    witness.saw(f"{len(left)} runs left, all executed; {recovered} taken back; {total} moments, each once")


def newest_run(product: Product) -> int:
    return int(str(product.one("SELECT max(id) FROM scheduling_jobrun")))
