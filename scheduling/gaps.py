"""Gaps whose moments a tick had no time to count, and jobs whose row it could not write."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from . import triggers
from .exceptions import InvalidTrigger
from .firing import retry_at
from .ledger import Mark, Move, definitions, lock_due, mark, move
from .models import DefinitionVersion, JobRun
from .storable import storable_text

AT_ONCE = 20
INSTANT = timedelta(microseconds=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """A missed run, or one that stands for coalesced moments, with the number still to be found."""

    run_id: int
    field: str
    """`missed_count` or `coalesced_count`."""
    first: datetime
    """The first moment of the gap."""
    last: datetime
    inclusive: bool
    """Whether `last` itself belongs to it."""
    trigger: Mapping[str, object]
    anchor: datetime | None


def uncounted(limit: int = AT_ONCE) -> list[Uncounted]:
    """Return some gaps that are still to be counted, each with its trigger as it was then."""
    missed = JobRun.objects.filter(state=JobRun.State.MISSED, missed_count__isnull=True)
    coalesced = JobRun.objects.filter(coalesced_count=0, coalesced_from__isnull=False)
    found = [_of_missed(run) for run in missed.select_related("job").order_by("pk")[:limit]]
    found += [_of_coalesced(run) for run in coalesced.select_related("job").order_by("pk")[:limit]]
    return found


def count(gap: Uncounted) -> int:
    """Count a gap's moments: no database, possibly seconds. At least 1: its first moment was due."""
    until = gap.last if gap.inclusive else gap.last - INSTANT
    try:
        return max(1, triggers.count_between(gap.trigger, gap.first - INSTANT, until, anchor=gap.anchor))
    except InvalidTrigger:
        return 1


def store(gap: Uncounted, number: int) -> None:
    """Write a gap's number."""
    JobRun.objects.filter(pk=gap.run_id).update(**{gap.field: number})


def count_all() -> None:
    """Count every gap, now: for whoever has no timer running."""
    while found := uncounted():
        for gap in found:
            store(gap, count(gap))


def set_aside(now: datetime, error: Exception) -> None:
    """Quarantine the most overdue job, whose firing the database refuses: the others go on.

    Nothing is recorded but the problem: it is a row of this very job that cannot be written.
    """
    with transaction.atomic():
        for job_id, _due in lock_due(now, 1):
            found = definitions([job_id])
            since = found[job_id].problem_at if job_id in found else None
            move([Move(job_id, retry_at(now, since))])
            if job_id in found:
                text = storable_text(f"{type(error).__name__}: {error}")
                mark([Mark(found[job_id].pk, text, since or now)])
            logger.error(
                "Job set aside: its firing cannot be stored",
                extra={"action": "job_set_aside", "job_id": job_id, "error": str(error)},
            )


def _of_missed(run: JobRun) -> Uncounted:
    document, anchor = _trigger_of(run)
    return Uncounted(
        run_id=run.pk,
        field="missed_count",
        first=run.scheduled_time,
        last=run.missed_until or run.scheduled_time,
        inclusive=True,
        trigger=document,
        anchor=anchor,
    )


def _of_coalesced(run: JobRun) -> Uncounted:
    document, anchor = _trigger_of(run)
    return Uncounted(
        run_id=run.pk,
        field="coalesced_count",
        first=run.coalesced_from or run.scheduled_time,
        last=run.scheduled_time,
        inclusive=False,
        trigger=document,
        anchor=anchor,
    )


def _trigger_of(run: JobRun) -> tuple[Mapping[str, object], datetime | None]:
    """The trigger that the run's version of the definition had; a job's own where that version is not kept."""
    anchor = run.job.anchor_at if run.job is not None else None
    number = run.definition_version or 0
    kept = DefinitionVersion.objects.filter(kind=DefinitionVersion.Kind.JOB, key=run.job_key, number=number).first()
    if kept is not None:
        trigger = kept.document.get("trigger")
        return (trigger if isinstance(trigger, Mapping) else {}), anchor
    return (run.job.trigger if run.job is not None else {}), anchor
