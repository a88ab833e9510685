"""django-apscheduler's job store over our definitions.

The stored pickles are for stock readers (a plain `DjangoJobStore`, django-apscheduler's own tools). They are written
with every saved definition and never read back: the truth is `ScheduledJob`.
"""

from __future__ import annotations

import pickle
from datetime import datetime

from apscheduler.triggers.base import BaseTrigger

from .models import ScheduledJob

STORED_FUNCTION = "scheduling.jobstore:stored_firing"


def stored_firing(job_id: str) -> None:
    """Stand as the function of every stored job.

    A firing is recorded by our own executor, so that this is reached only where somebody runs our rows with a stock
    scheduler; doing the work there would escape every promise (once, claim, history).

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(f"Job {job_id!r} belongs to `manage.py runscheduler`; a stock scheduler cannot run it.")


def pickled_state(job: ScheduledJob, trigger: BaseTrigger, next_run_time: datetime | None) -> bytes:
    """Return `DjangoJob.job_state` for a job: what a stock APScheduler 3.11 job store can read.

    Its `next_run_time` goes stale with the first tick: `DjangoJob.next_run_time` is the truth.
    """
    state = {
        "version": 1,
        "id": job.job_id,
        "func": STORED_FUNCTION,
        "trigger": trigger,
        "executor": "default",
        "args": (job.job_id,),
        "kwargs": {},
        "name": job.name or job.job_id,
        "misfire_grace_time": job.misfire_grace_time,
        "coalesce": job.coalesce,
        "max_instances": job.max_instances,
        "next_run_time": next_run_time,
    }
    return pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
