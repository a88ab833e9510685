"""The timer in a real event loop: it wakes for edits, lives through errors, does not spin, and keeps off the ORM."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from time import monotonic
from typing import TypeVar

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from scheduling import definitions, ledger
from scheduling.lanes import Lane
from scheduling.models import JobRun
from scheduling.timer import HELD_WAIT, Timer

from .ticking import CRON_MINUTE, EVERY_MINUTE, make_job, plan, planned, runs, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

T = TypeVar("T")
SECOND = timedelta(seconds=1)
EVERY_YEAR = {"type": "interval", "days": 365, "start": "2026-01-01T00:00:00+00:00"}
CLOCK = 0.02
"""Seconds by which a timer of the event loop may come early."""


@asynccontextmanager
async def ticking(control: Lane) -> AsyncIterator[Timer]:
    timer = Timer(ring=lambda ids: None, control=control)
    timer.start()
    try:
        yield timer
    finally:
        await timer.stop()


@pytest.fixture
def control() -> Iterator[Lane]:
    lane = Lane("control")
    yield lane
    lane.close()


@pytest.fixture
def other() -> Iterator[Lane]:
    """The thread and connection of somebody else."""
    lane = Lane("other")
    yield lane
    lane.close()


async def until(lane: Lane, question: Callable[[], T], *, seconds: float = 60.0) -> T:
    end = monotonic() + seconds
    while not (answer := await lane.run(question)):
        assert monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)
    return answer


class Ticks:
    """Counts a timer's ticks that found something due, and can spoil the next ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began: list[float] = []
        self.spoil = 0
        original = Timer._tick

        def counted(timer: Timer, moment: datetime) -> object:
            self.began.append(monotonic())
            if self.spoil:
                self.spoil -= 1
                raise OperationalError("database is locked")
            return original(timer, moment)

        monkeypatch.setattr(Timer, "_tick", counted)

    @property
    def count(self) -> int:
        return len(self.began)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    return Ticks(monkeypatch)


