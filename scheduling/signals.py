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

from django.dispatch import Signal

run_started = Signal()
run_ended = Signal()
run_returned = Signal()

retention = Signal()
"""Sent inside a transaction with `before` (a time) and `limit`: a receiver removes at most so many of its own rows that
are older and returns how many went. It is asked again until all say 0."""
