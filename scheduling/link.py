"""What ties a handler's context to its run in this process (`contract.RunLink`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from . import claims
from .claims import Claimed
from .exceptions import RunStopped
from .lanes import FIRST_BACK_OFF, LAST_BACK_OFF, Lane, close_broken_connections, is_passing
from .log_lines import RETRY
from .places import Places
from .runlog import PIECE, LogBuffer

P = ParamSpec("P")
T = TypeVar("T")
OnProgress = Callable[[float | None, str], None]

EFFECTS_PATIENCE = 60.0
"""Seconds in which effects are tried again while the database is locked or away; then the handler gets the error."""

logger = logging.getLogger(__name__)


class ExecutionLink:
    """Guard, log, progress, effects and the pause before a retry of one run."""

    def __init__(
        self,
        claimed: Claimed,
        *,
        control: Lane,
        places: Places,
        on_full: Callable[[], None],
        on_progress: OnProgress | None = None,
    ) -> None:
        self.buffer = LogBuffer()
        self.stopping = asyncio.Event()
        self.retry_count = claimed.retry_count
        self._claimed = claimed
        self._control = control
        self._places = places
        self._holds_place = True
        self._next_attempt: float | None = None
        self._on_full = on_full
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()

    def guard(self) -> None:
        claims.guard(self._claimed.run_id, self._claimed.owner, self._claimed.claim)

    def log(self, line: str) -> None:
        logger.info("Run log", extra={"action": "run_log", "run_id": self._claimed.run_id, "line": line})
        if self.buffer.add(line) >= PIECE:
            self._call_soon(self._on_full)

    def progress(self, fraction: float | None, message: str) -> None:
        shown = message if fraction is None else f"{min(max(fraction, 0.0), 1.0):.0%} {message}".rstrip()
        self.buffer.show(shown)
        if self._on_progress is not None:
            self._call_soon(partial(self._on_progress, fraction, message))

    async def effects(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `JobContext.effects`; a locked or restarted database is waited for."""
        call: Callable[[], T] = partial(function, *args, **kwargs)
        began, delay = monotonic(), FIRST_BACK_OFF
        while True:
            try:
                return await sync_to_async(self._behind_guard, thread_sensitive=True)(call)
            except (DatabaseError, InterfaceError) as error:
                if not is_passing(error) or monotonic() - began > EFFECTS_PATIENCE:
                    raise
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_BACK_OFF)

    async def pause_before_retry(self, retry_count: int, delay: float, error: str) -> None:
        """Count the retry, sleep without holding a place, take one again, note the attempt's begin."""
        values = {"number": retry_count, "delay": f"{delay:g}", "error": error}
        message = RETRY % values
        self.log(f"WARNING: {message}")
        await self._control.run_patiently(claims.store_retry, self._claimed, retry_count, message)
        self.retry_count = retry_count
        self._next_attempt = monotonic() + delay
        self.give_place_back()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), delay)
        if self.stopping.is_set():
            raise RunStopped("Stopped while waiting for the next attempt.")
        await self._places.take()
        self._holds_place = True
        self._next_attempt = None
        await self._control.run_patiently(claims.store_attempt, self._claimed, timezone.now())

    @property
    def rest_of_delay(self) -> timedelta:
        """How long the pause before the next attempt has still to last; none where no pause was cut short."""
        if self._next_attempt is None:
            return timedelta(0)
        return timedelta(seconds=max(0.0, self._next_attempt - monotonic()))

    def give_place_back(self) -> None:
        """Free the run's place, if it holds one."""
        if self._holds_place:
            self._holds_place = False
            self._places.give_back()

    def _behind_guard(self, call: Callable[[], T]) -> T:
        close_broken_connections()
        with transaction.atomic():
            self.guard()
            return call()

    def _call_soon(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: an abandoned thread still talks
            self._loop.call_soon_threadsafe(call)
