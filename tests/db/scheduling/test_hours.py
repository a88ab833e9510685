"""Sums of past hours say what a plain count of the runs says, whatever happens in between."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from scheduling import hours
from scheduling.hours import HOUR, STATES, end_of, fill, hour_of, remove_hours
from scheduling.maintenance import remove_runs
from scheduling.models import JobRun, RunHour

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FOR_EVER = 60.0
"""Seconds that a call may take: all there is to do."""


def make_ended(*moments: datetime, state: str = "succeeded") -> None:
    JobRun.objects.bulk_create(
        JobRun(
            job_key="j", job_name="j", cause="command", state=state, scheduled_time=moment, available_at=moment,
            queued_at=moment, finished_at=moment,
        )
        for moment in moments
    )  # fmt: skip


def sums() -> dict[datetime, dict[str, int]]:
    return {row.start_at: {state: getattr(row, state) for state in STATES} for row in RunHour.objects.all()}


def assert_sums_are_a_plain_count() -> None:
    """Hour by hour, without a gap between two of them."""
    rows: Sequence[RunHour] = list(RunHour.objects.order_by("start_at"))
    assert rows
    assert all(before.end_at == after.start_at for before, after in pairwise(rows))
    runs = JobRun.objects.filter(state__in=STATES).values_list("finished_at", "state")
    ended = [(at, state) for at, state in runs if at is not None]
    for row in rows:
        counted = Counter(state for at, state in ended if row.start_at <= at < row.end_at)
        assert {state: getattr(row, state) for state in STATES} == {state: counted[state] for state in STATES}


def test_hours_that_are_over_are_summed_up_by_state() -> None:
    make_ended(NOW - 2 * HOUR, NOW - HOUR)
    make_ended(NOW - HOUR, state="failed")
    make_ended(NOW - HOUR, state="missed")
    make_ended(NOW)
    JobRun.objects.create(
        job_key="j", job_name="j", cause="command", scheduled_time=NOW, available_at=NOW, queued_at=NOW
    )

    fill(NOW, seconds=FOR_EVER)

    assert sums()[hour_of(NOW - HOUR)] == {"succeeded": 1, "failed": 1, "cancelled": 0, "missed": 1, "skipped": 0}
    assert max(sums()) == hour_of(NOW) - HOUR
    assert_sums_are_a_plain_count()


def test_an_hour_is_counted_some_minutes_after_its_end() -> None:
    hour = hour_of(NOW)
    make_ended(hour - MINUTE)

    fill(hour + 4 * MINUTE, seconds=FOR_EVER)
    assert hour - HOUR not in sums()

    fill(hour + 5 * MINUTE, seconds=FOR_EVER)
    assert sums()[hour - HOUR]["succeeded"] == 1


def test_what_was_committed_late_is_found_a_day_later(settings: Settings) -> None:
    make_ended(NOW - 3 * HOUR)
    fill(NOW, seconds=FOR_EVER)
    make_ended(NOW - 2 * HOUR)  # as by a clock that was set back

    fill(NOW + 12 * HOUR, seconds=FOR_EVER)
    assert sums()[hour_of(NOW - 2 * HOUR)]["succeeded"] == 0

    fill(NOW + DAY, seconds=FOR_EVER)
    assert sums()[hour_of(NOW - 2 * HOUR)]["succeeded"] == 1
    assert_sums_are_a_plain_count()


def test_sums_stay_when_retention_removes_the_runs(settings: Settings) -> None:
    settings.RUN_RETENTION_DAYS = 1
    make_ended(*(NOW - number * HOUR for number in range(1, 20)))
    fill(NOW, seconds=FOR_EVER)
    before = sums()
    later = NOW + 2 * DAY

    while remove_runs(later - DAY):
        pass
    fill(later, seconds=FOR_EVER)

    assert not JobRun.objects.exists()
    assert {start: row for start, row in sums().items() if start in before} == before


def test_sums_outlive_a_retention_that_is_made_longer(settings: Settings) -> None:
    """Their hours were counted once, and look as if they were to be counted again a day later."""
    settings.RUN_RETENTION_DAYS = 1
    make_ended(*(NOW - number * HOUR for number in range(1, 20)))
    fill(NOW, seconds=FOR_EVER)
    before = sums()
    while remove_runs(NOW + 2 * DAY):
        pass

    settings.RUN_RETENTION_DAYS = 30
    fill(NOW + 3 * DAY, seconds=FOR_EVER)

    assert {start: row for start, row in sums().items() if start in before} == before


def test_a_history_without_sums_is_counted_backwards_as_far_as_pages_look() -> None:
    make_ended(*(NOW - number * 5 * HOUR for number in range(1, 100)))

    fill(NOW, seconds=FOR_EVER)

    assert min(sums()) <= NOW - hours.LOOK_BACK < min(sums()) + HOUR
    assert_sums_are_a_plain_count()


def test_one_call_does_a_little_and_the_next_goes_on() -> None:
    make_ended(*(NOW - number * HOUR for number in range(1, 12)))

    for _call in range(60):
        fill(NOW, seconds=0.0)
        assert_sums_are_a_plain_count()

    assert sum(row["succeeded"] for row in sums().values()) == 11


def test_a_clock_that_was_ahead_leaves_nothing_behind() -> None:
    make_ended(NOW - 2 * HOUR)
    fill(NOW, seconds=FOR_EVER)
    fill(NOW + 5 * HOUR, seconds=FOR_EVER)  # ahead: nothing has ended in these hours yet
    make_ended(NOW + HOUR, NOW + 2 * HOUR)

    fill(NOW + 4 * HOUR, seconds=FOR_EVER)

    assert sums()[hour_of(NOW + HOUR)]["succeeded"] == 1
    assert sums()[hour_of(NOW + 2 * HOUR)]["succeeded"] == 1


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Chatham"]
)
@pytest.mark.parametrize("seed", range(3))
def test_random_runs_and_calls_at_random_times(settings: Settings, zone: str, seed: int) -> None:
    """Through a change of the clock of each zone that has one: the hours lie without a gap, and count each run once."""
    settings.TIME_ZONE = zone
    chance = random.Random(f"{zone} {seed}")
    changes = {"Europe/Berlin": datetime(2026, 3, 29, 1, tzinfo=UTC)}
    begin = changes.get(zone, datetime(2026, 4, 4, 15, tzinfo=UTC)) - 30 * HOUR
    moment = begin
    for _step in range(8):
        until = moment + chance.uniform(0.2, 12) * HOUR
        for state in STATES:
            make_ended(
                *(moment + chance.random() * (until - moment) for _run in range(chance.randrange(4))), state=state
            )
        moment = until
        fill(moment + 5 * MINUTE, seconds=FOR_EVER)
    fill(moment + DAY + HOUR, seconds=FOR_EVER)

    assert_sums_are_a_plain_count()
    total = sum(sum(row.values()) for row in sums().values())
    assert total == JobRun.objects.count()


@pytest.mark.parametrize("seed", range(3))
def test_random_work_kills_removals_and_retention(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever goes on, each hour's sum is what a plain count of all that ever ended in it says."""
    chance = random.Random(seed)
    settings.RUN_RETENTION_DAYS = chance.choice([2, 3])
    ended: list[tuple[datetime, str]] = []
    now = NOW
    for _step in range(30):
        now += chance.choice([1, 7, 55, 200]) * MINUTE
        for _run in range(chance.randrange(4)):
            # Committed some minutes late; or, seldom, by a process whose clock was behind.
            at, state = now - chance.choice([0, 0, 4, 400]) * MINUTE, chance.choice(STATES)
            make_ended(at, state=state)
            ended.append((at, state))
        happens = chance.random()
        if happens < 0.2:
            fill_and_die(now, monkeypatch, after=chance.randrange(4))
        elif happens < 0.3:
            fill(now + chance.choice([3, 20]) * HOUR, seconds=FOR_EVER)  # a clock that was ahead
        elif happens < 0.4:
            settings.RUN_RETENTION_DAYS = chance.choice([2, 3, 30])
        else:
            fill(now, seconds=FOR_EVER)
        if chance.random() < 0.3:
            fill(now, seconds=FOR_EVER)
            while remove_runs(now - settings.RUN_RETENTION_DAYS * DAY):
                pass
            remove_hours(now - 2 * DAY, limit=100)
    fill(now, seconds=FOR_EVER)
    fill(now + DAY + HOUR, seconds=FOR_EVER)

    rows = list(RunHour.objects.order_by("start_at"))
    assert all(before.end_at == after.start_at for before, after in pairwise(rows))
    for row in rows:
        counted = Counter(state for at, state in ended if row.start_at <= at < row.end_at)
        assert {state: getattr(row, state) for state in STATES} == {state: counted[state] for state in STATES}, row


