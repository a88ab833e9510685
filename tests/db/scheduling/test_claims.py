from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext

from scheduling import claims, endings, events, runlog, signals
from scheduling.claims import Claimed
from scheduling.endings import MOST_DEATHS, Outcome
from scheduling.exceptions import ClaimLost, ReceiverFailed, RunBusy
from scheduling.models import JobRun, Process, RunLog
from scheduling.sharing import Sharing

from .making import NOW, make_job, make_process, make_run

pytestmark = pytest.mark.django_db

SUCCEEDED = Outcome(state=JobRun.State.SUCCEEDED, message="done", data={"n": 1}, execution_time=1.5)


def ids(claimed: list[Claimed]) -> list[int]:
    return [one.run_id for one in claimed]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int, str]]]:
    """What the signals said: name, run, state."""
    said: list[tuple[str, int, str]] = []

    def receiver(name: str) -> Callable[..., None]:
        def receive(*, run: JobRun, **_kwargs: object) -> None:
            said.append((name, run.pk, run.state))

        return receive

    named: dict[str, Signal] = {
        "started": signals.run_started,
        "ended": signals.run_ended,
        "returned": signals.run_returned,
    }
    receivers = {name: receiver(name) for name in named}
    for name, signal in named.items():
        signal.connect(receivers[name])
    yield said
    for name, signal in named.items():
        signal.disconnect(receivers[name])


