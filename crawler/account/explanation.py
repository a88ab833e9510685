"""The values that tell of a crawl: its verdict, and each cause as the crawl has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils.translation import gettext as _

from crawler.causes import Cause, Severity, Unit
from crawler.engine.records import Json

from .amounts import amount, percent
from .comparison import Comparison

FEW = 0.01
"""Trouble with a smaller share than this is worth a look, and no alarm."""
MAX_EXAMPLES = 3
"""Pages that are named a cause."""


class Verdict(StrEnum):
    """How a crawl stands, in one word."""

    WAITING = "waiting"
    RUNNING = "running"
    WELL = "well"
    LIMITED = "limited"
    """Ended by one of its own limits; what it fetched is in order."""
    LACKING = "lacking"
    """Completed, but pages or items are missing."""
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Example:
    url: str
    status_code: int | None
    detail: str
    """What the crawl noted, in English: the error's message, the field and its value."""

    def to_json(self) -> dict[str, Json]:
        return {"url": self.url, "status_code": self.status_code, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A cause as one crawl has it."""

    cause: Cause
    severity: Severity
    count: int
    unit: Unit
    share: float | None
    """Of all pages or items of the crawl, from 0 to 1; None where there is no such whole."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    details: tuple[str, ...] = ()
    """Sentences that name rules and fields."""
    examples: tuple[Example, ...] = ()

    @property
    def amount(self) -> str:
        """``312 pages (92%)``, in the active language."""
        text = amount(self.unit, self.count)
        if self.share is None:
            return text
        return _("%(amount)s (%(share)s)") % {"amount": text, "share": percent(self.share)}

    def to_json(self) -> dict[str, Json]:
        return {
            "key": self.cause.key,
            "title": str(self.cause.title),
            "what": str(self.cause.what),
            "remedy": str(self.cause.remedy),
            "severity": self.severity.value,
            "count": self.count,
            "unit": self.unit.value,
            "share": None if self.share is None else round(self.share, 4),
            "reasons": dict(self.reasons),
            "details": list(self.details),
            "examples": [example.to_json() for example in self.examples],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The account of one crawl."""

    task_id: str
    status: str
    verdict: Verdict
    sentence: str
    causes: tuple[Found, ...]
    """The weightiest first."""
    comparison: Comparison | None
    """With the last crawl before; None where there is nothing to be said."""

    @property
    def troubles(self) -> tuple[Found, ...]:
        return tuple(found for found in self.causes if found.severity is Severity.TROUBLE)

    def to_json(self) -> dict[str, Json]:
        return {
            "task_id": self.task_id,
            "status": self.status,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "causes": [found.to_json() for found in self.causes],
            "comparison": None if self.comparison is None else self.comparison.to_json(),
        }
