"""The further processes of `runscheduler --processes N`: each a whole scheduler, kept running by the first one.

A companion is `runscheduler --follow` with a pipe for its standard input: it drains when the pipe is closed, which the
system does too when the first process is killed. Each ticks, claims and executes for itself: there is no leader, and
what one of them held is taken over by the others when it dies.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from time import monotonic

from django.conf import settings

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds before a companion that died is started again: doubling from the first to the last, as long as it dies."""
STEADY_SECONDS = 60.0
"""Who lived for so long did not die of its start: it is started again after the first wait."""

logger = logging.getLogger("scheduling.runscheduler")


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def keep_running(stop: asyncio.Event) -> None:
    """Run one companion, and another one when it dies, until `stop` is set and it has drained."""
    stopping = asyncio.create_task(stop.wait())
    wait = FIRST_WAIT
    while not stop.is_set():
        began = monotonic()
        process = await _start()
        ended = asyncio.create_task(process.wait())
        await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        if process.stdin is not None:
            process.stdin.close()
        code = await ended
        if stop.is_set():
            return
        wait = FIRST_WAIT if monotonic() - began >= STEADY_SECONDS else wait
        logger.error(
            "Process %d ended %s; another one is started in %g s",
            process.pid,
            _how(code),
            wait,
            extra={"action": "companion_ended", "companion": process.pid, "code": code, "delay": wait},
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
        wait = min(wait * 2, LONGEST_WAIT)


async def _start() -> asyncio.subprocess.Process:
    """In a session of its own, so that Ctrl-C reaches it through the first process alone."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", settings.SETTINGS_MODULE),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")])),
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "django", "runscheduler", "--follow"),
        stdin=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def _how(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
