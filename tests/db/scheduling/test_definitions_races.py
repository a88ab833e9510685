"""Several people at once: constraints and guarded updates decide, nothing is doubled and nothing half written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from scheduling import definitions
from scheduling.exceptions import JobExists, RunConflict, SchedulingError, WaitsAlready
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 6


def make_values(**changes: object) -> definitions.JobValues:
    document = {
        "job_id": "job",
        "handler": "report",
        "job_data": {"period": "day"},
        "trigger": {"type": "interval", "minutes": 10},
        **changes,
    }
    return definitions.parse_job(document)


def at_once(act: Callable[[int], object]) -> Counter[str]:
    """Let everybody do it in the same moment; counts what came out: a type's name each."""
    barrier = Barrier(PEOPLE)

    def one(number: int) -> str:
        try:
            barrier.wait(10)
            return type(act(number)).__name__
        except SchedulingError as error:
            return type(error).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(PEOPLE) as pool:
        return Counter(pool.map(one, range(PEOPLE)))


def test_one_of_many_creates_the_job() -> None:
    outcome = at_once(lambda _number: definitions.create_job(make_values()))
    assert outcome == {"ScheduledJob": 1, JobExists.__name__: PEOPLE - 1}
    assert (ScheduledJob.objects.count(), DjangoJob.objects.count(), DefinitionVersion.objects.count()) == (1, 1, 1)


def test_everybodys_save_is_a_version_of_its_own() -> None:
    outcome = at_once(lambda number: definitions.save_job(make_values(name=f"Name {number}")))
    assert outcome == {"ScheduledJob": PEOPLE}
    numbers = DefinitionVersion.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, PEOPLE + 1))
    job = ScheduledJob.objects.get()
    assert job.version == PEOPLE
    assert DefinitionVersion.objects.get(number=PEOPLE).document == definitions.dump_job(job)


def test_one_of_many_queues_the_run() -> None:
    definitions.create_job(make_values())
    outcome = at_once(lambda _number: definitions.run_now("job"))
    assert outcome == {"JobRun": 1, WaitsAlready.__name__: PEOPLE - 1}
    assert JobRun.objects.count() == 1


def test_run_is_cancelled_once() -> None:
    definitions.create_job(make_values())
    run = definitions.run_now("job")
    outcome = at_once(lambda _number: definitions.cancel_run(run.pk))
    assert outcome == {"JobRun": 1, RunConflict.__name__: PEOPLE - 1}


def test_resume_records_the_pause_once() -> None:
    job = definitions.create_job(make_values())
    definitions.pause_job("job")
    since = timezone.now() - timedelta(hours=1)
    ScheduledJob.objects.filter(pk=job.pk).update(paused_at=since, anchor_at=since)
    assert at_once(lambda _number: definitions.resume_job("job")) == {"ScheduledJob": PEOPLE}
    assert JobRun.objects.get().missed_count == 6


def test_global_resume_records_the_pause_once() -> None:
    definitions.create_job(make_values())
    definitions.pause_all()
    DjangoJob.objects.update(next_run_time=timezone.now() - timedelta(minutes=5))
    assert at_once(lambda _number: definitions.resume_all()) == {"SchedulerState": PEOPLE}
    assert JobRun.objects.get().missed_count == 1


def test_one_off_ends_once_whoever_cancels_it() -> None:
    definitions.create_one_off(job_id="once", handler="report", job_data={"period": "day"})
    outcome = at_once(lambda _number: definitions.cancel_one_off("once"))
    assert outcome["JobRun"] == 1
    assert JobRun.objects.count() == 1
    assert not DjangoJob.objects.exists()


def test_saves_and_deletions_at_once_leave_both_rows_or_none() -> None:
    definitions.create_job(make_values())

    def act(number: int) -> object:
        if number % 2:
            definitions.delete_job("job")
            return None
        return definitions.save_job(make_values(name=f"Name {number}"))

    at_once(act)
    assert ScheduledJob.objects.count() == DjangoJob.objects.count()
