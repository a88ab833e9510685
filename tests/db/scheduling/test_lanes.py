from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from scheduling import lanes
from scheduling.exceptions import DatabaseMismatch
from scheduling.lanes import Lane
from scheduling.models import Process

from .making import make_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("test")
    yield lane
    lane.close()


async def test_functions_run_in_one_named_thread_in_order(lane: Lane) -> None:
    seen: list[tuple[int, str]] = []

    def note(number: int) -> None:
        seen.append((number, threading.current_thread().name))

    await asyncio.gather(*(lane.run(note, number) for number in range(20)))

    assert seen == [(number, "lane-test") for number in range(20)]


async def test_arguments_results_and_errors_pass_through(lane: Lane) -> None:
    def divide(number: int, *, by: int) -> float:
        return number / by

    assert await lane.run(divide, 6, by=3) == 2
    with pytest.raises(ZeroDivisionError):
        await lane.run(divide, 6, by=0)


async def test_all_functions_have_one_connection(lane: Lane) -> None:
    first = await lane.run(lambda: (id(connection.connection), Process.objects.count())[1])
    ids = {await lane.run(lambda: id(connection.connection)) for _ in range(3)}

    assert first == 0
    assert connection.vendor != "sqlite" or len(ids) == 1


async def test_a_broken_connection_is_replaced(lane: Lane) -> None:
    def break_it() -> None:
        Process.objects.count()
        connection.errors_occurred = True
        connection.is_usable = lambda: False  # type: ignore[method-assign]

    await lane.run(break_it)

    assert await lane.run(lambda: connection.connection) is None
    assert await lane.run(Process.objects.count) == 0


async def test_what_began_ends_though_its_waiter_is_cancelled(lane: Lane) -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_end.wait(10)
        ended.set()

    waiter = asyncio.create_task(lane.run(work))
    await asyncio.to_thread(began.wait, 10)
    waiter.cancel()
    await asyncio.wait({waiter})
    may_end.set()
    await lane.run(int)

    assert ended.is_set()


async def test_pending_counts_what_runs_and_waits(lane: Lane) -> None:
    may_end = threading.Event()
    tasks = [asyncio.create_task(lane.run(may_end.wait, 10)) for _ in range(3)]
    await asyncio.sleep(0)
    pending = lane.pending
    may_end.set()
    await asyncio.gather(*tasks)

    assert (pending, lane.pending) == (3, 0)


async def test_a_database_that_is_away_is_waited_for(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FIRST_BACK_OFF", 0.001)
    left = [OperationalError("locked"), OperationalError("locked")]

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    assert await lane.run_patiently(work) == "done"
    left.append(OperationalError("locked"))
    with pytest.raises(OperationalError):
        await lane.run(work)


async def test_a_read_only_database_is_waited_for(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FIRST_BACK_OFF", 0.001)
    setting = {"sqlite": "PRAGMA query_only", "postgresql": "SET default_transaction_read_only"}[connection.vendor]
    attempts: list[str] = []

    def write() -> int:
        attempts.append("off" if attempts else "on")
        with connection.cursor() as cursor:
            cursor.execute(f"{setting} = {attempts[-1]}")
        return make_process().pk

    assert await lane.run_patiently(write)
    assert attempts == ["on", "off"]


async def test_a_transaction_that_the_server_gave_up_is_done_again(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a process which was stopped in the middle of it. SQLite has no server, and needs one attempt."""
    monkeypatch.setattr(lanes, "FIRST_BACK_OFF", 0.001)
    attempts: list[int] = []

    def write() -> int:
        attempts.append(1)
        with transaction.atomic():
            if connection.vendor == "postgresql" and len(attempts) == 1:
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 20")
                    wait_for_end(connection.connection.fileno())
            return make_process().pk

    assert await lane.run_patiently(write)
    assert len(attempts) == (2 if connection.vendor == "postgresql" else 1)


def wait_for_end(descriptor: int) -> None:
    """Until the server says something unasked: that it ends the connection."""
    assert select.select([descriptor], [], [], 10)[0]


@pytest.mark.parametrize(
    "statement", ["SELECT 1 FROM no_such", "SELECT no_such FROM scheduling_process"], ids=["table", "column"]
)
async def test_what_the_database_lacks_is_not_waited_for(lane: Lane, statement: str) -> None:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    with pytest.raises(DatabaseMismatch, match=r"no_such.*: run `manage.py migrate`"):
        await asyncio.wait_for(lane.run_patiently(ask), 5)


async def test_another_error_is_not_waited_for(lane: Lane) -> None:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO scheduling_schedulerstate (id) VALUES (NULL), (NULL)")

    with pytest.raises(DatabaseError) as caught:
        await asyncio.wait_for(lane.run_patiently(ask), 5)
    assert not isinstance(caught.value, OperationalError)


async def test_a_closed_lane_takes_nothing_more() -> None:
    lane = Lane("closed")
    await lane.run(Process.objects.count)
    lane.close()
    lane.close()

    with pytest.raises(RuntimeError):
        await lane.run(int)
    assert lane.pending == 0
    assert "lane-closed" not in {thread.name for thread in threading.enumerate()}


async def test_the_loop_itself_may_not_touch_the_database() -> None:
    from django.core.exceptions import SynchronousOnlyOperation

    with pytest.raises(SynchronousOnlyOperation):
        Process.objects.count()
