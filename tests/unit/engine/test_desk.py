"""The desk: answers are read in the next round of the loop, in their order, and nobody waits long for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from crawler.engine.desk import MOST_UNREAD, TURN, Desk, Reading
from crawler.engine.frontier import Host
from crawler.engine.records import Answer, PageResult, PageState, PendingPage

HOST = Host("http://shop.example")


def make_page(number: int) -> PendingPage:
    return PendingPage(number, f"http://shop.example/{number}", number, 0)


def make_answer(page: PendingPage) -> Answer:
    return Answer(page.url, 200, {}, b"", 0, 0.1)


class Watched:
    """A desk, and what came of it."""

    def __init__(self, read: Callable[[PendingPage], Reading], seconds_a_page: float = 0.0) -> None:
        self.results: list[int] = []
        self.turns = 0
        self.ended = 0
        clock: Iterator[float] = (number * seconds_a_page for number in count())
        self.desk = Desk(
            lambda host, page, answer: read(page),
            on_result=lambda host, result: self.results.append(result.page.page_id),
            on_turn=self.count_turn,
            on_end=self.count_end,
            clock=lambda: next(clock),
        )

    def count_turn(self) -> None:
        self.turns += 1

    def count_end(self, task: asyncio.Task[None]) -> None:
        self.ended += 1

    def put(self, *numbers: int) -> None:
        for number in numbers:
            page = make_page(number)
            self.desk.put(HOST, page, make_answer(page))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.desk.run())
        await asyncio.sleep(0)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])


def done(page: PendingPage) -> PageResult:
    return PageResult(page, PageState.DONE)


async def later(page: PendingPage, gate: asyncio.Event) -> PageResult:
    await gate.wait()
    return done(page)


async def test_what_one_round_brought_is_read_in_the_next_in_its_order() -> None:
    watched = Watched(done)
    async with watched.at_work():
        watched.put(3, 1, 2)
        assert (watched.results, watched.desk.unread) == ([], 3)
        await asyncio.sleep(0)
        assert (watched.results, watched.desk.unread, watched.turns) == ([3, 1, 2], 0, 1)
        watched.put(4)
        await asyncio.sleep(0)
    assert (watched.results, watched.turns) == ([3, 1, 2, 4], 2)


async def test_the_loop_has_its_turn_while_many_pages_are_read() -> None:
    watched = Watched(done, seconds_a_page=TURN)
    async with watched.at_work():
        watched.put(1, 2, 3)
        await asyncio.sleep(0)
        assert watched.results == [1]
        await asyncio.sleep(0)
        assert (watched.results, watched.turns) == ([1, 2], 0)
        await asyncio.sleep(0)
    assert (watched.results, watched.turns) == ([1, 2, 3], 1)


async def test_a_page_that_is_read_elsewhere_holds_up_no_other() -> None:
    gate = asyncio.Event()

    def read(page: PendingPage) -> PageResult | Coroutine[None, None, PageResult]:
        return later(page, gate) if page.page_id == 1 else done(page)

    watched = Watched(read)
    async with watched.at_work():
        watched.put(1, 2)
        await asyncio.sleep(0)
        assert (watched.results, watched.turns, watched.ended) == ([2], 1, 0)
        (task,) = watched.desk.tasks
        gate.set()
        await task
        await asyncio.sleep(0)
    assert (watched.results, watched.ended, watched.desk.tasks) == ([2, 1], 1, set())


async def test_who_brings_too_many_can_have_them_read_first() -> None:
    watched = Watched(done)
    full = []
    for number in range(MOST_UNREAD):
        full.append(watched.desk.is_full)
        watched.put(number)
    full.append(watched.desk.is_full)
    assert full == [False] * MOST_UNREAD + [True]
    await watched.desk.clear()
    assert (len(watched.results), watched.desk.unread) == (MOST_UNREAD, 0)


async def test_a_defect_ends_the_desk() -> None:
    def read(page: PendingPage) -> PageResult:
        raise RuntimeError("ours")

    watched = Watched(read)
    async with watched.at_work() as task:
        watched.put(1)
        with pytest.raises(RuntimeError, match="ours"):
            await task
