"""A job's past with its reasons, and its next moments."""

from __future__ import annotations

from .values import Timeline


def timeline(job_id: str, *, before_id: int | None = None, limit: int = 50) -> Timeline:
    """Up to `limit` rows of a job's past, newest first, those before row `before_id`; and what comes next.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    raise NotImplementedError
