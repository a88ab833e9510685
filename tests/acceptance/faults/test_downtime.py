"""Nobody was there for an hour, or for thirty days."""

from __future__ import annotations

import itertools
import json
import os
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from tests.acceptance.moments import assert_all_gapless, set_due
from tests.acceptance.product import Product, wait_for

from .outages import EACH_SECOND, SECOND
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.soak]

HOUR = 3600
CATCH_UP = 1000
POLICIES: dict[str, dict[str, object]] = {
    "all": {"coalesce": False, "misfire_grace_time": None},
    "all-in-one": {"coalesce": True, "misfire_grace_time": None},
    "late": {"coalesce": False, "misfire_grace_time": 30},
    "late-in-one": {"coalesce": True, "misfire_grace_time": 30},
}
FIRST = (
    "SELECT count(*), sum(coalesce(missed_count, 1)), sum(coalesced_count) FROM scheduling_jobrun "
    "WHERE job_key = ? AND scheduled_time <= ?"
)
OVERDUE = "SELECT count(*) FROM django_apscheduler_djangojob WHERE id LIKE ? AND next_run_time <= ?"


@pytest.mark.fault(
    8,
    "1 h down, a job each second",
    "each moment of the hour has its row; at most 1,000 are caught up, one with coalesce; the rest is one missed row",
)
def test_an_hour_without_a_scheduler_is_accounted_for(faulty: Product, witness: Witness) -> None:
    faulty.load(
        jobs=[
            {"job_id": job_id, "handler": "nothing", "trigger": EACH_SECOND, "policies": policies}
            for job_id, policies in POLICIES.items()
        ]
    )
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=HOUR)
    for job_id in POLICIES:
        set_due(faulty, since, job_id)
    scheduler = faulty.start_scheduler()
    wait_for(lambda: all(len(rows_of(faulty, job_id)) > 1 for job_id in POLICIES), seconds=60, what="the first tick")
    wait_for(lambda: faulty.one(SUCCEEDED) != 0 and is_caught_up(faulty), seconds=120, what="all that was caught up")
    assert scheduler.terminate() == 0, scheduler.output()

    assert_all_gapless(faulty, POLICIES, interval=SECOND, at_least=HOUR)
    rows = {job_id: rows_of(faulty, job_id) for job_id in POLICIES}
    told = []
    for job_id, found in rows.items():
        batch = [row for row in found if row["queued_at"] == found[0]["queued_at"]]
        told.append(
            f"{job_id}: {len(batch)} rows, {sum(row['missed'] for row in batch)} missed, "
            f"{sum(row['coalesced'] for row in batch)} coalesced"
        )
        missed = [row for row in batch if row["missed"]]
        runs = [row for row in batch if not row["missed"]]
        # 3,600 to a few more: the scheduler needs some seconds to start
        moments = sum(row["missed"] + row["coalesced"] for row in batch) + len(runs)
        assert HOUR <= moments <= HOUR + 60
        if job_id == "all":
            assert (len(runs), len(missed)) == (CATCH_UP, 1)
        elif job_id == "all-in-one":
            assert (len(runs), len(missed), runs[0]["coalesced"]) == (1, 0, moments - 1)
        elif job_id == "late":
            assert len(missed) == 1
            assert len(runs) in (30, 31)
        else:
            assert (len(runs), len(missed)) == (1, 1)
            assert runs[0]["coalesced"] in (29, 30)
    witness.did("four jobs a second whose next moment was set back by an hour: coalesce on and off, grace 30 s and any")
    witness.saw("; ".join(told))


SUCCEEDED = "SELECT count(*) FROM scheduling_jobrun WHERE job_key = 'all' AND state = 'succeeded'"


def is_caught_up(product: Product) -> bool:
    return int(str(product.one("SELECT count(*) FROM scheduling_jobrun WHERE state IN ('queued', 'running')"))) < 10