class TestClaim:
    def test_due_runs_are_taken_the_first_due_first(self) -> None:
        late, early = make_run(), make_run()
        JobRun.objects.filter(pk=early.pk).update(available_at=late.available_at - timedelta(hours=1))

        claimed = claims.claim(make_process(), NOW, 10)

        assert ids(claimed) == [early.pk, late.pk]

    def test_a_claimed_run_says_who_has_it_and_since_when(self) -> None:
        process, job = make_process(), make_job(version=7, job_data={"a": 1}, max_retries=5, timeout=9.0)
        make_run(job)

        [claimed] = claims.claim(process, NOW, 10)

        run = JobRun.objects.get()
        assert (run.state, run.owner, run.claim, run.slot) == ("running", process, 1, 0)
        assert run.started_at == run.attempt_at == NOW
        assert run.definition_version == 7
        assert (claimed.handler, claimed.job_data, claimed.max_retries, claimed.timeout) == ("noop", {"a": 1}, 5, 9.0)

    def test_a_run_that_is_not_available_yet_is_left(self) -> None:
        make_run(available_at=NOW + timedelta(seconds=1))

        assert claims.claim(make_process(), NOW, 10) == []

    def test_no_more_are_taken_than_there_are_places(self) -> None:
        runs = [make_run() for _ in range(5)]

        assert ids(claims.claim(make_process(), NOW, 3)) == [run.pk for run in runs[:3]]

    def test_a_job_runs_in_its_slots_alone(self) -> None:
        job, process = make_job(max_instances=2), make_process()
        runs = [make_run(job) for _ in range(4)]

        assert ids(claims.claim(process, NOW, 10)) == [run.pk for run in runs[:2]]
        assert set(JobRun.objects.filter(state="running").values_list("slot", flat=True)) == {0, 1}
        assert claims.claim(process, NOW, 10) == []

    def test_the_lowest_free_slot_is_taken(self) -> None:
        job, process = make_job(max_instances=3), make_process()
        runs = [make_run(job) for _ in range(4)]
        first, *_rest = claims.claim(process, NOW, 10)
        endings.finish(first, SUCCEEDED, NOW)

        claims.claim(process, NOW, 10)

        runs[3].refresh_from_db()
        assert runs[3].slot == 0

    def test_a_full_job_does_not_hide_the_others(self) -> None:
        busy, process = make_job(), make_process()
        for _ in range(50):
            make_run(busy)
        other = make_run(make_job())

        claimed = claims.claim(process, NOW, 4)

        assert len(claimed) == 2
        assert other.pk in ids(claimed)

    def test_an_exclusive_key_is_held_by_one_run(self) -> None:
        process = make_process()
        first = make_run(exclusive_key="spider:books")
        second = make_run(exclusive_key="spider:books")
        free = make_run(exclusive_key="spider:shoes")

        assert ids(claims.claim(process, NOW, 10)) == [first.pk, free.pk]
        assert claims.claim(process, NOW, 10) == []

        JobRun.objects.filter(pk=first.pk).update(state="succeeded", finished_at=NOW)
        assert ids(claims.claim(process, NOW, 10)) == [second.pk]

    def test_a_paused_jobs_queued_run_still_runs(self) -> None:
        run = make_run(make_job(paused_at=NOW))

        assert ids(claims.claim(make_process(), NOW, 10)) == [run.pk]

    def test_a_run_without_a_schedule_runs_by_its_work(self) -> None:
        make_run(work={"handler": "crawl", "job_data": {"x": 1}, "max_retries": 2, "timeout": 5.0})

        [claimed] = claims.claim(make_process(), NOW, 10)

        assert (claimed.handler, claimed.job_data, claimed.max_retries, claimed.timeout) == ("crawl", {"x": 1}, 2, 5.0)
        assert JobRun.objects.get().slot is None

    def test_a_run_whose_schedule_was_removed_names_no_handler(self) -> None:
        make_run(work=None)

        [claimed] = claims.claim(make_process(), NOW, 10)

        assert claimed.handler == ""

    def test_a_slot_that_another_process_took_in_between_means_not_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = make_job()
        make_run(job, state="running", owner=make_process(), started_at=NOW, slot=0, claim=1)
        waiting = make_run(job)
        monkeypatch.setattr(
            claims, "claimable", lambda _now: JobRun.objects.filter(pk=waiting.pk).select_related("job")
        )
        monkeypatch.setattr(claims, "_taken_slots", lambda _candidates: {})

        assert claims.claim(make_process(), NOW, 10) == []

        waiting.refresh_from_db()
        assert (waiting.state, waiting.claim) == ("queued", 0)

    def test_started_is_told(self, heard: list[tuple[str, int, str]]) -> None:
        run = make_run()
        claims.claim(make_process(), NOW, 10)

        assert heard == [("started", run.pk, "running")]

    def test_nothing_to_do_costs_one_query(self, django_assert_num_queries: Callable[[int], object]) -> None:
        process = make_process()
        with django_assert_num_queries(1):  # type: ignore[attr-defined]
            claims.claim(process, NOW, 10)

    def test_the_queries_of_a_claim_grow_by_one_guarded_update_each(self) -> None:
        process = make_process()
        counts = []
        for size in (1, 3):
            for _ in range(size):
                make_run(make_job())
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert len(claims.claim(process, NOW, size)) == size
            counts.append(len(queries))
        # candidates, slots; for each run: BEGIN (here a savepoint), UPDATE, COMMIT
        assert counts == [2 + 3, 2 + 3 * 3]


class TestGuard:
    @pytest.fixture
    def claimed(self) -> Claimed:
        make_run()
        return claims.claim(make_process(), NOW, 1)[0]

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "queued", "owner": None},
            {"state": "succeeded", "finished_at": NOW},
            {"claim": 2},
        ],
        ids=["returned", "ended", "claimed again"],
    )
    @pytest.mark.parametrize(
        "write",
        [
            lambda one: claims.guard(one.run_id, one.owner, one.claim),
            lambda one: claims.store_retry(one, 1, "again"),
            lambda one: claims.store_attempt(one, NOW),
            lambda one: endings.finish(one, Outcome(state="failed"), NOW, ["line"]),
            lambda one: endings.hand_back(one, NOW, message="bye", lines=["line"]),
            lambda one: runlog.write(one, ["line"], None),
            lambda one: runlog.write(one, ["line"], "half"),
        ],
        ids=["guard", "retry", "attempt", "finish", "hand back", "log", "progress"],
    )
    def test_who_lost_its_claim_writes_nothing(
        self, claimed: Claimed, change: dict[str, object], write: Callable[[Claimed], object]
    ) -> None:
        JobRun.objects.filter(pk=claimed.run_id).update(**change)
        before = JobRun.objects.filter(pk=claimed.run_id).values().get()

        with pytest.raises(ClaimLost), transaction.atomic():
            write(claimed)

        assert JobRun.objects.filter(pk=claimed.run_id).values().get() == before
        assert not RunLog.objects.exists()

    def test_another_owner_with_the_same_number_is_not_us(self, claimed: Claimed) -> None:
        JobRun.objects.filter(pk=claimed.run_id).update(owner=make_process())

        with pytest.raises(ClaimLost), transaction.atomic():
            claims.guard(claimed.run_id, claimed.owner, claimed.claim)

    def test_an_effect_begins_the_count_of_deaths_anew(self, claimed: Claimed) -> None:
        JobRun.objects.filter(pk=claimed.run_id).update(recoveries=3)

        claims.guard(claimed.run_id, claimed.owner, claimed.claim)

        assert JobRun.objects.get(pk=claimed.run_id).recoveries == 0

    def test_a_log_line_is_no_progress(self, claimed: Claimed) -> None:
        JobRun.objects.filter(pk=claimed.run_id).update(recoveries=3)

        runlog.write(claimed, ["still here"], "42 %")

        assert JobRun.objects.get(pk=claimed.run_id).recoveries == 3


class TestFinish:
    def test_the_end_is_stored_and_told_once(
        self, heard: list[tuple[str, int, str]], django_capture_on_commit_callbacks: Callable[..., object]
    ) -> None:
        run = make_run(make_job())
        [claimed] = claims.claim(make_process(), NOW, 1)
        told: list[events.RunEvent] = []
        unsubscribe = events.subscribe(told.append)

        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
            endings.finish(claimed, SUCCEEDED, NOW, ["first", "last"])
        unsubscribe()

        run.refresh_from_db()
        assert (run.state, run.slot, run.finished_at) == ("succeeded", None, NOW)
        assert (run.message, run.data, run.execution_time) == ("done", {"n": 1}, 1.5)
        assert heard[-1] == ("ended", run.pk, "succeeded")
        assert [(event.kind, event.run_id, event.state) for event in told] == [("run_ended", run.pk, "succeeded")]
        assert RunLog.objects.get().text == "first\nlast"

    def test_ending_twice_alike_is_harmless(self, heard: list[tuple[str, int, str]]) -> None:
        make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)

        endings.finish(claimed, SUCCEEDED, NOW)
        endings.finish(claimed, SUCCEEDED, NOW + timedelta(seconds=1))

        assert JobRun.objects.get().finished_at == NOW
        assert [name for name, _run, _state in heard] == ["started", "ended"]

    def test_a_rolled_back_receiver_leaves_the_run_running(self) -> None:
        make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)

        def refuse(**_kwargs: object) -> None:
            raise ValueError("no")

        signals.run_ended.connect(refuse)
        try:
            with pytest.raises(ReceiverFailed, match="ValueError: no"):
                endings.finish(claimed, SUCCEEDED, NOW)
        finally:
            signals.run_ended.disconnect(refuse)

        assert JobRun.objects.get().state == "running"

    @pytest.mark.parametrize(
        ("data", "stored"),
        [
            ({"a": float("nan"), "b": float("inf")}, {"a": "nan", "b": "inf"}),
            ({"a": "x\x00y\ud800"}, {"a": "x\ufffdy?"}),
            ({1: NOW}, {"1": str(NOW)}),
            ([{2}, (3,)], [[2], [3]]),
            (10**30, hex(10**30)),
        ],
        ids=["no number", "no text", "no JSON type", "sets", "large"],
    )
    def test_a_result_that_no_database_holds_still_ends_its_run(self, data: object, stored: object) -> None:
        make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)

        endings.finish(claimed, Outcome(state="succeeded", message="a\x00b", data=data), NOW)

        run = JobRun.objects.get()
        assert (run.state, run.message, run.data) == ("succeeded", "a\ufffdb", stored)


