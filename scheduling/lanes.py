"""A lane: one thread with one database connection of its own, fed from the event loop.

The loop never runs an ORM call. What must be done in order and on one connection (tick, beat, claim, finish, reap;
checkpoints) goes through a lane; each run executes in a thread of its own (`scheduling.runner`).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import re
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections

from .exceptions import DatabaseMismatch

P = ParamSpec("P")
T = TypeVar("T")

FIRST_BACK_OFF = 0.1
LAST_BACK_OFF = 5.0
"""Seconds between the attempts of `Lane.run_patiently`: doubling from the first to the last."""

_LACKING = ("42P01", "42703")
"""PostgreSQL's undefined_table and undefined_column."""
_PASSING = ("25006", "25P03", "25P04")
"""PostgreSQL's read_only_sql_transaction (a standby, a full disk's administrator), and the time-outs by which it ends
the transaction of a process that was stopped. It counts them as errors of the program; they pass like a lock does."""
_LACKING_WORDS = re.compile(r"no such (table|column)|has no column")

logger = logging.getLogger(__name__)


class Lane:
    """One thread, one connection; functions run one at a time in the order in which they were given.

    A function that was handed over runs to its end even when its waiter is cancelled: a transaction is never cut in
    the middle. One that still waits in the queue then is dropped.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._pending = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix=f"lane-{name}", initializer=_name_thread, initargs=(f"lane-{name}",)
        )

    @property
    def pending(self) -> int:
        """How many functions run or wait in this lane."""
        return self._pending

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in the lane's thread and return what it returns, or raise what it raises."""
        return await asyncio.wrap_future(self.submit(function, *args, **kwargs))

    async def run_patiently(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, tried again after a growing delay for as long as the database is locked, gone or read-only.

        `function` must be one transaction (or harmless to repeat). Other callers get their turn between the attempts.

        Raises:
            DatabaseMismatch: a table or a column is missing, which no waiting mends.
        """
        delay = FIRST_BACK_OFF
        while True:
            try:
                return await self.run(function, *args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if lacks_something(error):
                    raise DatabaseMismatch(error) from error
                if not is_passing(error):
                    raise
                logger.warning(
                    "Database unavailable, trying again: %s",
                    error,
                    extra={"action": "database_back_off", "lane": self.name, "delay": delay, "error": str(error)},
                )
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_BACK_OFF)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand `function` over without waiting; for callers that have no event loop."""
        call: Callable[[], T] = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        with self._lock:
            self._pending += 1
        try:
            future: Future[T] = self._executor.submit(_on_a_usable_connection, call)
        except RuntimeError:
            self._done()
            raise
        future.add_done_callback(self._done)
        return future

    def close(self) -> None:
        """Wait for what was handed over, close the connection, end the thread. A closed lane takes nothing more."""
        try:
            self._executor.submit(connections.close_all)
        except RuntimeError:
            return
        self._executor.shutdown(wait=True)

    def _done(self, _future: object = None) -> None:
        with self._lock:
            self._pending -= 1


def is_passing(error: Exception) -> bool:
    """Whether the same may succeed later, unchanged: the database is locked, away, full, read-only or cut us off."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return not lacks_something(error)
    return isinstance(error, InternalError) and getattr(error.__cause__, "sqlstate", None) in _PASSING


def lacks_something(error: Exception) -> bool:
    """Whether the database misses a table or a column.

    PostgreSQL says so by its code. SQLite gives the same class of error as for a lock, and a code for all that is
    wrong with a statement: its words decide.
    """
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _LACKING:
        return True
    is_wrong = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return is_wrong and _LACKING_WORDS.search(str(error)) is not None


def _name_thread(name: str) -> None:
    threading.current_thread().name = name


def _on_a_usable_connection(call: Callable[[], T]) -> T:
    """A connection that broke (server restarted, cable cut) is thrown away before and after, never used twice."""
    close_broken_connections()
    try:
        return call()
    finally:
        close_broken_connections()


def close_broken_connections() -> None:
    """Close this thread's connections that met an error and do not answer any more.

    Django's `close_old_connections` would also close what is merely old: with a pool every single time, which costs a
    check-out and a health check for each function.
    """
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or connection.in_atomic_block or not connection.errors_occurred:
            continue
        if connection.is_usable():
            connection.errors_occurred = False
        else:
            connection.close()
