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
from contextvars import Context, ContextVar
from dataclasses import dataclass, replace
from time import monotonic
from types import FrameType

INTERVAL = 0.5
"""Seconds between two signs of life of the loop."""
EXIT_STATUS = 70
MOST_FRAMES = 15
"""The innermost frames of a stack are shown."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """The run that a task (with all tasks that it began) works for."""

    run_id: int
    claim: int
    handler: str


WORK: ContextVar[Work | None] = ContextVar("WORK", default=None)
"""Set in a handler's own task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The loop has no turn: who has it, and where that stands."""

    seconds: float
    work: Work | None
    """None where it is no run's doing, or nobody knows whose."""
    task: str
    """The name of the task; empty where it is a plain callback."""
    stack: str
    is_idle: bool = False
    """Nobody has the turn: the loop's own thread gets no processor, or the process stood still."""
    ended: bool = False

    @property
    def culprit(self) -> str:
        """Who blocks the loop, in words."""
        if self.is_idle:
            return "nobody: the process gets no processor"
        if self.work is not None:
            return f"run #{self.work.run_id} (handler {self.work.handler})"
        return f"task {self.task}" if self.task else "a callback"


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
        self.listeners: list[Callable[[Block], None]] = []
        """Called in the watchdog's thread when a block is named, each time that it has doubled, and at its end."""
        self._end_process = end_process
        self._interval = interval
        self._last_sign = 0.0
        self._warn_at = warn_seconds
        self._block: Block | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch the running loop, in whose thread this is called."""
        self._loop = loop = asyncio.get_running_loop()
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
            self._release()
            return
        if lag >= self._warn_at:
            self._warn_at = lag * 2
            self._name(lag, loop_thread)
        elif self._block is not None:
            self._block = replace(self._block, seconds=lag)
        if lag >= self.exit_seconds:
            logger.critical(
                "Event loop blocked for %.0f s: ending this process, its runs go on elsewhere",
                lag,
                extra={"action": "loop_stuck", "lag": lag},
            )
            self._end_process(EXIT_STATUS)

    def _name(self, lag: float, loop_thread: int) -> None:
        """Say who blocks the loop, and where."""
        task = asyncio.current_task(self._loop) if self._loop is not None else None
        context, stack = _look(sys._current_frames().get(loop_thread))
        work = context.get(WORK) if context is not None else None
        name = task.get_name() if task is not None else ""
        self._block = Block(seconds=lag, work=work, task=name, stack=stack, is_idle=context is None and not name)
        logger.warning(
            "Event loop blocked for %.1f s by %s:\n%s", lag, self._block.culprit, stack, extra=_fields(self._block)
        )
        self._tell(self._block)

    def _release(self) -> None:
        if self._block is None:
            return
        ended, self._block = replace(self._block, ended=True), None
        logger.warning(
            "Event loop free again after %.1f s; it was blocked by %s",
            ended.seconds,
            ended.culprit,
            extra=_fields(ended) | {"action": "loop_free"},
        )
        self._tell(ended)

    def _tell(self, block: Block) -> None:
        for listener in self.listeners:
            try:
                listener(block)
            except Exception:  # the outermost loop of this thread: the watch goes on
                logger.exception("Block not noted", extra={"action": "block_not_noted"})

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


def _look(frame: FrameType | None) -> tuple[Context | None, str]:
    """Return the context of what the loop's thread executes, and its stack without the loop's own part.

    The frame of the loop's handle holds the context, in which a task's children have what was set in the task; nothing
    else gives another thread's context (`Task.get_context` exists from Python 3.12 on, and for tasks alone).
    """
    inner: list[FrameType] = []
    context = None
    while frame is not None:
        if frame.f_code is asyncio.Handle._run.__code__:
            handle = frame.f_locals.get("self")
            context = getattr(handle, "_context", None)
            break
        inner.append(frame)
        frame = frame.f_back
    shown = [(one, one.f_lineno) for one in reversed(inner[:MOST_FRAMES])]
    return context, "".join(traceback.StackSummary.extract(iter(shown)).format())


def _fields(block: Block) -> dict[str, object]:
    fields: dict[str, object] = {"action": "loop_blocked", "lag": block.seconds}
    if block.work is not None:
        fields |= {"run_id": block.work.run_id, "handler": block.work.handler}
    return fields
