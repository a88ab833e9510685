"""The four figures."""

from __future__ import annotations

from dataclasses import dataclass

from .numbers import Numbers
from .pulse import MOST_QUEUED, Pulse


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    succeeded: int
    ended: int
    """Runs that succeeded or failed in the last 24 hours."""
    rate: str
    is_sample: bool
    items: int
    more: int
    """Items that came today, those that came back among them."""
    fewer: int
    """Items that went today."""
    changed: int
    changed_spiders: int
    queued: int
    is_long: bool
    """Whether more wait than were counted."""
    used: int
    places: int


def figures_of(numbers: Numbers, pulse: Pulse) -> Figures:
    day, today = numbers.last_day, numbers.items[-1]
    succeeded, ended = day["succeeded"], day["succeeded"] + day["failed"]
    workers = [process for process in pulse.processes if process.kind != "command"]
    return Figures(
        succeeded=succeeded,
        ended=ended,
        rate=_rate(succeeded, ended),
        is_sample=numbers.is_sample,
        items=numbers.items_now,
        more=today.new,
        fewer=today.gone,
        changed=numbers.changed_in_day,
        changed_spiders=numbers.changed_spiders,
        queued=pulse.queued,
        is_long=pulse.queued >= MOST_QUEUED,
        used=sum(process.used for process in workers),
        places=sum(process.places for process in workers),
    )


def _rate(succeeded: int, ended: int) -> str:
    """Never “100 %” while one has failed."""
    if not ended:
        return "–"
    share = succeeded / ended * 100
    if succeeded == ended:
        return "100 %"
    return f"{min(share, 99.9):.1f} %"
