"""Handlers of the tests: one that does nothing, one that takes its time, one that breaks the rule of the threads."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from scheduling.contract import JobContext, JobHandler, JobResult, register


@register
class NothingJobHandler(JobHandler):
    description = "Does nothing at once."

    async def execute(self, context: JobContext) -> JobResult:
        return JobResult(success=True)


@register
class SleepyJobHandler(JobHandler):
    """Sleeps for `seconds` of its job data, and says so in the file `note`: when it began and ended, monotonic."""

    async def execute(self, context: JobContext) -> JobResult:
        seconds = context.job_data.get("seconds", 1)
        assert isinstance(seconds, int | float)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        if note := context.job_data.get("note"):
            with Path(str(note)).open("a") as sink:
                sink.write(f"[{began}, {time.monotonic()}]\n")
        return JobResult(success=True, message=f"slept {seconds} s")


@register
class StuckJobHandler(JobHandler):
    """Leaves a thread that never ends."""

    async def execute(self, context: JobContext) -> JobResult:
        await asyncio.to_thread(threading.Event().wait)
        return JobResult(success=True)


@register
class CarelessJobHandler(JobHandler):
    """Asks for a connection on the loop's thread."""

    async def execute(self, context: JobContext) -> JobResult:
        BaseDatabaseWrapper.ensure_connection(connection)
        return JobResult(success=True)


@register
class FailingJobHandler(JobHandler):
    """Never reaches anybody, and waits for long before it tries again."""

    async def execute(self, context: JobContext) -> JobResult:
        raise ConnectionError("nobody there")

    def get_retry_delay(self, attempt: int) -> float:
        return 600.0


@register
class BlockingJobHandler(JobHandler):
    """Keeps the event loop for itself, for `seconds` of its job data."""

    async def execute(self, context: JobContext) -> JobResult:
        seconds = context.job_data.get("seconds", 1)
        assert isinstance(seconds, int | float)
        time.sleep(seconds)
        return JobResult(success=True)
