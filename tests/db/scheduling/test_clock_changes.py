"""The nights in which the clocks change, lived through tick by tick."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduling.models import JobRun
from tests.nights import NIGHTS, Night, triggers

from .ticking import make_job, make_timer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers"), pytest.mark.any_database]

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: night.name)
@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=20)], ids=["on time", "late"])
def test_each_line_fires_in_the_night_as_the_rule_says(night: Night, late: timedelta) -> None:
    for name, trigger in triggers(night).items():
        make_job(name, trigger=trigger, due=night.begin - MINUTE, misfire_grace_time=30, overlap="wait")
    timer, _rung = make_timer()

    moment = night.begin - MINUTE
    while moment < night.end:
        report = timer.tick(moment)
        assert report.next_run_time is not None
        moment = report.next_run_time + late

    for name, expected in night.firings.items():
        fired = JobRun.objects.filter(job_key=name, scheduled_time__gte=night.begin, scheduled_time__lt=night.end)
        found = list(fired.order_by("scheduled_time").values_list("scheduled_time", "state"))
        assert found == [(moment, "queued") for moment in expected], name
