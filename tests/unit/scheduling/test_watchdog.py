from __future__ import annotations

import logging
import threading
import time
from time import monotonic

import pytest

from scheduling.watchdog import EXIT_STATUS, Watchdog


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_what_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    named = threading.Event()
    watchdog = Watchdog(warn_seconds=0.05, interval=0.02)
    watchdog.start()
    with caplog.at_level(logging.WARNING, "scheduling.watchdog"):
        end = monotonic() + 5
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
