"""One host's manners, judged by a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from crawler.engine.manners import slots as slots_module
from crawler.engine.manners.slots import MAX_ROBOTS_DELAY, TURN, Guest, Slots


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


def test_people_see_how_much_of_a_host_is_in_use_and_how_quickly_it_answers() -> None:
    guest = join(Slots(), concurrency=3)
    for seconds in (0.1, 0.3):
        assert start(guest, 1.0)
        guest.answered(seconds)
    guest.note()
    manners = guest.manners
    assert (manners.in_use, manners.at_once, manners.answers) == (2, 3, 2)
    assert manners.answer_seconds == pytest.approx(0.4)
    guest.leave(2.0)
    assert manners.in_use == 0


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
    [(30.0, 130.0), (0.0, 101.0), (-5.0, 101.0), (1e6, 100.0 + 1e6), (None, 101.0)],
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


def test_a_host_that_names_no_more_than_our_own_back_off_gets_that() -> None:
    slot = join(Slots()).slot
    ends, now = [], 0.0
    for seconds in (0.0, 0.0, 1.0, 30.0, 5.0):
        end = slot.back_off(now, seconds)
        ends.append(end - now)
        now = end
    assert ends == [1.0, 2.0, 4.0, 30.0, 16.0]


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
    busy.release(2.0)
    assert start(busy, 2.0), "who does not come is waited for once"


def test_a_turn_that_is_not_taken_goes_to_the_next_in_line() -> None:
    slots = Slots()
    woken: list[str] = []
    busy, absent = join(slots, concurrency=1), join(slots, concurrency=1)
    third = join(slots, concurrency=1, wake=lambda: woken.append("third"))
    assert start(busy, 0.0)
    assert (absent.wait(0.0), third.wait(0.0)) == (inf, TURN), "nobody else would tell the third"
    busy.release(1.0)
    assert busy.wait(1.0) == 1.0 + TURN
    assert (busy.wait(2.0), woken) == (2.0 + TURN, ["third"])
    assert start(third, 2.0)
    assert not start(absent, 2.0)
    third.release(3.0)
    assert start(busy, 3.0), "who lost its turn is behind those who wait"


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


# --- what is counted, and the throttle --------------------------------------------------------------------------------


def test_http_and_https_at_their_usual_ports_are_one_host() -> None:
    slots = Slots()
    guests = [
        slots.join(origin, concurrency=1, delay=0.0, wake=lambda: None, now=0.0)
        for origin in ("http://a.example", "https://a.example", "https://a.example:8443", "http://b.example")
    ]
    assert guests[0].slot is guests[1].slot
    assert len({id(guest.slot) for guest in guests}) == 3


def test_each_crawl_brings_the_delay_that_robots_txt_asks_of_its_own_name() -> None:
    slots = Slots()
    one, two = join(slots), join(slots, delay=1.0)
    one.obey(5.0)
    two.obey(None)
    assert one.slot.delay == 5.0
    assert (one.slot.delay_by(one), two.slot.delay_by(two)) == ("robots", "crawl")
    one.leave(0.0)
    assert two.slot.delay == 1.0
    assert two.slot.delay_by(two) == "spider"


def test_rules_that_were_known_already_cost_no_delay() -> None:
    guest = join(Slots())
    guest.obey(7.0)
    assert start(guest, 0.0)
    assert guest.wait(1.0) == 7.0


def test_starts_are_counted_by_the_second_gaps_and_places_as_the_host_sees_them() -> None:
    slots = Slots()
    one, two = join(slots, concurrency=9), join(slots, concurrency=9)
    for guest, at in [(one, 10.0), (two, 10.25), (one, 10.5), (one, 11.0)]:
        guest.take(at)
    assert (one.manners.peak_rate, two.manners.peak_rate) == (3, 2)
    assert (one.manners.peak_concurrency, two.manners.peak_concurrency) == (4, 2)
    assert (one.manners.smallest_gap, two.manners.smallest_gap) == (0.25, 0.25)


def test_pauses_that_overlap_are_one_rest() -> None:
    guest = join(Slots(), concurrency=3)
    for _ in range(3):
        assert start(guest, 0.0)
    ends = [guest.refused(429, now, 10.0) for now in (0.0, 1.0, 2.0)]
    assert ends == [10.0, 11.0, 12.0]
    manners = guest.manners
    assert (manners.rests, manners.rested, manners.too_many, manners.retry_after) == (1, 12.0, 3, 3)


def test_a_rest_that_nobody_waits_for_is_kept_for_those_who_come_later() -> None:
    slots = Slots()
    guest = join(slots)
    guest.refused(503, 0.0, 3_600.0)
    assert guest.must_leave(0.0)
    guest.leave(1.0)
    late = join(slots, now=3_000.0)
    assert late.must_leave(3_000.0)
    assert late.wait(3_400.0) == 3_600.0
    assert not late.must_leave(3_400.0)


def adaptive(slots: Slots, **manners: object) -> Guest:
    values = {"concurrency": 4, "delay": 0.0, "wake": lambda: None, "now": 0.0} | manners
    return slots.join("https://a.example", is_adaptive=True, **values)  # type: ignore[arg-type]


def grow(guest: Guest, limit: int) -> None:
    """Answer well until so many at once are allowed."""
    while guest.slot.concurrency < limit:
        while not guest.wait(0.0):
            guest.take(0.0)
        guest.answered(0.1)
        guest.release(0.0)


def test_an_adaptive_crawl_begins_with_one_request_and_binds_others_with_it() -> None:
    slots = Slots()
    lax = join(slots, concurrency=8)
    assert lax.slot.concurrency == 8
    guest = adaptive(slots)
    assert lax.slot.concurrency == 1
    grow(guest, 4)
    assert lax.slot.concurrency == 4, "the stricter of the two allows no more"
    guest.leave(0.0)
    assert lax.slot.concurrency == 8


def test_what_the_throttle_learnt_stays_while_the_slot_does() -> None:
    slots = Slots()
    guest = adaptive(slots)
    grow(guest, 4)
    guest.leave(0.0)
    assert adaptive(slots).slot.concurrency == 4


def test_the_throttle_answers_a_first_refusal_by_asking_for_less_and_a_second_by_rest() -> None:
    guest = adaptive(Slots())
    grow(guest, 4)
    while not guest.wait(0.0):
        guest.take(0.0)
    assert [guest.refused(503, 0.0) for _ in range(3)] == [0.0, 0.0, 0.0], "one burst"
    assert guest.slot.concurrency == 2
    for _ in range(4):
        guest.release(0.0)
    assert start(guest, 0.0)
    assert guest.refused(503, 0.0) == 0.0, "the last of the burst"
    assert guest.refused(503, 0.0) == 2.0
    assert guest.manners.rests == 1


def test_the_throttle_waits_for_as_long_as_the_host_says() -> None:
    guest = adaptive(Slots())
    assert start(guest, 0.0)
    assert guest.refused(429, 0.0, 30.0) == 30.0
    guest.note()
    assert guest.manners.throttle_cuts == 1
