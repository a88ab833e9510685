"""Hypothesis draws cron lines whose meaning is known (`clockwalk.Line`: all that the dialect has) and clock changes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

from .clockwalk import DAY, MONTHS, WEEKDAYS, Change, Field, Line, changes_of, listed, number, onwards, span, star, step

NAMES = sorted(available_timezones())
YEARS = range(1970, 2038)
Night = tuple[ZoneInfo, Change]


def field(kind: str, low: int, high: int) -> st.SearchStrategy[Field]:
    value = st.integers(low, high)
    single = st.one_of(
        value.map(number),
        st.tuples(value, value, st.integers(1, 7)).map(lambda three: span(min(three[:2]), max(three[:2]), three[2])),
        st.tuples(value, st.integers(1, high or 1)).map(lambda two: onwards(kind, *two)),
    )
    return st.one_of(
        st.just(star(kind)),
        st.integers(1, high).map(lambda every: step(kind, every)),
        single,
        st.lists(single, min_size=2, max_size=3).map(lambda many: listed(*many)),
        st.tuples(single, st.integers(2, high)).map(lambda two: listed(step(kind, two[1]), two[0])),
    )


DAYS = st.one_of(
    st.just(star("day")),
    st.just(star("day")),
    field("day", 1, 28),
    st.just(Field("L", last=True)),
    st.integers(1, 31).map(lambda day: listed(number(day), Field("L", last=True))),
)
MONTHS_OF_YEAR = st.one_of(
    st.just(star("month")),
    st.just(star("month")),
    field("month", 1, 12),
    st.integers(1, 12).map(lambda month: number(month, MONTHS[month - 1])),
)
NTH = st.one_of(
    st.tuples(st.integers(0, 6), st.integers(1, 4)).map(
        lambda two: Field(f"{WEEKDAYS[two[0]]}#{two[1]}", nth=two)  # in either case of letters
    ),
    st.integers(0, 7).map(lambda weekday: Field(f"{weekday}L", nth=(weekday, 0))),
)
WEEK = st.one_of(
    st.just(star("weekday")),
    st.just(star("weekday")),
    field("weekday", 0, 7),
    st.integers(0, 6).map(lambda weekday: number(weekday, WEEKDAYS[weekday].upper())),
    NTH,
    st.tuples(st.integers(0, 6).map(number), NTH).map(lambda two: listed(*two)),
)


@st.composite
def lines(draw: st.DrawFn, hours: tuple[int, ...] = (0, 23)) -> Line:
    near = st.sampled_from(hours)
    hour = st.one_of(near.map(number), st.just(listed(*map(number, hours))), field("hour", 0, 23))
    second = draw(st.one_of(st.just(number(0)), st.just(number(0)), field("second", 0, 59)))
    minute = draw(field("minute", 0, 59))
    return Line(second, minute, draw(hour), draw(DAYS), draw(MONTHS_OF_YEAR), draw(WEEK))


@st.composite
def nights(draw: st.DrawFn) -> Night:
    """A zone and a change of its clock; where its year has none, any moment as a change of nothing."""
    tz = ZoneInfo(draw(st.sampled_from(NAMES)))
    year = draw(st.sampled_from(YEARS))
    found = changes_of(tz, year)
    if found:
        return tz, draw(st.sampled_from(found))
    at = datetime(year, 1, 1, tzinfo=UTC) + draw(st.integers(0, 360)) * DAY
    before = at.astimezone(tz).utcoffset()
    assert before is not None
    return tz, Change(at, before, before)
