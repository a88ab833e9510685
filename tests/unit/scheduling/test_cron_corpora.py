"""The cron dialect against what other implementations say. Each difference is decided here, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from tests.servers.corpora import Case, cases, corpus

DECIDED: Mapping[str, str] = dict.fromkeys(
    ("cronsim-0272", "cronsim-0323", "cronsim-0324", "cronsim-0375", "cronsim-0427", "cronsim-0428"),
    "“LW” is refused like every “W”",
)
"""Cases in which we differ from what is expected."""
AGAINST_CRONSIM: Mapping[str, str] = {
    "cron-0247": "cronsim loses a match after Lord Howe's half hour: it steps by whole hours from 01:30",
}
"""Open cases (implementations differ) in which we do not follow cronsim."""


def test_the_corpora_are_there() -> None:
    corpus("cases")
    assert len(cases("cron_consensus")) > 200
    assert len(cases("cronsim")) > 200


@pytest.mark.parametrize("case", cases("cron_consensus"), ids=lambda case: case["id"])
def test_line_fires_as_the_implementations_agree(case: Case) -> None:
    given = cast("Mapping[str, str]", case["input"])
    document = {"type": "cron", "cron": given["expr"], "timezone": given["tz"]}
    after = datetime.fromisoformat(given["start_utc"])
    answers = cast("Mapping[str, list[str]]", case.get("answers") or {})
    expected = cast("list[str] | None", case["expected"]) or answers["cronsim"]
    found = [moment.isoformat() for moment in triggers.next_firings(document, after, len(expected))]
    if case["id"] in AGAINST_CRONSIM:
        assert found != expected
        assert found in [answers["croniter"], answers["croner"]]
        return
    assert found == expected


@pytest.mark.parametrize("case", cases("cronsim"), ids=lambda case: case["id"])
def test_line_fires_or_is_refused_as_cronsims_own_tests_say(case: Case) -> None:
    given = cast("Mapping[str, object]", case["input"])
    start = cast("Mapping[str, str]", given["start"])
    zone = ZoneInfo(start["tz"] or "UTC")
    document = {"type": "cron", "cron": given["expr"], "timezone": zone.key}
    expected = case["expected"]
    if isinstance(expected, Mapping) or case["id"] in DECIDED:
        with pytest.raises(InvalidTrigger):
            triggers.validate(document)
        return
    moments = [_instant(text, zone) for text in cast("list[str]", expected)]
    after = _instant(start["datetime"], zone)
    if given["reverse"]:
        # The same moments, walked forwards.
        moments.reverse()
        after = moments[0] - timedelta(seconds=1)
    assert triggers.next_firings(document, after, len(moments)) == moments


def _instant(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
