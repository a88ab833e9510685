"""Triggers: what each document means, what is refused and why, and what clock changes do."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.triggers.cronline import FIELDS
from scheduling.triggers.words import cron_in_words

from .clockwalk import Line
from .random_lines import lines

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def cron(line: str, zone: str = "UTC", **more: object) -> dict[str, object]:
    return {"type": "cron", "cron": line, "timezone": zone, **more}


def interval(**units: object) -> dict[str, object]:
    return {"type": "interval", **units}


def date(run_date: object, zone: str = "UTC", **more: object) -> dict[str, object]:
    return {"type": "date", "run_date": run_date, "timezone": zone, **more}


def firings(document: dict[str, object], after: datetime, count: int) -> list[str]:
    """In the trigger's zone, without seconds."""
    zone = ZoneInfo(str(document.get("timezone", "Asia/Shanghai")))
    moments = triggers.next_firings(document, after, count)
    return [moment.astimezone(zone).strftime("%m-%d %H:%M %z") for moment in moments]


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        (cron(""), "cron", "empty"),
        (cron("   "), "cron", "empty"),
        (cron("0 2 * *"), "cron", "this one has 4"),
        (cron("0 0 2 * * * 2027"), "cron", "this one has 7"),
        (cron("60 * * * *"), "cron", "The minute “60” cannot be read"),
        (cron("0 24 * * *"), "cron", "The hour “24” cannot be read"),
        (cron("0 0 0 * *"), "cron", "The day of the month “0” cannot be read"),
        (cron("0 0 * 13 *"), "cron", "The month “13” cannot be read"),
        (cron("0 0 * * 8"), "cron", "The day of the week “8” cannot be read"),
        (cron("0 0 * * 5,mon-sun,7"), "cron", "“mon-sun”"),
        (cron("*/0 * * * *"), "cron", "*/0"),
        (cron("0 0 31 2 *"), "cron", "never fires"),
        (cron("0 0 30 feb *"), "cron", "never fires"),
        (cron("0 0 31 4,6,9,11 *"), "cron", "never fires"),
        (cron("0 0 */31 2 1#5"), "cron", "never fires"),
        (cron("0 0 15W * *"), "cron", "W"),
        (cron("0 0 LW * *"), "cron", "W"),
        (cron("@reboot"), "cron", "@daily"),
        (cron("@dayly"), "cron", "@daily"),
        (cron("0 2 * * * " + "0" * 300), "cron", "200"),
        (cron("0 ２ * * *"), "cron", "plain"),
        (cron("0 2\0 * * *"), "cron", "plain"),
        ({"type": "cron", "cron": 5}, "cron", "quotes"),
        ({"type": "cron"}, "cron", "at least one of"),
        ({"type": "cron", "cron": "0 2 * * *", "hour": 2}, "cron", "not both"),
        ({"type": "cron", "hour": 24}, "hour", "0-23"),
        ({"type": "cron", "hour": True}, "hour", "whole number"),
        ({"type": "cron", "hour": 2.0}, "hour", "whole number"),
        ({"type": "cron", "hour": "2 3"}, "hour", "without blanks"),
        ({"type": "cron", "hour": ""}, "hour", "without blanks"),
        ({"type": "cron", "hour": 10**18}, "hour", "whole number"),
        ({"type": "cron", "day": 31, "month": 2}, "day", "never fires"),
        ({"type": "cron", "day": "15W"}, "day", "W"),
        ({"type": "cron", "hours": 2}, "hours", "“hour”"),
        ({"type": "cron", "year": 2027, "hour": 2}, "year", "not known"),
        (cron("0 2 * * *", "Asia/Shangai"), "timezone", "Asia/Shanghai"),
        (cron("0 2 * * *", "asia/shanghai"), "timezone", "Asia/Shanghai"),
        (cron("0 2 * * *", "../etc/passwd"), "timezone", "no time zone"),
        (cron("0 2 * * *", "Europe"), "timezone", "no time zone"),
        (cron("0 2 * * *", "\ud800"), "timezone", "no time zone"),
        (cron("0 2 * * *", start="2027-01-02", end="2027-01-01"), "end", "after the start"),
        (cron("0 2 * * *", start="2027-01-01T03:00", end="2027-01-02T01:59:59"), "end", "never fires"),
        (cron("0 2 * * *", start="soon"), "start", "2027-01-01T12:00:00"),
        (interval(), "seconds", "at least one of"),
        (interval(seconds=0), "seconds", "more than 0"),
        (interval(seconds=0, minutes=0), "seconds", "at least one second"),
        (interval(seconds=0.5), "seconds", "at least one second"),
        (interval(seconds=-5), "seconds", "more than 0"),
        (interval(seconds=10**18), "seconds", "Too long"),
        (interval(weeks=10**400), "weeks", "Too long"),
        (interval(seconds=float("nan")), "seconds", "number"),
        (interval(seconds=float("inf")), "seconds", "Too long"),
        (interval(seconds=True), "seconds", "number"),
        (interval(seconds="60"), "seconds", "without quotes"),
        (interval(days=36_525, seconds=1), "days", "Too long"),
        (interval(second=5), "second", "“seconds”"),
        ({"type": "date"}, "run_date", "2027-01-01T12:00:00"),
        (date("tomorrow"), "run_date", "2027-01-01T12:00:00"),
        (date("2027-01-01\x0012:00:00"), "run_date", "2027-01-01T12:00:00"),
        (date("2027-01-01\ud80012:00:00"), "run_date", "2027-01-01T12:00:00"),
        (date("0001-01-01"), "run_date", "out of range"),
        (date("9999-12-31T23:59:59"), "run_date", "out of range"),
        (date(1_800_000_000), "run_date", "quotes"),
        (date("2027-01-01", start="2027-02-01"), "run_date", "never fires"),
        ({"type": "crno"}, "type", "“cron”"),
        ({"type": ["cron"]}, "type", "cron, interval, date"),
        ({}, "type", "cron, interval, date"),
    ],
    ids=repr,
)
def test_bad_value_is_refused_with_place_and_remedy(document: dict[str, object], place: str, words: str) -> None:
    with pytest.raises(InvalidTrigger) as error:
        triggers.validate(document)
    assert error.value.place == f"trigger.{place}"
    assert words in error.value.message


