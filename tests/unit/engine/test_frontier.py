"""The rotation of hosts, judged without a network."""

from __future__ import annotations

from math import inf

import pytest

from crawler.engine import frontier as frontier_module
from crawler.engine.frontier import Frontier, Host
from crawler.engine.manners.robots import ALLOW_ALL
from crawler.engine.manners.slots import Guest, Slots
from crawler.engine.records import PendingPage
from crawler.engine.urls import hash_url


def make_frontier(
    *, window: int = 100, concurrency: int = 2, delay: float = 0.0, slots: Slots | None = None
) -> Frontier:
    slots = Slots() if slots is None else slots

    def join(host: Host) -> Guest:
        def wake() -> None:
            frontier.wake(host)

        host.rules = ALLOW_ALL
        return slots.join(host.origin, concurrency=concurrency, delay=delay, wake=wake, now=0.0)

    frontier = Frontier(join, window=window)
    return frontier


def make_page(url: str, page_id: int) -> PendingPage:
    return PendingPage(page_id, url, hash_url(url), 0)


def make_pages(host: str, count: int, *, first: int = 1) -> list[PendingPage]:
    return [make_page(f"http://{host}/{number}", first + number) for number in range(count)]


def start_all(frontier: Frontier, now: float) -> list[str]:
    """Start whatever may start; the URLs in that order."""
    started = []
    while host := frontier.next_host(now):
        if wait := host.guest.wait(now):
            frontier.park(host, wait)
            continue
        started.append(frontier.take(host).url)
        host.guest.take(now)
        frontier.settle(host, now)
    return started


def test_hosts_take_turns() -> None:
    frontier = make_frontier()
    frontier.admit([*make_pages("a.example", 3), *make_pages("b.example", 3, first=10)])
    assert start_all(frontier, 0.0) == [
        "http://a.example/0",
        "http://b.example/0",
        "http://a.example/1",
        "http://b.example/1",
    ]


def test_a_host_with_a_full_slot_is_not_looked_at_until_it_is_free() -> None:
    frontier = make_frontier(concurrency=1)
    frontier.admit(make_pages("a.example", 2))
    assert start_all(frontier, 0.0) == ["http://a.example/0"]
    assert not frontier.ready
    assert frontier.next_time() == inf
    (host,) = frontier.hosts()
    host.guest.release(1.0)
    frontier.freed(host, 1.0)
    assert start_all(frontier, 1.0) == ["http://a.example/1"]


def test_a_crawl_that_runs_out_of_pages_in_line_leaves_the_line() -> None:
    """Else each request of the others at the host would wait for a turn that nobody takes."""
    slots = Slots()
    one, other = make_frontier(concurrency=1, slots=slots), make_frontier(concurrency=1, slots=slots)
    first, second = make_pages("a.example", 2)
    one.admit([first])
    assert start_all(one, 0.0) == [first.url]
    other.admit([first])
    assert start_all(other, 0.0) == []
    one.admit([second])
    (host,) = one.hosts()
    host.guest.release(1.0)
    one.freed(host, 1.0)
    # Its turn comes, and robots.txt forbids its only page: nothing is asked for.
    refused = other.next_host(1.0)
    assert refused is not None
    other.take(refused)
    other.settle(refused, 1.0)
    assert start_all(one, 1.0) == [second.url]


def test_a_delayed_host_comes_back_by_the_clock() -> None:
    frontier = make_frontier(delay=5.0)
    frontier.admit([*make_pages("a.example", 2), *make_pages("b.example", 1, first=10)])
    assert start_all(frontier, 0.0) == ["http://a.example/0", "http://b.example/0"]
    assert frontier.next_time() == 5.0
    assert start_all(frontier, 4.9) == []
    assert start_all(frontier, 5.0) == ["http://a.example/1"]


def test_a_host_that_backs_off_further_while_parked_stays_parked() -> None:
    frontier = make_frontier(delay=5.0)
    frontier.admit(make_pages("a.example", 2))
    start_all(frontier, 0.0)
    (host,) = frontier.hosts()
    host.guest.slot.back_off(1.0, 60.0)
    assert start_all(frontier, 5.0) == []
    assert frontier.next_time() == 61.0
    assert start_all(frontier, 61.0) == ["http://a.example/1"]


