"""Quiet hours by what a zone's clocks show, on the days on which those change too."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from crawler.engine.manners.hours import QuietHours, read_hours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("08:00-20:00", (480, 1200)),
        ("22:30-06:15", (1350, 375)),
        ("00:00-24:00", (0, 1440)),
        ("23:59-00:00", (1439, 0)),
    ],
)
def test_hours_are_minutes_of_the_day(text: str, minutes: tuple[int, int]) -> None:
    assert read_hours(text) == minutes


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        ("2027-01-15T07:59:59.999999", False),
        ("2027-01-15T08:00:00", True),
        ("2027-01-15T19:59:59.999999", True),
        ("2027-01-15T20:00:00", False),
        ("2027-01-15T22:00:00", True),
        ("2027-01-16T00:00:00", True),
        ("2027-01-16T05:59:59", True),
        ("2027-01-16T06:00:00", False),
    ],
)
def test_they_hold_from_the_first_minute_until_the_second(moment: str, is_quiet: bool) -> None:
    assert QuietHours(("08:00-20:00", "22:00-06:00")).hold(at(moment)) is is_quiet


@pytest.mark.parametrize(
    ("hours", "moment", "end"),
    [
        (("08:00-20:00",), "2027-01-15T12:34:56+01:00", "2027-01-15T20:00:00+01:00"),
        (("22:00-06:00",), "2027-01-15T23:00:00+01:00", "2027-01-16T06:00:00+01:00"),
        (("08:00-12:00", "12:00-20:00"), "2027-01-15T09:00:00+01:00", "2027-01-15T20:00:00+01:00"),
        (("20:00-24:00", "00:00-06:00"), "2027-01-15T21:00:00+01:00", "2027-01-16T06:00:00+01:00"),
        (("22:00-06:00",), "2027-03-27T23:00:00+01:00", "2027-03-28T06:00:00+02:00"),
        (("02:15-02:45",), "2027-10-31T02:20:00+02:00", "2027-10-31T02:45:00+02:00"),
        (("02:15-02:45",), "2027-10-31T02:20:00+01:00", "2027-10-31T02:45:00+01:00"),
        (("02:00-03:00",), "2027-10-31T02:20:00+02:00", "2027-10-31T03:00:00+01:00"),
        (("01:00-02:30",), "2027-03-28T01:30:00+01:00", "2027-03-28T03:00:00+02:00"),
    ],
    ids=[
        "the same day",
        "over midnight",
        "two that touch",
        "two that touch at midnight",
        "over the night that is an hour shorter",
        "an hour that comes twice, the first time",
        "an hour that comes twice, the second time",
        "all of an hour that comes twice",
        "until a time that is left out",
    ],
)
def test_their_end_is_found_on_any_day(hours: tuple[str, ...], moment: str, end: str) -> None:
    found = QuietHours(hours).end(datetime.fromisoformat(moment), BERLIN)
    assert found == datetime.fromisoformat(end)
    assert found.tzinfo is UTC


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    quiet = QuietHours(("02:00-03:00",))
    times = [datetime.fromisoformat(f"2027-10-31T0{hour}:30:00+00:00") for hour in (0, 1, 2)]
    assert [quiet.hold(time.astimezone(BERLIN)) for time in times] == [True, True, False]