def test_what_is_no_mapping_or_no_json_is_refused() -> None:
    nested: list[object] = []
    for _level in range(100_000):
        nested = [nested]
    for document in ([1], {"type": object()}, {"type": "cron", 1: 2, "a": 3}, {"type": nested}):
        with pytest.raises(InvalidTrigger):
            triggers.validate(document)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"hour": 2}, "0 2 * * *"),
        ({"minute": 30}, "30 * * * *"),
        ({"minute": 0, "hour": 2, "day_of_week": "mon-fri"}, "0 2 * * mon-fri"),
        ({"day_of_week": "mon"}, "0 0 * * mon"),
        ({"day": 1}, "0 0 1 * *"),
        ({"month": 6}, "0 0 1 6 *"),
        ({"month": 6, "day_of_week": 1}, "0 0 * 6 1"),
        ({"month": "jan,jul", "hour": "*/6"}, "0 */6 * jan,jul *"),
        ({"second": "*/10"}, "*/10 * * * * *"),
        ({"second": 30, "hour": 2}, "30 * 2 * * *"),
        ({"second": 0, "minute": 30, "hour": 2}, "30 2 * * *"),
        ({"day": "L", "hour": 23, "minute": 59}, "59 23 L * *"),
        ({"day_of_week": "5L", "hour": 12}, "0 12 * * 5L"),
        ({"day": 13, "day_of_week": 5}, "0 0 13 * 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fields_are_a_line_written_otherwise(fields: dict[str, object], line: str) -> None:
    by_fields = triggers.next_firings({"type": "cron", "timezone": "Europe/Berlin", **fields}, NEW_YEAR, 50)
    assert by_fields == triggers.next_firings(cron(line, "Europe/Berlin"), NEW_YEAR, 50)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
LEAST = {"second": "0", "minute": "0", "hour": "0", "day": "1", "month": "1", "day_of_week": "*"}
COARSE_TO_FINE = ("month", "day", "day_of_week", "hour", "minute", "second")


def refusal(document: dict[str, object]) -> str:
    """Why a document is refused; empty where it is not."""
    try:
        triggers.validate(document)
    except InvalidTrigger as error:
        return error.message
    return ""


@given(
    line=lines(),
    given_fields=st.sets(st.sampled_from(COARSE_TO_FINE), min_size=1),
    zone=ZONES,
    after=MOMENTS,
)
@settings(max_examples=150, deadline=None)
def test_fields_and_line_fire_alike(line: Line, given_fields: set[str], zone: str, after: datetime) -> None:
    """Whichever fields are given: what is finer than the finest is its least value, what is coarser is every."""
    fields = {name: text for name, text in line.by_fields.items() if name in given_fields}
    finest = max(COARSE_TO_FINE.index(name) for name in fields)
    whole = {
        name: str(fields.get(name, "*" if index < finest else LEAST[name])) for index, name in enumerate(COARSE_TO_FINE)
    }
    written = " ".join(whole[name] for name in FIELDS)
    by_fields = {"type": "cron", "timezone": zone, **fields}
    assert refusal(by_fields) == refusal(cron(written, zone))
    if refusal(by_fields):
        return
    expected = triggers.next_firings(cron(written, zone), after, 5)
    assert triggers.next_firings(by_fields, after, 5) == expected
    assert expected == sorted(set(expected))
    assert all(moment > after for moment in expected)


@given(line=lines(), zone=ZONES, after=MOMENTS, days=st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_count_is_the_number_of_firings(line: Line, zone: str, after: datetime, days: int) -> None:
    document = cron(line.text, zone)
    if refusal(document):
        return
    listed = triggers.next_firings(document, after, 300)
    until = min(listed[-1], after + timedelta(days=days)) if len(listed) == 300 else after + timedelta(days=days)
    expected = sum(moment <= until for moment in listed)
    assert triggers.count_between(document, after, until) == expected


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            datetime(2027, 3, 27, 12, tzinfo=UTC),
            ["03-28 03:00 +0200", "03-29 02:30 +0200"],
            id="a fixed time in the gap runs at the first instant after it",
        ),
        pytest.param(
            "0 30 2 * * *",
            datetime(2027, 3, 27, 12, tzinfo=UTC),
            ["03-28 03:00 +0200", "03-29 02:30 +0200"],
            id="so with seconds",
        ),
        pytest.param(
            "0,30 2,3 * * *",
            datetime(2027, 3, 27, 12, tzinfo=UTC),
            ["03-28 03:00 +0200", "03-28 03:30 +0200", "03-29 02:00 +0200"],
            id="what the gap swallowed runs once",
        ),
        pytest.param(
            "30 2 * * *",
            datetime(2027, 10, 30, 12, tzinfo=UTC),
            ["10-31 02:30 +0200", "11-01 02:30 +0100"],
            id="a fixed hour in the overlap runs once, the first time",
        ),
        pytest.param(
            "30 2 * * *",
            datetime(2027, 10, 31, 1, 15, tzinfo=UTC),
            ["11-01 02:30 +0100"],
            id="asked within the second pass it has had its turn",
        ),
        pytest.param(
            "0 * * * *",
            datetime(2027, 10, 30, 23, 30, tzinfo=UTC),
            ["10-31 02:00 +0200", "10-31 02:00 +0100", "10-31 03:00 +0100"],
            id="every hour runs in both passes",
        ),
        pytest.param(
            "*/30 * * * *",
            datetime(2027, 3, 28, 0, 30, tzinfo=UTC),
            ["03-28 03:00 +0200", "03-28 03:30 +0200"],
            id="a step goes on after the gap",
        ),
    ],
)
def test_clock_changes_of_berlin(line: str, after: datetime, expected: list[str]) -> None:
    assert firings(cron(line, "Europe/Berlin"), after, len(expected)) == expected


