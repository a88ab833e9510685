"""Jitter puts off when a run may begin; the moments that were planned never move."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from scheduling.models import JobRun

from .ticking import EVERY_MINUTE, NOON, make_job, make_timer, planned

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers"), pytest.mark.any_database]

MINUTE = timedelta(minutes=1)
JITTER = 50
JOBS = 200
FIRINGS = 50


def test_of_10_000_firings_with_jitter_no_scheduled_time_drifts() -> None:
    for number in range(JOBS):
        make_job(f"job-{number}", trigger=EVERY_MINUTE, jitter=JITTER, misfire_grace_time=None)
    timer, rung = make_timer()
    chance = Random(20_260_302)
    for firing in range(FIRINGS):
        # Ticks come late, each by another span, as they do.
        report = timer.tick(NOON + firing * MINUTE + timedelta(seconds=chance.uniform(0, 59)))
        assert (report.jobs, report.queued, report.skipped) == (JOBS, JOBS, 0)
        JobRun.objects.filter(state="queued").update(state="succeeded", finished_at=NOON)

    assert len(rung) == JOBS * FIRINGS == 10_000
    rows = list(JobRun.objects.values_list("job_key", "scheduled_time", "available_at"))
    grid = [NOON + firing * MINUTE for firing in range(FIRINGS)]
    expected = Counter((f"job-{number}", moment) for number in range(JOBS) for moment in grid)
    assert Counter((key, scheduled) for key, scheduled, _available in rows) == expected, "on the minute, each once"
    assert {planned(f"job-{number}") for number in range(JOBS)} == {NOON + FIRINGS * MINUTE}
    delays = {available - scheduled for _key, scheduled, available in rows}
    assert timedelta(0) <= min(delays)
    assert max(delays) < timedelta(seconds=JITTER)
    assert len(delays) > JITTER / 2, "spread over the whole of it"
