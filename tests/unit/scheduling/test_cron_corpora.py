"""The cron dialect against what other implementations say. Each difference is decided in docs/schedules.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import pytest

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from tests.servers.corpora import REPOSITORY, Case, cases, corpus

TESTS_OF_CRONSIM = "cronsim's tests"
FIELD_WORDS = ("second", "minute", "hour", "day of the month", "month", "day of the week")
CONSENSUS = cases("cron_consensus")
CRONSIM = cases("cronsim")


class Decision(NamedTuple):
    """A row of the page's table: whom a case does not agree with, and why."""

    differ: frozenset[str]
    reason: str


def decisions() -> Mapping[str, Decision]:
    """All that docs/schedules.md decides, by the case's id."""
    found: dict[str, Decision] = {}
    for line in (REPOSITORY / "docs" / "schedules.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not re.fullmatch(r"cron(sim)?-\d{4}(, cron(sim)?-\d{4})*", cells[0]):
            continue
        for case in cells[0].split(", "):
            assert case not in found, f"{case} is decided twice"
            found[case] = Decision(frozenset(cells[1].split(", ")), cells[2])
    return found


DECIDED = decisions()


def found_for(case: Case) -> list[str]:
    """What we answer to a case of cron_consensus."""
    given = cast("Mapping[str, str]", case["input"])
    document = {"type": "cron", "cron": given["expr"], "timezone": given["tz"]}
    moments = triggers.next_firings(document, datetime.fromisoformat(given["start_utc"]), 8)
    return [moment.isoformat() for moment in moments]


def who_differs(case: Case) -> frozenset[str]:
    """The implementations whose answer to an open case is not ours."""
    ours = found_for(case)
    answers = cast("Mapping[str, list[str]]", case.get("answers"))
    return frozenset(name for name, theirs in answers.items() if theirs != ours[: len(theirs)])


def test_the_corpora_are_there_whole() -> None:
    corpus("cases")
    assert (len(CONSENSUS), len(CRONSIM)) == (259, 223)
    assert all(decision.reason for decision in DECIDED.values())


def test_the_page_decides_the_cases_that_differ_and_no_others() -> None:
    corpus("cases")
    open_cases = {case["id"] for case in CONSENSUS if case["expected"] is None and who_differs(case)}
    refused = {case["id"] for case in CRONSIM if not isinstance(case["expected"], Mapping) and refusal(case)}
    assert set(DECIDED) == open_cases | refused


@pytest.mark.parametrize("case", CONSENSUS, ids=lambda case: case["id"])
def test_line_fires_as_the_implementations_agree(case: Case) -> None:
    if case["expected"] is not None:
        assert case["id"] not in DECIDED
        assert found_for(case) == case["expected"]
        return
    differ = who_differs(case)
    # Open: somebody says what we say, and the page names exactly those who do not.
    assert differ < set(cast("Mapping[str, list[str]]", case.get("answers")))
    assert differ == DECIDED[case["id"]].differ


def refusal(case: Case) -> str:
    """Why we refuse the line of a case of cronsim; empty where we take it."""
    try:
        triggers.validate(_document(case))
    except InvalidTrigger as error:
        return error.message
    return ""


@pytest.mark.parametrize("case", CRONSIM, ids=lambda case: case["id"])
def test_line_fires_or_is_refused_as_cronsims_own_tests_say(case: Case) -> None:
    given = cast("Mapping[str, object]", case["input"])
    if case["id"] in DECIDED:
        assert DECIDED[case["id"]].differ == {TESTS_OF_CRONSIM}
        assert "“W”" in refusal(case)
        return
    if isinstance(case["expected"], Mapping):
        assert_says_why(refusal(case), cast("str", given["expr"]))
        return
    zone = ZoneInfo(str(_document(case)["timezone"]))
    moments = [_instant(text, zone) for text in cast("list[str]", case["expected"])]
    after = _instant(cast("Mapping[str, str]", given["start"])["datetime"], zone)
    if given["reverse"]:
        # The same moments, walked forwards.
        moments.reverse()
        after = moments[0] - timedelta(seconds=1)
    assert triggers.next_firings(_document(case), after, len(moments)) == moments


def assert_says_why(message: str, line: str) -> None:
    """A refusal names the field and what stands in it; where the number of fields is wrong, the line."""
    parts = line.split()
    if len(parts) not in (5, 6):
        assert f"“{line.strip()}”" in message
        return
    [named, *others] = re.findall(r"“([^”]*)”", message)
    if "never fires" in message:
        # Which months lack which day.
        assert {named, *others} <= set(parts)
        return
    by_field = dict(zip(FIELD_WORDS[-len(parts) :], parts, strict=True))
    [field] = [word for word in sorted(FIELD_WORDS, key=len, reverse=True) if message.startswith(f"The {word} “")]
    assert named in by_field[field], message
    assert named


def _document(case: Case) -> dict[str, object]:
    given = cast("Mapping[str, object]", case["input"])
    start = cast("Mapping[str, str | None]", given["start"])
    return {"type": "cron", "cron": given["expr"], "timezone": start["tz"] or "UTC"}


def _instant(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
