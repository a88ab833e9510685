"""The adaptive throttle against hosts of arithmetic: it settles near what the host takes, whatever that is."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import exp
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.manners.refusals import USUAL, Cause, Refusals
from crawler.engine.manners.throttle import FIRST_PATIENCE, MAX_PAUSE, Throttle, Verdict

from .throttled import Hiccuping, Queueing, RateLimited, Refusing, SimulatedHost, adaptive, simulate, wavering

PAGES = 3_000
SECONDS = 0.2
SPREADS = [0.0, 0.3, 0.6]
"""Of the time that a page takes: none, that of pages of one kind, that of all kinds."""


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 8, 40])
@pytest.mark.parametrize("concurrency", [5, 16])
def test_it_settles_near_what_a_host_with_a_queue_takes(concurrency: int, capacity: int, spread: float) -> None:
    course = simulate(Queueing(capacity, SECONDS, wavering(7, spread)), pages=PAGES, concurrency=concurrency)
    best = min(capacity, concurrency)
    settled = course.at_once[PAGES // 2 :]
    assert max(course.at_once) <= concurrency
    assert 0.75 * best <= fmean(settled) <= 1.6 * best
    optimum = PAGES * SECONDS * exp(spread**2 / 2) / best
    assert course.ended <= 1.35 * optimum


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 8])
def test_it_settles_just_below_what_a_host_refuses(capacity: int) -> None:
    course = simulate(Refusing(capacity, SECONDS), pages=PAGES, concurrency=16)
    assert fmean(course.at_once[PAGES // 2 :]) == pytest.approx(capacity, rel=0.1)
    assert len(course.refused) <= 0.02 * PAGES
    assert course.ended <= 1.25 * PAGES * SECONDS / capacity
    early = [at for at in course.refused if at < course.ended / 2]
    assert len(course.refused) - len(early) <= len(early), "what was too much is tried less and less often"


@pytest.mark.parametrize(("rate", "seconds"), [(0.5, 0.02), (2.0, 0.02), (2.0, 1.0), (10.0, 0.02), (10.0, 0.2)])
def test_it_finds_the_pace_of_a_host_that_counts_requests(rate: float, seconds: float) -> None:
    course = simulate(RateLimited(rate, seconds), pages=1_000, concurrency=16)
    assert course.ended <= 1.25 * 1_000 / rate
    assert len(course.refused) <= 30


CAPABLE: dict[str, tuple[Callable[[], SimulatedHost], float, int]] = {
    "takes all": (lambda: Queueing(1_000, SECONDS), SECONDS / 16, PAGES),
    "has a queue": (lambda: Queueing(4, SECONDS), SECONDS / 4, PAGES),
    "refuses beyond four": (lambda: Refusing(4, SECONDS), SECONDS / 4, PAGES),
    "refuses beyond one": (lambda: Refusing(1, SECONDS), SECONDS, PAGES),
    "counts requests": (lambda: RateLimited(2.0, 0.02), 1 / 2.0, 1_000),
}
"""Hosts, the seconds that each page costs the best that could be done, and pages."""


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1, 0.2])
@pytest.mark.parametrize("name", CAPABLE)
def test_refusals_that_come_by_chance_do_not_slow_a_crawl_down(name: str, share: float) -> None:
    make, seconds, pages = CAPABLE[name]
    courses = [
        simulate(Hiccuping(make(), share, random.Random(seed)), pages=pages, concurrency=16) for seed in range(5)
    ]
    assert median(course.ended for course in courses) <= pages * seconds / 0.5
    assert max(course.ended for course in courses) <= pages * seconds / 0.25
    assert max(len(course.refused) for course in courses) <= pages * (share / (1 - share) * 1.3 + 0.14)


def test_a_host_that_recovers_from_chance_is_no_longer_thought_to_refuse_by_it() -> None:
    refusals = Refusals()
    refusals.begin_trial()
    for _ in range(8):
        refusals.answered()
    for _ in range(2):
        refusals.answered()
        refusals.refused(is_pausing=False)
    assert refusals.verdict() is not None
    assert refusals.chance > 10 * USUAL
    refusals.begin()
    for _ in range(3_000):
        refusals.answered()
    assert refusals.chance == USUAL


def test_refusals_that_overtake_pages_of_the_same_moment_take_no_verdict_back() -> None:
    """Of sixteen that begin together four are refused before a page can have come: that is a quarter, not all."""

    def judged(under_way: int) -> list[Cause]:
        refusals = Refusals()
        refusals.begin_trial()
        for _ in range(2):
            for _ in range(4):
                refusals.answered()
            refusals.refused(is_pausing=False)
        assert refusals.verdict() is Cause.CHANCE
        refusals.begin()
        return [refusals.refused(is_pausing=False, under_way=under_way - at) for at in range(4)]

    assert judged(15) == [Cause.CHANCE] * 4
    assert judged(3) == [*[Cause.CHANCE] * 3, Cause.LOAD]


def test_bad_luck_at_the_beginning_does_not_last() -> None:
    """25 courses at a host that takes all, and refuses a fifth by chance: none ends at a standstill."""
    courses = [
        simulate(Hiccuping(Queueing(1_000, SECONDS), 0.2, random.Random(seed)), pages=PAGES, concurrency=16)
        for seed in range(25)
    ]
    best = PAGES * SECONDS / 16
    assert median(course.ended for course in courses) <= best / 0.7
    assert sorted(course.ended for course in courses)[-3] <= best / 0.25
    assert max(course.ended for course in courses) <= best / 0.12


def test_chance_does_not_give_back_what_slowness_took() -> None:
    guest = adaptive(16)
    simulate(Queueing(16, SECONDS), pages=1_000, concurrency=16, guest=guest)
    assert guest.slot.concurrency == 16
    slow = Hiccuping(Queueing(2, SECONDS), 0.1, random.Random(6))
    course = simulate(slow, pages=2_000, concurrency=16, guest=guest, now=1_000.0)
    assert fmean(course.at_once[500:]) < 4


def test_an_outage_is_no_chance() -> None:
    """However well the host is known to refuse a tenth by chance: when it refuses all, it is asked for less at once."""
    guest = adaptive(16)
    host = Hiccuping(Queueing(1_000, SECONDS), 0.1, random.Random(5))
    simulate(host, pages=PAGES, concurrency=16, guest=guest)
    before = guest.slot.concurrency
    assert before > 4
    now, asked = 10_000.0, 0
    while now < 10_600.0:
        now = max(now, guest.wait(now))
        guest.take(now)
        guest.refused(503, now)
        guest.release(now + 0.02)
        now, asked = now + 0.02, asked + 1
    assert guest.slot.concurrency == 1
    assert asked <= 25, "in ten minutes"


def test_without_the_throttle_such_hosts_are_asked_too_much() -> None:
    """What the figures above are worth: the same hosts, the same slot, no throttle."""
    guest = adaptive(16)
    guest.is_adaptive = False
    guest.slot.settle()
    course = simulate(Refusing(3, SECONDS), pages=PAGES, concurrency=16, guest=guest)
    assert len(course.refused) > PAGES


def test_a_host_that_gets_slow_is_asked_less_and_more_again_when_it_recovers() -> None:
    guest = adaptive(16)
    simulate(Queueing(16, SECONDS), pages=500, concurrency=16, guest=guest)
    assert guest.slot.concurrency == 16
    simulate(Queueing(2, SECONDS), pages=500, concurrency=16, guest=guest, now=1_000.0)
    assert guest.slot.concurrency <= 3
    simulate(Queueing(16, SECONDS), pages=6_000, concurrency=16, guest=guest, now=10_000.0)
    assert guest.slot.concurrency >= 8


def test_a_host_that_is_slow_by_nature_is_no_host_under_load() -> None:
    """Its pages take five times as long from now on, however many are asked for: the limit comes back."""
    course_of: dict[str, SimulatedHost] = {"quick": Queueing(100, SECONDS), "slow": Queueing(100, 5 * SECONDS)}
    guest = adaptive(8)
    simulate(course_of["quick"], pages=8_000, concurrency=8, guest=guest, change=(1_000, course_of["slow"]))
    assert guest.slot.concurrency == 8


def test_differences_of_a_few_milliseconds_are_our_own() -> None:
    """A quick host on a busy machine: answers wait for our loop, and the latency doubles with each further request."""
    course = simulate(Queueing(1, 0.003), pages=500, concurrency=5)
    assert fmean(course.at_once[250:]) > 4


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    throttle = Throttle()
    for _ in range(1_000):
        throttle.answered(SECONDS, 1, 16)
    assert throttle.limit <= 2


def test_one_burst_of_refusals_is_one_cut() -> None:
    throttle = Throttle()
    while throttle.limit < 16:
        throttle.answered(SECONDS, throttle.limit, 16)
    assert [throttle.refused(active) for active in range(16, 0, -1)] == [Verdict.LESS, *[Verdict.BURST] * 15]
    assert (throttle.limit, throttle.cuts) == (8, 1)


def test_pauses_double_up_to_a_minute_where_one_at_a_time_is_too_much() -> None:
    """The first refusal after a change may be chance, the next one is not."""
    throttle = Throttle()
    pauses = []
    for _ in range(24):
        throttle.refused(1)
        pauses.append(throttle.pause)
    assert pauses[:8] == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8]
    assert pauses[-1] == MAX_PAUSE
    assert throttle.limit == 1


def test_a_limit_that_was_not_used_is_not_what_was_too_much() -> None:
    throttle = Throttle()
    while throttle.limit < 16:
        throttle.answered(SECONDS, throttle.limit, 16)
    throttle.refused(2)
    assert throttle.limit == 1


@given(
    steps=st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0.0, 100.0)), st.integers(1, 100), st.sampled_from([1, 2, 5, 16, 100])
        ),
        max_size=400,
    )
)
def test_whatever_comes_the_limits_hold(steps: list[tuple[float | None, int, int]]) -> None:
    throttle = Throttle()
    for seconds, active, cap in steps:
        if seconds is None:
            throttle.refused(active)
        else:
            throttle.answered(seconds, active, cap)
        assert 1 <= throttle.limit <= 100
        assert 0.0 <= throttle.pause <= MAX_PAUSE
        assert not throttle.pause or throttle.limit == 1
        assert throttle.cuts == 0 or 1 <= throttle.lowest <= 100


def test_errors_alone_never_speed_up() -> None:
    throttle = Throttle()
    throttle.refused(1)
    before = throttle.pause
    for _ in range(10 * FIRST_PATIENCE):
        throttle.refused(1)
    assert throttle.pause >= before
