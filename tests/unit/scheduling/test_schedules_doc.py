"""docs/schedules.md says what is so: each table with firings is fired, and each verdict has its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
import yaml
from apscheduler.triggers.cron import CronTrigger

from scheduling import triggers
from scheduling.account import Verdict
from scheduling.conf import DEFAULT_POLICIES
from scheduling.firing import Gap, Timeline, plan

PAGE = Path(__file__).resolve().parents[3] / "docs" / "schedules.md"
NEXT = re.compile(r"next firings after (?P<after>\S+ \S+) in (?P<zone>\S+)")
NIGHT = re.compile(r"runs from (?P<first>\S+) to (?P<last>\S+) on (?P<day>\S+) in (?P<zone>\S+)")
DAY_BEFORE = timedelta(days=1)


class Row(NamedTuple):
    header: tuple[str, ...]
    cells: tuple[str, ...]


def rows() -> Iterator[Row]:
    """Each row of each table of the page."""
    header: tuple[str, ...] = ()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            header = ()
            continue
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not header:
            header = cells
        elif not set(line) <= set("|-"):
            yield Row(header, cells)


def document(written: str, zone: str) -> dict[str, object]:
    """A cron line, a trigger, or a cron trigger's fields, as written between backticks."""
    text = written.strip("`")
    if not text.startswith("{"):
        return {"type": "cron", "cron": text, "timezone": zone}
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return {"type": "cron", "timezone": zone, **found}


def next_firings(row: Row, count: int) -> str:
    """“Fri 2027-01-01 02:00, …”."""
    asked = NEXT.search(row.header[-1])
    assert asked is not None
    tz = ZoneInfo(asked["zone"])
    after = datetime.fromisoformat(asked["after"]).replace(tzinfo=tz)
    moments = triggers.next_firings(document(row.cells[0], tz.key), after, count)
    return ", ".join(_written(moment.astimezone(tz)) for moment in moments)


def runs_of_night(row: Row) -> str:
    """“02:30 (00:30 UTC), …”: by the clock, so that hours that come twice are told apart."""
    asked = NIGHT.search(row.header[-1])
    assert asked is not None
    tz = ZoneInfo(asked["zone"])
    first = datetime.fromisoformat(f"{asked['day']} {asked['first']}")
    last = datetime.fromisoformat(f"{asked['day']} {asked['last']}")
    since = first.replace(tzinfo=tz).astimezone(UTC) - DAY_BEFORE
    moments = triggers.next_firings(document(row.cells[0], tz.key), since, 500)
    walls = [(moment, moment.astimezone(tz)) for moment in moments]
    inside = [(moment, wall) for moment, wall in walls if first <= wall.replace(tzinfo=None) <= last]
    return ", ".join(f"{wall:%H:%M} ({moment:%H:%M} UTC)" for moment, wall in inside) or "none"


def _written(local: datetime) -> str:
    return f"{local:%a %Y-%m-%d %H:%M:%S}".removesuffix(":00")


ROWS = list(rows())
LISTED = [row for row in ROWS if NEXT.search(row.header[-1])]
NIGHTS = [row for row in ROWS if NIGHT.search(row.header[-1])]


def test_the_page_has_examples() -> None:
    assert len(LISTED) >= 20
    assert len(NIGHTS) >= 20
    assert len(LATE) == 5


@pytest.mark.parametrize("row", LISTED, ids=lambda row: row.cells[0])
def test_example_fires_as_the_page_says(row: Row) -> None:
    written = row.cells[-1]
    assert next_firings(row, written.count(",") + 1) == written


