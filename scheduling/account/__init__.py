"""The account of a job: what ran, what did not, and why; what will run. Reads alone, never writes.

Every planned moment is one of: run, missed, skipped, coalesced into another, or still to come. `explain` answers for
one moment; `timeline` for a job.
"""

from __future__ import annotations

from .downtime import Schedulers
from .explaining import explain
from .latest import explain_last, nothing_found
from .moments import did_not_run
from .telling import Teller, with_beginnings
from .timelines import timeline
from .values import Entry, Explanation, Planned, Timeline, Verdict
from .words import reason_in_words

__all__ = [
    "Entry",
    "Explanation",
    "Planned",
    "Schedulers",
    "Teller",
    "Timeline",
    "Verdict",
    "did_not_run",
    "explain",
    "explain_last",
    "nothing_found",
    "reason_in_words",
    "timeline",
    "with_beginnings",
]
