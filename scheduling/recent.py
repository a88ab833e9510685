"""How the runs of the last hour or day ended: bounded, however many there were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Avg, BooleanField, Count, Func, Q, Sum
from django.db.models.functions import Coalesce, Now

from .models import JobRun

MOST_ROWS = 10_000
"""The newest rows of a window that are looked at; the ratios of a busier one are those of its newest."""

State = JobRun.State


class HasEnded(Func):
    """`HasEnded("state")`: the condition of the index `run_finished`, word for word.

    SQLite uses a partial index only where its condition stands in the statement: values that are bound, as the ORM
    binds those of `state__in`, make it read the whole history.
    """

    template = "NOT (%(expressions)s IN ('queued', 'running'))"
    output_field = BooleanField()


class Equals(Func):
    """`Equals("state", "running")`: the condition of the indexes of what runs, or waits, word for word likewise."""

    template = "%(expressions)s = '%(word)s'"
    output_field = BooleanField()

    def __init__(self, column: str, word: str) -> None:
        super().__init__(column, word=word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What ended within a time up to now."""

    seconds: int
    succeeded: int
    failed: int
    cancelled: int
    missed: int
    """Rows: one a gap."""
    missed_moments: int
    """Planned moments in those gaps."""
    skipped: int
    mean_seconds: float | None
    """Of the runs that executed; None where none did."""
    is_sample: bool
    """There were more than `MOST_ROWS`: the figures are of the newest of them."""

    @property
    def executed(self) -> int:
        """How many came to an end of their own."""
        return self.succeeded + self.failed

    @property
    def success_rate(self) -> float | None:
        """From 0 to 1; None where none executed."""
        return self.succeeded / self.executed if self.executed else None

    @property
    def error_rate(self) -> float | None:
        """From 0 to 1; None where none executed."""
        return self.failed / self.executed if self.executed else None


def window(length: timedelta, *, most: int = MOST_ROWS) -> Window:
    """Look at what ended in the last `length`, by the database's clock."""
    ended = JobRun.objects.filter(HasEnded("state"), finished_at__gte=Now() - length)
    newest = ended.order_by("-finished_at").values("state", "execution_time", "missed_count")[:most]
    counts = {state: Count("state", filter=Q(state=state)) for state in JobRun.TERMINAL}
    found = newest.aggregate(
        **{str(state): count for state, count in counts.items()},
        rows=Count("state"),
        moments=Sum(Coalesce("missed_count", 1), filter=Q(state=State.MISSED)),
        mean=Avg("execution_time", filter=Q(state__in=[State.SUCCEEDED, State.FAILED])),
    )
    return Window(
        seconds=int(length.total_seconds()),
        succeeded=found[State.SUCCEEDED],
        failed=found[State.FAILED],
        cancelled=found[State.CANCELLED],
        missed=found[State.MISSED],
        missed_moments=found["moments"] or 0,
        skipped=found[State.SKIPPED],
        mean_seconds=found["mean"],
        is_sample=found["rows"] >= most,
    )
