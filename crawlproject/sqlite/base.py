"""Waiting for SQLite's one write lock.

SQLite's own waiting asks again after 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100, 100 … ms, whoever waits; what stands
in the way is mostly a checkpoint of a crawl, through in 8 ms. Two processes that crawl waited for a sixth of their time
like that, 12 ms each time and up to 104.
"""

from __future__ import annotations

import sqlite3
import time

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

PAUSE = 0.001
"""Seconds between two looks at the lock."""
SOON = 0.1
LONG_PAUSE = 0.01
"""The same of who has waited for longer than `SOON`: what holds the lock is no usual transaction."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Differs from Django's in when a transaction looks for the lock again; it waits as long."""

    def _start_transaction_under_autocommit(self) -> None:
        self.ensure_connection()
        seconds = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        began = time.monotonic()
        self._set_busy_timeout(0.0)
        try:
            while True:
                try:
                    super()._start_transaction_under_autocommit()  # type: ignore[misc]  # which the stubs lack
                    return
                except OperationalError as error:
                    waited = time.monotonic() - began
                    if not _is_busy(error) or waited >= seconds:
                        raise
                time.sleep(PAUSE if waited < SOON else LONG_PAUSE)
        finally:
            self._set_busy_timeout(seconds)

    def _set_busy_timeout(self, seconds: float) -> None:
        # Not by a cursor of Django's: this is no query of anybody's.
        with self.wrap_database_errors:
            self.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY
