from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from types import ModuleType

import psutil
import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now

from scheduling import claims, liveness, machine, schema
from scheduling.lanes import Lane
from scheduling.liveness import Liveness
from scheduling.models import JobRun, Process

from .making import NOW, make_process, make_run

pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(liveness, "monotonic", clock)
    return clock


@pytest.fixture
def watcher() -> Iterator[Liveness]:
    """A process's liveness whose passes the test calls itself, here, without lane or loop."""
    lane = Lane("unused")
    yield Liveness(kind=Process.Kind.SCHEDULER, control=lane, max_workers=4)
    lane.close()


def own_row(watcher: Liveness) -> Process:
    assert watcher.process is not None
    return watcher.process


class TestRegister:
    def test_the_row_says_which_process_it_is(self) -> None:
        process = Process.objects.get(pk=liveness.register("worker", 3).pk)

        assert (process.kind, process.pid, process.max_workers) == ("worker", os.getpid(), 3)
        assert process.host.count("/") == 2
        assert not machine.is_gone(process.pid, process.pid_created)

    def test_a_beat_is_one_guarded_update(self, django_assert_num_queries: object) -> None:
        process = liveness.register("worker", 3)
        with django_assert_num_queries(1):  # type: ignore[operator]
            assert liveness.beat(process, {"rss_bytes": 1})

        process.refresh_from_db()
        assert (process.beat, process.gauges) == (1, {"rss_bytes": 1})

    @pytest.mark.parametrize("state", [Process.State.LOST, Process.State.STOPPED])
    def test_a_row_that_is_not_alive_cannot_beat(self, state: str) -> None:
        process = make_process(state=state)

        assert not liveness.beat(process, {})


