"""Whether so many runs fail that somebody should look."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from .recent import Window, window

LEAST_RUNS = 10
"""Of fewer runs a rate says nothing."""
LENGTH = timedelta(hours=1)
MOST_RUNS = 1_000
"""The newest of the hour that the look-out counts: it looks every minute."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailureAlert:
    """Too many of the last hour's runs failed."""

    failed: int
    executed: int

    @property
    def rate(self) -> float:
        return self.failed / self.executed


def alert_of(recent: Window) -> FailureAlert | None:
    """Judge the runs of a window by `ALERT_FAILURE_RATE`; None: all is well, or there are too few to tell."""
    limit = float(settings.ALERT_FAILURE_RATE)
    if not limit or recent.executed < LEAST_RUNS or (recent.error_rate or 0.0) <= limit:
        return None
    return FailureAlert(failed=recent.failed, executed=recent.executed)


def failure_alert() -> FailureAlert | None:
    """Look at the last hour's runs."""
    return alert_of(window(LENGTH, most=MOST_RUNS))


class LookOut:
    """Logs when an alert begins and when it ends, not in between."""

    def __init__(self) -> None:
        self._alert: FailureAlert | None = None

    def look(self) -> None:
        """Look once: one short statement."""
        before, self._alert = self._alert, failure_alert()
        if self._alert is not None and before is None:
            logger.warning(
                "%d of the last hour's %d runs failed",
                self._alert.failed,
                self._alert.executed,
                extra={"action": "failure_alert", "failed": self._alert.failed, "executed": self._alert.executed},
            )
        elif self._alert is None and before is not None:
            logger.info("Runs succeed again", extra={"action": "failure_alert_over"})
