"""Which due moments run, and what becomes of the others: a table of decisions, no database, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling import triggers
from scheduling.firing import (
    NONE_ACTIVE,
    Active,
    Plan,
    Reason,
    Timeline,
    admit,
    available_at,
    plan,
    retry_at,
)
from scheduling.triggers import DocumentTrigger

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = "2026-01-01T00:00:00+00:00"
Document = Mapping[str, object]
MINUTES: Document = {"type": "interval", "minutes": 1, "start": START}
SECONDS: Document = {"type": "interval", "seconds": 1, "start": START}
CRON: Document = {"type": "cron", "cron": "* * * * *", "timezone": "UTC"}
DAILY: Document = {"type": "cron", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
DATE: Document = {"type": "date", "run_date": NOON.isoformat()}
ENDED: Document = {**MINUTES, "end": "2026-03-02T12:03:00+00:00"}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def timeline(document: Document) -> Timeline:
    return Timeline(triggers.build(document))


class Case(NamedTuple):
    trigger: Document
    late: float
    """Minutes from noon, when the job was due, to now."""
    grace: int | None
    """Minutes."""
    coalesce: bool
    runs: list[float]
    """Minutes after noon."""
    missed: tuple[float, float, int] | None = None
    """First and last in minutes after noon, count."""
    coalesced: tuple[float, float, int] | None = None


CASES = {
    "on time": Case(MINUTES, 0, 1, False, [0]),
    "in time": Case(MINUTES, 0.5, 1, False, [0]),
    "exactly as late as allowed": Case(MINUTES, 1, 1, False, [0, 1]),
    "just later than allowed": Case(MINUTES, 1.001, 1, False, [1], missed=(0, 0, 1)),
    "all within the grace": Case(MINUTES, 3.5, 5, False, [0, 1, 2, 3]),
    "some later than the grace": Case(MINUTES, 10, 2, False, [8, 9, 10], missed=(0, 7, 8)),
    "any lateness": Case(MINUTES, 4, None, False, [0, 1, 2, 3, 4]),
    "coalesced": Case(MINUTES, 4, None, True, [4], coalesced=(0, 3, 4)),
    "coalesced within the grace, missed before": Case(
        MINUTES, 10, 2, True, [10], missed=(0, 7, 8), coalesced=(8, 9, 2)
    ),
    "one due is not coalesced": Case(MINUTES, 0.5, None, True, [0]),
    "nothing within the grace": Case({**MINUTES, "minutes": 60}, 150, 10, False, [], missed=(0, 120, 3)),
    "cron, nothing within the grace": Case({**CRON, "cron": "0 * * * *"}, 150, 10, False, [], missed=(0, 120, 3)),
    "cron, some later than the grace": Case(CRON, 10, 2, False, [8, 9, 10], missed=(0, 7, 8)),
    "a date in time": Case(DATE, 0.5, 1, False, [0]),
    "a date too late": Case(DATE, 500, 1, False, [], missed=(0, 0, 1)),
    "a date that may be late": Case(DATE, 500_000, None, False, [0]),
    "beyond the trigger's end": Case(ENDED, 10, None, False, [0, 1, 2, 3]),
    "beyond the trigger's end and the grace": Case(ENDED, 10, 1, False, [], missed=(0, 3, 4)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_moments_are_run_missed_or_coalesced(case: Case) -> None:
    made = plan(
        timeline(case.trigger),
        due=NOON,
        now=at(case.late),
        grace=None if case.grace is None else timedelta(minutes=case.grace),
        coalesce=case.coalesce,
    )

    assert list(made.moments) == [at(minutes) for minutes in case.runs]
    for gap, expected in ((made.missed, case.missed), (made.coalesced, case.coalesced)):
        found = None if gap is None else (gap.first, gap.last, gap.count)
        assert found == (None if expected is None else (at(expected[0]), at(expected[1]), expected[2]))


@pytest.mark.parametrize("trigger", [SECONDS, {**CRON, "cron": "* * * * * *"}], ids=["interval", "cron"])
def test_newest_thousand_are_caught_up_and_the_older_ones_missed(trigger: Document) -> None:
    made = plan(timeline(trigger), due=NOON, now=NOON + timedelta(days=7), grace=None, coalesce=False)

    assert len(made.moments) == 1000
    assert made.moments[-1] == made.newest == NOON + timedelta(days=7)
    assert made.missed is not None
    assert (made.missed.reason, made.missed.first) == (Reason.BEYOND_CATCH_UP, NOON)
    assert made.missed.last == made.moments[0] - timedelta(seconds=1)


def test_long_gap_is_coalesced_as_a_whole() -> None:
    made = plan(timeline(SECONDS), due=NOON, now=NOON + timedelta(days=7), grace=None, coalesce=True)

    assert made.coalesced is not None
    assert (made.moments, made.coalesced.count) == ((NOON + timedelta(days=7),), 7 * 86400)
    assert made.missed is None


class CountingTrigger:
    """How often is the trigger asked?"""

    def __init__(self, trigger: DocumentTrigger) -> None:
        self.trigger, self.asked = trigger, 0

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        self.asked += 1
        return self.trigger.get_next_fire_time(previous, now)

    def count_between(self, after: datetime, until: datetime) -> int:
        return self.trigger.count_between(after, until)


@pytest.mark.parametrize(
    ("document", "days", "grace"),
    [
        pytest.param({**CRON, "cron": "* * * * * *"}, 365, None, id="every second for a year"),
        pytest.param(CRON, 3650, None, id="every minute for ten years"),
        pytest.param(DAILY, 3650, 30, id="daily for ten years, all missed"),
        pytest.param({**CRON, "cron": "* * 1 1 *"}, 3650, 30, id="a dense day a year, all missed"),
    ],
)
def test_effort_is_bounded_however_long_the_gap(document: Document, days: int, grace: int | None) -> None:
    trigger = CountingTrigger(triggers.build(document))
    due = trigger.trigger.get_next_fire_time(None, NOON)
    assert due is not None

    plan(
        Timeline(trigger),
        due=due,
        now=due + timedelta(days=days, seconds=7200),
        grace=None if grace is None else timedelta(seconds=grace),
        coalesce=False,
    )

    assert trigger.asked < 5000


@pytest.mark.parametrize(
    ("cron", "due", "days"),
    [
        pytest.param("* * * * jan *", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), 360, id="sparse, then dense"),
        pytest.param("* * * 1 jan *", datetime(2026, 1, 1, tzinfo=UTC), 3650, id="dense, then sparse"),
        pytest.param("0 0 1 * *", datetime(2026, 1, 1, tzinfo=UTC), 36_500, id="sparse all along"),
        pytest.param("0-59 0-23 * * *", datetime(2026, 10, 24, 23, 30, tzinfo=UTC), 3, id="an hour that comes twice"),
    ],
)
def test_newest_are_found_however_unevenly_they_lie(cron: str, due: datetime, days: int) -> None:
    trigger = CountingTrigger(triggers.build({"type": "cron", "cron": cron, "timezone": "Europe/Berlin"}))
    line = Timeline(trigger)
    first = line.at_or_after(due)
    assert first is not None
    last = line.newest(first, due + timedelta(days=days))

    newest = line.backward(first, last, 1000)

    assert newest[-1] == last
    assert len(newest) == min(1000, line.count(first, last))
    assert line.count(newest[0], last) == len(newest)
    assert all(one < two for one, two in pairwise(newest))
    assert trigger.asked < 4000


def test_hour_that_comes_twice_is_in_order() -> None:
    """Aware times of one zone compare by the wall clock: 02:30 in the second pass must not look like the first."""
    hourly = timeline({"type": "cron", "cron": "30 * * * *", "timezone": "Europe/Berlin"})
    due = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)

    made = plan(hourly, due=due, now=due + timedelta(hours=3), grace=None, coalesce=False)

    assert list(made.moments) == [due + timedelta(hours=n) for n in range(4)]


def test_trigger_that_stands_still_is_an_error() -> None:
    class Stuck:
        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
            return NOON

        def count_between(self, after: datetime, until: datetime) -> int:
            raise AssertionError("nothing to count")

    with pytest.raises(ValueError, match="gives"):
        plan(Timeline(Stuck()), due=NOON, now=at(5), grace=None, coalesce=False)


@given(
    minutes=st.integers(1, 90),
    late=st.integers(0, 400_000),
    grace=st.none() | st.integers(0, 200_000),
    coalesce=st.booleans(),
)
def test_every_moment_is_accounted_for_once(minutes: int, late: int, grace: int | None, coalesce: bool) -> None:
    document = {**MINUTES, "minutes": minutes, "start": NOON.isoformat()}
    now = NOON + timedelta(seconds=late)

    made: Plan = plan(
        timeline(document),
        due=NOON,
        now=now,
        grace=None if grace is None else timedelta(seconds=grace),
        coalesce=coalesce,
    )

    gaps = [gap for gap in (made.missed, made.coalesced) if gap is not None]
    planned = timedelta(seconds=late) // timedelta(minutes=minutes) + 1
    assert len(made.moments) + sum(gap.count for gap in gaps) == planned
    assert made.newest == NOON + (planned - 1) * timedelta(minutes=minutes)
    order = [edge for gap in gaps for edge in (gap.first, gap.last)] + list(made.moments)
    assert order == sorted(order)
    if grace is not None:
        assert all(now - moment <= timedelta(seconds=grace) for moment in made.moments)


@pytest.mark.parametrize(
    ("active", "max_instances", "wait", "queued", "reason"),
    [
        pytest.param(NONE_ACTIVE, 1, False, 3, None, id="nothing in the way"),
        pytest.param(Active(queued=1, run_id=7), 1, False, 0, Reason.OVERLAP, id="one waits"),
        pytest.param(Active(running=1, run_id=7), 1, False, 0, Reason.OVERLAP, id="one runs"),
        pytest.param(Active(running=1, run_id=7), 2, False, 3, None, id="one of two places is taken"),
        pytest.param(Active(queued=1, running=1, run_id=7), 2, False, 0, Reason.OVERLAP, id="both are taken"),
        pytest.param(Active(queued=1, running=1, run_id=7), 1, True, 3, None, id="waits behind others"),
        pytest.param(Active(queued=998, run_id=7), 1, True, 2, Reason.QUEUE_FULL, id="two fit in the queue"),
        pytest.param(Active(queued=1000, run_id=7), 1, True, 0, Reason.QUEUE_FULL, id="the queue is full"),
    ],
)
def test_active_runs_stand_in_the_way(
    active: Active, max_instances: int, wait: bool, queued: int, reason: Reason | None
) -> None:
    moments = (at(0), at(1), at(2))

    admission = admit(moments, active=active, max_instances=max_instances, wait=wait)

    assert admission.queued == moments[:queued]
    assert admission.skipped == moments[queued:]
    assert admission.reason is reason


def test_jitter_is_the_same_every_time_and_within_its_bound() -> None:
    delays = {available_at("job", at(n), 60) - at(n) for n in range(200)}

    assert delays == {available_at("job", at(n), 60) - at(n) for n in range(200)}
    assert min(delays) >= timedelta(0)
    assert max(delays) < timedelta(seconds=60)
    assert len(delays) > 150
    assert available_at("job", at(0), 60) != available_at("other", at(0), 60)


@pytest.mark.parametrize("jitter", [None, 0])
def test_no_jitter_is_no_delay(jitter: int | None) -> None:
    assert available_at("job", NOON, jitter) == NOON


@pytest.mark.parametrize(
    ("broken_for", "wait"), [(None, 5), (0, 5), (5, 10), (15, 20), (35, 40), (75, 60), (600, 60), (-30, 5)]
)
def test_broken_trigger_is_tried_less_and_less_often(broken_for: int | None, wait: int) -> None:
    since = None if broken_for is None else NOON - timedelta(minutes=broken_for)

    assert retry_at(NOON, since) == at(wait)
