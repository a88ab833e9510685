"""Intervals, dates and bounds through restarts, edits and every zone's clock changes; jitter without drift."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduling import triggers
from scheduling.firing import available_at

from .clockwalk import DAY, HOUR, MINUTE, SECOND, Line, is_whole, walk
from .random_lines import Night, lines, nights

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
INTERVALS = st.one_of(
    st.integers(1, 10_000_000).map(lambda seconds: {"seconds": seconds}),
    st.tuples(st.integers(0, 9), st.integers(1, 59)).map(lambda two: {"hours": two[0], "minutes": two[1]}),
    st.floats(1, 100_000).map(lambda seconds: {"seconds": seconds}),
)


def interval(units: dict[str, object], **more: object) -> dict[str, object]:
    return {"type": "interval", "timezone": "Europe/Berlin", **units, **more}


@given(units=INTERVALS, anchor=MOMENTS, elapsed=st.timedeltas(-DAY, timedelta(days=20_000)))
@settings(max_examples=300, deadline=None)
def test_interval_fires_at_whole_multiples_of_its_anchor_whenever_it_is_asked(
    units: dict[str, object], anchor: datetime, elapsed: timedelta
) -> None:
    every = timedelta(**units)  # type: ignore[arg-type]  # hypothesis gives numbers
    asked = anchor + elapsed
    trigger = triggers.build(interval(units), anchor=anchor)
    found = trigger.following(asked)
    assert found is not None
    assert (found - anchor) % every == timedelta(0)
    assert max(asked, anchor) < found <= max(asked, anchor) + every
    # As the tick asks, which anchors nothing.
    assert triggers.build(interval(units)).following_from(anchor, asked) == found
    # As a stock reader has it after a restart.
    assert pickle.loads(pickle.dumps(trigger)).following(asked) == found


@given(units=INTERVALS, anchor=MOMENTS, lateness=st.lists(st.timedeltas(SECOND, 9 * DAY), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_interval_does_not_drift_however_late_each_firing_is_seen(
    units: dict[str, object], anchor: datetime, lateness: list[timedelta]
) -> None:
    trigger = triggers.build(interval(units), anchor=anchor)
    every = timedelta(**units)  # type: ignore[arg-type]  # numbers
    moment = trigger.following(anchor)
    for late in lateness:
        assert moment is not None
        assert trigger.get_next_fire_time(moment, moment + late) == moment + every
        moment = trigger.following(moment + late)
    assert moment is not None
    assert trigger.count_between(anchor, moment) == (moment - anchor) / every


def test_interval_goes_on_by_elapsed_time_through_both_changes() -> None:
    document = interval({"days": 1}, start="2027-03-27T02:30:00")
    found = [moment.astimezone(BERLIN) for moment in triggers.next_firings(document, NEW_YEAR, 260)]
    assert f"{found[0]:%d %H:%M %z}" == "27 02:30 +0100"
    assert f"{found[1]:%d %H:%M %z}" == "28 03:30 +0200"
    assert {f"{moment:%H:%M}" for moment in found if moment.month in (5, 6, 7, 8, 9)} == {"03:30"}
    assert {f"{moment:%H:%M}" for moment in found if moment.month == 11} == {"02:30"}


@pytest.mark.parametrize(
    ("units", "spring", "autumn"),
    [
        ({"days": 1}, "local times are 1 hour later", "local times are 1 hour earlier"),
        ({"hours": 2}, "local times are 1 hour later", "local times are 1 hour earlier"),
        ({"hours": 1}, "same minutes of the clock", "same minutes of the clock"),
        ({"minutes": 20}, "same minutes of the clock", "same minutes of the clock"),
        ({"minutes": 45}, "local times are 1 hour later", "local times are 1 hour earlier"),
    ],
)
def test_clock_change_is_said_to_shift_what_it_shifts(units: dict[str, object], spring: str, autumn: str) -> None:
    """And so it is: the local times of a day before and after tell."""
    (forward, first), (back, second) = triggers.clock_changes(interval(units), NEW_YEAR)
    assert (spring in first, autumn in second) == (True, True)
    every = timedelta(**units)  # type: ignore[arg-type]  # numbers
    for change, text in ((forward, first), (back, second)):
        trigger = triggers.build(interval(units), anchor=change.at - 4 * DAY)
        shift = change.after - change.before
        moves = any(
            (moment + shift - change.at) % every != (moment - change.at) % every
            for moment in triggers.next_firings(interval(units), change.at, 5, anchor=change.at - 4 * DAY)
        )
        assert moves is ("local times are" in text)
        assert trigger.following(change.at - SECOND) == change.at


@given(night=nights(), share=st.floats(0, 1), around=st.integers(-90, 90))
@settings(max_examples=100, deadline=None)
def test_date_is_the_first_instant_at_which_the_clock_reaches_it(night: Night, share: float, around: int) -> None:
    tz, change = night
    walls = sorted(change.at.replace(tzinfo=None) + one for one in (change.before, change.after))
    written = (walls[0] + share * (walls[1] - walls[0]) + around * MINUTE).replace(microsecond=0)
    assume(written.year >= 1970)
    start, end = change.at - (walls[1] - walls[0]) - 2 * HOUR, change.at + (walls[1] - walls[0]) + 3 * HOUR
    by = SECOND
    if is_whole(tz, start, end):
        written, by = written.replace(second=0), MINUTE
    reached = next(instant for instant, wall in walk(tz, start, end, by=by) if wall >= written)
    document: dict[str, object] = {"type": "date", "run_date": written.isoformat(), "timezone": tz.key}
    assert triggers.next_firings(document, start - DAY, 5) == [reached]
    assert triggers.count_between(document, reached - SECOND, reached) == 1
    assert triggers.count_between(document, reached, reached + DAY) == 0


@given(line=lines(), night=nights(), edges=st.tuples(st.integers(0, 5), st.integers(0, 5)))
@settings(max_examples=60, deadline=None)
def test_start_and_end_belong_to_a_cron_line(line: Line, night: Night, edges: tuple[int, int]) -> None:
    tz, change = night
    since = change.at - DAY
    document: dict[str, object] = {"type": "cron", "cron": line.text, "timezone": tz.key}
    assume(since.year > 1970)
    try:
        every = triggers.next_firings(document, since, 6)
    except triggers.InvalidTrigger:
        assume(False)
    low, high = sorted(edges)
    assume(every[high] - every[low] > SECOND)
    bounded = {**document, "start": every[low].isoformat(), "end": every[high].isoformat()}
    assert triggers.next_firings(bounded, since, 99) == every[low : high + 1]
    assert triggers.count_between(bounded, since, every[high] + DAY) == high - low + 1
    within = {**document, "start": (every[low] + SECOND / 2).isoformat(), "end": (every[high] - SECOND / 2).isoformat()}
    if high - low == 1:
        with pytest.raises(triggers.InvalidTrigger, match="never fires"):
            triggers.validate(within)
    else:
        assert triggers.next_firings(within, since, 99) == every[low + 1 : high]


@given(units=INTERVALS, start=MOMENTS, number=st.integers(0, 20))
@settings(max_examples=100, deadline=None)
def test_start_and_end_belong_to_an_interval(units: dict[str, object], start: datetime, number: int) -> None:
    end = start + number * timedelta(**units)  # type: ignore[arg-type]  # numbers
    assume(end > start)
    document = interval(units, start=start.isoformat(), end=end.isoformat())
    found = triggers.next_firings(document, start - DAY, 99)
    assert (found[0], found[-1], len(found)) == (start, end, number + 1)
    assert triggers.count_between(document, start - DAY, end + DAY) == number + 1


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"end": "2027-03-01"}, ("it has ended by then", "it has ended by then")),
        ({"start": "2027-06-01"}, ("it has not begun by then", "runs once, the first time")),
        ({"end": "2027-06-01"}, ("runs at 03:00", "it has ended by then")),
        ({"start": "2027-10-31T02:15:00"}, ("it has not begun by then", "begins or ends within")),
    ],
    ids=str,
)
def test_clock_change_outside_of_start_and_end_does_nothing(bounds: dict[str, object], words: tuple[str, str]) -> None:
    document = {"type": "cron", "cron": "30 2 * * *", "timezone": "Europe/Berlin", **bounds}
    for (_change, text), expected in zip(triggers.clock_changes(document, NEW_YEAR), words, strict=True):
        assert expected in text


def test_jitter_moves_starts_and_never_moments() -> None:
    """10,000 firings: each starts within its jitter, the moments stay where they belong, and nothing adds up."""
    trigger = triggers.build(interval({"minutes": 1}), anchor=NEW_YEAR)
    moment, moments, delays = NEW_YEAR, [], []
    for _ in range(10_000):
        found = trigger.following(moment)
        assert found is not None
        moment = found
        moments.append(moment)
        delays.append(available_at("nightly", moment, 600) - moment)
    assert moments == [NEW_YEAR + number * MINUTE for number in range(1, 10_001)]
    assert min(delays) >= timedelta(0)
    assert max(delays) < timedelta(seconds=600)
    mean = sum(delays, timedelta()) / len(delays)
    assert abs(mean - timedelta(seconds=300)) < timedelta(seconds=10)
    first, last = delays[:5000], delays[5000:]
    assert abs(sum(first, timedelta()) - sum(last, timedelta())) / 5000 < timedelta(seconds=15)


def test_jitter_is_of_the_instant_whatever_zone_it_is_written_in() -> None:
    moment = datetime(2027, 3, 28, 1, tzinfo=UTC)
    assert available_at("nightly", moment.astimezone(BERLIN), 600) == available_at("nightly", moment, 600)
