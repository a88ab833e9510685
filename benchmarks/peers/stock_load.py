"""The peer of `benchmarks.schedule_load`: django-apscheduler as it is, on a migrated scratch database.

    python -m benchmarks.peers.stock_load JOBS SECONDS

Prints one JSON object. A firing counts when its execution is stored, which the store's listener of EVENT_JOB_SUBMITTED
does: ours is called after that one. With SECONDS 0 all are due at one instant with a grace of 1 s; what the pool finds
too late is counted as missed.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import sys
import time
from datetime import datetime

import django

django.setup()

from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, EVENT_JOB_SUBMITTED  # noqa: E402
from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: E402
from apscheduler.job import Job  # noqa: E402
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402
from django_apscheduler.jobstores import DjangoJobStore  # noqa: E402
from django_apscheduler.models import DjangoJob, DjangoJobExecution  # noqa: E402

from benchmarks.schedule_load import (  # noqa: E402
    PATIENCE,
    checkpoint_at,
    figures,
    planned_moments,
    wait_for_the_start,
)
from benchmarks.tick import settle  # noqa: E402

# What is missed is counted; a line for each would slow the peer down.
logging.getLogger("apscheduler").setLevel(logging.ERROR)


def nothing() -> None:
    """The job of every schedule."""


def main() -> None:
    jobs, seconds = int(sys.argv[1]), float(sys.argv[2])
    executor = ThreadPoolExecutor()
    scheduler = BackgroundScheduler(
        jobstores={"default": DjangoJobStore()}, executors={"default": executor}, timezone="UTC"
    )
    moments = planned_moments(jobs, seconds)
    prepare(scheduler, moments, grace=3600 if seconds else 1)
    lateness: list[float] = []
    ended = {EVENT_JOB_EXECUTED: 0, EVENT_JOB_MISSED: 0}

    def hear(event) -> None:
        now = time.time()
        lateness.extend(now - moment.timestamp() for moment in event.scheduled_run_times)

    def count(event) -> None:
        ended[event.code] += 1

    wait_for_the_start(moments[0])
    scheduler.start()
    scheduler.add_listener(hear, EVENT_JOB_SUBMITTED)
    scheduler.add_listener(count, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
    cpu = time.process_time()
    begin = time.monotonic() + moments[0].timestamp() - time.time()
    checkpoint_at(begin + seconds / 2)
    end = begin + seconds + PATIENCE
    while len(lateness) < jobs and time.monotonic() < end:
        time.sleep(0.05)
    cpu = time.process_time() - cpu
    heard = list(lateness)
    if not seconds:
        while sum(ended.values()) < jobs and time.monotonic() < end + 30:
            time.sleep(0.05)
    missed = ended[EVENT_JOB_MISSED] if not seconds else jobs - len(heard)
    result = figures(heard, jobs=jobs, cpu=cpu, seconds=seconds) | {"missed": missed}
    assert DjangoJobExecution.objects.count() >= len(heard)
    print(json.dumps(result), flush=True)
    # Not `shutdown`: it would wait for a tick of all that is overdue by now, which takes minutes.
    os._exit(0)


def prepare(scheduler: BackgroundScheduler, moments: list[datetime], *, grace: int) -> None:
    """What `add_job` stores, written in batches."""
    rows = []
    for n, moment in enumerate(moments):
        job = Job(
            scheduler,
            id=f"job-{n:06}",
            func=nothing,
            args=(),
            kwargs={},
            name=f"job-{n:06}",
            trigger=IntervalTrigger(hours=1, start_date=moment, timezone="UTC"),
            executor="default",
            misfire_grace_time=grace,
            coalesce=True,
            max_instances=1,
            next_run_time=moment,
        )
        state = pickle.dumps(job.__getstate__(), pickle.HIGHEST_PROTOCOL)
        rows.append(DjangoJob(id=job.id, next_run_time=moment, job_state=state))
    DjangoJob.objects.bulk_create(rows, batch_size=500)
    del rows
    settle()


if __name__ == "__main__":
    main()
