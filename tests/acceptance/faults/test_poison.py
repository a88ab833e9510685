"""Definitions that cannot be built, whoever spoilt them."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.moments import assert_all_gapless
from tests.acceptance.product import Product, wait_for

from .outages import EACH_SECOND, JOBS, NEWEST, SECOND, by_name, load_jobs
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.soak]

POISONS = {
    "no-handler": "handler = 'gone'",
    "no-trigger": '"trigger" = \'{"type": "moon"}\'',
    "a-list": "\"trigger\" = '[]'",
    "bad-line": '"trigger" = \'{"type": "cron", "cron": "61 * * * *"}\'',
    "bad-zone": '"trigger" = \'{"type": "cron", "cron": "* * * * *", "timezone": "Mars/Olympus"}\'',
    "bad-data": "handler = 'crawl', job_data = '[1]'",
    "null-data": "handler = 'crawl', job_data = 'null'",
    "endless": '"trigger" = \'{"type": "interval", "seconds": 0}\'',
}


@pytest.mark.fault(
    7,
    "poison definitions",
    "each is set aside with its error, the others fire on time, none is deleted; saving mends it",
)
def test_poison_is_set_aside_and_the_others_fire(faulty: Product, witness: Witness) -> None:
    load_jobs(faulty)
    poison = [{"job_id": job_id, "handler": "nothing", "trigger": EACH_SECOND} for job_id in POISONS]
    faulty.load(jobs=poison)
    for job_id, damage in POISONS.items():
        faulty.sql(f"UPDATE scheduling_scheduledjob SET {damage} WHERE job_id = ?", [job_id])
    before = faulty.one("SELECT count(*) FROM django_apscheduler_djangojob")
    scheduler = faulty.start_scheduler()
    wait_for(lambda: faulty.one(NEWEST), what="the first firings")
    first = faulty.one("SELECT max(id) FROM scheduling_jobrun")
    problems = "SELECT job_id, problem FROM scheduling_scheduledjob WHERE problem <> ''"
    failed = "SELECT DISTINCT job_key FROM scheduling_jobrun WHERE state = 'failed'"
    wait_for(lambda: {job_id for (job_id,) in faulty.sql(failed)} == set(POISONS), what="a failure of each")
    time.sleep(8)
    said = by_name(faulty.sql(problems))
    assert scheduler.process.poll() is None, scheduler.output()[-3000:]
    assert faulty.one("SELECT count(*) FROM django_apscheduler_djangojob") == before
    failures = faulty.one("SELECT count(*) FROM scheduling_jobrun WHERE state = 'failed'")

    faulty.load(jobs=poison)
    well = "SELECT DISTINCT job_key FROM scheduling_jobrun WHERE state = 'succeeded'"
    wait_for(lambda: set(POISONS) <= {job_id for (job_id,) in faulty.sql(well)}, what="firings of what was mended")
    left = faulty.sql(problems)
    assert scheduler.terminate() == 0
    assert_all_gapless(faulty, JOBS, interval=SECOND, at_least=8)
    late = max(lateness(faulty, since=first))
    witness.did(f"{len(POISONS)} kinds of damage done to jobs by SQL, beside {len(JOBS)} whole ones; then saved anew")
    witness.saw(
        f"{len(said)} with their problem, {failures} failed rows; the others at most {late:.1f} s late, no gap; "
        f"{len(POISONS)} mended"
    )
    # A handler that breaks on its data is the run's failure, not the definition's.
    assert set(POISONS) - set(said) <= {"bad-data", "null-data"}
    assert left == []
    assert late < 2


def lateness(product: Product, *, since: object) -> list[float]:
    """Seconds from the moment to the tick that saw it, of the whole jobs' firings after that run."""
    seconds = (
        "(julianday(queued_at) - julianday(scheduled_time)) * 86400"
        if product.database_url.startswith("sqlite")
        else "extract(epoch FROM queued_at - scheduled_time)"
    )
    rows = product.sql(f"SELECT {seconds} FROM scheduling_jobrun WHERE job_key LIKE 'second-%' AND id > ?", [since])
    return [float(str(value)) for (value,) in rows]