@pytest.mark.parametrize("macro", ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"])
def test_macros_are_accepted_in_any_case(macro: str) -> None:
    assert triggers.next_firings(cron(macro), NEW_YEAR, 3) == triggers.next_firings(cron(macro.upper()), NEW_YEAR, 3)


def test_sunday_is_0_and_7_and_both_days_given_mean_either() -> None:
    assert firings(cron("0 0 * * 0"), NEW_YEAR, 9) == firings(cron("0 0 * * 7"), NEW_YEAR, 9)
    assert firings(cron("0 0 13 * 5"), NEW_YEAR, 3) == ["01-08 00:00 +0000", "01-13 00:00 +0000", "01-15 00:00 +0000"]


@pytest.mark.parametrize(
    ("document", "warned"),
    [
        ({"type": "cron", "day_of_week": 0}, True),
        ({"type": "cron", "day_of_week": "1-5"}, True),
        ({"type": "cron", "day_of_week": "mon-fri"}, False),
        ({"type": "cron", "day_of_week": "mon#2"}, False),
        (cron("0 0 * * 1"), False),
    ],
)
def test_number_of_a_weekday_warns_of_apschedulers(document: dict[str, object], warned: bool) -> None:
    assert bool(triggers.warnings(document)) is warned


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (cron("*/40 * * * *"), "fires at 0, 40;"),
        (cron("0 */5 * * *"), "fires at 0, 5, 10, 15, 20;"),
        ({"type": "cron", "second": "*/50"}, "fires at 0, 50;"),
        (cron("*/15 */6 * * *"), ""),
        (cron("*/90 * * * *"), ""),
        (cron("0 1-9/5 * * *"), ""),
    ],
    ids=str,
)
def test_step_that_does_not_go_round_evenly_is_warned_of(document: dict[str, object], words: str) -> None:
    texts = [text for _place, text in triggers.warnings(document)]
    assert (words in texts[0]) if words else texts == []


