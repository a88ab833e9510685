"""What the calendar reads: usual lengths, the past, worker places; on either database by its indexes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from scheduling.calendar.past import past
from scheduling.calendar.places import workers
from scheduling.calendar.schedules import UNKNOWN, schedules
from scheduling.conf import SchedulerSettings
from scheduling.models import JobRun, Process, SchedulerState
from scheduling.upcoming import Hold

from .making import NOW, make_job, make_process, make_run

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def ended(
    job: object, at_hour: int, *, state: str = "succeeded", took: float | None = 60.0, **fields: object
) -> JobRun:
    at = NOW + at_hour * HOUR
    values = {"scheduled_time": at, "started_at": at, "finished_at": at + timedelta(seconds=took or 0)}
    return make_run(job, state=state, execution_time=took, **values | fields)  # type: ignore[arg-type]


def test_usual_lengths_are_medians_of_the_last_successes(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    known, fails, fresh = make_job("a"), make_job("b"), make_job("c")
    for hour, took in enumerate([9_000.0, 60.0, 80.0, 100.0]):
        ended(known, hour, took=took)
    ended(known, 9, state="failed", took=5_000.0)
    ended(fails, 0, state="failed")
    make_run(fresh)
    with django_assert_num_queries(1):
        found = schedules(is_paused=False).all
    assert [(one.usual, one.is_known) for one in found] == [
        (timedelta(seconds=90), True),
        (UNKNOWN, False),
        (UNKNOWN, False),
    ]


def test_what_holds_a_schedule_is_told_its_own_pause_first() -> None:
    make_job("a", enabled=False)
    make_job("b", paused_at=NOW)
    make_job("c", problem="gone")
    make_job("d")
    assert [one.hold for one in schedules(is_paused=True).all] == [
        Hold.DISABLED,
        Hold.PAUSED,
        Hold.QUARANTINED,
        Hold.PAUSED_ALL,
    ]


def test_more_schedules_than_are_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduling.calendar.schedules.MOST", 2)
    for name in "abc":
        make_job(name)
    found = schedules(is_paused=False)
    assert ([one.job.job_id for one in found.all], found.is_cut) == (["a", "b"], True)


def test_the_past_is_what_was_due_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    job, other = make_job("a"), make_job("b")
    ended(job, -1)
    first = ended(job, 1, took=600.0)
    missed = ended(job, 2, state="missed", took=None, started_at=None, missed_count=3, missed_until=NOW + 4 * HOUR)
    ended(other, 2)
    ended(job, 9)
    found = past([job.pk], NOW, NOW + 8 * HOUR, now=NOW + 8 * HOUR)
    assert [(one.run, one.end - one.at, one.moments) for one in found.rows] == [
        (first.pk, timedelta(minutes=10), 1),
        (missed.pk, 2 * HOUR, 3),
    ]
    assert not found.is_cut
    monkeypatch.setattr("scheduling.calendar.past.MOST", 1)
    cut = past([job.pk], NOW, NOW + 8 * HOUR, now=NOW)
    assert ([one.run for one in cut.rows], cut.is_cut) == ([missed.pk], True)


def test_what_began_after_the_days_that_are_looked_at_is_told_where_it_was_due() -> None:
    job = make_job("a")
    within = ended(job, 1, started_at=NOW + 2 * HOUR, took=60.0)
    beyond = ended(job, 7, started_at=NOW + 9 * HOUR, took=60.0)
    found = past([job.pk], NOW, NOW + 8 * HOUR, now=NOW + 10 * HOUR)
    assert [(one.run, one.at) for one in found.rows] == [(within.pk, NOW + 2 * HOUR), (beyond.pk, NOW + 7 * HOUR)]


@pytest.mark.any_database  # PostgreSQL reads few rows without an index, rightly
def test_the_past_is_read_by_an_index() -> None:
    from scheduling.account.recorded import of_moments

    rows = of_moments().filter(job_id__in=[1, 2], scheduled_time__gte=NOW, scheduled_time__lt=NOW + HOUR)
    assert "run_once" in rows.order_by("-scheduled_time", "-id").explain()


def test_worker_places_are_those_of_the_processes_alive_else_of_the_settings() -> None:
    assert (workers().processes, workers().places) == (0, SchedulerSettings().max_workers)
    make_process(beat_at=Now(), max_workers=3)
    make_process(beat_at=Now(), max_workers=2)
    make_process(beat_at=Now(), max_workers=9, kind=Process.Kind.COMMAND)
    make_process(beat_at=timezone.now() - HOUR, max_workers=9)
    assert (workers().processes, workers().places, workers().is_paused) == (2, 5, False)
    SchedulerState.objects.update_or_create(pk=1, defaults={"paused_at": NOW})
    assert workers().is_paused
