"""Setting a job aside whose firing the database, or a receiver of a signal, refuses: the others go on."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DataError, IntegrityError, transaction

from . import events, ledger
from .firing import NONE_ACTIVE, Timeline, retry_at
from .jobstore import DueJob
from .ledger import Definition, NewRun
from .models import JobRun
from .storable import storable_text

MICROSECOND = timedelta(microseconds=1)

logger = logging.getLogger(__name__)


def set_aside(now: datetime, error: Exception) -> None:
    """Quarantine the most overdue job until 5 minutes from now, doubling to an hour.

    Its moments until then become one missed row, as plain as can be and told to no receiver. If that is refused as
    well, the problem in the job's own row is the only record.
    """
    with transaction.atomic():
        for job_id, due in ledger.lock_due(now, 1):
            definition = ledger.definitions([job_id]).get(job_id)
            since = definition.problem_at if definition is not None else None
            again = retry_at(now, since)
            if definition is not None:
                text = storable_text(f"{type(error).__name__}: {error}")
                again = _write_off(definition, due=due, now=now, again=again, error=text)
                ledger.mark([ledger.Mark(definition.pk, text, since or now)])
            ledger.move([ledger.Move(job_id, again)])
            logger.error(
                "Job set aside: its firing cannot be stored",
                extra={"action": "job_set_aside", "job_id": job_id, "error": str(error)},
            )


def _write_off(definition: Definition, *, due: datetime, now: datetime, again: datetime, error: str) -> datetime:
    """Record the moments from `due` to the next try; returns when that is: a moment of the job's, if it has more."""
    again, last, count = _span(definition, due=due, now=now, again=again)
    new = NewRun(
        pk=definition.pk,
        job_key=definition.job_id,
        job_name=definition.name or definition.job_id,
        scheduled_time=due,
        available_at=due,
        definition_version=definition.version,
        state=JobRun.State.MISSED.value,
        message=error,
        missed_count=count,
        missed_until=last,
        reason=JobRun.Reason.BROKEN.value,
    )
    try:
        with transaction.atomic():
            ids = ledger.insert([new], now)
    except (IntegrityError, DataError) as refusal:
        logger.warning(
            "Missed moments cannot be recorded",
            extra={"action": "missed_not_recorded", "job_id": definition.job_id, "error": str(refusal)},
        )
        return again
    for run in JobRun.objects.filter(pk__in=ids.values()):
        events.publish_after_commit(events.ended_unfinished(run))
    return again


def _span(definition: Definition, *, due: datetime, now: datetime, again: datetime) -> tuple[datetime, datetime, int]:
    """When to try again, the last moment before that, and how many there are from `due` to it."""
    job = DueJob(definition, due=due, moment=now, active=NONE_ACTIVE)
    job.build({})
    timeline: Timeline | None = job.timeline
    if timeline is None:
        return again, due, 1
    try:
        following = timeline.at_or_after(again)
        last = timeline.newest(due, again - MICROSECOND)
        return following or again, last, timeline.count(due, last)
    except ValueError:
        # A trigger that does not move forward.
        return again, due, 1