def test_a_page_that_is_here_is_not_admitted_twice() -> None:
    frontier = make_frontier()
    pages = make_pages("a.example", 2)
    assert frontier.admit(pages) == 2
    assert frontier.admit(pages) == 0
    assert frontier.queued == 2
    assert set(frontier.seen) == {page.url_hash for page in pages}


def test_a_page_is_held_until_its_result_is_stored() -> None:
    frontier = make_frontier(window=3)
    pages = make_pages("a.example", 2)
    frontier.admit(pages)
    start_all(frontier, 0.0)
    assert frontier.room == 1
    frontier.release(pages[:1])
    assert frontier.room == 2
    assert frontier.held == {pages[1].page_id}


def test_a_page_to_be_tried_again_waits_for_its_time_and_then_comes_first() -> None:
    frontier = make_frontier(concurrency=1)
    pages = make_pages("a.example", 2)
    frontier.admit(pages)
    start_all(frontier, 0.0)
    (host,) = frontier.hosts()
    frontier.return_later(pages[0], 3.0)
    host.guest.release(1.0)
    frontier.freed(host, 1.0)
    assert start_all(frontier, 1.0) == ["http://a.example/1"]
    host.guest.release(2.0)
    frontier.freed(host, 2.0)
    assert frontier.waiting == 1
    assert frontier.next_time() == 3.0
    assert start_all(frontier, 2.9) == []
    assert start_all(frontier, 3.0) == ["http://a.example/0"]


def test_nothing_of_a_host_is_given_out_while_its_rules_are_fetched() -> None:
    frontier = make_frontier()
    frontier.admit(make_pages("a.example", 1))
    host = frontier.next_host(0.0)
    assert host is not None
    frontier.opening(host)
    frontier.admit(make_pages("a.example", 3, first=10))
    assert frontier.next_host(0.0) is None
    frontier.opened(host, ALLOW_ALL, 1.0)
    assert len(start_all(frontier, 1.0)) == 2


def test_pages_of_a_host_that_is_left_stay_held_and_take_no_room() -> None:
    frontier = make_frontier(window=10)
    frontier.admit([*make_pages("a.example", 6), *make_pages("b.example", 2, first=10)])
    assert frontier.room == 2
    host = frontier.host_at("http://a.example")
    frontier.leave(host)
    assert (frontier.queued, host.left, frontier.left, frontier.room) == (2, 6, 6, 8)
    frontier.admit([*make_pages("a.example", 3, first=20), *make_pages("a.example", 6)])
    assert (frontier.queued, host.left, frontier.room) == (2, 9, 8)
    assert start_all(frontier, 0.0) == ["http://b.example/0", "http://b.example/1"]
    assert not frontier.ready


def test_a_host_that_is_left_comes_back_by_no_way() -> None:
    frontier = make_frontier(concurrency=1)
    frontier.admit(make_pages("a.example", 3))
    host = frontier.next_host(0.0)
    assert host is not None
    page = frontier.take(host)
    host.guest.take(0.0)
    frontier.settle(host, 0.0)
    frontier.return_later(page, 5.0)
    frontier.leave(host)
    host.guest.release(1.0)
    frontier.freed(host, 1.0)
    assert not frontier.wake(host)
    frontier.opened(host, ALLOW_ALL, 1.0)
    assert frontier.next_host(10.0) is None
    assert (frontier.waiting, host.left, host.pages) == (0, 3, type(host.pages)())


def test_hosts_that_are_forgotten_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier_module, "MAX_IDLE_HOSTS", 2)
    forgotten: list[str] = []
    slots = Slots()

    def join(host: Host) -> Guest:
        host.rules = ALLOW_ALL
        return slots.join(host.origin, concurrency=1, delay=0.0, wake=lambda: None, now=0.0)

    frontier = Frontier(join, forget=lambda host: forgotten.append(host.origin))
    for number in range(4):
        frontier.admit([make_page(f"http://{number}.example/", number + 1)])
        start_all(frontier, 0.0)
    assert forgotten == ["http://2.example", "http://3.example"]
