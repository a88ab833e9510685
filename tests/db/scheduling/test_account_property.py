"""Every planned moment is accounted for, whatever happened: by one row and one verdict, as a plain model has it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scheduling import account
from scheduling.account import Verdict
from scheduling.models import JobRun

from .account_model import OPERATIONS, ModelJob, World
from .ticking import make_timer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers"), pytest.mark.any_database]

STEPS = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 2)), min_size=4, max_size=14)
SECOND = timedelta(seconds=1)
QUEUED = {
    *(Verdict.QUEUED, Verdict.QUEUED_PLACE, Verdict.QUEUED_SLOT, Verdict.QUEUED_NO_SCHEDULER, Verdict.QUEUED_LATER),
    Verdict.RAN,
}
"""A run that is queued, or has ended since."""
NIGHT = [("stop", 0), ("sleep", 0), ("sleep", 0), ("start", 0), ("go on", 0), ("back-fill", 0)]
HOLDS = [("pause", 0), ("go on", 0), ("switch", 0), ("go on", 0), ("resume", 0), ("go on", 0), ("switch", 0)]
BREAKS = [("damage", 0), ("go on", 0), ("stop", 0), ("sleep", 0), ("rename", 0), ("start", 0), ("go on", 0)]
EDITS = [("pause all", 0), ("go on", 0), ("edit", 0), ("go on", 0), ("remove", 1), ("resume all", 0), ("remove", 1)]


ONE_DATABASE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=6, deadline=None, suppress_health_check=ONE_DATABASE)
@example(steps=NIGHT)
@example(steps=HOLDS)
@example(steps=EDITS)
@example(steps=BREAKS)
@given(steps=STEPS)
def test_every_planned_moment_has_one_verdict_and_at_most_one_row(steps: list[tuple[str, int]]) -> None:
    live_through(steps)


@pytest.mark.soak
@settings(max_examples=200, deadline=None, suppress_health_check=ONE_DATABASE)
@given(steps=STEPS)
def test_every_planned_moment_has_one_verdict_in_two_hundred_lives(steps: list[tuple[str, int]]) -> None:
    live_through(steps)


def live_through(steps: list[tuple[str, int]]) -> None:
    timer, _rung = make_timer()
    world = World(timer)
    with transaction.atomic(), world.clock():
        world.go_on(70)
        for operation, number in steps:
            OPERATIONS[operation](world, world.jobs[number])
            world.sleep(7)
        for job in world.jobs:
            check(world, job)
        # Each example begins with an empty database.
        transaction.set_rollback(True)


def check(world: World, job: ModelJob) -> None:
    rows = list(JobRun.objects.filter(job_key=job.job_id, cause="schedule"))
    for number, (moment, became) in enumerate(job.became.items()):
        assert len([row for row in rows if covers(row, moment)]) == 1, (moment, became)
        explanation = account.explain(job.job_id, moment, now=world.now)
        assert explanation.verdict in expected(world, job, moment, became), (moment, became, explanation)
        assert explanation.moment == moment
        assert explanation.sentence
        if number % 4:
            continue
        second_after = account.explain(job.job_id, moment + SECOND, now=world.now)
        assert second_after.verdict == Verdict.NEVER_DUE, (moment, second_after)
        assert second_after.nearest_before == moment
    assert sum(stands_for(row) for row in rows) == len(job.became)
    while job.upcoming is not None and job.upcoming <= world.now:
        assert not [row for row in rows if covers(row, job.upcoming)]
        assert account.explain(job.job_id, job.upcoming, now=world.now).verdict == world.stands(job)
        job.take(job.upcoming)
    if job.upcoming is not None:
        ahead = account.explain(job.job_id, job.upcoming, now=world.now).verdict
        assert ahead == (world.stands(job) if not world.stands(job).startswith("due") else "planned")
    entries = account.timeline(job.job_id, limit=500, now=world.now).past
    assert sum(entry.count or 0 for entry in entries if entry.run.cause == "schedule") == len(job.became)


def expected(world: World, job: ModelJob, moment: datetime, became: str) -> set[Verdict]:
    if became == "queued":
        return QUEUED
    if became == "missed":
        down = world.was_down(moment, job.grace)
        return {
            verdict
            for verdict, when in ((Verdict.MISSED_DOWN, True), (Verdict.MISSED_LATE, False))
            if down in (when, None)
        }
    if became == "cancelled":
        # A run that had others coalesced into it stands for them, however it ended.
        return {Verdict.CANCELLED, Verdict.RAN}
    return {Verdict(became)}


def covers(row: JobRun, moment: datetime) -> bool:
    first = row.coalesced_from or row.scheduled_time
    return first <= moment <= (row.missed_until or row.scheduled_time)


def stands_for(row: JobRun) -> int:
    if row.state == "missed":
        assert row.missed_count is not None
        return row.missed_count
    return 1 + row.coalesced_count
