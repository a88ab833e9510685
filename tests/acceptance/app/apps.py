"""Kills its own process at a chosen statement, so that a test knows where it died."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from . import loop_guard

LOCKS_DUE = "FROM django_apscheduler_djangojob\nWHERE next_run_time <="


class AcceptanceConfig(AppConfig):
    name = "tests.acceptance.app"
    label = "acceptance"

    def ready(self) -> None:
        if at := os.environ.get("KILL_AT_STATEMENT"):
            killer = Killer(int(at), Path(os.environ["KILL_NOTE"]))
            connection_created.connect(killer.watch, weak=False)
        if note := os.environ.get("NOTE_DATABASE_ON_LOOP"):
            loop_guard.watch(Path(note), Path(note).with_suffix(".threads"))


class Killer:
    """kill -9 before the nth statement of the control lane, counted from the one by which a tick locks its due rows."""

    def __init__(self, at: int, note: Path) -> None:
        self.at = at
        self.note = note
        self.count = 0

    def watch(self, sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
        connection.execute_wrappers.append(self)

    def __call__(
        self, execute: Callable[..., object], sql: str, params: object, many: bool, context: dict[str, object]
    ) -> object:
        connection = context["connection"]
        if threading.current_thread().name == "lane-control" and (self.count or LOCKS_DUE in sql):
            self.count += 1
            if self.count >= self.at:
                inside = bool(getattr(connection, "in_atomic_block", False))
                self.note.write_text(f"{'inside' if inside else 'outside'} {self.count} {sql[:80]!r}\n")
                os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)
