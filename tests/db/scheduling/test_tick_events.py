"""Who hears of a tick: receivers inside its transaction, stock listeners after its commit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from apscheduler import events
from apscheduler.events import SchedulerEvent
from django.db import connection
from django_apscheduler.models import DjangoJobExecution

from scheduling import signals
from scheduling.models import JobRun, ScheduledJob

from .ticking import NOON, broken_ring, make_job, make_one_off, make_run, make_timer, runs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

HOUR = timedelta(hours=1)


class Listener:
    """What a stock listener hears, with whether the transaction was open."""

    def __init__(self) -> None:
        self.heard: list[SchedulerEvent] = []
        self.inside: list[bool] = []

    def __call__(self, event: SchedulerEvent) -> None:
        self.heard.append(event)
        self.inside.append(connection.in_atomic_block)

    def codes(self) -> list[int]:
        return [event.code for event in self.heard]


@pytest.fixture
def ended() -> Iterator[list[tuple[str, str, bool]]]:
    """(job_key, state, inside a transaction?) of each run whose end was told."""
    heard: list[tuple[str, str, bool]] = []

    def receiver(sender: object, run: JobRun, **_kwargs: object) -> None:
        assert sender is JobRun
        assert JobRun.objects.get(pk=run.pk).state == run.state
        heard.append((run.job_key, run.state, connection.in_atomic_block))

    signals.run_ended.connect(receiver)
    yield heard
    signals.run_ended.disconnect(receiver)


def test_submission_is_heard_after_the_commit() -> None:
    make_job()
    timer, _rung = make_timer()
    listener = Listener()
    timer.add_listener(listener)

    timer.tick(NOON)

    [event] = listener.heard
    assert (event.code, event.job_id, event.scheduled_run_times) == (events.EVENT_JOB_SUBMITTED, "job", [NOON])
    assert listener.inside == [False]


def test_nothing_is_heard_of_a_tick_that_fails() -> None:
    make_job()
    timer, _rung = make_timer()
    listener = Listener()
    timer.add_listener(listener)
    timer._ring = broken_ring

    with pytest.raises(ZeroDivisionError):
        timer.tick(NOON)

    assert listener.heard == []


def test_missed_gap_is_heard() -> None:
    make_job(misfire_grace_time=30)
    timer, _rung = make_timer()
    listener = Listener()
    timer.add_listener(listener, events.EVENT_JOB_MISSED)

    timer.tick(NOON + HOUR + timedelta(seconds=45))

    [event] = listener.heard
    assert (event.job_id, event.scheduled_run_time) == ("job", NOON)


def test_skipped_firing_is_heard_as_max_instances() -> None:
    make_run(make_job())
    timer, _rung = make_timer()
    listener = Listener()
    timer.add_listener(listener)

    timer.tick(NOON)

    assert listener.codes() == [events.EVENT_JOB_MAX_INSTANCES]


def test_quarantined_job_is_heard_as_error() -> None:
    job = make_job()
    ScheduledJob.objects.filter(pk=job.pk).update(handler="gone")
    timer, _rung = make_timer()
    listener = Listener()
    timer.add_listener(listener, events.EVENT_JOB_ERROR)

    timer.tick(NOON)

    [event] = listener.heard
    assert type(event.exception).__name__ == "UnknownHandler"


def test_end_of_a_date_trigger_is_not_heard_as_removal() -> None:
    make_job(trigger={"type": "date", "run_date": NOON.isoformat()})
    timer, _rung = make_timer()
    listener = Listener()
    timer.add_listener(listener)

    timer.tick(NOON)

    assert listener.codes() == [events.EVENT_JOB_SUBMITTED]


def test_executions_of_django_apscheduler_stay_empty() -> None:
    make_job()
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert not DjangoJobExecution.objects.exists()


def test_end_of_a_missed_run_is_told_inside_the_transaction(ended: list[tuple[str, str, bool]]) -> None:
    make_job(trigger={"type": "interval", "days": 1, "start": "2026-01-01T12:00:00+00:00"}, misfire_grace_time=30)
    timer, _rung = make_timer()

    timer.tick(NOON + HOUR)

    assert ended == [("job", "missed", True)]


def test_end_of_a_skipped_run_is_told(ended: list[tuple[str, str, bool]]) -> None:
    make_run(make_job())
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert ended == [("job", "skipped", True)]


def test_queued_run_has_not_ended(ended: list[tuple[str, str, bool]]) -> None:
    make_job()
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert ended == []


def test_missed_one_off_is_told_and_goes_in_the_same_transaction(ended: list[tuple[str, str, bool]]) -> None:
    make_one_off(misfire_grace_time=30)
    timer, _rung = make_timer()

    timer.tick(NOON + HOUR)

    assert ended == [("once", "missed", True)]
    assert not ScheduledJob.objects.filter(job_id="once").exists()
    [run] = runs("once")
    assert (run.state, run.job, run.missed_count) == ("missed", None, 1)


def test_one_off_that_is_asked_for_now_waits_however_long() -> None:
    make_one_off(misfire_grace_time=None)
    timer, _rung = make_timer()

    timer.tick(NOON + 1000 * HOUR)

    assert [run.state for run in runs("once")] == ["queued"]