async def test_edit_is_live_long_before_the_timer_would_have_woken(
    control: Lane, other: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduling.timer.LONGEST_WAIT", 3600.0)
    await other.run(make_job, due=None)
    async with ticking(control) as timer:
        await until(other, lambda: timer._armed)
        await other.run(plan, "job", timezone.now())
        await until(other, states)


async def test_job_fires_at_its_time_and_not_before(control: Lane, other: Lane) -> None:
    due = timezone.now() + timedelta(milliseconds=400)
    await other.run(make_job, due=due)
    async with ticking(control):
        await until(other, states)

    [run] = await other.run(runs)
    assert run.scheduled_time == due
    assert timedelta(0) <= run.queued_at - due < timedelta(seconds=30)


async def test_timer_lives_through_a_locked_database(control: Lane, other: Lane, ticks: Ticks) -> None:
    await other.run(make_job, due=timezone.now())
    ticks.spoil = 2
    async with ticking(control):
        await until(other, states)

    assert ticks.count == 3


async def test_tick_that_fails_is_tried_again_without_a_spin(control: Lane, other: Lane, ticks: Ticks) -> None:
    await other.run(make_job, due=timezone.now())
    ticks.spoil = 3
    async with ticking(control):
        await until(other, states)

    assert min(after - one for one, after in pairwise(ticks.began)) >= HELD_WAIT - CLOCK


async def test_timer_lives_through_any_error(control: Lane, other: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    await other.run(make_job, due=timezone.now())
    looks = iter([1 / 2, 1 / 3])
    original = ledger.look

    def look(after: datetime = ledger.BEGINNING) -> tuple[datetime | None, bool]:
        if next(looks, None) is not None:
            raise ZeroDivisionError
        return original(after)

    monkeypatch.setattr(ledger, "look", look)
    async with ticking(control):
        await until(other, states)


@contextmanager
def held(job_id: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else holds a job's row. On SQLite nobody can hold a row alone: the statement passes it over all the
    same, as it would elsewhere."""
    if connection.vendor == "sqlite":
        original = ledger.due_jobs

        def due_jobs(now: datetime, limit: int) -> list[ledger.Due]:
            return [row for row in original(now, limit) if row[0] != job_id]

        with monkeypatch.context() as patch:
            patch.setattr(ledger, "due_jobs", due_jobs)
            yield
        return
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        from django.db import transaction

        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM django_apscheduler_djangojob WHERE id = %s FOR UPDATE", [job_id])
            locked.set()
            release.wait(10)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(10)
    try:
        yield
    finally:
        release.set()
        thread.join()


async def test_held_row_holds_up_no_other_and_makes_no_spin(
    control: Lane, other: Lane, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await other.run(make_job, "held", due=timezone.now(), trigger=EVERY_YEAR)
    await other.run(make_job, "free", due=timezone.now(), trigger=EVERY_YEAR)
    with held("held", monkeypatch):
        async with ticking(control) as timer:
            await until(other, lambda: states("free"))
            before = ticks.count
            await until(other, lambda: ticks.count >= before + 4)
            assert await other.run(states, "held") == []
            # From here on nothing but the other job's own moment can make the timer tick.
            monkeypatch.setattr("scheduling.timer.HELD_WAIT", 3600.0)
            last = ticks.count
            timer.wakeup()
            await until(other, lambda: ticks.count > last)
            await other.run(plan, "free", timezone.now() + timedelta(milliseconds=50))
            await until(other, lambda: len(states("free")) > 1)
    gaps = [after - one for one, after in pairwise(ticks.began[before:last])]
    assert min(gaps) >= HELD_WAIT - CLOCK, "at most two ticks a second for a held row"


async def test_held_row_fires_when_it_is_free(
    control: Lane, other: Lane, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await other.run(make_job, due=timezone.now())
    async with ticking(control):
        with held("job", monkeypatch):
            await until(other, lambda: ticks.count >= 2)
        await until(other, states)


async def test_gap_is_counted_after_the_tick(control: Lane, other: Lane) -> None:
    due = timezone.now().replace(second=0, microsecond=0) - timedelta(days=10)
    await other.run(make_job, trigger=CRON_MINUTE, due=due, misfire_grace_time=None, coalesce=True)
    await other.run(make_job, "late", trigger=CRON_MINUTE, due=due, misfire_grace_time=1)

    def counts() -> dict[str, int]:
        rows = JobRun.objects.exclude(missed_count=None) | JobRun.objects.exclude(coalesced_count=0)
        return {run.job_key: run.missed_count or run.coalesced_count for run in rows}

    async with ticking(control):
        found = await until(other, lambda: counts() if len(counts()) == 2 else None)

    assert found is not None
    [run] = await other.run(runs, "job")
    assert found["job"] == (run.scheduled_time - due) // timedelta(minutes=1)
    missed = (await other.run(runs, "late"))[0]
    assert missed.missed_until is not None
    assert found["late"] == (missed.missed_until - due) // timedelta(minutes=1) + 1


async def test_paused_scheduler_does_not_spin_and_resumes_at_once(
    control: Lane, other: Lane, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[datetime] = []
    original = ledger.look

    def look(after: datetime = ledger.BEGINNING) -> tuple[datetime | None, bool]:
        looks.append(timezone.now())
        return original(after)

    monkeypatch.setattr(ledger, "look", look)
    due = timezone.now()
    await other.run(make_job, due=due, misfire_grace_time=600)
    await other.run(definitions.pause_all, "ada")
    async with ticking(control):
        await until(other, lambda: len(looks) > 6)
        assert ticks.count == 0
        assert looks[-1] - looks[0] > timedelta(milliseconds=300), "no spin"
        await other.run(definitions.resume_all, "ada")
        monkeypatch.setattr("scheduling.timer.LONGEST_WAIT", 3600.0)
        await other.run(plan, "job", timezone.now())
        await until(other, lambda: [run for run in runs() if run.state == "queued"])


async def test_no_orm_call_on_the_loops_thread(control: Lane, other: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    await other.run(make_job, due=timezone.now())
    loop_thread = threading.get_ident()
    offences: list[str] = []

    def watched(name: str) -> None:
        original = getattr(BaseDatabaseWrapper, name)

        def method(self: BaseDatabaseWrapper, *args: object, **kwargs: object) -> object:
            if threading.get_ident() == loop_thread:
                offences.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(BaseDatabaseWrapper, name, method)

    for name in ("ensure_connection", "cursor", "close", "commit"):
        watched(name)
    async with ticking(control):
        await until(other, states)

    assert offences == []


async def test_stopped_timer_ticks_no_more(control: Lane, other: Lane, ticks: Ticks) -> None:
    async with ticking(control) as timer:
        pass
    await other.run(make_job, due=timezone.now())
    timer.wakeup()
    await asyncio.sleep(0)

    assert not timer.running
    assert (ticks.count, await other.run(states)) == (0, [])


async def test_two_timers_fire_each_moment_once(other: Lane) -> None:
    lanes = [Lane("control-a"), Lane("control-b")]
    second = {"type": "interval", "seconds": 1, "start": "2026-01-01T00:00:00+00:00"}
    begin = timezone.now().replace(microsecond=0)
    for n in range(20):
        await other.run(make_job, f"job-{n}", trigger=second, due=begin)
    try:
        async with ticking(lanes[0]), ticking(lanes[1]):
            await until(other, lambda: all((planned(f"job-{n}") or begin) > begin + 3 * SECOND for n in range(20)))
    finally:
        for lane in lanes:
            lane.close()
    for n in range(20):
        moments = [moment for _state, moment in await other.run(states, f"job-{n}")]
        assert moments == [begin + k * SECOND for k in range(len(moments))]


def test_start_needs_a_lane() -> None:
    with pytest.raises(RuntimeError, match="control lane"):
        Timer(ring=lambda ids: None).start()


def test_job_store_refuses_edits_from_a_scheduler() -> None:
    timer = Timer(ring=lambda ids: None)
    timer.open()

    with pytest.raises(NotImplementedError, match="definitions"):
        timer.add_job(print, "interval", seconds=1)
    with pytest.raises(RuntimeError, match="inside a tick"):
        timer.remove_job("job")


def test_definition_is_what_a_tick_builds_from_not_the_pickle() -> None:
    from django_apscheduler.models import DjangoJob

    make_job(trigger=EVERY_MINUTE)
    DjangoJob.objects.update(job_state=b"no pickle at all")
    timer = Timer(ring=lambda ids: None)
    timer.open()

    timer.tick(timezone.now())

    assert JobRun.objects.count() >= 1
