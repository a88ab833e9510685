"""How a new run reaches whoever executes it: rung inside the transaction that writes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

EMBEDDED = "embedded"
EXECUTORS = (EMBEDDED,)


class Dispatcher(Protocol):
    """Rings for runs. Losing a ring loses nothing: runners look for due runs by themselves."""

    def ring(self, run_ids: Sequence[int]) -> None:
        """Say, inside the transaction that writes these queued runs, that they are there."""


class EmbeddedDispatcher:
    """Runs execute in the scheduler's processes: wake this one's runner after the commit."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def ring(self, run_ids: Sequence[int]) -> None:
        if run_ids:
            transaction.on_commit(self._wake, robust=True)


def make_dispatcher(wake: Callable[[], None]) -> Dispatcher:
    """Return the dispatcher that the setting `SCHEDULER_EXECUTOR` asks for.

    Raises:
        ImproperlyConfigured: this release does not know it.
    """
    if problem := executor_problem():
        raise ImproperlyConfigured(problem)
    return EmbeddedDispatcher(wake)


def executor_problem() -> str:
    """Say in one sentence what is wrong with `SCHEDULER_EXECUTOR`; empty: nothing."""
    executor = settings.SCHEDULER_EXECUTOR
    if executor in EXECUTORS:
        return ""
    if executor == "procrastinate":
        return "SCHEDULER_EXECUTOR=procrastinate is not in this release: set it to “embedded”."
    return f"SCHEDULER_EXECUTOR={executor} is unknown: set it to “embedded”."