class TestHandBack:
    def test_the_run_waits_again_and_its_next_claim_is_higher(self, heard: list[tuple[str, int, str]]) -> None:
        job, process = make_job(), make_process()
        run = make_run(job, retry_count=2)
        [claimed] = claims.claim(process, NOW, 1)

        assert endings.hand_back(claimed, NOW, message="drained") == "queued"

        run.refresh_from_db()
        assert (run.state, run.owner, run.slot, run.message, run.recoveries) == ("queued", None, None, "drained", 0)
        assert heard[-1] == ("returned", run.pk, "queued")
        [again] = claims.claim(make_process(), NOW, 1)
        assert (again.claim, again.retry_count) == (2, 2)

    def test_a_run_that_was_to_wait_before_its_next_attempt_waits_on(self) -> None:
        run = make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)

        endings.hand_back(claimed, NOW, message="drained", delay=timedelta(seconds=8))

        run.refresh_from_db()
        assert run.available_at == NOW + timedelta(seconds=8)
        assert claims.claim(make_process(), NOW + timedelta(seconds=7), 1) == []
        assert len(claims.claim(make_process(), NOW + timedelta(seconds=8), 1)) == 1

    def test_the_time_that_it_executed_is_kept(self) -> None:
        run = make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)

        endings.hand_back(claimed, NOW, message="drained", seconds=12.5)

        [again] = claims.claim(make_process(), NOW, 1)
        assert (claimed.spent, again.spent) == (0.0, 12.5)
        run.refresh_from_db()
        assert run.execution_time == 12.5

    def test_a_run_whose_cancel_was_asked_is_cancelled(self, heard: list[tuple[str, int, str]]) -> None:
        run = make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)
        JobRun.objects.update(cancel_requested_at=NOW)

        assert endings.hand_back(claimed, NOW, message="drained") == "cancelled"
        assert heard[-1] == ("ended", run.pk, "cancelled")

    def test_a_returned_run_now_waits_beside_the_next_one(self) -> None:
        job = make_job()
        make_run(job, cause=JobRun.Cause.MANUAL)
        [claimed] = claims.claim(make_process(), NOW, 1)
        make_run(job, cause=JobRun.Cause.MANUAL)

        endings.hand_back(claimed, NOW, message="drained")

        assert JobRun.objects.filter(state="queued").count() == 2


class TestRecover:
    def claim_and_die(self) -> Process:
        process = make_process()
        claims.claim(process, NOW, 10)
        Process.objects.filter(pk=process.pk).update(state=Process.State.LOST)
        return process

    def test_the_runs_of_the_living_are_left_alone(self) -> None:
        make_run()
        claims.claim(make_process(), NOW, 1)

        assert endings.recover(NOW) == []

    @pytest.mark.parametrize("state", [Process.State.LOST, Process.State.STOPPED])
    def test_the_runs_of_the_gone_are_queued_again(self, state: str, heard: list[tuple[str, int, str]]) -> None:
        run = make_run(make_job())
        process = make_process()
        claims.claim(process, NOW, 10)
        Process.objects.filter(pk=process.pk).update(state=state)

        endings.recover(NOW)

        run.refresh_from_db()
        assert (run.state, run.owner, run.slot, run.recoveries) == ("queued", None, None, 1)
        assert heard[-1] == ("returned", run.pk, "queued")

    def test_the_time_until_the_last_beat_is_kept_and_adds_up(self) -> None:
        make_run()
        for _ in range(2):
            process = make_process()
            [claimed] = claims.claim(process, NOW, 1)
            beat_at = NOW + timedelta(seconds=20)
            Process.objects.filter(pk=process.pk).update(state=Process.State.LOST, beat_at=beat_at)
            endings.recover(NOW + timedelta(days=1))

        [last] = claims.claim(make_process(), NOW + timedelta(days=1), 1)
        assert (claimed.spent, last.spent) == (20.0, 40.0), "the day in which nobody ran it does not count"

    def test_the_fourth_death_without_progress_fails_the_run(self) -> None:
        run = make_run()
        for _ in range(MOST_DEATHS):
            self.claim_and_die()
            endings.recover(NOW)

        run.refresh_from_db()
        assert (run.state, run.recoveries, run.error_type) == ("failed", 4, "PoisonRun")
        assert "4 times" in run.message

    def test_progress_between_deaths_keeps_the_run_alive(self) -> None:
        run = make_run()
        for _ in range(6):
            process = make_process()
            [claimed] = claims.claim(process, NOW, 10)
            claims.guard(claimed.run_id, claimed.owner, claimed.claim)
            Process.objects.filter(pk=process.pk).update(state=Process.State.LOST)
            endings.recover(NOW)

        run.refresh_from_db()
        assert (run.state, run.recoveries) == ("queued", 1)

    def test_a_lost_run_whose_cancel_was_asked_is_cancelled(self) -> None:
        run = make_run()
        self.claim_and_die()
        JobRun.objects.update(cancel_requested_at=NOW)

        endings.recover(NOW)

        run.refresh_from_db()
        assert run.state == "cancelled"

    def test_a_stray_is_taken_back_under_the_claim_that_was_seen(self) -> None:
        run = make_run()
        [claimed] = claims.claim(make_process(), NOW, 1)

        assert endings.recover_strays([(run.pk, claimed.claim + 1)], NOW) == []
        assert [one.pk for one in endings.recover_strays([(run.pk, claimed.claim)], NOW)] == [run.pk]

    def test_only_the_beat_that_was_seen_is_marked_lost(self) -> None:
        process = make_process(beat=5)

        assert not endings.mark_lost(process.pk, 4)
        assert endings.mark_lost(process.pk, 5)
        assert not endings.mark_lost(process.pk, 5)


