"""The runner in a real event loop, with real lanes and threads, and handlers made here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections
from django.utils import timezone

from scheduling import claims, endings, events, link, registry
from scheduling.contract import JobContext, JobHandler, JobResult, RunStopped
from scheduling.exceptions import ClaimLost, RunBusy
from scheduling.lanes import Lane
from scheduling.liveness import Liveness
from scheduling.models import JobRun, Process, RunLog, ScheduledJob
from scheduling.runner import Runner, run_in_foreground
from scheduling.watchdog import Watchdog
from tests.db.processes import make_process

from .making import make_job, make_run, off_loop

pytestmark = pytest.mark.django_db(transaction=True)


class ScriptedJobHandler(JobHandler):
    """Does what the test says. One instance is registered for each test."""

    name = "scripted"
    calls: list[str]
    contexts: list[JobContext]
    script: Callable[[JobContext], object]

    def __init__(self) -> None:
        self.calls = []
        self.contexts = []
        self.may_go = asyncio.Event()

    async def execute(self, context: JobContext) -> JobResult:
        self.contexts.append(context)
        return await self.script(context)  # type: ignore[misc, no-any-return]

    def exclusive_key(self, job_data: object) -> str:
        return str(job_data.get("key", "")) if isinstance(job_data, dict) else ""

    def get_retry_delay(self, attempt: int) -> float:
        return 0.01

    async def on_success(self, context: JobContext, result: JobResult) -> None:
        self.calls.append("success")

    async def on_failure(self, context: JobContext, result: JobResult) -> None:
        self.calls.append(f"failure {result.message}")

    async def on_retry(self, context: JobContext, exception: BaseException | None, attempt: int) -> None:
        self.calls.append(f"retry {attempt} {type(exception).__name__}")


@pytest.fixture
def handler() -> Iterator[ScriptedJobHandler]:
    registry.register(ScriptedJobHandler)
    yield registry.get("scripted")  # type: ignore[misc]
    registry.unregister(ScriptedJobHandler)


@asynccontextmanager
async def running(
    *, max_workers: int = 4, cancel_grace: float = 5.0, drain: float = 5.0, watchdog: Watchdog | None = None
) -> AsyncIterator[tuple[Runner, Liveness]]:
    control = Lane("control")
    liveness = Liveness(kind=Process.Kind.SCHEDULER, control=control, max_workers=max_workers, watchdog=watchdog)
    runner = Runner(
        liveness=liveness, control=control, max_workers=max_workers, poll_seconds=0.02, cancel_grace=cancel_grace
    )
    try:
        await liveness.start()
        await runner.start()
        try:
            yield runner, liveness
        finally:
            await runner.stop(drain)
            await liveness.stop()
    finally:
        control.close()


@off_loop
def queue(job: ScheduledJob | None = None, /, **fields: object) -> JobRun:
    """Queue a run of `job`, or of a new one of these fields."""
    return make_run(job or make_job("", handler="scripted", **fields))


@off_loop
def queue_of(*, execution_time: float, timeout: float) -> JobRun:
    """Queue a run that executed for a while in a process that is no more."""
    return make_run(make_job(handler="scripted", timeout=timeout), execution_time=execution_time, recoveries=1, claim=1)


@off_loop
def state(run: JobRun) -> JobRun:
    return JobRun.objects.get(pk=run.pk)


@off_loop
def log_of(run: JobRun) -> str:
    return "\n".join(RunLog.objects.filter(run=run).order_by("seq").values_list("text", flat=True))


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.01)


async def ended(run: JobRun, seconds: float = 60.0) -> JobRun:
    end = monotonic() + seconds
    while (now := await state(run)).state in JobRun.ACTIVE:
        assert monotonic() < end, f"run is still {now.state}"
        await asyncio.sleep(0.01)
    return now


async def succeed(context: JobContext) -> JobResult:
    return JobResult(success=True, message="fine", data={"n": 1})


async def hang(context: JobContext) -> JobResult:
    await asyncio.Event().wait()
    raise AssertionError


class TestOutcomes:
    async def test_a_success_is_stored_with_its_message_data_and_time(self, handler: ScriptedJobHandler) -> None:
        handler.script = succeed
        async with running():
            run = await ended(await queue(job_data={"a": 1}))

        assert (run.state, run.message, run.data, run.retry_count) == ("succeeded", "fine", {"n": 1}, 0)
        assert run.execution_time is not None
        assert handler.calls == ["success"]

    async def test_the_context_holds_what_the_specification_says(self, handler: ScriptedJobHandler) -> None:
        handler.script = succeed
        async with running():
            run = await ended(await queue(job_data={"a": 1}, max_retries=2))

        [context] = handler.contexts
        assert (context.job_id, context.job_name, context.job_data) == (run.job_key, run.job_name, {"a": 1})
        assert (context.scheduled_time, context.executor) == (run.scheduled_time, "embedded")
        assert (context.retry_count, context.max_retries, context.run_id, context.claim) == (0, 2, run.pk, 1)

    @pytest.mark.parametrize(
        ("error", "error_type"),
        [(ValueError("bad"), "ValueError"), (SystemExit(3), "SystemExit"), (KeyboardInterrupt(), "KeyboardInterrupt")],
        ids=["exception", "SystemExit", "KeyboardInterrupt"],
    )
    async def test_whatever_a_handler_raises_fails_its_run_alone(
        self, handler: ScriptedJobHandler, error: BaseException, error_type: str
    ) -> None:
        async def script(context: JobContext) -> JobResult:
            if context.job_data:
                raise error
            return JobResult(success=True)

        handler.script = script
        async with running():
            bad, good = await queue(job_data={"bad": True}), await queue()
            bad, good = await ended(bad), await ended(good)

        assert (bad.state, bad.error_type, good.state) == ("failed", error_type, "succeeded")
        assert "Traceback" in bad.error
        assert any(call.startswith("failure") for call in handler.calls)

    async def test_an_exception_without_text_does_not_hinder_the_end(self, handler: ScriptedJobHandler) -> None:
        class MuteError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        async def script(context: JobContext) -> JobResult:
            raise MuteError

        handler.script = script
        async with running():
            run = await ended(await queue())

        assert (run.state, run.error_type) == ("failed", "MuteError")

    async def test_a_result_of_the_wrong_type_fails_the_run(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> object:
            return "done"

        handler.script = script
        async with running():
            run = await ended(await queue())

        assert run.state == "failed"
        assert "not a JobResult" in run.message

    async def test_an_unknown_handler_fails_the_run_by_name(self) -> None:
        async with running():
            run = await ended(await queue(await off_loop(make_job)(handler="scriptd")))

        assert (run.state, run.error_type) == ("failed", "UnknownHandler")
        assert "“scriptd”" in run.message

    async def test_a_hooks_own_error_changes_no_outcome(
        self, handler: ScriptedJobHandler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def on_success(context: JobContext, result: JobResult) -> None:
            raise ValueError("hook")

        monkeypatch.setattr(handler, "on_success", on_success)
        handler.script = succeed
        async with running():
            assert (await ended(await queue())).state == "succeeded"


class TestRetries:
    @pytest.mark.parametrize("way", ["exception", "result"])
    async def test_both_ways_of_failing_are_tried_again(self, handler: ScriptedJobHandler, way: str) -> None:
        async def script(context: JobContext) -> JobResult:
            if context.retry_count == 2:
                return JobResult(success=True)
            if way == "exception":
                raise ConnectionError("gone")
            return JobResult(success=False, exception=ConnectionError("gone"))

        handler.script = script
        async with running():
            run = await ended(await queue(max_retries=3))

        assert (run.state, run.retry_count) == ("succeeded", 2)
        assert handler.calls == ["retry 1 ConnectionError", "retry 2 ConnectionError", "success"]
        assert [context.retry_count for context in handler.contexts] == [0, 1, 2]

    async def test_the_retries_end(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            raise TimeoutError("slow")

        handler.script = script
        async with running():
            run = await ended(await queue(max_retries=1))

        assert (run.state, run.retry_count, run.error_type) == ("failed", 1, "TimeoutError")
        assert handler.calls == ["retry 1 TimeoutError", "failure TimeoutError: slow"]

    async def test_a_recovered_run_goes_on_counting(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            raise ConnectionError

        handler.script = script
        async with running():
            run = await queue(max_retries=2)
            await ended(run)
            again = await queue(max_retries=2)
            await ended(again)
            await off_loop(JobRun.objects.filter(pk=again.pk).update)(state="queued", retry_count=2, finished_at=None)
            handler.contexts.clear()
            await ended(again)

        assert [context.retry_count for context in handler.contexts] == [2]

    async def test_a_sleeping_retry_leaves_its_place_to_others(
        self, handler: ScriptedJobHandler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handler, "get_retry_delay", lambda _attempt: 3600.0)

        async def script(context: JobContext) -> JobResult:
            if context.job_data:
                raise ConnectionError
            return JobResult(success=True)

        handler.script = script
        async with running(max_workers=1) as (runner, _liveness):
            sleeper = await queue(job_data={"fail": True}, max_retries=3)
            await until(lambda: handler.calls)
            assert (await ended(await queue())).state == "succeeded"
            asleep = await state(sleeper)
            assert (asleep.state, asleep.retry_count, asleep.slot, asleep.claim) == ("running", 1, 0, 1)
            assert runner.running == 1
        handed_back = await state(sleeper)
        assert (handed_back.state, handed_back.retry_count) == ("queued", 1)
        assert handed_back.attempt_at is not None
        rest = handed_back.available_at - handed_back.attempt_at
        assert rest == pytest.approx(timedelta(hours=1), abs=timedelta(minutes=1)), "the pause goes on in the queue"


class TestTimeoutAndCancel:
    async def test_the_time_out_cancels_and_never_retries(self, handler: ScriptedJobHandler) -> None:
        released = asyncio.Event()

        async def script(context: JobContext) -> JobResult:
            try:
                return await hang(context)
            finally:
                released.set()

        handler.script = script
        async with running():
            run = await ended(await queue(timeout=0.05, max_retries=3))

        assert (run.state, run.error_type, run.retry_count) == ("failed", "RunTimeout", 0)
        assert released.is_set()
        assert handler.calls == [f"failure {run.message}"]

    async def test_the_time_out_is_of_the_whole_run_and_does_not_begin_anew_elsewhere(
        self, handler: ScriptedJobHandler
    ) -> None:
        handler.script = succeed
        async with running():
            over = await ended(await queue_of(execution_time=60.0, timeout=60.0))
            in_time = await ended(await queue_of(execution_time=60.0, timeout=90.0))

        assert (over.state, over.error_type) == ("failed", "RunTimeout")
        assert (in_time.state, len(handler.contexts)) == ("succeeded", 1)
        assert in_time.execution_time == pytest.approx(60, abs=10)

    async def test_a_cancel_asked_in_the_database_is_heard(self, handler: ScriptedJobHandler) -> None:
        handler.script = hang
        async with running():
            run = await queue(max_retries=3)
            await until(lambda: handler.contexts)
            await off_loop(JobRun.objects.filter(pk=run.pk).update)(cancel_requested_at=timezone.now())
            run = await ended(run)

        assert (run.state, run.message, run.retry_count) == ("cancelled", "Cancelled.", 0)
        assert handler.contexts[0].stopping.is_set()

    async def test_a_handler_that_ignores_its_cancel_is_abandoned_and_named(
        self, handler: ScriptedJobHandler, caplog: pytest.LogCaptureFixture
    ) -> None:
        free = asyncio.Event()
        wrote: list[str] = []

        async def script(context: JobContext) -> JobResult:
            while not free.is_set():
                try:
                    await free.wait()
                except asyncio.CancelledError:
                    continue
            try:
                await context.effects(wrote.append, "late")
            except (ClaimLost, RuntimeError) as error:
                wrote.append(type(error).__name__)
            return JobResult(success=True)

        handler.script = script
        async with running(cancel_grace=0.05) as (runner, _liveness):
            run = await ended(await queue(timeout=0.05))
            assert (await ended(await queue(timeout=0.05))).state == "failed"
            await until(lambda: runner.running == 0)
            gauges = runner.gauges()
            free.set()
            await until(lambda: len(wrote) == 2)

        assert (run.state, run.error_type) == ("failed", "RunTimeout")
        assert "handler scripted ignores its cancel and was abandoned" in run.message
        assert "ignores its cancel" in await log_of(run)
        assert "late" not in wrote
        assert any("abandoned" in record.message and "scripted" in record.message for record in caplog.records)
        assert gauges["abandoned_handlers"] == 2
        assert next(one["run"] for one in gauges["abandoned"]) == run.pk  # type: ignore[attr-defined]
        assert runner.gauges() == {"places_used": 0, "abandoned_handlers": 0}

    async def test_a_thread_that_does_not_end_is_left_behind_and_named(self, handler: ScriptedJobHandler) -> None:
        free = threading.Event()

        async def script(context: JobContext) -> JobResult:
            await sync_to_async(free.wait)(30)
            return JobResult(success=True)

        handler.script = script
        async with running(cancel_grace=0.05) as (runner, _liveness):
            run = await ended(await queue(timeout=0.05))
            left = runner.gauges()
            free.set()
            await until(lambda: runner.gauges()["abandoned_handlers"] == 0)

        assert (run.state, run.error_type) == ("failed", "RunTimeout")
        assert next(one["run"] for one in left["abandoned"]) == run.pk  # type: ignore[attr-defined]
        log = await log_of(run)
        assert "A thread of the handler does not end" in log
        assert "self._cond.wait" in log

    async def test_a_handler_that_cancels_itself_has_failed(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            raise asyncio.CancelledError

        handler.script = script
        async with running():
            run = await ended(await queue())

        assert (run.state, run.error_type) == ("failed", "CancelledError")

    async def test_a_run_that_was_given_away_stops_and_says_claim_lost(self, handler: ScriptedJobHandler) -> None:
        handler.script = hang
        told: list[events.RunEvent] = []
        unsubscribe = events.subscribe(told.append)

        def give_away(run: JobRun) -> JobRun:
            other = make_process(kind="worker")
            JobRun.objects.filter(pk=run.pk).update(owner=other, claim=2)
            return JobRun.objects.get(pk=run.pk)

        async with running() as (runner, _liveness):
            run = await queue()
            await until(lambda: handler.contexts)
            before = await off_loop(give_away)(run)
            await until(lambda: runner.running == 0)
        unsubscribe()

        assert (await state(run)).__dict__ | {"_state": None} == before.__dict__ | {"_state": None}
        assert [event.kind for event in told] == ["run_started", "claim_lost"]


class TestBlockedLoop:
    async def test_who_blocks_the_loop_is_named_in_log_and_process_while_it_does(
        self, handler: ScriptedJobHandler, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: dict[str, object] = {}

        def look(run_id: int) -> None:
            """From a thread of its own: the loop's is blocked."""
            end = monotonic() + 60
            while not seen.get("log") and monotonic() < end:
                seen["log"] = "".join(RunLog.objects.filter(run=run_id).values_list("text", flat=True))
                seen["gauges"] = Process.objects.get().gauges
            connections.close_all()

        def block(run_id: int) -> None:
            thread = threading.Thread(target=look, args=(run_id,))
            thread.start()
            thread.join()

        async def script(context: JobContext) -> JobResult:
            block(context.run_id)
            return JobResult(success=True)

        handler.script = script
        watchdog = Watchdog(warn_seconds=0.05, interval=0.02)
        async with running(watchdog=watchdog) as (_runner, liveness):
            run = await ended(await queue())
            await until(lambda: any("free again" in record.message for record in caplog.records))
            await off_loop(liveness.beat_and_reap)()
            after = (await off_loop(Process.objects.get)()).gauges

        during = seen["gauges"]["blocked_by"]  # type: ignore[index]
        assert (during["run"], during["handler"], during["ended"]) == (run.pk, "scripted", False)
        assert "in block" in str(seen["log"])
        assert any("blocked for" in record.message and f"run #{run.pk}" in record.message for record in caplog.records)
        assert (after["blocked_by"]["run"], after["blocked_by"]["ended"]) == (run.pk, True)


