"""What an account is made of. Times are aware, in UTC; sentences are whole, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scheduling.models import JobRun
from scheduling.storable import utc_text


class Verdict(StrEnum):
    """What became, becomes or will become of one moment of one job."""

    RAN = "ran"
    """It has a run that has ended: `run.state` says how."""
    RUNNING = "running"
    QUEUED = "queued"
    """Queued a moment ago."""
    QUEUED_PLACE = "queued_place"
    """All worker places are taken."""
    QUEUED_SLOT = "queued_slot"
    """As many runs of the job as `max_instances` allows are running."""
    QUEUED_EXCLUSIVE = "queued_exclusive"
    """Another run holds its exclusive key."""
    QUEUED_LATER = "queued_later"
    """Not before its `available_at`: jitter, a retry, a hand-back."""
    QUEUED_NO_SCHEDULER = "queued_no_scheduler"
    CANCELLED = "cancelled"
    MISSED_DOWN = "missed_down"
    """No scheduler was alive."""
    MISSED_LATE = "missed_late"
    """A scheduler was alive, but its tick came later than the grace."""
    MISSED_BEYOND = "missed_beyond"
    """Older than the newest 1,000 moments that are caught up."""
    PAUSED = "paused"
    PAUSED_ALL = "paused_all"
    DISABLED = "disabled"
    SKIPPED = "skipped"
    """Another run was in the way."""
    QUEUE_FULL = "queue_full"
    COALESCED = "coalesced"
    """The run of a later moment stands for it."""
    QUARANTINED = "quarantined"
    """The definition is, or was, broken."""
    CHANGED = "changed"
    """The schedule was edited before it ran."""
    REMOVED = "removed"
    DUE_NO_SCHEDULER = "due_no_scheduler"
    """Due now, and no scheduler is alive."""
    DUE = "due"
    """Due now; the tick is about to come, or is late."""
    PLANNED = "planned"
    NOT_YET_CREATED = "not_yet_created"
    ENDED = "ended"
    """After the schedule's end, or its rule is over."""
    NEVER_DUE = "never_due"
    """Not a moment of the rule that was in force."""
    FORGOTTEN = "forgotten"
    """A moment of the rule, older than what is kept."""


DID_NOT_RUN = frozenset(
    {
        *(Verdict.MISSED_DOWN, Verdict.MISSED_LATE, Verdict.MISSED_BEYOND, Verdict.PAUSED, Verdict.PAUSED_ALL),
        *(Verdict.DISABLED, Verdict.SKIPPED, Verdict.QUEUE_FULL, Verdict.COALESCED, Verdict.QUARANTINED),
        *(Verdict.CHANGED, Verdict.REMOVED, Verdict.CANCELLED),
    }
)
"""Verdicts about a planned moment that will not run any more, by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to “why did it (not) run then?”."""

    job_id: str
    moment: datetime
    verdict: Verdict
    sentence: str
    remedy: str = ""
    """What a person can do about it; empty where there is nothing."""
    run: JobRun | None = None
    """The row that answers: of this very moment, or one that stands for it."""
    since: datetime | None = None
    until: datetime | None = None
    """The stretch of time in which the same is so: a pause, a downtime, a gap."""
    nearest_before: datetime | None = None
    nearest_after: datetime | None = None
    """The rule's moments around one that is none of its own."""
    version: int | None = None
    """Of the definition that was in force."""

    def as_json(self) -> dict[str, object]:
        """The same for JSON: times as ISO texts in UTC, the run as its number and state."""
        times = ("moment", "since", "until", "nearest_before", "nearest_after")
        return {
            "job_id": self.job_id,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "run": None if self.run is None else {"id": self.run.pk, "state": self.run.state},
            "version": self.version,
            **{name: _iso(getattr(self, name)) for name in times},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a job's past."""

    run: JobRun
    """Without its bodies (`data`, `error`, `work`): those are fetched when asked for."""
    sentence: str
    """Why it did not run, how it ended, or what it waits for."""
    count: int | None
    """Planned moments that the row stands for; None while they are being counted."""
    first: datetime
    last: datetime
    filled: int = 0
    """How many of the moments that did not run were filled in since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A moment to come."""

    moment: datetime
    note: str = ""
    """Why it will not run as things stand; empty: it will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A job's past, newest first, and its next moments."""

    job_id: str
    now: datetime
    past: list[Entry] = field(default_factory=list)
    future: list[Planned] = field(default_factory=list)
    next_before_id: int | None = None
    """Give it as `before_id` for what came before; None at the beginning."""


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
