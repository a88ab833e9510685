"""A thread that watches the event loop: measures its lag, names what blocks it, and ends a process that is stuck.

The loop cannot watch itself. A stuck process beats no more, so that others take its runs over after a while; ending it
lets its supervisor start a fresh one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from time import monotonic

INTERVAL = 0.5
"""Seconds between two signs of life of the loop."""
EXIT_STATUS = 70

logger = logging.getLogger(__name__)


class Watchdog:
    """Watches one loop from a thread of its own."""

    def __init__(
        self,
        *,
        warn_seconds: float = 1.0,
        exit_seconds: float = 120.0,
        end_process: Callable[[int], object] = os._exit,
        interval: float = INTERVAL,
    ) -> None:
        self.warn_seconds = warn_seconds
        self.exit_seconds = exit_seconds
        self.worst_lag = 0.0
        self._end_process = end_process
        self._interval = interval
        self._last_sign = 0.0
        self._warn_at = warn_seconds
        self._stop = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch the running loop, in whose thread this is called."""
        loop = asyncio.get_running_loop()
        self._sign(loop)
        self._thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch; called in the loop's thread."""
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()

    def take_worst_lag(self) -> float:
        """Return the longest lag since the last call, in seconds."""
        lag, self.worst_lag = self.worst_lag, 0.0
        return lag

    def check(self, now: float, loop_thread: int) -> None:
        """Judge the lag at `now` (monotonic): one pass of the thread."""
        lag = max(0.0, now - self._last_sign - self._interval)
        self.worst_lag = max(self.worst_lag, lag)
        if lag < self.warn_seconds:
            self._warn_at = self.warn_seconds
            return
        if lag >= self._warn_at:
            self._warn_at = lag * 2
            logger.warning(
                "Event loop blocked for %.1f s by:\n%s",
                lag,
                _stack(loop_thread),
                extra={"action": "loop_blocked", "lag": lag},
            )
        if lag >= self.exit_seconds:
            logger.critical(
                "Event loop blocked for %.0f s: ending this process, its runs go on elsewhere",
                lag,
                extra={"action": "loop_stuck", "lag": lag},
            )
            self._end_process(EXIT_STATUS)

    def _sign(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last_sign = monotonic()
        self._timer = loop.call_later(self._interval, self._sign, loop)

    def _watch(self, loop_thread: int) -> None:
        before = monotonic()
        while not self._stop.wait(self._interval):
            now = monotonic()
            if now - before > self._interval + 5.0:
                # This thread was held up as well: the whole process stood still (SIGSTOP, suspend), not the loop alone.
                self._last_sign = now
            before = now
            self.check(now, loop_thread)


def _stack(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame is not None else "(no such thread)"
