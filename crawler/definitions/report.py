"""What a load did with each definition, or would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from crawler.problems import Problem
from scheduling.definitions.differences import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one definition."""

    kind: str
    """``spider`` or ``job``."""
    name: str
    is_new: bool = False
    differences: tuple[Change, ...] = ()

    @property
    def state(self) -> str:
        if self.is_new:
            return "added"
        return "changed" if self.differences else "unchanged"

    def as_dict(self) -> dict[str, object]:
        found: dict[str, object] = {"kind": self.kind, "name": self.name}
        if self.differences:
            found["differences"] = [difference.as_dict() for difference in self.differences]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load did, or would do."""

    dry_run: bool
    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[Problem, ...] = field(default=())

    def in_state(self, state: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def as_dict(self) -> dict[str, object]:
        states = {state: [outcome.as_dict() for outcome in self.in_state(state)] for state in _STATES}
        return {"dry_run": self.dry_run, **states, "warnings": [warning.as_dict() for warning in self.warnings]}

    def lines(self) -> Iterator[str]:
        """For people: one line a definition, one more for each changed field, and the sum."""
        for outcome in self.outcomes:
            yield f"{outcome.state:<9} {outcome.kind:<6} {outcome.name}"
            yield from (f"            {difference}" for difference in outcome.differences)
        counts = ", ".join(f"{len(self.in_state(state))} {state}" for state in _STATES)
        yield f"{counts} (dry run: nothing was written)" if self.dry_run else counts


_STATES = ("added", "changed", "unchanged")
