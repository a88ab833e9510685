"""What the item rules of a crawl found and missed, in pages: how a selector that matches nothing becomes visible.

Kept as `CrawlTask.rules`: ``{"book": {"pages": 340, "bare": 3, "missing": {"price": 312}}}``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from crawler.engine.records import PageResult

Counts: TypeAlias = Counter[tuple[str, str]]
"""By type and: `PAGES`, `BARE`, or the name of a field."""

PAGES, BARE = "_pages", "_bare"
"""No field has such a name: those that begin with an underscore are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """One item rule over a crawl. A page that was not read anew counts nowhere."""

    pages: int = 0
    """Pages that its `match` took."""
    bare: int = 0
    """Of those, the ones on which it found nothing at all."""
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
    return counts


def to_json(counts: Counts) -> dict[str, dict[str, object]]:
    return {kind: _rule(kind, counts) for kind in sorted({kind for kind, _name in counts})}


def _rule(kind: str, counts: Counts) -> dict[str, object]:
    names = sorted(name for of, name in counts if of == kind and name not in (PAGES, BARE))
    missing = {name: counts[kind, name] for name in names}
    return {"pages": counts[kind, PAGES], "bare": counts[kind, BARE], "missing": missing}


def read(document: object) -> dict[str, RuleCount]:
    """`CrawlTask.rules` as values; what is not of its shape is left out."""
    if not isinstance(document, dict):
        return {}
    return {
        str(kind): RuleCount(pages=rule["pages"], bare=rule["bare"], missing=rule["missing"])
        for kind, rule in document.items()
        if isinstance(rule, dict) and {"pages", "bare", "missing"} <= rule.keys()
    }


def from_json(document: object) -> Counts:
    """To go on counting where an earlier attempt ended."""
    counts: Counts = Counter()
    for kind, rule in read(document).items():
        counts[kind, PAGES], counts[kind, BARE] = rule.pages, rule.bare
        counts.update({(kind, name): number for name, number in rule.missing.items()})
    return +counts