def test_interval_counts_from_its_anchor_whatever_restarts() -> None:
    anchor = datetime(2027, 1, 1, 0, 0, 7, 500_000, tzinfo=UTC)
    for after in (anchor, anchor + timedelta(minutes=59), anchor + timedelta(days=4000, minutes=3)):
        found = triggers.next_firings(interval(hours=1), after, 2, anchor=anchor)
        assert [(moment - anchor) % timedelta(hours=1) for moment in found] == [timedelta(0)] * 2
        assert found[0] - after <= timedelta(hours=1)


def test_interval_fires_neither_at_its_anchor_nor_before() -> None:
    assert triggers.next_firings(interval(days=1), NEW_YEAR - timedelta(days=9), 1, anchor=NEW_YEAR) == [
        NEW_YEAR + timedelta(days=1)
    ]


def test_interval_fires_at_its_start_and_up_to_its_end() -> None:
    document = interval(minutes=30, timezone="UTC", start="2027-01-01T10:00:00", end="2027-01-01T11:00:00")
    assert [item[6:11] for item in firings(document, NEW_YEAR, 9)] == ["10:00", "10:30", "11:00"]
    assert triggers.count_between(document, NEW_YEAR, NEW_YEAR + timedelta(days=9)) == 3


@given(seconds=st.integers(1, 10**7), after=MOMENTS, span=st.timedeltas(timedelta(0), timedelta(days=9)))
@settings(max_examples=100, deadline=None)
def test_intervals_are_counted_by_arithmetic(seconds: int, after: datetime, span: timedelta) -> None:
    listed = triggers.next_firings(interval(seconds=seconds), after, 200, anchor=NEW_YEAR)
    until = min(after + span, listed[-1])
    expected = sum(moment <= until for moment in listed)
    assert triggers.count_between(interval(seconds=seconds), after, until, anchor=NEW_YEAR) == expected


def test_a_century_of_seconds_is_counted_at_once() -> None:
    until = NEW_YEAR + timedelta(days=36_500)
    assert triggers.count_between(interval(seconds=1), NEW_YEAR, until, anchor=NEW_YEAR) == 36_500 * 86_400
    assert triggers.count_between(cron("* * * * * *"), NEW_YEAR, until) == 36_500 * 86_400


