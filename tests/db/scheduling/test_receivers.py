"""A receiver of a run's signals that raises holds up its run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.dispatch import Signal
from django_apscheduler.models import DjangoJob

from scheduling import claims, endings, signals
from scheduling.exceptions import ReceiverFailed
from scheduling.models import JobRun, ScheduledJob

from .making import NOW, make_job, make_process, make_run
from .ticking import NOON, make_timer, states
from .ticking import make_job as make_planned_job

pytestmark = pytest.mark.django_db


@contextmanager
def refusing(signal: Signal, job_key: str, error: Exception) -> Iterator[None]:
    """A receiver that raises for the runs of one job, after it wrote something."""

    def receive(*, run: JobRun, **_kwargs: object) -> None:
        if run.job_key == job_key:
            JobRun.objects.filter(pk=run.pk).update(message="half written")
            raise error

    signal.connect(receive)
    try:
        yield
    finally:
        signal.disconnect(receive)


def test_a_run_whose_begin_is_refused_is_put_off_and_the_others_begin() -> None:
    refused, other = make_run(make_job("bad")), make_run(make_job("good"))
    with refusing(signals.run_started, "bad", KeyError("spider")):
        claimed = claims.claim(make_process(), NOW, 10)

    assert [one.run_id for one in claimed] == [other.pk]
    refused.refresh_from_db()
    assert (refused.state, refused.claim, refused.owner) == ("queued", 0, None)
    assert refused.available_at == NOW + claims.PUT_OFF
    assert "KeyError: 'spider'" in refused.message


def test_a_run_that_was_put_off_begins_when_the_receiver_works_again() -> None:
    run = make_run(make_job("bad"))
    with refusing(signals.run_started, "bad", KeyError("spider")):
        claims.claim(make_process(), NOW, 10)

    assert [one.run_id for one in claims.claim(make_process(), NOW + timedelta(minutes=2), 10)] == [run.pk]


def test_a_run_whose_return_is_refused_does_not_hold_up_the_recovery_of_others() -> None:
    process = make_process()
    refused, other = make_run(make_job("bad")), make_run(make_job("good"))
    claims.claim(process, NOW, 10)
    endings.mark_lost(process.pk, process.beat)
    with refusing(signals.run_returned, "bad", ValueError("no")):
        recovered = endings.recover(NOW)

    assert [run.pk for run in recovered] == [other.pk]
    refused.refresh_from_db()
    assert (refused.state, refused.message, refused.recoveries) == ("running", "", 1)
    assert [run.pk for run in endings.recover(NOW)] == [refused.pk]


@pytest.mark.parametrize("asked", [False, True], ids=["failed", "cancelled"])
def test_a_run_whose_end_is_refused_for_ever_ends_without_its_receivers(asked: bool) -> None:
    process = make_process()
    job = make_job("bad", one_time=True)
    DjangoJob.objects.create(id="bad", next_run_time=None, job_state=b"")
    run = make_run(job, cancel_requested_at=NOW if asked else None)
    claims.claim(process, NOW, 10)
    endings.mark_lost(process.pk, process.beat)
    with refusing(signals.run_ended, "bad", ValueError("no")), refusing(signals.run_returned, "bad", ValueError("no")):
        tries = 0
        while not endings.recover(NOW):
            tries += 1
            assert tries < endings.MOST_DEATHS
            run.refresh_from_db()
            assert (run.state, run.slot) == ("running", 0)

    run.refresh_from_db()
    assert (run.state, run.slot, run.error_type) == ("cancelled" if asked else "failed", None, "ReceiverFailed")
    assert "ValueError: no" in run.message
    assert not ScheduledJob.objects.exists(), "the one-off goes with it"


@pytest.mark.usefixtures("handlers")
def test_a_job_whose_missed_moment_is_refused_is_set_aside_and_the_others_fire() -> None:
    for job_id in ("bad", "good"):
        make_planned_job(job_id, due=NOON, misfire_grace_time=None if job_id == "good" else 1)
    timer, _rung = make_timer()
    with refusing(signals.run_ended, "bad", LookupError("task")):
        while timer.tick(NOON + timedelta(seconds=30)).more:
            pass

    assert (states("bad"), states("good")) == ([("missed", NOON)], [("queued", NOON)])
    assert "LookupError: task" in ScheduledJob.objects.get(job_id="bad").problem


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda: claims.claim(make_process(), NOW, 10), id="claim"),
        pytest.param(lambda: signals.tell(signals.run_started, JobRun.objects.get()), id="tell"),
    ],
)
def test_a_locked_database_is_no_fault_of_the_receiver(act: Callable[[], object]) -> None:
    run = make_run(make_job("bad"))
    with refusing(signals.run_started, "bad", OperationalError("locked")), pytest.raises(OperationalError):
        act()
    run.refresh_from_db()
    assert run.state == "queued"


def test_the_refusal_names_run_and_error() -> None:
    run = make_run(make_job("bad"))
    with (
        refusing(signals.run_ended, "bad", ValueError("no")),
        pytest.raises(ReceiverFailed, match=rf"Run #{run.pk} .*ValueError: no"),
    ):
        signals.tell(signals.run_ended, run)
