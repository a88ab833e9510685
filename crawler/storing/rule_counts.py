"""What the item rules of a crawl found and missed, in pages: how a selector that matches nothing becomes visible.

Kept as `CrawlTask.rules`: ``{"book": {"pages": 340, "bare": 3, "given": 337, "missing": {"price": 312}}}``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from crawler.engine.records import PageResult

Counts: TypeAlias = Counter[tuple[str, str]]
"""By type and: `PAGES`, `BARE`, `GIVEN`, or the name of a field."""

PAGES, BARE, GIVEN = "_pages", "_bare", "_given"
"""No field has such a name: those that begin with an underscore are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """One item rule over a crawl. A page that was not read anew counts nowhere."""

    pages: int = 0
    """Pages that its `match` took."""
    bare: int = 0
    """Of those, the ones on which it found nothing at all."""
    given: int = 0
    """Pages that gave an item which was stored, or is as it was."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """By field that the item needs (required, or of its key): pages on which an item had no value for it."""


def count(results: Sequence[PageResult]) -> Counts:
    counts: Counts = Counter()
    for result in results:
        if result.taken:
            for kind in result.taken:
                counts[kind, PAGES] += 1
            for kind, name in result.missed:
                counts[kind, name or BARE] += 1
        if result.items:
            for kind in {record.type for record in result.items}:
                counts[kind, GIVEN] += 1
    return counts


def to_json(counts: Counts) -> dict[str, dict[str, object]]:
    return {kind: _rule(kind, counts) for kind in sorted({kind for kind, _name in counts})}


def _rule(kind: str, counts: Counts) -> dict[str, object]:
    names = sorted(name for of, name in counts if of == kind and name not in (PAGES, BARE, GIVEN))
    missing = {name: counts[kind, name] for name in names}
    pages, bare, given = (counts[kind, name] for name in (PAGES, BARE, GIVEN))
    return {"pages": pages, "bare": bare, "given": given, "missing": missing}


def read(document: object) -> dict[str, RuleCount]:
    """`CrawlTask.rules` as values; what is not of its shape is left out."""
    if not isinstance(document, dict):
        return {}
    return {
        str(kind): RuleCount(
            pages=rule["pages"], bare=rule["bare"], given=rule.get("given", 0), missing=rule["missing"]
        )
        for kind, rule in document.items()
        if isinstance(rule, dict) and {"pages", "bare", "missing"} <= rule.keys()
    }


def from_json(document: object) -> Counts:
    """To go on counting where an earlier attempt ended."""
    counts: Counts = Counter()
    for kind, rule in read(document).items():
        counts[kind, PAGES], counts[kind, BARE], counts[kind, GIVEN] = rule.pages, rule.bare, rule.given
        counts.update({(kind, name): number for name, number in rule.missing.items()})
    return +counts