class TestReaper:
    def test_a_silent_process_of_another_host_is_lost_after_15_seconds(self, watcher: Liveness, clock: Clock) -> None:
        other = make_process()
        make_run()
        claims.claim(other, NOW, 1)
        recovered = []
        for _ in range(7):
            recovered.append(watcher.beat_and_reap())
            clock.now += 3

        other.refresh_from_db()
        assert recovered == [False] * 5 + [True, False]
        assert other.state == "lost"
        assert JobRun.objects.get().state == "queued"

    def test_a_beating_process_is_never_lost(self, watcher: Liveness, clock: Clock) -> None:
        other = make_process()
        for _ in range(20):
            watcher.beat_and_reap()
            liveness.beat(other, {})
            clock.now += 8

        other.refresh_from_db()
        assert other.state == "alive"

    def test_no_wall_clock_decides(self, watcher: Liveness, clock: Clock) -> None:
        other = make_process(beat_at=NOW - timedelta(days=365), started_at=NOW + timedelta(days=365))
        watcher.beat_and_reap()
        clock.now += 3
        watcher.beat_and_reap()

        other.refresh_from_db()
        assert other.state == "alive"

    def test_a_watcher_that_slept_forgets_what_it_saw(self, watcher: Liveness, clock: Clock) -> None:
        other = make_process()
        watcher.beat_and_reap()
        clock.now += 60
        watcher.beat_and_reap()
        other.refresh_from_db()
        assert other.state == "alive"

        for _ in range(5):
            clock.now += 3
            watcher.beat_and_reap()
        other.refresh_from_db()
        assert other.state == "lost"

    def test_a_watcher_a_little_late_remembers(self, watcher: Liveness, clock: Clock) -> None:
        other = make_process()
        for _ in range(3):
            watcher.beat_and_reap()
            clock.now += 8.9

        other.refresh_from_db()
        assert other.state == "lost"

    async def test_a_failed_beat_makes_the_watcher_forget(
        self, watcher: Liveness, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watcher._observations.judge({7: 1}, clock.now)

        def locked() -> bool:
            raise OperationalError("locked")

        await watcher._pass(locked)

        clock.now += 20
        assert watcher._observations.judge({7: 1}, clock.now) == []

    def test_a_process_of_this_host_that_is_gone_is_lost_at_once(self, watcher: Liveness) -> None:
        child = subprocess.Popen(["sleep", "60"])
        start = machine.process_start(child.pid)
        assert start is not None
        here = machine.host_identity()
        alive = make_process(host=here, pid=os.getppid(), pid_created=machine.process_start(os.getppid()))
        dying = make_process(host=here, pid=child.pid, pid_created=start)
        watcher.beat_and_reap()
        assert not Process.objects.filter(state="lost").exists()

        child.kill()
        child.wait()
        watcher.beat_and_reap()

        assert list(Process.objects.filter(state="lost")) == [dying]
        alive.refresh_from_db()
        assert alive.state == "alive"

    def test_a_zombie_is_gone(self) -> None:
        child = subprocess.Popen(["true"])
        start = machine.process_start(child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert machine.is_gone(child.pid, start or 0.0)
        child.wait()

    def test_a_pid_that_was_given_to_another_process_is_gone(self) -> None:
        assert machine.is_gone(os.getpid(), (machine.process_start(os.getpid()) or 0.0) - 100)

    def test_a_process_of_another_name_space_is_judged_by_its_beat_alone(self, watcher: Liveness) -> None:
        make_process(host=machine.host_identity() + "x", pid=4_194_304, pid_created=1.0)
        watcher.beat_and_reap()

        assert not Process.objects.filter(state="lost").exists()


class TestOwnLoss:
    def test_a_process_that_was_taken_for_lost_registers_anew(self, watcher: Liveness) -> None:
        watcher.beat_and_reap()
        first = own_row(watcher)
        Process.objects.filter(pk=first.pk).update(state=Process.State.LOST)

        watcher.beat_and_reap()

        assert own_row(watcher).pk != first.pk
        assert own_row(watcher).state == "alive"

    def test_it_takes_its_own_lost_runs_back_where_nobody_else_does(self, watcher: Liveness) -> None:
        watcher.beat_and_reap()
        make_run()
        claims.claim(own_row(watcher), NOW, 1)
        Process.objects.update(state=Process.State.LOST)

        assert watcher.beat_and_reap()
        assert JobRun.objects.get().state == "queued"


class TestUpgrade:
    def test_nothing_is_claimed_while_the_database_is_newer_than_the_code(self, watcher: Liveness) -> None:
        def beat_on() -> bool:
            for _ in range(10):
                watcher.beat_and_reap()
            return watcher.may_claim

        before = beat_on()
        later = MigrationRecorder.Migration.objects.create(app="scheduling", name="9999_later", applied=NOW)
        unknown, newer = schema.unknown_migrations(), beat_on()
        later.delete()

        assert (before, newer, beat_on()) == (True, False, True)
        assert unknown == ["scheduling.9999_later"]

    def test_the_leftovers_of_an_app_that_is_gone_hinder_nothing(self) -> None:
        MigrationRecorder.Migration.objects.create(app="gone", name="0001_initial", applied=NOW)

        assert schema.unknown_migrations() == []

    def test_what_stands_in_the_place_of_others_makes_them_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        MigrationRecorder.Migration.objects.create(app="scheduling", name="0000_squashed_since", applied=NOW)
        initial = import_module("scheduling.migrations.0001_initial").Migration
        monkeypatch.setattr(initial, "replaces", [("scheduling", "0000_squashed_since")])
        schema._replaced.cache_clear()

        known = schema.unknown_migrations()
        schema._replaced.cache_clear()

        assert known == []

    def test_no_migration_is_loaded_to_see_that_the_database_fits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded: list[str] = []

        def load(name: str) -> ModuleType:
            loaded.append(name)
            return import_module(name)

        monkeypatch.setattr(schema, "import_module", load)
        schema._known.cache_clear()

        assert schema.unknown_migrations() == []
        assert "scheduling.migrations" in loaded
        assert not [name for name in loaded if name.rpartition(".")[2] != "migrations"]


class TestShown:
    def test_live_is_who_beat_lately_by_the_databases_clock(self) -> None:
        fresh = make_process(beat_at=Now())
        make_process(beat_at=Now() - timedelta(minutes=5))
        make_process(beat_at=Now(), state=Process.State.LOST)

        [shown] = liveness.live_processes()

        assert shown == fresh
        assert timedelta(0) <= shown.age < timedelta(seconds=10)  # type: ignore[attr-defined]

    def test_what_a_process_uses_is_what_the_system_says(self) -> None:
        uses = machine.Uses().read()

        system = psutil.Process()
        assert uses["threads"] == system.num_threads()
        assert uses["rss_bytes"] == pytest.approx(system.memory_info().rss, rel=0.2)

    def test_the_databases_size_is_known(self) -> None:
        assert (liveness.database_size() or 0) > 10_000

    def test_the_gauges_are_written_with_the_beat(self, watcher: Liveness) -> None:
        watcher.beat_and_reap()
        watcher.beat_and_reap()

        gauges = Process.objects.get().gauges
        assert gauges["rss_bytes"] > 1_000_000
        assert gauges.keys() == {"rss_bytes", "cpu_percent", "threads", "loop_lag_seconds", "database_bytes"}
