"""When no scheduler was alive."""

from __future__ import annotations

from datetime import datetime


def downtimes(since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches of ``since … until`` in which no scheduler was alive, in order."""
    raise NotImplementedError
