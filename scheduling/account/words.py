"""What became of a run, in words."""

from __future__ import annotations

from scheduling.models import JobRun


def reason_in_words(run: JobRun) -> str:
    """Why a run's moments did not run, or how it ended: one whole sentence in the active language."""
    raise NotImplementedError
