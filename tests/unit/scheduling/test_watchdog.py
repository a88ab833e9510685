from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from scheduling.watchdog import EXIT_STATUS, WORK, Block, Watchdog, Work


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_what_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    named = threading.Event()
    watchdog = Watchdog(warn_seconds=0.05, interval=0.02)
    watchdog.start()
    with caplog.at_level(logging.WARNING, "scheduling.watchdog"):
        end = monotonic() + 60
        while not caplog.records and monotonic() < end:
            block_the_loop(0.01)  # the loop has no turn while this function does not return
        named.set()
    watchdog.stop()

    assert "block_the_loop" in caplog.text
    assert watchdog.take_worst_lag() >= 0.05
    assert watchdog.take_worst_lag() == 0.0


async def test_a_loop_that_is_stuck_ends_its_process() -> None:
    ended: list[int] = []
    watchdog = Watchdog(exit_seconds=120.0, end_process=ended.append, interval=3600.0)
    watchdog.start()
    began = watchdog._last_sign

    watchdog.check(began + 3600 + 119, threading.get_ident())
    assert ended == []
    watchdog.check(began + 3600 + 121, threading.get_ident())
    watchdog.stop()

    assert ended == [EXIT_STATUS]


async def test_one_stall_is_told_when_it_doubles_and_not_at_every_look(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(warn_seconds=1.0, interval=3600.0)
    watchdog.start()
    began = watchdog._last_sign + 3600

    with caplog.at_level(logging.WARNING, "scheduling.watchdog"):
        for lag in (0.5, 1.1, 1.5, 2.0, 2.3, 3.0, 4.5, 4.7):
            watchdog.check(began + lag, threading.get_ident())
    watchdog.stop()

    assert [f"{record.lag:.1f}" for record in caplog.records] == ["1.1", "2.3", "4.7"]  # type: ignore[attr-defined]


class Blocking:
    """Blocks the loop from a run's task until the watchdog has named somebody."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.named = threading.Event()
        self.ended = threading.Event()

    def hear(self, block: Block) -> None:
        self.blocks.append(block)
        (self.ended if block.ended else self.named).set()

    def hold_up(self) -> None:
        assert self.named.wait(60)

    async def in_its_own_task(self) -> None:
        self.hold_up()

    async def in_a_child(self) -> None:
        async def child() -> None:
            self.hold_up()

        await asyncio.create_task(child(), name="child")

    async def in_a_callback(self) -> None:
        called = asyncio.Event()

        def callback() -> None:
            self.hold_up()
            called.set()

        asyncio.get_running_loop().call_soon(callback)
        await called.wait()


@pytest.mark.parametrize(
    ("way", "task"),
    [(Blocking.in_its_own_task, "run-7"), (Blocking.in_a_child, "child"), (Blocking.in_a_callback, "")],
    ids=["in its own task", "in a child's", "in a callback"],
)
async def test_the_run_that_blocks_is_named_wherever_it_does(
    way: Callable[[Blocking], Awaitable[None]], task: str
) -> None:
    blocking = Blocking()
    watchdog = Watchdog(warn_seconds=0.05, interval=0.02)
    watchdog.listeners.append(blocking.hear)
    watchdog.start()

    async def handler() -> None:
        WORK.set(Work(7, 1, "scripted"))
        await way(blocking)

    await asyncio.create_task(handler(), name="run-7")
    await asyncio.to_thread(blocking.ended.wait, 10)
    watchdog.stop()

    first, last = blocking.blocks[0], blocking.blocks[-1]
    assert (first.work, first.task, first.ended) == (Work(7, 1, "scripted"), task, False)
    assert "hold_up" in first.stack
    assert "run_forever" not in first.stack
    assert (last.ended, last.work) == (True, first.work)
    assert last.seconds >= first.seconds


async def test_a_block_that_is_no_runs_names_the_task() -> None:
    blocking = Blocking()
    watchdog = Watchdog(warn_seconds=0.05, interval=0.02)
    watchdog.listeners += [lambda _block: 1 / 0, blocking.hear]  # type: ignore[list-item]
    watchdog.start()

    await asyncio.create_task(blocking.in_its_own_task(), name="somebody")
    watchdog.stop()

    assert (blocking.blocks[0].work, blocking.blocks[0].culprit) == (None, "task somebody")


async def test_a_loop_that_only_gets_no_processor_blames_nobody() -> None:
    blocks: list[Block] = []
    watchdog = Watchdog(interval=3600.0, exit_seconds=math.inf)
    watchdog.listeners.append(blocks.append)
    watchdog.start()
    began, loop_thread = watchdog._last_sign + 3600, threading.get_ident()

    def judge() -> None:
        """While the loop waits for its next event, as after a stop of the whole process: until it does."""
        for doubling in range(1, 500):
            watchdog.check(began + 2.0**doubling, loop_thread)
            if blocks[-1].is_idle:
                return

    await asyncio.to_thread(judge)
    watchdog.stop()

    assert (blocks[-1].work, blocks[-1].culprit) == (None, "nobody: the process gets no processor")