def rows_of(product: Product, job_id: str) -> list[dict[str, int]]:
    rows = product.sql(
        "SELECT queued_at, missed_count, coalesced_count FROM scheduling_jobrun WHERE job_key = ? ORDER BY id", [job_id]
    )
    return [
        {"queued_at": queued_at, "missed": int(str(missed or 0)), "coalesced": int(str(coalesced))}  # type: ignore[dict-item]
        for queued_at, missed, coalesced in rows
    ]


JOBS = 10_000
THE_END = datetime(2026, 11, 1, 3, tzinfo=UTC)
DOWN = timedelta(days=30)
MIDNIGHT = "2026-01-01T00:00:00+00:00"
MISSED: dict[str, tuple[dict[str, object], int]] = {
    # trigger, and how many moments lie in the thirty days
    "minute": ({"type": "interval", "seconds": 60, "start": MIDNIGHT}, 43_200),
    "hour": ({"type": "interval", "hours": 1, "start": MIDNIGHT}, 720),
    "five": ({"type": "cron", "cron": "*/5 * * * *", "timezone": "UTC"}, 8_640),
    "berlin": ({"type": "cron", "cron": "0 * * * *", "timezone": "Europe/Berlin"}, 720),
    "shanghai": ({"type": "cron", "cron": "0 11 * * *", "timezone": "Asia/Shanghai"}, 30),
}
RATIO = 2.0


@pytest.mark.fault(
    9,
    "30 days down, 10,000 jobs",
    "first tick at most twice as long and as large as an ordinary one; the counts of what was missed right",
)
def test_thirty_days_without_a_scheduler_cost_a_tick(faulty: Product, witness: Witness) -> None:
    rounds = int(os.environ.get("SOAK_ROUNDS", "5"))
    kinds = list(MISSED)
    faulty.load(
        jobs=[
            {"job_id": f"{kind}-{n}", "handler": "nothing", "trigger": MISSED[kind][0]}
            for n, kind in zip(range(JOBS), itertools.cycle(kinds), strict=False)
        ]
    )
    ordinary, down = [], []
    for _ in range(rounds):
        ordinary.append(tick(faulty, THE_END))
        assert faulty.one("SELECT count(*) FROM scheduling_jobrun") == JOBS
        down.append(tick(faulty, THE_END - DOWN))
        for kind, (_trigger, count) in MISSED.items():
            rows = faulty.sql(
                "SELECT state, missed_count, count(*) FROM scheduling_jobrun WHERE job_key LIKE ? "
                "GROUP BY state, missed_count ORDER BY state",
                [f"{kind}-%"],
            )
            assert rows == [("missed", count, JOBS // len(kinds)), ("queued", None, JOBS // len(kinds))], kind
    figures = {
        name: (median(one[name] for one in down), median(one[name] for one in ordinary))
        for name in ("first", "all", "bytes")
    }
    ratios = {name: after / usually for name, (after, usually) in figures.items()}
    first, usual = figures["first"]
    witness.did(f"{JOBS:,} jobs of five kinds due at one moment, or since 30 days; {rounds} rounds, medians")
    witness.saw(
        f"first tick {first * 1000:.0f} ms, ordinarily {usual * 1000:.0f}: {ratios['first']:.2f} times (all ticks "
        f"{ratios['all']:.2f}); memory {ratios['bytes']:.2f} times; all counts right in the tick itself"
    )
    assert ratios["bytes"] <= RATIO
    assert ratios["first"] <= RATIO


def tick(product: Product, due: datetime) -> dict[str, float]:
    product.sql("DELETE FROM scheduling_jobrun")
    set_due(product, due)
    # What comes with the product stays out of it.
    set_due(product, datetime(2100, 1, 1, tzinfo=UTC), "nightly-%")
    set_due(product, datetime(2100, 1, 1, tzinfo=UTC), "weekly-%")
    figures: dict[str, float] = json.loads(product.manage("measureticks", THE_END.isoformat()).stdout.splitlines()[-1])
    return figures
