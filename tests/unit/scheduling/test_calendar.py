"""The calendar's pure parts: days of 23 and 25 hours, who meets whom, what is free."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest

from scheduling import triggers
from scheduling.calendar.clocks import clock_notes
from scheduling.calendar.collisions import Over, collisions
from scheduling.calendar.firings import Firing, plan
from scheduling.calendar.free import Occupancy
from scheduling.calendar.load import Work, hours_of
from scheduling.calendar.schedules import Schedule, usual_length
from scheduling.calendar.spans import Span, clock_at, month_of, read_month, read_week, week_address, week_of
from scheduling.models import ScheduledJob
from scheduling.signals import Reach
from scheduling.upcoming import Hold

BERLIN, LORD_HOWE, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def make_schedule(
    key: int, cron: str = "0 2 * * *", *, minutes: int = 60, zone: str = "UTC", hold: Hold | None = None
) -> Schedule:
    trigger = {"type": "cron", "cron": cron, "timezone": zone}
    job = ScheduledJob(pk=key, job_id=f"job-{key}", name=f"Job {key}", handler="crawl", trigger=trigger)
    return Schedule(job=job, usual=timedelta(minutes=minutes), is_known=True, hold=hold)


def firings_of(*schedules: Schedule) -> tuple[Firing, ...]:
    return plan(schedules, MONDAY, MONDAY + timedelta(days=7)).firings


def test_a_plan_is_what_the_rule_says_whichever_minutes_it_begins_and_ends_at() -> None:
    schedules = [make_schedule(key, line) for key, line in enumerate(("30 0 * * *", "0 */3 * * *", "0 23 * * 5"))]
    for minutes in (0, 29, 30, 31, 23 * 60 + 59, 24 * 60):
        since = MONDAY + timedelta(minutes=minutes)
        for until in (since + timedelta(minutes=1), since + timedelta(days=4), since + timedelta(days=7)):
            found = plan(schedules, since, until).firings
            assert [(one.schedule.job.pk, one.at) for one in found] == sorted(
                ((one.job.pk, at) for one in schedules for at in one.rule.between(since, until)),
                key=lambda own: (own[1], own[0]),
            )


def test_what_is_too_dense_for_whole_days_and_not_between_two_moments_is_drawn() -> None:
    found = plan([make_schedule(1, "* 0 * * *")], MONDAY + timedelta(minutes=55), MONDAY + timedelta(hours=24))
    assert (len(found.firings), found.often) == (5, ())


@pytest.mark.parametrize("tz", [BERLIN, LORD_HOWE, SHANGHAI], ids=str)
@pytest.mark.parametrize("moved", [UTC, ZoneInfo("Asia/Kathmandu")], ids=str)
def test_the_clock_is_that_of_the_zone_in_each_half_hour_of_a_year(tz: ZoneInfo, moved: tzinfo) -> None:
    moments = [(MONDAY + timedelta(minutes=30 * number)).astimezone(moved) for number in range(366 * 48)]
    assert [clock_at(tz, at) for at in moments] == [at.astimezone(tz).replace(tzinfo=None, fold=0) for at in moments]


# --- days -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "week", "hours"),
    [
        (BERLIN, "2026-W13", [24, 24, 24, 24, 24, 24, 23]),
        (BERLIN, "2026-W43", [24, 24, 24, 24, 24, 24, 25]),
        (LORD_HOWE, "2026-W14", [24, 24, 24, 24, 24, 24, 24.5]),
        (SHANGHAI, "2026-W13", [24] * 7),
    ],
    ids=["forward", "back", "half an hour", "never"],
)
def test_days_are_as_long_as_the_clock_makes_them(zone: ZoneInfo, week: str, hours: list[float]) -> None:
    span = week_of(read_week(week), zone)

    assert [(day.end - day.start) / timedelta(hours=1) for day in span.days] == hours
    assert span.end - span.start == timedelta(hours=sum(hours))


def test_an_hour_that_the_clock_leaves_out_is_none_and_one_that_comes_twice_holds_both() -> None:
    forward, back = week_of(read_week("2026-W13"), BERLIN), week_of(read_week("2026-W43"), BERLIN)
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    works = [Work(moment, moment + timedelta(minutes=10)) for moment in (first, second)]

    assert [cell.exists for cell in hours_of(forward, [], since=forward.start)[6][:4]] == [True, True, False, True]
    cell = hours_of(back, works, since=back.start)[6][2]
    assert (cell.firings, cell.minutes, cell.most) == (2, 20, 1)
    assert back.place(first) == back.place(second) == (6, 2.5)

    every = plan([make_schedule(1, "*/10 * * * *", minutes=10, zone="UTC")], back.start, back.end).often
    twice, once = hours_of(back, [], every, since=back.start)[6][2:4]
    assert (twice.minutes, twice.most) == pytest.approx((120, 1))
    assert (once.minutes, once.most) == pytest.approx((60, 1))


def test_a_night_of_two_hours_is_spread_over_its_hours() -> None:
    span = week_of(MONDAY.date(), ZoneInfo("UTC"))
    start = MONDAY + timedelta(hours=1, minutes=30)
    grid = hours_of(
        span, [Work(start, start + timedelta(hours=2)), Work(start, start + timedelta(hours=1))], since=MONDAY
    )

    assert [cell.minutes for cell in grid[0][:5]] == [0, 60, 90, 30, 0]
    assert [cell.most for cell in grid[0][:5]] == [0, 2, 2, 1, 0]


@pytest.mark.parametrize(
    "text", ["", "x", "2026-W54", "2025-W53", "2026-W00", "0001-W01", "2999-W01", "2026-11", "２０２６-W01"]
)
def test_what_is_no_week_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"week: .*write one like"):
        read_week(text)


@pytest.mark.parametrize("text", ["", "x", "2026-13", "2026-00", "0000-01", "2999-01", "2026-W11"])
def test_what_is_no_month_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"month: .*write one like"):
        read_month(text)


def test_weeks_and_months_are_named_as_they_are_read() -> None:
    assert week_address(date(2027, 1, 1)) == "2026-W53"
    assert read_week("2026-W53") == date(2026, 12, 28)
    assert [day.date for day in month_of(read_month("2028-02"), BERLIN).days][-1] == date(2028, 2, 29)


# --- the plan ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Shanghai", "America/Sao_Paulo"])
@pytest.mark.parametrize("line", ["30 2 * * *", "*/40 * * * *", "0 1-4 * * 0", "0 0 1 * *", "15 30 2 * * *"])
def test_firings_between_two_moments_are_those_that_follow_each_other(zone: str, line: str) -> None:
    trigger = triggers.build({"type": "cron", "cron": line, "timezone": zone, "start": "2026-01-03T02:30:00"})
    for since in (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 27, tzinfo=UTC),
        datetime(2026, 10, 2, tzinfo=UTC),
    ):
        until, walked = since + timedelta(days=40), []
        moment = trigger.following(since - timedelta(microseconds=1))
        while moment is not None and moment < until:
            walked.append(moment)
            moment = trigger.following(moment)
        assert list(trigger.between(since, until)) == walked


def test_what_fires_often_is_counted_and_what_cannot_be_read_is_named() -> None:
    often, broken = make_schedule(1, "*/5 * * * *"), make_schedule(2)
    broken.job.trigger = {"type": "cron", "cron": "never"}

    found = plan([often, broken, make_schedule(3)], MONDAY, MONDAY + timedelta(days=7))

    assert [(one.schedule.job.pk, one.count) for one in found.often] == [(1, 2016)]
    assert [one.job.pk for one in found.unreadable] == [2]
    assert {firing.schedule.job.pk for firing in found.firings} == {3}


def test_there_is_a_limit_to_a_plan_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduling.calendar.firings.MOST_FIRINGS", 20)

    found = plan([make_schedule(key) for key in range(1, 5)], MONDAY, MONDAY + timedelta(days=7))

    assert (len(found.firings), found.left_out) == (14, 2)


def test_the_usual_length_is_the_median_and_a_quarter_of_an_hour_of_nothing() -> None:
    assert usual_length([10.0, 1_000.0, 20.0]) == timedelta(seconds=20)
    assert usual_length([]) == timedelta(minutes=15)


# --- who meets whom ---------------------------------------------------------------------------------------------------
def test_two_that_ask_one_host_share_its_connections_and_only_while_they_meet() -> None:
    reaches: dict[int | None, Reach] = {
        1: Reach(hosts={"shop.example": 5}, alone=frozenset({"a"})),
        2: Reach(hosts={"shop.example": 3}, alone=frozenset({"b"})),
        3: Reach(hosts={"shop.example": 5}, alone=frozenset({"c"})),
    }
    firings = firings_of(make_schedule(1), make_schedule(2, "30 2 * * *"), make_schedule(3, "0 9 * * *"))

    [found] = collisions(firings, reaches, places=4, tz=ZoneInfo("UTC"))

    assert (found.over, found.name, found.at) == (Over.HOST, "shop.example", time(2, 30))
    assert ([one.job.pk for one in found.who], len(found.days)) == ([1, 2], 7)
    assert (found.connections, found.together, found.wait) == (3, 8, timedelta(minutes=30))


def test_two_crawls_of_one_spider_wait_for_each_other_and_share_nothing() -> None:
    one = Reach(hosts={"shop.example": 5}, alone=frozenset({"books"}))

    [found] = collisions(
        firings_of(make_schedule(1), make_schedule(2, "20 2 * * *")), {1: one, 2: one}, places=4, tz=ZoneInfo("UTC")
    )

    assert (found.over, found.name, found.wait) == (Over.ALONE, "books", timedelta(minutes=40))


def test_what_meets_at_a_host_is_no_crowd_besides_whatever_the_second() -> None:
    reach = Reach(hosts={"shop.example": 5})
    firings = firings_of(make_schedule(1, "30 0 2 * * *"), make_schedule(2, "30 0 2 * * *"))

    assert [one.over for one in collisions(firings, {1: reach, 2: reach}, places=4, tz=BERLIN)] == [Over.HOST]


def test_more_runs_than_places_wait_and_it_is_said_how_long() -> None:
    firings = firings_of(*(make_schedule(key, minutes=60) for key in range(1, 4)))

    [found] = collisions(firings, {}, places=2, tz=ZoneInfo("UTC"))

    assert (found.over, found.at, found.wanted, found.wait) == (Over.PLACES, time(2), 3, timedelta(hours=1))
    assert {one.job.pk for one in found.who} == {1, 2, 3}


def test_a_firing_of_many_runs_wants_many_places() -> None:
    [found] = collisions(firings_of(make_schedule(1)), {1: Reach(runs=5)}, places=2, tz=ZoneInfo("UTC"))

    assert (found.over, found.wanted, found.wait) == (Over.PLACES, 5, timedelta(hours=2))


def test_what_begins_together_with_places_enough_is_a_crowd_alone_and_what_is_held_is_in_nobodys_way() -> None:
    firings = firings_of(make_schedule(1), make_schedule(2), make_schedule(3, hold=Hold.PAUSED))

    [found] = collisions(firings, {}, places=4, tz=ZoneInfo("UTC"))

    assert (found.over, {one.job.pk for one in found.who}) == (Over.MOMENT, {1, 2})
    assert collisions(firings_of(make_schedule(1), make_schedule(3, hold=Hold.DISABLED)), {}, places=1, tz=BERLIN) == []


# --- what is free -----------------------------------------------------------------------------------------------------
def test_the_nearest_free_moment_lies_behind_what_is_in_the_way() -> None:
    reach = Reach(hosts={"shop.example": 5})
    firings = firings_of(make_schedule(1, minutes=65), make_schedule(2, "30 1 * * *", minutes=30))
    room = Occupancy(firings, {1: reach}, first=MONDAY.date(), days=7, tz=ZoneInfo("UTC"), places=4)
    days = [MONDAY.date() + timedelta(days=number) for number in range(7)]

    assert room.free_near(time(2), days, steps=3) == time(2, 10)
    assert room.free_near(time(2), days, steps=3, reach=reach) == time(3, 10)


def test_a_moment_is_free_only_with_a_place_and_to_itself_it_is_no_obstacle() -> None:
    firings = firings_of(make_schedule(1, minutes=60))
    room = Occupancy(firings, {}, first=MONDAY.date(), days=7, tz=ZoneInfo("UTC"), places=1)
    days = [MONDAY.date()]

    assert room.free_near(time(2, 30), days, steps=1) == time(3)
    assert room.free_near(time(2, 30), days, steps=1, own=firings) == time(2, 40)
    assert room.free_near(time(2, 30), days, steps=1) == time(3)


def test_a_change_of_the_clock_names_whom_it_moves() -> None:
    span: Span = week_of(date(2026, 3, 29), SHANGHAI)
    moved, unmoved = (
        make_schedule(1, "30 2 * * *", zone="Europe/Berlin"),
        make_schedule(2, "0 9 * * *", zone="Europe/Berlin"),
    )

    [note] = clock_notes([moved, unmoved, make_schedule(3)], span.start, span.end, tz=span.tz)

    assert (note.zone, note.change.is_gap, note.unmoved) == ("Europe/Berlin", True, 1)
    assert [(one.job.pk, words) for one, words in note.moved] == [(1, "02:30 runs at 03:00")]
