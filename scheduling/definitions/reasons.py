"""Why moments of a job did not run, as it goes into their row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scheduling.models import JobRun, SchedulerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason, and whose doing it was."""

    reason: str
    """A `JobRun.Reason`."""
    message: str
    data: Mapping[str, str] = field(default_factory=dict)
    """`by`, `since`, `note`, as far as there are any: what a pause says of itself is wiped at its end."""


def why(reason: str, *, by: str = "", since: datetime | None = None, note: str = "", message: str = "") -> Why:
    told = {"by": by, "since": "" if since is None else since.isoformat(), "note": note}
    return Why(reason=reason, message=message or reason, data={key: value for key, value in told.items() if value})


def everything_was_paused(state: SchedulerState) -> Why:
    # All pauses have one message; the reason tells them apart.
    reason = JobRun.Reason.PAUSED_ALL.value
    said = JobRun.Reason.PAUSED.value
    return why(reason, by=state.paused_by, since=state.paused_at, note=state.note, message=said)
