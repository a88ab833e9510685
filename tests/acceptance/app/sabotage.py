"""Lets a process fail at a chosen point of its ticks: by kill -9, by the end of its back end, or by being slow.

The points are counted from the statement by which a tick locks its due rows, in the control lane. `SABOTAGE` holds one:

- ``statement:N``   kill before the Nth statement
- ``after:MS``      kill so many milliseconds later, whatever is under way
- ``commit``        kill before the tick's COMMIT
- ``committed``     kill after it, before anybody is told
- ``claimed``       kill after the COMMIT of a claim
- ``back end``      end the connection's server process before the nth statement of the nth tick; when they are through,
                    before a COMMIT, and after one whose answer is lost
- ``slow:MS``       wait before each statement of a tick

What kills leaves a note of where it was in the file `SABOTAGE_NOTE`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

LOCKS_DUE = re.compile(r"^\s*SELECT .*django_apscheduler_djangojob.*next_run_time <=", re.DOTALL)
"""How a tick asks for what is due, on both databases."""


class Sabotage:
    """One plan for all connections of a process; only those of the control lane matter."""

    def __init__(self, plan: str, note: Path) -> None:
        self.kind, _colon, amount = plan.partition(":")
        self.amount = float(amount or 0)
        self.note = note
        self.began: float | None = None
        self.count = 0
        self.ticks = 0
        self.claims = False
        self.is_open = False
        """A tick's transaction is under way, its COMMIT included."""
        self.statement = ""
        self.commits = 0
        """How many of the two COMMITs have lost their back end."""

    def watch(self, sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.append(self)
            connection.commit = self._committing(connection)  # type: ignore[method-assign]

    def __call__(
        self, execute: Callable[..., object], sql: str, params: object, many: bool, context: dict[str, object]
    ) -> object:
        if threading.current_thread().name != "lane-control":
            return execute(sql, params, many, context)
        connection = context["connection"]
        assert isinstance(connection, BaseDatabaseWrapper)
        if LOCKS_DUE.match(sql):
            self._begin()
        elif sql.startswith('UPDATE "scheduling_jobrun"') and isinstance(params, tuple) and "running" in params:
            self.claims = True
        if self.began is not None:
            self.count += 1
            self.statement = sql
            self._before_statement(connection)
        return execute(sql, params, many, context)

    def _begin(self) -> None:
        self.ticks += 1
        self.is_open = True
        if self.began is None or self.kind in ("back end", "slow"):
            self.began, self.count = time.monotonic(), 0
            if self.kind == "after":
                timer = threading.Timer(self.amount / 1000, self._kill)
                timer.daemon = True
                timer.start()

    def _before_statement(self, connection: BaseDatabaseWrapper) -> None:
        if self.kind == "statement" and self.count >= self.amount:
            self._kill()
        elif self.kind == "slow" and connection.in_atomic_block:
            time.sleep(self.amount / 1000)
        elif self.kind == "back end" and self.count == self.ticks:
            self._end_back_end(connection)

    def _end_back_end(self, connection: BaseDatabaseWrapper) -> None:
        """As an administrator, or a fail-over, ends it."""
        own = connection.connection
        with self.note.open("a") as sink:
            sink.write(self._where() + "\n")
        self.began = None
        with psycopg.connect(own.info.dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])

    def _committing(self, connection: BaseDatabaseWrapper) -> Callable[[], None]:
        commit = connection.commit

        def committing() -> None:
            if threading.current_thread().name != "lane-control":
                commit()
                return
            in_tick = self.began is not None
            claims, self.claims = self.claims, False
            self._before_commit(connection, in_tick=in_tick)
            commit()
            self.is_open = self.is_open and not in_tick
            self._after_commit(connection, in_tick=in_tick, claims=claims)

        return committing

    def _before_commit(self, connection: BaseDatabaseWrapper, *, in_tick: bool) -> None:
        if in_tick and self.kind == "commit":
            self._kill()
        if in_tick and self.kind == "back end" and self.count < self.ticks and self.commits == 0:
            self.commits = 1
            self._end_back_end(connection)

    def _after_commit(self, connection: BaseDatabaseWrapper, *, in_tick: bool, claims: bool) -> None:
        if (in_tick and self.kind == "committed") or (claims and self.kind == "claimed"):
            self._kill()
        if in_tick and self.kind == "back end" and self.count < self.ticks and self.commits == 1:
            self.commits = 2
            self._end_back_end(connection)
            raise OperationalError("server closed the connection unexpectedly")
        if in_tick and self.kind in ("back end", "slow"):
            self.began = None

    def _kill(self) -> None:
        self.note.write_text(self._where())
        os.kill(os.getpid(), signal.SIGKILL)

    def _where(self) -> str:
        milliseconds = round(1000 * (time.monotonic() - (self.began or time.monotonic())), 1)
        return json.dumps(
            {"inside": self.is_open, "statement": self.count, "ms": milliseconds, "sql": self.statement[:60]}
        )