@pytest.mark.parametrize("row", NIGHTS, ids=lambda row: f"{row.cells[0]} {row.header[-1][-30:]}")
def test_night_goes_as_the_page_says(row: Row) -> None:
    assert runs_of_night(row) == row.cells[-1]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.header[0] == "fields" and len(row.cells) == 3], ids=lambda row: row.cells[0]
)
def test_fields_are_the_line_beside_them(row: Row) -> None:
    after = datetime(2027, 1, 1, tzinfo=UTC)
    by_fields, by_line = (
        triggers.next_firings(document(cell, "Europe/Berlin"), after, 60) for cell in (row.cells[0], row.cells[1])
    )
    assert by_fields == by_line


def test_every_verdict_is_explained_once() -> None:
    told = [row.cells[0].strip("`") for row in ROWS if row.header[0] == "verdict"]
    assert sorted(told) == sorted(Verdict)


def test_every_policy_is_told_with_its_default() -> None:
    told = {row.cells[0].strip("`"): row.cells[1] for row in ROWS if row.header[:2] == ("policy", "default")}
    assert set(DEFAULT_POLICIES) <= set(told)
    for name, value in DEFAULT_POLICIES.items():
        assert told[name] == {None: "none", False: "false"}.get(value, str(value))  # type: ignore[call-overload]


def _gap(gap: Gap | None) -> str:
    return "–" if gap is None else f"{gap.first:%H:%M} to {gap.last:%H:%M}: {gap.count}"


LATE = [row for row in ROWS if row.header[:2] == ("`misfire_grace_time`", "`coalesce`")]


@pytest.mark.parametrize("row", LATE, ids=lambda row: " ".join(row.cells[:2]))
def test_late_firings_become_what_the_page_says(row: Row) -> None:
    grace, coalesce = yaml.safe_load(row.cells[0]), yaml.safe_load(row.cells[1])
    noon = datetime(2027, 1, 1, 12, tzinfo=UTC)
    made = plan(
        Timeline(triggers.build({"type": "cron", "cron": "* * * * *", "timezone": "UTC"})),
        due=noon,
        now=noon + timedelta(minutes=10),
        grace=None if grace is None else timedelta(seconds=grace),
        coalesce=coalesce,
    )
    runs = ", ".join(f"{moment:%H:%M}" for moment in made.moments)
    assert (runs, _gap(made.missed), _gap(made.coalesced)) == row.cells[2:]


def of_apscheduler(count: int, after: datetime, **fields: object) -> list[str]:
    """Its next firings, in Berlin."""
    trigger = CronTrigger(timezone=ZoneInfo("Europe/Berlin"), **fields)
    found: list[datetime] = []
    previous, now = None, after
    while len(found) < count:
        previous = trigger.get_next_fire_time(previous, now)
        found.append(previous)
        now = previous + timedelta(microseconds=1)
    # By way of UTC: it gives times that the clock never shows.
    return [_written(moment.astimezone(UTC).astimezone(ZoneInfo("Europe/Berlin"))) for moment in found]


def test_what_the_page_says_of_apscheduler_is_so() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    new_year = datetime(2027, 1, 1, tzinfo=berlin)
    assert of_apscheduler(1, new_year, day_of_week=0, hour=2)[0].startswith("Mon")
    assert of_apscheduler(1, new_year, day=13, day_of_week="fri")[0] == "Fri 2027-08-13 00:00"
    assert of_apscheduler(3, new_year, minute="5/20")[1] == "Fri 2027-01-01 00:25"
    assert of_apscheduler(1, new_year, day="last fri")[0] == "Fri 2027-01-29 00:00"
    twice = of_apscheduler(2, datetime(2027, 10, 30, 12, tzinfo=berlin), hour=2, minute=30)
    assert twice == ["Sun 2027-10-31 02:30"] * 2
    assert of_apscheduler(1, datetime(2027, 3, 27, 12, tzinfo=berlin), hour=2, minute=30) == ["Sun 2027-03-28 03:30"]
    for refused in ({"hour": "22-4"}, {"day": "15W"}, {"day_of_week": "fri-mon"}):
        with pytest.raises(ValueError, match=r"\S"):
            CronTrigger(**refused)
