"""How late the scheduler is: what its ticks say of themselves, and what the database says of all schedulers."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from .models import ScheduledJob, SchedulerState
from .storable import utc_text

_LOOKED_AT = 100
"""So many of the most overdue jobs are looked at: more than any hand saves with a date in the past at one time."""


class TickLateness:
    """How long due moments waited for one process's ticks. Written and read in the control lane alone.

    A moment counts from when this process could first have seen it: a date in the past that somebody saves now, or
    what became due while nothing ran, makes no tick late.
    """

    def __init__(self) -> None:
        self.ticked_at: datetime | None = None
        """When the last tick ended, whether it found something or not."""
        self._worst = timedelta(0)
        self._clear_at = timezone.now()

    def clear(self, moment: datetime) -> None:
        """Note that nothing was due (or everything was paused) at `moment`."""
        self.ticked_at = self._clear_at = moment

    def committed(self, most_overdue: datetime | None, moment: datetime, *, all_done: bool) -> None:
        """Note a tick that was committed at `moment`, the earliest due moment that it took on, and if none is left."""
        self.ticked_at = moment
        if most_overdue is not None:
            self._worst = max(self._worst, moment - max(most_overdue, self._clear_at))
        if all_done:
            self._clear_at = moment

    def take_worst(self) -> float:
        """Return the worst lateness since the last call, in seconds."""
        worst, self._worst = self._worst, timedelta(0)
        return worst.total_seconds()

    def gauges(self) -> dict[str, object]:
        """Return what goes into the process's row with a beat."""
        ticked_at = None if self.ticked_at is None else utc_text(self.ticked_at)
        return {"tick_lateness_seconds": round(self.take_worst(), 3), "ticked_at": ticked_at}


def overdue_seconds() -> float:
    """Return how late the most overdue job is at this moment, by the database's clock; 0 when all is paused.

    A job that was saved with a moment in the past counts from when it was saved.
    """
    if SchedulerState.objects.filter(paused_at__isnull=False).exists():
        return 0.0
    saved_at = ScheduledJob.objects.filter(job_id=OuterRef("pk")).values("updated_at")[:1]
    known = Greatest(F("next_run_time"), Coalesce(Subquery(saved_at), F("next_run_time")))
    late = ExpressionWrapper(Now() - ExpressionWrapper(known, output_field=DateTimeField()), DurationField())
    due = DjangoJob.objects.filter(next_run_time__lte=Now()).order_by("next_run_time").annotate(late=late)
    waited: list[timedelta] = list(due.values_list("late", flat=True)[:_LOOKED_AT])
    return max(0.0, max((wait.total_seconds() for wait in waited), default=0.0))
