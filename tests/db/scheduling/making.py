"""Rows for tests: plain functions, every argument has a sensible default."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from scheduling.models import JobRun, Process, ScheduledJob

P = ParamSpec("P")
T = TypeVar("T")

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_numbers = count(1)


def make_process(**fields: object) -> Process:
    values: dict[str, object] = {
        "kind": Process.Kind.SCHEDULER,
        "host": "elsewhere/boot/ns",
        "pid": 4_000_000 + next(_numbers),
        "pid_created": 1.0,
        "started_at": NOW,
        "beat_at": NOW,
        "max_workers": 4,
    }
    return Process.objects.create(**{**values, **fields})


def make_job(job_id: str = "", **fields: object) -> ScheduledJob:
    """A definition alone, without its `DjangoJob`: for what happens after a firing."""
    job_id = job_id or f"job-{next(_numbers)}"
    values: dict[str, object] = {
        "name": job_id,
        "handler": "noop",
        "trigger": {"type": "interval", "seconds": 60},
        "job_data": {},
    }
    return ScheduledJob.objects.create(job_id=job_id, **{**values, **fields})


def make_run(job: ScheduledJob | None = None, **fields: object) -> JobRun:
    """A queued run, due now; each a second later planned than the one before."""
    at = NOW - timedelta(days=1) + timedelta(seconds=next(_numbers))
    values: dict[str, object] = {
        "job": job,
        "job_key": job.job_id if job else "loose",
        "job_name": job.name if job else "loose",
        "cause": JobRun.Cause.SCHEDULE if job else JobRun.Cause.FANOUT,
        "scheduled_time": at,
        "available_at": at,
        "queued_at": at,
    }
    if job is None:
        values["work"] = {"handler": "noop", "job_data": {}, "max_retries": 0, "timeout": None}
    return JobRun.objects.create(**{**values, **fields})


def off_loop(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Make `function` awaitable: it runs in a thread that keeps no connection (a kept one bars the database's end)."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return sync_to_async(call)
