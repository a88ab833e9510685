"""The table of faults at the end of a session: what was done, what was expected, what was seen."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROPERTY = "fault"
"""Name of the test's property that holds its row: properties travel with a report, from a worker process too."""
COLUMNS = {"fault": 22, "database": 10, "what was done": 34, "expected": 30, "seen": 38, "verdict": 7}
"""Heads and widths."""


@dataclass
class Witness:
    """What one test did and saw."""

    row: dict[str, str] = field(default_factory=dict)

    def did(self, text: str) -> None:
        self._add("what was done", text)

    def saw(self, text: str) -> None:
        self._add("seen", text)

    def _add(self, column: str, text: str) -> None:
        self.row[column] = "; ".join(filter(None, [self.row.get(column), text]))


def configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(number, what, expected): a row of the table of faults")
    config.addinivalue_line("markers", "only_on(vendor): what the other database does not have")


def database() -> str:
    return "PostgreSQL" if os.environ.get("TEST_DATABASE_URL") else "SQLite"


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what belongs to the other database: nothing is skipped that could have run."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        only = item.get_closest_marker("only_on")
        (left_out if only is not None and only.args[0] != database() else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def make_witness(request: pytest.FixtureRequest) -> Witness:
    """The row of a test, hung onto it before it runs."""
    mark = request.node.get_closest_marker("fault")
    witness = Witness()
    if mark is not None:
        number, what, expected = mark.args
        witness.row |= {"fault": f"{number:>2} {what}", "database": database(), "expected": expected}
        request.node.user_properties.append((PROPERTY, witness.row))
    return witness


def summarise(reporter: pytest.TerminalReporter) -> None:
    """Print the table, if there is anything in it; append it to the file that `SOAK_REPORT` names, as Markdown."""
    rows = sorted(_rows(reporter), key=lambda row: row["fault"])
    if not rows:
        return
    reporter.section("faults")
    for line in _as_text(rows):
        reporter.write_line(line)
    if path := os.environ.get("SOAK_REPORT"):
        with Path(path).open("a", encoding="utf-8") as sink:
            sink.write(_as_markdown(rows))


def _rows(reporter: pytest.TerminalReporter) -> Iterator[Mapping[str, str]]:
    for outcome in ("passed", "failed", "error"):
        for report in reporter.stats.get(outcome, []):
            row = dict(report.user_properties).get(PROPERTY)
            if not isinstance(row, dict) or (report.when != "call" and report.passed):
                continue
            if report.passed:
                yield row | {"verdict": "held"}
            else:
                failure = report.longreprtext.strip().splitlines()
                error = next((line[1:].strip() for line in failure if line.startswith("E ")), "no reason given")
                yield row | {"verdict": "BROKE", "seen": "; ".join(filter(None, [row.get("seen"), error[:300]]))}


def _as_text(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for row in [{name: name for name in COLUMNS}, *rows]:
        cells = [textwrap.wrap(row.get(name, ""), width) or [""] for name, width in COLUMNS.items()]
        for number in range(max(map(len, cells))):
            lines = (cell[number] if number < len(cell) else "" for cell in cells)
            yield " | ".join(f"{line:<{width}}" for line, width in zip(lines, COLUMNS.values(), strict=True)).rstrip()
        yield "-+-".join("-" * width for width in COLUMNS.values())


def _as_markdown(rows: Sequence[Mapping[str, str]]) -> str:
    lines = [" | ".join(COLUMNS), " | ".join("---" for _name in COLUMNS)]
    lines += [" | ".join(row.get(name, "").replace("|", "/") for name in COLUMNS) for row in rows]
    return "".join(f"| {line} |\n" for line in lines) + "\n"
