"""Why a job did, did not or will not run at a moment."""

from __future__ import annotations

from datetime import datetime

from .values import Explanation


def explain(job_id: str, moment: datetime, *, now: datetime | None = None) -> Explanation:
    """Account for one moment of a job, also of one that was removed, and of a one-off.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    raise NotImplementedError
