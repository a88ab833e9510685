"""Notes, and refuses, every database call in a thread whose event loop is running."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.transaction import Atomic

WATCHED = (
    (BaseDatabaseWrapper, "ensure_connection"),
    (BaseDatabaseWrapper, "cursor"),
    (BaseDatabaseWrapper, "commit"),
    (BaseDatabaseWrapper, "close"),
    (CursorWrapper, "execute"),
    (CursorWrapper, "executemany"),
    (Atomic, "__enter__"),
    (Atomic, "__exit__"),
)


class DatabaseOnLoop(BaseException):
    """Of no kind that anybody catches."""


def watch(note: Path, off_loop: Path) -> None:
    """Stacks of calls on a loop go to `note`; names of threads that called where no loop runs go to `off_loop`."""
    threads: set[str] = set()

    def report(called: str) -> None:
        if asyncio._get_running_loop() is not None:
            with note.open("a") as sink:
                sink.write(f"{called} in {threading.current_thread().name}\n{''.join(traceback.format_stack())}\n")
            raise DatabaseOnLoop(called)
        name = threading.current_thread().name
        if name not in threads:
            threads.add(name)
            with off_loop.open("a") as sink:
                sink.write(f"{name}\n")

    def watched(function: Callable[..., object], called: str) -> Callable[..., object]:
        @wraps(function)
        def call(*args: object, **kwargs: object) -> object:
            report(called)
            return function(*args, **kwargs)

        return call

    for owner, name in WATCHED:
        setattr(owner, name, watched(getattr(owner, name), f"{owner.__name__}.{name}"))
