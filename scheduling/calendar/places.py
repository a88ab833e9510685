"""How many worker places there are: two queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now

from scheduling.conf import SchedulerSettings
from scheduling.liveness import LOST_SECONDS
from scheduling.models import Process, SchedulerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    processes: int
    """Alive; 0: the places are those of one process by the settings."""
    places: int
    is_paused: bool
    """Whether the whole scheduler is."""


def workers() -> Workers:
    alive = Process.objects.filter(state=Process.State.ALIVE, beat_at__gte=Now() - timedelta(seconds=LOST_SECONDS))
    counts = [
        places for places in alive.exclude(kind=Process.Kind.COMMAND).values_list("max_workers", flat=True) if places
    ]
    return Workers(
        processes=len(counts),
        places=sum(counts) or max(1, SchedulerSettings().max_workers),
        is_paused=SchedulerState.objects.filter(pk=1, paused_at__isnull=False).exists(),
    )