class TestBornClaimed:
    WORK = {"handler": "noop", "job_data": {"a": 1}, "max_retries": 0, "timeout": None}

    def test_a_foreground_run_is_running_from_its_first_moment(self) -> None:
        process = make_process(kind=Process.Kind.COMMAND)

        claimed = claims.begin(process, NOW, work=self.WORK, job_key="noop", exclusive_key="")

        run = JobRun.objects.get()
        assert (run.state, run.owner, run.claim, run.cause) == ("running", process, 1, "command")
        assert (claimed.handler, claimed.job_data) == ("noop", {"a": 1})

    def test_a_busy_key_is_refused_naming_the_run(self) -> None:
        holder = make_run(exclusive_key="spider:books")
        claims.claim(make_process(), NOW, 1)

        with pytest.raises(RunBusy) as refused:
            claims.begin(make_process(), NOW, work=self.WORK, job_key="noop", exclusive_key="spider:books")

        assert refused.value.run_id == holder.pk

    def test_a_killed_foreground_run_is_executed_by_a_scheduler(self) -> None:
        process = make_process(kind=Process.Kind.COMMAND)
        claims.begin(process, NOW, work=self.WORK, job_key="noop", exclusive_key="")
        endings.mark_lost(process.pk, 0)
        endings.recover(NOW)

        [claimed] = claims.claim(make_process(), NOW, 1)

        assert (claimed.claim, claimed.handler, claimed.job_data) == (2, "noop", {"a": 1})


class TestSharing:
    """Long runs (with an exclusive key) spread over the processes that there are."""

    def test_two_processes_take_one_each(self) -> None:
        runs = [make_run(make_job(f"job-{n}"), exclusive_key=f"spider:{n}") for n in range(2)]
        sharings = [Sharing(), Sharing()]
        taken = []
        for sharing in sharings:
            sharing.look(held=0, others=1)
            taken.append(ids(claims.claim(make_process(), NOW, 4, sharing=sharing)))
        assert taken == [[runs[0].pk], [runs[1].pk]]

    def test_what_is_left_to_others_hides_nothing_behind_it(self) -> None:
        for number in range(10):
            make_run(make_job(f"long-{number}"), exclusive_key=f"spider:{number}")
        short = make_run(make_job("short"))
        sharing = Sharing()
        sharing.look(held=1, others=1)
        assert ids(claims.claim(make_process(), NOW, 4, sharing=sharing)) == [short.pk]
