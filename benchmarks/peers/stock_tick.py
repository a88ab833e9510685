"""The peer of `benchmarks.tick`: django-apscheduler as it is, on a migrated scratch database.

    python -m benchmarks.peers.stock_tick JOBS DUE WAYS

Prints one JSON object. A firing counts when the job has moved on and its start stands in `DjangoJobExecution`, which
is what `BaseScheduler._process_jobs` does before it returns. WAYS is how a submitted job runs: `pool` (the default
thread pool: its own writes get in the way of the tick), `inline`, or `never` (the tick alone: the kindest to the peer).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta

import django

django.setup()

from apscheduler.executors.base import BaseExecutor  # noqa: E402
from apscheduler.executors.debug import DebugExecutor  # noqa: E402
from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: E402
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402
from django.db import transaction  # noqa: E402
from django_apscheduler.jobstores import DjangoJobStore  # noqa: E402
from django_apscheduler.models import DjangoJob, DjangoJobExecution  # noqa: E402

from benchmarks.tick import memory_before, memory_peak, settle  # noqa: E402


class NeverExecutor(BaseExecutor):
    def _do_submit_job(self, job, run_times):
        """The job is taken and never run."""


def nothing() -> None:
    """The job of every schedule."""


class Scheduler(BackgroundScheduler):
    """Started, but ticking only when it is told to, in the calling thread."""

    def _main_loop(self):
        """Nobody ticks beside us."""

    def wakeup(self):
        """Nor now."""


def main() -> None:
    jobs, due, way = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    executor = {"pool": ThreadPoolExecutor, "inline": DebugExecutor, "never": NeverExecutor}[way]()
    scheduler = Scheduler(jobstores={"default": DjangoJobStore()}, executors={"default": executor}, timezone="UTC")
    scheduler.start()
    now = datetime.now(UTC)
    with transaction.atomic():
        for n in range(jobs):
            late = n < due
            scheduler.add_job(
                nothing,
                IntervalTrigger(hours=1, start_date=now - timedelta(seconds=1) if late else now + timedelta(hours=1)),
                id=f"job-{n:05}",
                next_run_time=now - timedelta(seconds=1) if late else now + timedelta(hours=1),
                misfire_grace_time=3600,
            )
    settle()
    before = memory_before()
    wall, cpu = time.perf_counter(), time.process_time()
    scheduler._process_jobs()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    grown = memory_peak() - before
    if way == "pool":
        executor.shutdown(wait=True)
    assert DjangoJobExecution.objects.count() == due
    assert not DjangoJob.objects.filter(next_run_time__lte=now).exists()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {"seconds": wall, "cpu_seconds": cpu, "firings": due, "peak_bytes": peak, "grown_bytes": grown}
    print(json.dumps(result | {"longest_tick_seconds": wall}))


if __name__ == "__main__":
    main()