def fill_and_die(now: datetime, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """As if the process were killed when so many hours are written."""
    with monkeypatch.context() as patch:
        write, left = hours._write, iter(range(after))

        def write_or_die(*args: datetime) -> None:
            if next(left, None) is None:
                raise SystemExit
            write(*args)

        patch.setattr(hours, "_write", write_or_die)
        with suppress(SystemExit):
            fill(now, seconds=FOR_EVER)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Pacific/Chatham", "Europe/Berlin"])
def test_hours_begin_when_the_local_clock_shows_a_full_one(settings: Settings, zone: str) -> None:
    settings.TIME_ZONE = zone
    moment = datetime(2026, 4, 4, 12, 10, tzinfo=UTC)
    for _hour in range(10):
        start = hour_of(moment)
        assert start <= moment < end_of(start)
        assert timezone.localtime(start, timezone.get_default_timezone()).minute == 0
        moment = end_of(start)


def test_two_processes_may_count_the_same_hour() -> None:
    make_ended(NOW - HOUR)
    fill(NOW, seconds=FOR_EVER)
    before = sums()
    RunHour.objects.filter(start_at=hour_of(NOW - HOUR)).update(counted_at=NOW + DAY)  # as if not counted yet

    fill(NOW, seconds=FOR_EVER)

    assert sums() == before


def test_nothing_to_do_costs_two_short_questions(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    make_ended(NOW - HOUR)
    fill(NOW, seconds=FOR_EVER)

    with django_assert_max_num_queries(2):
        assert fill(NOW, seconds=FOR_EVER) == 0


def test_old_sums_go_in_batches_and_never_those_that_pages_show() -> None:
    now = timezone.now()
    for days in (10, 70, 80, 90):
        start = hour_of(now - timedelta(days=days))
        RunHour.objects.create(start_at=start, end_at=start + HOUR, counted_at=start + 2 * HOUR)

    assert remove_hours(now - timedelta(days=5), limit=2) == 2
    assert remove_hours(now - timedelta(days=5), limit=2) == 1
    assert remove_hours(now - timedelta(days=5), limit=2) == 0
    assert RunHour.objects.count() == 1
