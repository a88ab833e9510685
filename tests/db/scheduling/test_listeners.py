"""A stock APScheduler listener on a whole scheduler hears what it would hear of any other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import pytest
from apscheduler import events
from apscheduler.events import SchedulerEvent
from django.db import transaction
from django.utils import timezone

from scheduling import registry
from scheduling.contract import JobContext, JobHandler, JobResult
from scheduling.models import JobRun
from scheduling.scheduler import TaskScheduler

from .making import make_run, off_loop
from .ticking import EVERY_MINUTE, make_job

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
NAMES = {
    events.EVENT_JOB_SUBMITTED: "submitted",
    events.EVENT_JOB_EXECUTED: "executed",
    events.EVENT_JOB_ERROR: "error",
    events.EVENT_JOB_MISSED: "missed",
    events.EVENT_JOB_MAX_INSTANCES: "max-instances",
}


class GoodJobHandler(JobHandler):
    async def execute(self, context: JobContext) -> JobResult:
        return JobResult(success=True, data={"answer": 42})


class BadJobHandler(JobHandler):
    async def execute(self, context: JobContext) -> JobResult:
        raise ValueError("no answer")


@pytest.fixture(autouse=True)
def good_and_bad() -> Iterator[None]:
    for handler in (GoodJobHandler, BadJobHandler):
        registry.register(handler)
    yield
    for handler in (GoodJobHandler, BadJobHandler):
        registry.unregister(handler)


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.events: dict[tuple[str, str], SchedulerEvent] = {}

    def __call__(self, event: SchedulerEvent) -> None:
        key = (event.job_id, NAMES[event.code])
        self.heard.append(key)
        self.events[key] = event


@transaction.atomic
def plan_one_of_each() -> None:
    """At once: a tick in between would find the one without what is in its way."""
    now = timezone.now()
    hourly = {"type": "interval", "hours": 1, "start": EVERY_MINUTE["start"]}
    make_job("good", handler="good", due=now, trigger=hourly)
    make_job("bad", handler="bad", due=now, trigger=hourly, max_retries=0)
    make_job("late", handler="good", due=now - timedelta(minutes=10), trigger=hourly, misfire_grace_time=30)
    # Its earlier run waits for an hour more.
    make_run(make_job("busy", handler="good", due=now, trigger=hourly), available_at=now + HOUR)


def test_a_stock_listener_hears_all_that_becomes_of_firings() -> None:
    listener = Listener()
    expected = {
        ("good", "submitted"),
        ("good", "executed"),
        ("bad", "submitted"),
        ("bad", "error"),
        ("late", "submitted"),  # as APScheduler has it: what comes too late is submitted, and then missed
        ("late", "missed"),
        ("busy", "max-instances"),
    }

    async def run() -> None:
        scheduler = TaskScheduler()
        await scheduler.start()
        try:
            assert scheduler.timer is not None
            scheduler.timer.add_listener(listener, sum(NAMES))
            await off_loop(plan_one_of_each)()
            end = monotonic() + 60
            while not expected <= set(listener.heard) and monotonic() < end:
                await asyncio.sleep(0.01)
        finally:
            await scheduler.shutdown()

    asyncio.run(run())

    assert sorted(listener.heard) == sorted(expected)
    assert listener.events["good", "executed"].retval == {"answer": 42}
    error = listener.events["bad", "error"]
    assert (type(error.exception), str(error.exception)) == (ValueError, "no answer")
    assert "no answer" in error.traceback
    states = dict(JobRun.objects.exclude(state="queued").values_list("job_key", "state"))
    assert states == {"good": "succeeded", "bad": "failed", "late": "missed", "busy": "skipped"}
