"""What a cause is: a title, one sentence that says what happened, and one that says what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class Severity(StrEnum):
    """How much a cause asks for somebody; the gravest first."""

    TROUBLE = "trouble"
    """Pages or items that the spider wanted are missing."""
    WATCH = "watch"
    """May be right or wrong: somebody should look once."""
    AS_ASKED = "as_asked"
    """Left out because the spider's document, or the site's own wish, says so."""


class Unit(StrEnum):
    """What a cause counts."""

    PAGES = "pages"
    LINKS = "links"
    ITEMS = "items"
    VALUES = "values"
    SITEMAPS = "sitemaps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One way in which a crawl falls short."""

    key: str
    severity: Severity
    title: _StrPromise
    what: _StrPromise
    """One sentence: what happened."""
    remedy: _StrPromise
    """One sentence: what to do about it."""
    reasons: tuple[str, ...] = ()
    """Names under which `CrawlTask.reasons` counts it; answers that are errors are told by their status."""
    unit: Unit = Unit.PAGES
    remedy_at_start: _StrPromise | None = None
    """What to do where it is a start page, which no rule of follow leads to; None: the same."""

    def at_start(self) -> Cause:
        """The cause of start pages."""
        return self if self.remedy_at_start is None else replace(self, remedy=self.remedy_at_start)


def cause(
    key: str,
    severity: Severity,
    title: _StrPromise,
    what: _StrPromise,
    remedy: _StrPromise,
    *reasons: str,
    unit: Unit = Unit.PAGES,
    at_start: _StrPromise | None = None,
) -> Cause:
    """A row of the tables: four lines that are read one below the other, and the reasons."""
    return Cause(
        key=key, severity=severity, title=title, what=what, remedy=remedy, reasons=reasons, unit=unit,
        remedy_at_start=at_start,
    )  # fmt: skip
