"""The street of the next 24 hours: where lamps stand, how high, and what is named instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from crawlproject.dashboard.schedules import Round, Schedule
from crawlproject.dashboard.street import LISTED, MOST_DRAWN, street_of
from scheduling.models import ScheduledJob

NOW = datetime(2026, 3, 28, 12, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_schedule(
    name: str, *, cron: str = "", seconds: int = 0, took: float | None = None, next_time: datetime | None = NOW + HOUR,
    paused: bool = False, problem: str = "",
) -> Schedule:  # fmt: skip
    trigger = {"type": "cron", "cron": cron} if cron else {"type": "interval", "seconds": seconds}
    number = sum(map(ord, name))
    job = ScheduledJob(
        pk=number, job_id=name, name=name, trigger=trigger, anchor_at=NOW, paused_at=NOW if paused else None,
        problem=problem,
    )  # fmt: skip
    rounds = () if took is None else (Round(1, "succeeded", took, NOW - HOUR),)
    return Schedule(job=job, next_time=next_time, rounds=rounds, message="")


def bulbs(drawing: object) -> list[tuple[float, float]]:
    """Where each stands, in percent, and how far from the top, in pixels."""
    found = re.findall(r'class="bulb" cx="([\d.]+)%" cy="([\d.]+)"', str(drawing))
    return [(float(x), float(y)) for x, y in found]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "Europe/Berlin"])
def test_a_lamp_stands_where_its_moment_is(settings: Settings, zone: str) -> None:
    """Also on a day of 23 hours: Berlin's clocks go forward in this night."""
    settings.TIME_ZONE = settings.SCHEDULER_TIMEZONE = zone
    street = street_of([make_schedule("one", cron="0 6 * * *")], NOW, crowd_url="")
    [stop] = street.stops
    assert (stop.at.hour, stop.at.minute) == (6, 0)
    [(x, _y)] = bulbs(street.drawing)
    begin = NOW.replace(second=0)
    assert x == pytest.approx((stop.at - begin) / timedelta(days=1) * 100, abs=0.01)
    assert stop.at.astimezone(UTC) == stop.firings[0].at.astimezone(UTC)


def test_more_work_makes_a_higher_post() -> None:
    took = [None, 0.0, 5.0, 60.0, 3_600.0, 90_000.0]
    schedules = [make_schedule(f"{n}", cron=f"{n} 13 * * *", took=seconds) for n, seconds in enumerate(took)]
    heights = [y for _x, y in bulbs(street_of(schedules, NOW, crowd_url="").drawing)]
    assert heights[1:] == sorted(heights[1:], reverse=True)
    assert len(set(heights[1:])) == 5
    assert min(heights) >= 10


def test_an_hour_that_comes_twice_makes_no_crowd(settings: Settings) -> None:
    """In Berlin 02:30 comes once by summer time and again an hour later."""
    settings.TIME_ZONE = settings.SCHEDULER_TIMEZONE = "Europe/Berlin"
    now = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    schedules = [make_schedule(name, next_time=at) for name, at in zip(("one", "two"), moments, strict=True)]
    for schedule, at in zip(schedules, moments, strict=True):
        schedule.job.trigger = {"type": "date", "run_date": at.isoformat()}
    street = street_of(schedules, now, crowd_url="/calendar/")
    assert [[firing.name for firing in stop.firings] for stop in street.stops] == [["one"], ["two"]]
    first, second = (x for x, _y in bulbs(street.drawing))
    assert first < second


def test_what_fires_in_the_same_minute_is_one_lamp_with_its_number() -> None:
    schedules = [make_schedule(name, cron="0 20 * * *") for name in ("one", "two", "three")]
    street = street_of(schedules, NOW, crowd_url="/calendar/")
    assert len(bulbs(street.drawing)) == 1
    assert 'href="/calendar/"' in str(street.drawing)
    assert ": 3 at once: one, three, two" in str(street.drawing)
    assert "3 firings. 1 time is crowded." in str(street.drawing)


def test_what_fires_often_is_named_the_most_frequent_first() -> None:
    schedules = [make_schedule(f"every {s}", seconds=s) for s in (600, 15, 3_600, 7_200)]
    street = street_of(schedules, NOW, crowd_url="")
    assert [(one.name, one.count) for one in street.often] == [
        ("every 15", 5_760),
        ("every 600", 144),
        ("every 3600", 24),
    ]
    assert {firing.name for stop in street.stops for firing in stop.firings} == {"every 7200"}


def test_what_does_not_fire_is_left_out() -> None:
    schedules = [
        make_schedule("paused", cron="0 20 * * *", paused=True),
        make_schedule("broken", cron="0 20 * * *", problem="x"),
        make_schedule("wrong", cron="99 20 * * *"),
        make_schedule("never", cron="0 20 * * *", next_time=None),
        make_schedule("later", cron="0 0 1 1 *", next_time=NOW + 400 * HOUR),
    ]
    street = street_of(schedules, NOW, crowd_url="")
    assert (street.drawing, street.stops, street.often) == ("", (), ())


def test_many_schedules_make_a_bounded_drawing_and_a_short_list() -> None:
    schedules = [make_schedule(f"job {n}", cron=f"{n % 60} */3 * * *") for n in range(300)]
    street = street_of(schedules, NOW, crowd_url="")
    listed = sum(len(stop.firings) for stop in street.stops)
    assert len(street.stops) == LISTED
    assert listed + street.more == MOST_DRAWN
    assert all(0 <= x <= 100 for x, _y in bulbs(street.drawing))


def test_nights_are_dark_and_the_axis_is_in_the_schedulers_zone(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    street = street_of([make_schedule("one", cron="0 6 * * *")], NOW, crowd_url="")
    drawing = str(street.drawing)
    local = timezone.localtime(NOW, timezone.get_default_timezone())
    assert (local.hour, local.minute) == (20, 10)
    nights = re.findall(r'class="night" x="([\d.]+)%" width="([\d.]+)%"', drawing)
    assert [float(x) for x, _width in nights] == [0.0, pytest.approx(22.83 / 24 * 100, abs=0.1)]
    assert re.findall(r">(\d\d:00)<", drawing) == [
        "21:00",
        "00:00",
        "03:00",
        "06:00",
        "09:00",
        "12:00",
        "15:00",
        "18:00",
    ]