class TestDrain:
    async def test_a_handler_may_end_within_the_limit(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            await context.stopping.wait()
            return JobResult(success=True, message="in time")

        handler.script = script
        async with running():
            run = await queue()
            await until(lambda: handler.contexts)

        assert (await state(run)).message == "in time"

    async def test_what_stops_at_a_good_point_is_handed_back(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            await context.stopping.wait()
            raise RunStopped

        handler.script = script
        async with running():
            run = await queue()
            await until(lambda: handler.contexts)

        run = await state(run)
        assert (run.state, run.recoveries) == ("queued", 0)

    async def test_what_is_left_after_the_limit_is_cancelled_and_handed_back(self, handler: ScriptedJobHandler) -> None:
        handler.script = hang
        async with running(drain=0.05):
            run = await queue()
            await until(lambda: handler.contexts)

        run = await state(run)
        assert (run.state, run.owner_id) == ("queued", None)
        assert (await off_loop(Process.objects.get)()).state == "stopped"


class TestThreadsAndEffects:
    async def test_each_run_has_a_thread_and_a_connection_of_its_own(self, handler: ScriptedJobHandler) -> None:
        seen: dict[int, set[str]] = {}

        def look() -> str:
            assert connection.in_atomic_block
            return threading.current_thread().name

        async def script(context: JobContext) -> JobResult:
            names = {await context.effects(look) for _ in range(3)}
            names |= {await asyncio.create_task(context.effects(look))}
            names |= {await sync_to_async(lambda: threading.current_thread().name)()}
            seen[context.run_id] = names
            return JobResult(success=True)

        handler.script = script
        async with running():
            runs = [await queue() for _ in range(3)]
            states = [(await ended(run)).state for run in runs]

        assert states == ["succeeded"] * 3
        assert all(len(names) == 1 for names in seen.values())
        assert len(set.union(*seen.values())) == 3
        assert not any(thread.name.startswith("run-") for thread in threading.enumerate())

    async def test_effects_behind_a_lost_claim_are_not_called(self, handler: ScriptedJobHandler) -> None:
        called: list[int] = []

        async def script(context: JobContext) -> JobResult:
            await sync_to_async(JobRun.objects.filter(pk=context.run_id).update)(claim=9)
            await context.effects(called.append, 1)
            return JobResult(success=True)

        handler.script = script
        async with running() as (runner, _liveness):
            run = await queue()
            await until(lambda: handler.contexts and runner.running == 0)

        assert called == []
        assert (await state(run)).claim == 9

    async def test_a_failing_effect_leaves_nothing(self, handler: ScriptedJobHandler) -> None:
        def rename_and_fail() -> None:
            ScheduledJob.objects.update(name="renamed")
            raise ValueError("after the write")

        async def script(context: JobContext) -> JobResult:
            await context.effects(rename_and_fail)
            return JobResult(success=True)

        handler.script = script
        async with running():
            run = await ended(await queue())

        assert run.state == "failed"
        assert (await off_loop(ScheduledJob.objects.get)()).name != "renamed"

    async def test_log_and_progress_are_stored_while_the_run_runs(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            for number in range(100):
                context.log(f"line {number}")
            context.progress(0.5, "half way")
            await context.stopping.wait()
            context.log("the end")
            return JobResult(success=True, message="over")

        handler.script = script
        async with running():
            run = await queue()
            await until(lambda: handler.contexts)
            end = monotonic() + 60
            while (await state(run)).message != "50% half way":
                assert monotonic() < end
                await asyncio.sleep(0.01)
        texts = await off_loop(list)(RunLog.objects.filter(run=run).values_list("text", flat=True))
        lines = "\n".join(texts).split("\n")
        assert [line.split(" ", 1)[1] for line in lines] == [*(f"line {n}" for n in range(100)), "the end"]
        assert (await state(run)).message == "over"

    async def test_a_locked_database_is_waited_for(
        self, handler: ScriptedJobHandler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link, "FIRST_BACK_OFF", 0.001)
        answers: list[Exception | str] = [OperationalError("locked"), OperationalError("locked"), "written"]

        def write() -> str:
            match answers.pop(0):
                case Exception() as error:
                    raise error
                case answer:
                    return answer

        async def script(context: JobContext) -> JobResult:
            return JobResult(success=True, message=await context.effects(write))

        handler.script = script
        async with running():
            assert (await ended(await queue())).message == "written"


class TestWorkers:
    async def test_no_more_run_at_once_than_there_are_workers(self, handler: ScriptedJobHandler) -> None:
        now, most = 0, 0

        async def script(context: JobContext) -> JobResult:
            nonlocal now, most
            now, most = now + 1, max(most, now + 1)
            await asyncio.sleep(0)
            now -= 1
            return JobResult(success=True)

        handler.script = script
        async with running(max_workers=2) as (runner, _liveness):
            runs = [await queue() for _ in range(12)]
            await runner.wait_until_idle()
            states = {(await state(run)).state for run in runs}

        assert states == {"succeeded"}
        assert most <= 2

    async def test_a_run_that_we_own_and_do_not_execute_is_taken_back(self, handler: ScriptedJobHandler) -> None:
        handler.script = succeed
        async with running() as (_runner, liveness):
            process = liveness.process
            assert process is not None

            def stray() -> JobRun:
                job = make_job(handler="scripted")
                return make_run(job, state="running", owner=process, claim=7, slot=0, started_at=timezone.now())

            run = await ended(await off_loop(stray)())

        assert (run.state, run.claim, run.recoveries) == ("succeeded", 8, 1)

    async def test_an_end_that_is_refused_fails_the_run_and_says_so(
        self, handler: ScriptedJobHandler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = endings.finish

        def refuse_success(claimed: claims.Claimed, outcome: endings.Outcome, *args: object) -> None:
            if outcome.state == "succeeded":
                raise ValueError("receiver says no")
            real(claimed, outcome, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(endings, "finish", refuse_success)
        handler.script = succeed
        async with running():
            run = await ended(await queue())

        assert run.state == "failed"
        assert "receiver says no" in run.message


class TestForeground:
    def test_a_foreground_run_runs_and_tells_its_progress(self, handler: ScriptedJobHandler) -> None:
        async def script(context: JobContext) -> JobResult:
            context.progress(0.5, "half")
            return JobResult(success=True, message="fine")

        handler.script = script
        told: list[tuple[float | None, str]] = []

        run = run_in_foreground("scripted", {"a": 1}, on_progress=lambda *progress: told.append(progress))

        assert (run.state, run.message, run.cause) == ("succeeded", "fine", "command")
        assert told == [(0.5, "half")]
        process = Process.objects.get()
        assert (process.kind, process.state) == ("command", "stopped")

    def test_a_busy_key_is_refused(self, handler: ScriptedJobHandler) -> None:
        handler.script = succeed
        holder = make_run(exclusive_key="k")
        other = make_process(kind="worker")
        claims.claim(other, timezone.now(), 1)

        with pytest.raises(RunBusy) as refused:
            run_in_foreground("scripted", {"key": "k"})

        assert refused.value.run_id == holder.pk
        assert JobRun.objects.count() == 1

    def test_a_time_out_ends_it(self, handler: ScriptedJobHandler) -> None:
        handler.script = hang

        assert run_in_foreground("scripted", {}, timeout=0.05).error_type == "RunTimeout"

    def test_ctrl_c_cancels_it(self, handler: ScriptedJobHandler) -> None:
        import os
        import signal

        async def script(context: JobContext) -> JobResult:
            os.kill(os.getpid(), signal.SIGINT)
            return await hang(context)

        handler.script = script

        assert run_in_foreground("scripted", {}).state == "cancelled"

    def test_ctrl_c_ends_the_wait_for_a_database_too(
        self, handler: ScriptedJobHandler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import os
        import signal

        async def wait_for_ever(self: Liveness) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

        monkeypatch.setattr(Liveness, "start", wait_for_ever)

        with pytest.raises(RunStopped, match="nothing was run"):
            run_in_foreground("scripted", {})
        assert JobRun.objects.count() == 0
