"""The counters of a host: stored, read back, added up and bounded."""

from __future__ import annotations

import json
from math import inf

import pytest

from crawler.engine.manners.politeness import MAX_HOSTS, OTHERS, HostManners, Politeness, merged, read_hosts


def make_manners(requests: int = 0, **figures: object) -> HostManners:
    manners = HostManners(requests=requests)
    for name, value in figures.items():
        setattr(manners, name, value)
    return manners


def test_what_is_stored_is_read_back() -> None:
    manners = make_manners(
        7,
        peak_rate=3,
        smallest_gap=0.5,
        delay=2.0,
        delay_by="robots",
        rested=1.25,
        bytes=10**12,
        closed_by="day_budget",
    )
    stored = json.loads(json.dumps(manners.to_json()))
    assert HostManners.from_json(stored) == manners


def test_a_host_that_nothing_happened_to_takes_no_room() -> None:
    assert HostManners().to_json() == {}


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        "text",
        {"http://a.example": None},
        {"http://a.example": {"requests": "7", "delay": [], "peak_rate": True, "unknown": 1, "delay_by": 3}},
    ],
    ids=["null", "list", "text", "host without figures", "figures of other types"],
)
def test_what_is_no_such_document_counts_nothing(stored: object) -> None:
    assert all(manners == HostManners() for manners in read_hosts(stored).values())


def test_attempts_are_added_up() -> None:
    first = make_manners(10, peak_rate=4, smallest_gap=0.5, delay=1.0, delay_by="spider", retries=1, bytes=100)
    second = make_manners(5, peak_rate=6, smallest_gap=0.75, retries=2, bytes=50)
    stored = merged(merged({}, {"http://a.example": first}), {"http://a.example": second})
    assert read_hosts(stored) == {
        "http://a.example": make_manners(15, peak_rate=6, smallest_gap=0.5, retries=3, bytes=150)
    }


def test_an_attempt_that_asked_for_nothing_leaves_the_state_as_it_was() -> None:
    first = make_manners(10, delay=1.0, delay_by="spider")
    stored = merged(merged({}, {"http://a.example": first}), {"http://a.example": HostManners()})
    assert read_hosts(stored)["http://a.example"] == first


def test_the_busiest_hosts_stay_and_the_rest_are_one_entry() -> None:
    hosts = {f"http://{number}.example": make_manners(number + 1) for number in range(MAX_HOSTS + 100)}
    stored = merged({}, hosts)
    assert len(stored) == MAX_HOSTS + 1
    assert next(iter(stored)) == f"http://{MAX_HOSTS + 99}.example"
    assert stored[OTHERS]["requests"] == sum(range(1, 101))
    again = read_hosts(merged(stored, {"http://new.example": make_manners(10**6)}))
    assert sum(manners.requests for manners in again.values()) == 10**6 + sum(range(1, MAX_HOSTS + 101))
    assert len(again) == MAX_HOSTS + 1


def test_hosts_that_the_crawl_forgot_are_counted_in_bounded_memory() -> None:
    politeness = Politeness()
    for number in range(10 * MAX_HOSTS):
        politeness.begin(f"http://{number}.example").requests = 1
        politeness.end(f"http://{number}.example")
    assert len(politeness._ended) <= 2 * MAX_HOSTS
    assert sum(manners.requests for manners in politeness.totals().values()) == 10 * MAX_HOSTS


def test_a_host_that_comes_back_is_gone_on_with() -> None:
    politeness = Politeness()
    politeness.begin("http://a.example").requests = 2
    politeness.end("http://a.example")
    politeness.begin("http://a.example").requests += 3
    assert politeness.totals() == {"http://a.example": make_manners(5)}


def test_infinity_is_never_stored() -> None:
    assert "Infinity" not in json.dumps(make_manners(1, throttle_limit=inf).to_json())
