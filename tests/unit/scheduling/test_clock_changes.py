"""Cron through every zone's clock changes, against a walk of the clock that knows the rule alone (`clockwalk`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduling import triggers
from scheduling.firing import Timeline
from scheduling.triggers import zones

from .clockwalk import (
    HOUR,
    MINUTE,
    SECOND,
    Change,
    Field,
    Line,
    changes_of,
    expected,
    is_whole,
    line,
    listed,
    number,
    onwards,
    span,
    star,
    step,
    walk,
)
from .random_lines import NAMES, YEARS, Night, lines, nights

MOST = 400
"""Moments of a line that are looked at."""


def document(asked: Line, tz: ZoneInfo) -> dict[str, object]:
    return {"type": "cron", "cron": asked.text, "timezone": tz.key}


def is_accepted(asked: Line, tz: ZoneInfo) -> bool:
    """A random line may be one that never fires, which is refused; for no other reason."""
    try:
        triggers.validate(document(asked, tz))
    except triggers.InvalidTrigger as error:
        if "never fires" not in error.message:
            raise
        return False
    return True


def firings(trigger: triggers.DocumentTrigger, start: datetime, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    moment = trigger.following(start)
    while moment is not None and moment <= end:
        found.append(moment)
        moment = trigger.following(moment)
    return found


def check(asked: Line, tz: ZoneInfo, change: Change, *, around: timedelta, points: int = 5) -> int:
    """Firings, counts and answers from several points; returns how many firings were looked at."""
    width = abs(change.after - change.before)
    start, end = change.at - around, change.at + around + width
    by = MINUTE
    if asked.every_second or not is_whole(tz, start, end):
        by = SECOND
        start, end = change.at - min(around, HOUR + width), change.at + min(around, HOUR + width)
    steps = list(walk(tz, start, end, by=by))
    wanted = expected(asked, steps, by=by)
    trigger = triggers.build(document(asked, tz))

    found = firings(trigger, start, end)
    assert found == wanted, f"{asked.text} in {tz.key} around {change}"

    for index in range(points):
        since = steps[index * (len(steps) - 1) // max(1, points - 1)][0]
        later = [one for one in wanted if one > since]
        assert trigger.count_between(since, end) == len(later), f"{asked.text} in {tz.key} since {since}"
        assert trigger.count_between(start, since) == len(wanted) - len(later)
        if later:
            assert trigger.following(since) == later[0]
            assert trigger.get_next_fire_time(None, later[0]) == later[0]
    return len(found)


@given(night=nights(), data=st.data())
@settings(max_examples=50, deadline=None)
def test_any_line_in_any_zone_follows_the_rule_around_a_change(
    night: tuple[ZoneInfo, Change], data: st.DataObject
) -> None:
    tz, change = night
    hours = {((change.at + one).hour + late) % 24 for one in (change.before, change.after) for late in (-1, 0)}
    asked = data.draw(lines(tuple(sorted(hours))))
    assume(is_accepted(asked, tz))
    check(asked, tz, change, around=26 * HOUR)


def telling(change: Change) -> Iterator[Line]:
    """Lines that a change of the clock touches, and some that it must leave alone."""
    walls = sorted(change.at.replace(tzinfo=None) + one for one in (change.before, change.after))
    low, high = walls[0].replace(second=0), walls[1].replace(second=0)
    middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
    hours = [(low + late * HOUR).hour for late in (-1, 0, 1, 2)]
    around = listed(*map(number, sorted(set(hours))))
    for wall in (low, middle, high - MINUTE, high):
        yield line(number(wall.minute), number(wall.hour))
    yield line(listed(number(0), number(30)), number(low.hour))
    yield line(number(middle.minute), around)
    yield line(span(5, 50, 7), span(0, 23))
    yield line(onwards("minute", 10, 25), onwards("hour", low.hour, 2))
    yield line(number(0), number(0))
    yield line(number(middle.minute), number(middle.hour), weekday=number(middle.isoweekday() % 7))
    yield line(number(middle.minute), number(middle.hour), day=number(middle.day), month=number(middle.month))
    yield line(number(middle.minute), number(middle.hour), day=Field("L", last=True), weekday=Field("0L", nth=(0, 0)))
    yield line(star("minute"), star("hour"))
    yield line(step("minute", 7), star("hour"))
    yield line(number(0), star("hour"))
    yield line(number(middle.minute), star("hour"), weekday=number(low.isoweekday() % 7))
    yield line(number(0), step("hour", 2))
    yield line(number(30), step("hour", 3))
    yield line(step("minute", 20), around)
    yield line(star("minute"), number(low.hour), day=step("day", 2))
    yield line(listed(step("minute", 30), number(7)), number(high.hour))


SECONDS = (
    line(number(15), number(2), second=number(30)),
    line(star("minute"), star("hour"), second=step("second", 20)),
)


def distinct(names: Iterable[str], years: Iterable[int]) -> dict[Change, ZoneInfo]:
    """All changes of these zones: one zone for each, as equal changes bring equal firings around them."""
    return {change: ZoneInfo(name) for name in names for year in years for change in changes_of(ZoneInfo(name), year)}


def walk_all(found: dict[Change, ZoneInfo]) -> int:
    return sum(check(one, tz, change, around=3 * HOUR) for change, tz in found.items() for one in telling(change))


def test_every_change_of_every_zone_that_is_near_follows_the_rule() -> None:
    found = distinct(NAMES, [2027])
    assert len(found) > 40
    assert walk_all(found) > 5_000


@pytest.mark.soak
@pytest.mark.parametrize("decade", [range(first, min(first + 10, 2038)) for first in range(1970, 2038, 10)], ids=str)
def test_every_change_of_every_zone_since_1970_follows_the_rule(decade: range) -> None:
    assert walk_all(distinct(NAMES, decade)) > 10_000


@pytest.mark.soak
def test_every_change_of_every_zone_since_1970_is_found() -> None:
    first, last = datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
    for name in NAMES:
        tz = ZoneInfo(name)
        found = [(one.at, one.before, one.after) for one in zones.changes(tz, first, last)]
        assert found == [tuple(one) for year in YEARS for one in changes_of(tz, year) if one.at < last]


NOTORIOUS = {
    "half an hour": ("Australia/Lord_Howe", 2027),
    "midnight does not come": ("Asia/Beirut", 2027),
    "midnight does not come, on a Friday": ("Africa/Cairo", 2027),
    "midnight comes twice": ("America/Santiago", 2027),
    "midnight came twice": ("America/Asuncion", 2020),
    "midnight comes twice, in Havana": ("America/Havana", 2027),
    "winter is the exception": ("Europe/Dublin", 2027),
    "the fast is the exception, twice a year": ("Africa/Casablanca", 2027),
    "a day was skipped": ("Pacific/Apia", 2011),
    "a day was skipped, on the other side": ("Pacific/Kwajalein", 1993),
    "a New Year's Day was skipped": ("Pacific/Kiritimati", 1994),
    "a day was skipped, in Enderbury": ("Pacific/Kanton", 1994),
    "seconds in the offset": ("Africa/Monrovia", 1972),
    "four changes in a year": ("Africa/Cairo", 2010),
    "two hours": ("Antarctica/Troll", 2027),
    "a quarter of an hour for ever": ("Asia/Kathmandu", 1985),
    "half an hour for ever": ("Asia/Pyongyang", 2018),
    "a week apart": ("America/Boa_Vista", 2000),
    "two hours, when Alaska took one time": ("America/Juneau", 1983),
}


@pytest.mark.parametrize(("name", "year"), NOTORIOUS.values(), ids=NOTORIOUS.keys())
def test_notorious_nights_follow_the_rule_in_minutes_and_seconds(name: str, year: int) -> None:
    tz = ZoneInfo(name)
    found = changes_of(tz, year)
    assert found
    for change in found:
        for one in (*telling(change), *SECONDS):
            check(one, tz, change, around=3 * HOUR, points=9)


@pytest.mark.parametrize(
    "name", ["UTC", "Asia/Shanghai", "Asia/Kolkata", "Etc/GMT+12", "Pacific/Kiritimati", "Asia/Tokyo"]
)
def test_zone_whose_clock_is_not_changed_has_ordinary_days(name: str) -> None:
    tz, at = ZoneInfo(name), datetime(2027, 3, 28, 1, tzinfo=UTC)
    assert not changes_of(tz, 2027)
    plain = at.astimezone(tz).utcoffset()
    assert plain is not None
    for one in telling(Change(at, plain, plain + HOUR)):
        check(one, tz, Change(at, plain, plain), around=26 * HOUR)


@given(night=nights(), data=st.data(), limit=st.integers(1, 40), split=st.floats(0, 1), until=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_timeline_agrees_with_the_plain_list_over_a_change(
    night: Night, data: st.DataObject, limit: int, split: float, until: float
) -> None:
    tz, change = night
    asked = data.draw(lines())
    assume(is_accepted(asked, tz))
    trigger = triggers.build(document(asked, tz))
    moments = firings(trigger, change.at - 5 * HOUR, change.at + 5 * HOUR)[:MOST]
    # A line that does not fire on this night: its next moments, wherever they lie.
    moments = moments or triggers.next_firings(document(asked, tz), change.at, 10)
    timeline = Timeline(trigger)
    first = int(split * (len(moments) - 1))
    last = first + int(until * (len(moments) - 1 - first))
    low, high = moments[first], moments[last]
    for now in (high, high + timedelta(microseconds=1), high + SECOND / 2):
        assert timeline.newest(low, now) == max(moment for moment in moments if moment <= now)
    assert timeline.count(low, high) == last - first + 1
    assert timeline.forward(low, high, limit) == moments[first : last + 1][:limit]
    assert timeline.backward(low, high, limit) == moments[first : last + 1][-limit:]
    assert timeline.at_or_after(low) == low
    assert all(timeline.after(one) == two for one, two in pairwise(moments[first : first + 20]))
