"""One host's manners, judged by a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from crawler.engine import slots as slots_module
from crawler.engine.slots import MAX_ROBOTS_DELAY, TURN, Guest, Slots


def join(
    slots: Slots, *, concurrency: int = 5, delay: float = 0.0, wake: Callable[[], None] = lambda: None, now: float = 0.0
) -> Guest:
    return slots.join("https://a.example", concurrency=concurrency, delay=delay, wake=wake, now=now)


def start(guest: Guest, now: float) -> bool:
    if guest.wait(now):
        return False
    guest.take(now)
    return True


def test_no_more_requests_at_once_than_the_spider_allows() -> None:
    guest = join(Slots(), concurrency=3)
    assert [start(guest, 1.0) for _ in range(5)] == [True, True, True, False, False]
    assert guest.wait(1.0) == inf
    guest.release(2.0)
    assert start(guest, 2.0)


def test_starts_are_a_delay_apart_whatever_the_answers_take() -> None:
    guest = join(Slots(), delay=2.0)
    assert start(guest, 10.0)
    assert guest.wait(11.0) == 12.0
    guest.release(11.5)
    assert guest.wait(11.9) == 12.0
    assert start(guest, 12.0)


@pytest.mark.parametrize(
    ("crawl_delay", "expected"),
    [(None, 1.0), (0.5, 1.0), (7.0, 7.0), (86_400.0, MAX_ROBOTS_DELAY), (-3.0, 1.0)],
    ids=["silent", "shorter than the spider's", "longer", "absurd", "negative"],
)
def test_the_longer_of_crawl_delay_and_the_spiders_delay_holds(crawl_delay: float | None, expected: float) -> None:
    guest = join(Slots(), delay=1.0)
    assert start(guest, 0.0), "robots.txt itself is asked for"
    guest.release(0.5)
    guest.obey(crawl_delay)
    assert guest.wait(0.5) == expected


@pytest.mark.parametrize(
    ("seconds", "until"),
    [(30.0, 130.0), (0.0, 100.0), (-5.0, 100.0), (1e6, 100.0 + 1e6), (None, 101.0)],
    ids=["as asked", "zero", "negative", "absurd", "nothing said"],
)
def test_a_host_that_asks_for_rest_gets_it(seconds: float | None, until: float) -> None:
    guest = join(Slots())
    assert guest.slot.back_off(100.0, seconds) == until
    assert guest.wait(until - 0.001) == until
    assert guest.wait(until) == 0.0


def test_back_off_doubles_until_the_host_answers_well() -> None:
    guest = join(Slots())
    slot = guest.slot
    ends, now = [], 0.0
    for _ in range(4):
        end = slot.back_off(now)
        ends.append(end - now)
        now = end
    guest.answered(0.1)
    assert ends == [1.0, 2.0, 4.0, 8.0]
    assert slot.back_off(now) == now + 1.0


def test_one_burst_of_refusals_is_one_reason_to_back_off() -> None:
    slot = join(Slots()).slot
    assert [slot.back_off(now) for now in (0.0, 0.1, 0.2, 0.3)] == [1.0, 1.0, 1.0, 1.0]


def test_two_crawls_share_one_hosts_budget() -> None:
    slots = Slots()
    first, second = join(slots, concurrency=2), join(slots, concurrency=4)
    assert start(first, 0.0)
    assert start(second, 0.0)
    assert not start(first, 0.0)
    assert not start(second, 0.0)
    assert first.slot is second.slot
    assert first.slot.active == 2


def test_the_strictest_manners_hold_as_long_as_their_crawl_runs() -> None:
    slots = Slots()
    lax, strict = join(slots, concurrency=8), join(slots, concurrency=1, delay=3.0)
    assert (lax.slot.concurrency, lax.slot.delay) == (1, 3.0)
    strict.leave(0.0)
    assert (lax.slot.concurrency, lax.slot.delay) == (8, 0.0)


def test_a_crawl_that_leaves_gives_its_places_back() -> None:
    slots = Slots()
    woken: list[str] = []
    leaving, staying = join(slots, concurrency=1), join(slots, concurrency=1, wake=lambda: woken.append("staying"))
    assert start(leaving, 0.0)
    assert staying.wait(0.0) == inf
    leaving.leave(1.0)
    assert woken == ["staying"]
    assert start(staying, 1.0)


def test_a_busy_crawl_does_not_starve_another_on_the_same_host() -> None:
    slots = Slots()
    woken: list[str] = []
    busy, late = join(slots, concurrency=1), join(slots, concurrency=1, wake=lambda: woken.append("late"))
    assert start(busy, 0.0)
    assert late.wait(0.0) == inf
    busy.release(1.0)
    assert woken == ["late"]
    assert not start(busy, 1.0), "the place belongs to the one that waited"
    assert start(late, 1.0)


def test_a_turn_that_is_not_taken_passes() -> None:
    slots = Slots()
    busy, absent = join(slots, concurrency=1), join(slots, concurrency=1)
    assert start(busy, 0.0)
    assert absent.wait(0.0) == inf
    busy.release(1.0)
    assert busy.wait(1.0) == 1.0 + TURN
    assert start(busy, 1.0 + TURN)


def test_alone_on_a_host_nobody_lines_up() -> None:
    guest = join(Slots(), concurrency=1)
    assert start(guest, 0.0)
    assert guest.wait(0.0) == inf
    assert not guest.slot.line


def test_hosts_that_nobody_crawls_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "SWEEP_EVERY", 4)
    slots = Slots()
    for number in range(20):
        guest = slots.join(f"https://{number}.example", concurrency=1, delay=0.0, wake=lambda: None, now=float(number))
        guest.leave(float(number))
    assert len(slots) <= 5 + 3


def test_a_host_that_asked_for_rest_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "SWEEP_EVERY", 2)
    slots = Slots()
    resting = join(slots)
    resting.slot.back_off(0.0, 100.0)
    resting.leave(0.0)
    for number in range(10):
        slots.join(f"https://{number}.example", concurrency=1, delay=0.0, wake=lambda: None, now=1.0)
    assert join(slots, now=1.0).wait(1.0) == 100.0
