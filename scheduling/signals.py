"""What happens to a run, told inside the transaction that makes it true.

Receivers get `sender=JobRun` and `run` (as it is written in this transaction) and write rows only: no network, no
waiting, no logging of facts that a rollback would take back. What is told *after* the commit stands in
`scheduling.events`.

==============  ========================================================  =========================
signal          sent when                                                 the run's state
==============  ========================================================  =========================
`run_started`   a runner claimed the run                                  running
`run_ended`     the run reached a terminal state, whichever and whoever   any of `JobRun.TERMINAL`
`run_returned`  a running run went back to the queue                      queued
==============  ========================================================  =========================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.dispatch import Signal

from .exceptions import ReceiverFailed
from .lanes import is_passing

if TYPE_CHECKING:
    from .models import JobRun

run_started = Signal()
run_ended = Signal()
run_returned = Signal()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """What a receiver of `report_made` adds to a report."""

    name: str
    """Its key in the report's document."""
    data: object
    """What JSON can hold."""
    sentence: str
    """For people; empty where there is nothing to be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccount:
    """What a receiver of `run_shown` tells of a run."""

    sentence: str
    url: str
    """Where there is more of it."""


run_shown = Signal()
"""Sent with `run` while a page shows it: a receiver that knows what its work came to returns a `RunAccount`, others
None."""

report_made = Signal()
"""Sent outside of transactions with `since` and `until` (times) while a report is made: a receiver that has something
to say of that period returns a `ReportSection`, others None."""

retention = Signal()
"""Sent inside a transaction with `before` (a time) and `limit`: a receiver removes at most so many of its own rows that
are older and returns how many went. It is asked again until all say 0."""


def tell(signal: Signal, run: JobRun) -> None:
    """Send one of the signals about a run, inside the transaction that makes it true.

    Raises:
        ReceiverFailed: a receiver is another app's code, and raised; the caller's transaction must not be kept.
        DatabaseError, InterfaceError: the database is locked or away; it can be tried again.
    """
    try:
        signal.send(sender=type(run), run=run)
    except Exception as error:
        if is_passing(error):
            raise
        raise ReceiverFailed(run.pk, error) from error
