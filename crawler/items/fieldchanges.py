"""What is different between two values of an item, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crawler.engine.records import Json
from scheduling.definitions.differences import same


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field with another value than before. None: it had, or has, none."""

    name: str
    before: Json
    after: Json

    @property
    def share(self) -> float | None:
        """By how much a number changed, as a share of what it was before."""
        before, after = number(self.before), number(self.after)
        return None if before is None or after is None or not before else (after - before) / abs(before)


def changes_between(
    before: Mapping[str, Json], after: Mapping[str, Json], *, names: Iterable[str] | None = None
) -> tuple[FieldChange, ...]:
    """In the order of `names`, else by name: a value that PostgreSQL has stored has lost its order."""
    if names is None:
        names = sorted({*before, *after})
    return tuple(
        FieldChange(name=name, before=before.get(name), after=after.get(name))
        for name in names
        if not same(before.get(name), after.get(name))
    )


def number(value: Json) -> float | None:
    """A number, also a decimal, which stands in JSON as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < 1e300 else None  # false for NaN too
