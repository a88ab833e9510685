"""Nobody ticked for thirty days: what the first tick writes, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling.models import JobRun

from .ticking import NOON, make_job, make_timer, planned, runs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

DOWN = timedelta(days=30)
MISSED: dict[str, tuple[dict[str, object], int]] = {
    # trigger, and how many moments lie in the thirty days before NOON
    "minute": ({"type": "interval", "seconds": 60, "start": "2026-01-01T00:00:00+00:00"}, 43_200),
    "five": ({"type": "cron", "cron": "*/5 * * * *", "timezone": "UTC"}, 8_640),
    "hourly": ({"type": "cron", "cron": "0 * * * *", "timezone": "Asia/Shanghai"}, 720),
    "noon": ({"type": "cron", "cron": "0 12 * * *", "timezone": "UTC"}, 30),
}


def statements_of_first_tick(jobs: int, *, down: timedelta) -> int:
    """How many statements the first tick takes after a downtime, for so many jobs of each kind."""
    for number in range(jobs):
        for kind, (trigger, _count) in MISSED.items():
            make_job(f"{kind}-{jobs}-{number}", trigger=trigger, due=NOON - down, misfire_grace_time=1)
    timer, rung = make_timer()
    with CaptureQueriesContext(connection) as queries:
        timer.tick(NOON)
    assert len(rung) == jobs * len(MISSED)
    return len(queries)


def test_counts_of_what_was_missed_are_right_in_the_first_tick() -> None:
    statements_of_first_tick(1, down=DOWN)

    for kind, (_trigger, count) in MISSED.items():
        missed, run = runs(f"{kind}-1-0")
        assert (missed.state, missed.scheduled_time, missed.missed_count) == ("missed", NOON - DOWN, count), kind
        assert (run.state, run.scheduled_time) == ("queued", NOON)
        assert planned(f"{kind}-1-0") > NOON  # type: ignore[operator]
    assert JobRun.objects.count() == 2 * len(MISSED)


def test_statements_grow_neither_with_the_downtime_nor_with_the_jobs() -> None:
    assert len({statements_of_first_tick(jobs, down=DOWN) for jobs in (1, 8)}) == 1
