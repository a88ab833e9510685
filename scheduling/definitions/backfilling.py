"""Filling in moments of the past that did not run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scheduling.models import JobRun


class Which(StrEnum):
    """Which moments of a range are filled in."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"
    SELECTED = "selected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A moment of the past that can be filled in."""

    moment: datetime
    state: str
    """What stands there: a `JobRun.State`, `coalesced`, `already` (it was filled in before), or `none`."""
    run_id: int | None
    """The row that says so."""
    suggested: bool
    """It did not run."""
    sentence: str = ""
    """Why it did not run, or how it ended."""


def backfill_offers(job_id: str, since: datetime, until: datetime, *, limit: int = 1000) -> list[Offer]:
    """The moments in ``since ≤ t ≤ until`` that can be filled in, oldest first; the newest `limit` of them.

    Raises:
        JobNotFound
        RunConflict: the job is a one-off.
    """
    raise NotImplementedError


def backfill_range(
    job_id: str,
    since: datetime,
    until: datetime,
    which: str,
    *,
    moments: Iterable[datetime] = (),
    by: str = "",
) -> list[JobRun]:
    """Fill in none, the latest or all of the suggested moments of a range, or those selected.

    Raises:
        JobNotFound
        RunConflict: too many, one that is no moment of the job, or the job is a one-off.
    """
    raise NotImplementedError
