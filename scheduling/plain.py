"""What nearly every firing is: one moment, in time, nothing in its way, nothing to be said. Recognised cheaply.

A job is plain or it is not: where anything is special, or fails, `plain_jobs` leaves the job to `DueJob`, which
decides everything and names what is wrong. Both say the same of a plain one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from apscheduler.job import Job

from . import registry, triggers
from .contract import JobHandler
from .exceptions import UnknownHandler
from .ledger import Due
from .rowsets import missing_offset
from .triggers import AnchoredInterval, DocumentTrigger


class PlainJob(Job):  # type: ignore[misc]  # APScheduler is untyped
    """A due job with one moment to run, as APScheduler sees it: its answers are known beforehand."""

    __slots__ = ("due", "due_at", "following", "id", "next_run_time", "pk")

    kwargs: Mapping[str, object] = MappingProxyType({})
    executor = "default"
    coalesce = False
    max_instances = 1
    misfire_grace_time = None

    def __init__(self, job_id: str, pk: int, due: datetime, due_at: str, following: datetime | None) -> None:
        self.id = job_id
        self.pk = pk
        self.due = due
        self.due_at = due_at
        self.following = following

    @property
    def name(self) -> str:
        return str(self.id)

    @property
    def trigger(self) -> PlainJob:
        """Itself: APScheduler asks it for nothing but the next moment."""
        return self

    def get_next_fire_time(self, previous: datetime, now: datetime) -> datetime | None:
        return self.following

    def _get_run_times(self, now: datetime) -> list[datetime]:
        return [self.due]

    def _modify(self, *, next_run_time: datetime) -> None:
        self.next_run_time = next_run_time


def plain_jobs(rows: Iterable[Due], moment: datetime) -> list[PlainJob | None]:
    """Return for each due row its job if that is plain, else None."""
    quiet: dict[str | None, bool] = {}
    steps: dict[tuple[str, str], datetime | None] = {}
    jobs: list[PlainJob | None] = []
    offset = missing_offset()
    for job_id, due_at, pk, handler, document, anchor_at, grace, is_plain in rows:
        job = None
        if is_plain and (quiet[handler] if handler in quiet else quiet.setdefault(handler, _has_no_key(handler))):
            try:
                due = datetime.fromisoformat(due_at + offset)
                trigger = unanchored(document)
                if anchor_at is not None and isinstance(trigger, AnchoredInterval):
                    following = trigger.following_from(datetime.fromisoformat(anchor_at + offset), due)
                else:
                    # A cron line is slow to ask, and many jobs have the same one.
                    key = (document, due_at)
                    if key not in steps:
                        steps[key] = trigger.following(due)
                    following = steps[key]
            except Exception:  # noqa: S110 - foreign code and old documents: `DueJob` meets it again and keeps it
                pass
            else:
                if (
                    (following is None or following > moment)
                    and (grace is None or (moment - due).total_seconds() <= grace)
                    # A time that SQLite holds written otherwise, by hand, would equal no other on record.
                    and (not offset or (due_at[10] == " " and len(due_at) == (26 if due.microsecond else 19)))
                ):
                    job = PlainJob(job_id, pk, due, due_at, following)
        jobs.append(job)
    return jobs


@lru_cache(maxsize=4096)
def unanchored(document: str) -> DocumentTrigger:
    """Return the trigger of a JSON text. Many jobs share a document and differ in their anchor alone."""
    return triggers.build(json.loads(document))


def _has_no_key(handler: str | None) -> bool:
    try:
        return type(registry.get(str(handler))).exclusive_key is JobHandler.exclusive_key
    except UnknownHandler:
        return False