def test_clock_changes_do_not_move_an_interval() -> None:
    found = triggers.next_firings(interval(days=1, timezone="Europe/Berlin"), NEW_YEAR, 120, anchor=NEW_YEAR)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(days=1)}


@pytest.mark.parametrize(
    ("run_date", "expected", "words"),
    [
        ("2027-03-28T02:30:00", "03-28 03:00 +0200", "the clocks skip 02:30"),
        ("2027-10-31T02:30:00", "10-31 02:30 +0200", "02:30:00 (Europe/Berlin)"),
        ("2027-10-31T02:30:00+01:00", "10-31 02:30 +0100", "02:30:00"),
        ("2027-07-01", "07-01 00:00 +0200", "2027-07-01"),
        ("2027-07-01T10:00:00Z", "07-01 12:00 +0200", "12:00:00"),
    ],
)
def test_date_without_offset_is_read_in_the_triggers_zone(run_date: str, expected: str, words: str) -> None:
    document = date(run_date, "Europe/Berlin")
    assert firings(document, NEW_YEAR, 5) == [expected]
    assert words in triggers.describe(document)


def test_date_that_never_fired_is_due_even_in_the_past() -> None:
    trigger = triggers.build(date("2020-01-01"))
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    assert trigger.get_next_fire_time(None, NEW_YEAR) == moment
    assert trigger.get_next_fire_time(moment, NEW_YEAR) is None
    assert trigger.following(NEW_YEAR) is None


def test_zone_of_the_settings_is_the_default() -> None:
    assert firings({"type": "cron", "hour": 2}, NEW_YEAR, 1) == ["01-02 02:00 +0800"]


def test_start_and_end_bound_a_cron_line() -> None:
    document = cron("0 2 * * *", "Europe/Berlin", start="2027-03-01", end="2027-03-03T02:00:00")
    assert firings(document, NEW_YEAR, 9) == [f"03-0{day} 02:00 +0100" for day in (1, 2, 3)]


@pytest.mark.parametrize(
    "document",
    [cron("30 2 * * 5L", "Europe/Berlin", start="2027-01-01"), interval(minutes=5), date("2027-03-28T02:30")],
    ids=lambda document: str(document["type"]),
)
def test_pickled_trigger_goes_on_where_it_was(document: dict[str, object]) -> None:
    trigger = triggers.build(document, anchor=NEW_YEAR)
    again = pickle.loads(pickle.dumps(trigger))
    assert again.get_next_fire_time(None, NEW_YEAR) == trigger.get_next_fire_time(None, NEW_YEAR)
    assert str(again) == str(trigger)


@pytest.mark.parametrize(
    "document",
    [cron("0 0 */28 2 1#5"), cron("0 0 29 2 *"), interval(days=36_525)],
    ids=["28 years", "4 years", "100 years"],
)
def test_rare_trigger_ends_with_the_years_that_a_schedule_may_lie_in(document: dict[str, object]) -> None:
    found = triggers.next_firings(document, NEW_YEAR, 1_000, anchor=NEW_YEAR)
    assert 0 < len(found) < 1_000
    assert found[-1].year < 3_000
    assert triggers.build(document, anchor=NEW_YEAR).following(found[-1]) is None


def test_equal_documents_are_built_once() -> None:
    assert triggers.build(cron("1 2 * * *")) is triggers.build(dict(reversed(cron("1 2 * * *").items())))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (cron("0 2 * * *", "Europe/Berlin"), "Every day at 02:00 (Europe/Berlin)"),
        (cron("@daily"), "Every day at 00:00 (UTC)"),
        (cron("0 0 L * *"), "At 00:00, on the last day of the month (UTC)"),
        (cron("0 0 * * mon#2"), "At 00:00, on the second Monday of the month (UTC)"),
        (
            {"type": "cron", "timezone": "UTC", "hour": 9, "day_of_week": "mon-fri"},
            "At 09:00, Monday through Friday (UTC)",
        ),
        (cron("0 0 13 * 5"), "At 00:00, on day 13 of the month, or on Friday (UTC)"),
        (
            cron("0 0 */2 * 1"),
            "At 00:00, every 2 days, but only where the day of the week matches “1” as well (UTC)",
        ),
        (cron("5-5/2 * * * *"), "At 5 minutes past the hour (UTC)"),
        (cron("0 22-23,0-1 * * *"), "Every day at 22:00, 23:00, 00:00 and 01:00 (UTC)"),
        (cron("*/40 * * * *"), "At 0 and 40 minutes past the hour (UTC)"),
        (cron("*/45 * * * * *"), "At 0 and 45 seconds past the minute (UTC)"),
        (cron("30 */7 * * *"), "Every day at 00:30, 07:30, 14:30 and 21:30 (UTC)"),
        (cron("*/20 */6 * * *"), "Every 20 minutes, every 6 hours (UTC)"),
        (interval(seconds=3600), "Every 1 hour"),
        (interval(days=1, seconds=90), "Every 1 day 1 minute 30 seconds"),
        (interval(seconds=1), "Every 1 second"),
    ],
    ids=str,
)
def test_triggers_are_said_in_words(document: dict[str, object], words: str) -> None:
    assert triggers.describe(document) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("*/15 * * * *", "每 15 分钟（UTC）"),
        ("*/40 * * * *", "在每小时的 0 和 40 分（UTC）"),
        ("0 2 * * *", "每天 02:00（UTC）"),
        ("0 2 * * mon", "仅在星期一 02:00（UTC）"),
        ("30 9 * * 1,3,5", "仅在星期一、星期三和星期五 09:30（UTC）"),
        ("0 2,4,6 * * 1-5", "星期一到星期五 02:00、04:00 和 06:00（UTC）"),
        ("0 2 1 may,oct *", "每月的 1 号，仅在五月和十月，02:00（UTC）"),
        ("0 2 * */2 *", "每 2 个月 02:00（UTC）"),
        ("0 3 13 * 5", "每月的 13 号，或星期五，03:00（UTC）"),
        ("0 2 */2 * mon", "每 2 天 02:00，而且只限星期也符合“mon”的日子（UTC）"),
        ("0 2 1-7 * 1-5", "0 2 1-7 * 1-5（UTC）"),
        ("0 0 * * mon#2", "0 0 * * mon#2（UTC）"),
        ("5/20 * * * *", "5/20 * * * *（UTC）"),
    ],
)
def test_chinese_words_only_where_the_sentence_is_whole_and_true(line: str, words: str) -> None:
    with translation.override("zh-hans"):
        assert triggers.describe(cron(line)) == words


@given(line=lines())
@settings(max_examples=200, deadline=None)
def test_chinese_words_hold_no_english_but_what_is_quoted(line: Line) -> None:
    with translation.override("zh-hans"):
        words = cron_in_words(line.text)
    assert line.text in words or not re.search("[A-Za-z]", re.sub("“.*”", "", words))


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({"type": "cron", "cron": "0 2 * * *"}, []),
        ({"type": "cron", "cron": "60 * * * *", "timezone": "Mars/Base"}, ["cron", "timezone"]),
        ({"type": "interval", "hours": 0, "timezone": "Mars/Base", "start": "soon"}, ["timezone", "start", "hours"]),
        ({"type": "crom", "end": "later"}, ["type", "end"]),
        ({"type": "cron", "cron": "x", "zone": "UTC", "nope": 1}, ["nope", "zone", "cron"]),
        ({"type": "date", "run_date": "soon", "timezone": 5}, ["timezone", "run_date"]),
        ({"type": "cron", "cron": "0 2 * * *", "start": "2030-01-02", "end": "2030-01-01"}, ["end"]),
        ([], [""]),
    ],
    ids=str,
)
def test_all_that_is_wrong_is_named_at_once(document: dict[str, object], places: list[str]) -> None:
    found = [place.removeprefix("trigger").removeprefix(".") for place, _message in triggers.problems(document)]
    assert found == places
