"""The façade, and the two commands over it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from io import StringIO
from time import monotonic
from typing import TypeVar

import pytest
from apscheduler import events
from apscheduler.events import SchedulerEvent
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from scheduling import definitions, liveness, registry
from scheduling import scheduler as scheduler_module
from scheduling.conf import SchedulerSettings
from scheduling.contract import JobContext, JobHandler, JobResult
from scheduling.exceptions import InvalidJob, JobExists, JobNotFound
from scheduling.models import JobRun, Process, ScheduledJob
from scheduling.scheduler import TaskScheduler, get_status
from tests.db.processes import make_process

from .making import off_loop

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
HOURLY = {"type": "interval", "hours": 1}


class QuickJobHandler(JobHandler):
    async def execute(self, context: JobContext) -> JobResult:
        if context.job_data.get("fail"):
            raise ValueError("asked to fail")
        return JobResult(success=True, message="done")


class EndlessJobHandler(JobHandler):
    async def execute(self, context: JobContext) -> JobResult:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    for handler in (QuickJobHandler, EndlessJobHandler):
        registry.register(handler)
    yield
    for handler in (QuickJobHandler, EndlessJobHandler):
        registry.unregister(handler)


@pytest.fixture
async def _edits_leave_no_connection() -> AsyncIterator[None]:
    """Edits without a lane run in asgiref's thread: its connection would bar the database's end."""
    yield
    await sync_to_async(connections.close_all)()


async def until(question: Callable[[], T], *, seconds: float = 60.0) -> T:
    end = monotonic() + seconds
    while not (answer := await off_loop(question)()):
        assert monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)
    return answer


def state_of(job_id: str) -> str:
    run = JobRun.objects.filter(job_key=job_id).order_by("-pk").first()
    return run.state if run is not None else ""


async def test_one_time_job_runs_and_its_definition_goes() -> None:
    scheduler = TaskScheduler()
    await scheduler.start()
    try:
        await scheduler.add_one_time_job(job_id="now", handler_class_name="QuickJobHandler")
        await until(lambda: state_of("now") == "succeeded")
        assert await off_loop(scheduler.get_job)("now") is None
    finally:
        await scheduler.shutdown()


async def test_stock_listener_hears_executions_and_errors() -> None:
    heard: list[SchedulerEvent] = []
    scheduler = TaskScheduler()
    await scheduler.start()
    try:
        assert scheduler.timer is not None
        scheduler.timer.add_listener(heard.append, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
        await scheduler.add_one_time_job(job_id="good", handler_class_name="quick")
        await scheduler.add_one_time_job(job_id="bad", handler_class_name="quick", job_data={"fail": True})
        await until(lambda: len(heard) == 2)
    finally:
        await scheduler.shutdown()

    by_job = {event.job_id: event for event in heard}
    assert by_job["good"].code == events.EVENT_JOB_EXECUTED
    assert by_job["bad"].code == events.EVENT_JOB_ERROR
    assert isinstance(by_job["bad"].exception, ValueError)


async def test_nothing_of_a_whole_life_touches_the_database_in_the_loops_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop_thread = threading.get_ident()
    offences: list[str] = []
    for name in ("ensure_connection", "cursor", "close", "commit"):
        original = getattr(BaseDatabaseWrapper, name)

        def method(
            self: BaseDatabaseWrapper,
            *args: object,
            _name: str = name,
            _original: Callable[..., object] = original,
            **kwargs: object,
        ) -> object:
            if threading.get_ident() == loop_thread:
                offences.append(_name)
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(BaseDatabaseWrapper, name, method)
    scheduler = TaskScheduler()
    await scheduler.start()
    await scheduler.add_job(job_id="job", handler_class_name="quick", trigger={"type": "interval", "seconds": 1})
    await until(lambda: state_of("job") == "succeeded")
    await scheduler.shutdown()

    assert offences == []


async def test_shutdown_hands_back_what_does_not_end_and_ends_the_process_row() -> None:
    scheduler = TaskScheduler()
    await scheduler.start()
    await scheduler.add_one_time_job(job_id="endless", handler_class_name="endless")
    await until(lambda: state_of("endless") == "running")

    await scheduler.shutdown(drain_seconds=0)

    assert await off_loop(state_of)("endless") == "queued"
    assert await off_loop(Process.objects.get)() is not None
    assert (await off_loop(Process.objects.get)()).state == "stopped"


async def test_start_plans_jobs_anew_whose_row_was_deleted() -> None:
    scheduler = TaskScheduler()
    await scheduler.start()
    try:
        await scheduler.add_job(job_id="probe", handler_class_name="quick", trigger=HOURLY)
    finally:
        await scheduler.shutdown()
    await off_loop(DjangoJob.objects.all().delete)()

    again = TaskScheduler()
    await again.start()
    await again.shutdown()

    planned = await off_loop(lambda: DjangoJob.objects.get(pk="probe").next_run_time)()
    assert planned > timezone.now()


async def test_rows_deleted_while_it_runs_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "RESTORE_SECONDS", 0.05)
    scheduler = TaskScheduler()
    await scheduler.start()
    try:
        await scheduler.add_job(job_id="probe", handler_class_name="quick", trigger=HOURLY)
        await off_loop(DjangoJob.objects.all().delete)()
        assert await until(lambda: DjangoJob.objects.filter(pk="probe").exists())
    finally:
        await scheduler.shutdown()


async def test_run_now_begins_at_once() -> None:
    scheduler = TaskScheduler()
    await scheduler.start()
    try:
        await scheduler.add_job(job_id="probe", handler_class_name="quick", trigger=HOURLY)
        run = await off_loop(definitions.run_now)("probe")
        [begun] = await until(lambda: list(JobRun.objects.filter(pk=run.pk, started_at__isnull=False)))
        assert begun.started_at is not None
        assert begun.started_at - begun.queued_at < timedelta(seconds=30)
    finally:
        await scheduler.shutdown()


async def test_shutdown_ends_though_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "STOP_SECONDS", 0.1)
    scheduler = TaskScheduler()
    await scheduler.start()

    def gone(process: Process) -> None:
        raise OperationalError("the server is gone")

    monkeypatch.setattr(liveness, "mark_stopped", gone)
    await asyncio.wait_for(scheduler.shutdown(0), 60)


async def test_start_and_shutdown_may_be_called_twice() -> None:
    scheduler = TaskScheduler()
    await scheduler.start()
    await scheduler.start()
    await scheduler.shutdown()
    await scheduler.shutdown()

    assert await off_loop(Process.objects.count)() == 1


@pytest.mark.usefixtures("_edits_leave_no_connection")
async def test_add_job_refuses_an_id_that_exists() -> None:
    scheduler = TaskScheduler()
    await scheduler.add_job(job_id="job", handler_class_name="quick", trigger=HOURLY)

    with pytest.raises(JobExists):
        await scheduler.add_job(job_id="job", handler_class_name="quick", trigger=HOURLY)


@pytest.mark.usefixtures("_edits_leave_no_connection")
async def test_add_job_names_what_is_wrong() -> None:
    with pytest.raises(InvalidJob) as caught:
        await TaskScheduler().add_job(
            job_id="job", handler_class_name="quick", trigger={"type": "interval"}, max_instances=0
        )

    assert {place for place, _message in caught.value.problems} == {"trigger.seconds", "policies.max_instances"}


@pytest.mark.usefixtures("_edits_leave_no_connection")
async def test_add_job_takes_policies() -> None:
    job = await TaskScheduler().add_job(
        job_id="job", handler_class_name="QuickJobHandler", trigger=HOURLY, name="A job", coalesce=True, overlap="wait"
    )

    assert (job.handler, job.name, job.coalesce, job.overlap) == ("quick", "A job", True, "wait")


def test_jobs_are_paused_resumed_and_removed_by_synchronous_callers() -> None:
    scheduler = TaskScheduler()
    definitions.save_job(definitions.parse_job({"job_id": "job", "handler": "quick", "trigger": HOURLY}))

    assert scheduler.pause_job("job").paused_at is not None
    assert scheduler.get_status()["paused_jobs"] == 1
    assert scheduler.resume_job("job").paused_at is None
    scheduler.remove_job("job")
    assert scheduler.get_job("job") is None
    with pytest.raises(JobNotFound):
        scheduler.remove_job("job")


def test_status_without_a_live_scheduler_is_stopped() -> None:
    make_process(state="stopped")
    make_process(kind="command")

    status = get_status()

    assert (status["status"], status["uptime"]) == ("stopped", 0.0)
    assert [process["kind"] for process in status["processes"]] == ["command"]


def test_status_is_read_from_the_database() -> None:
    began = timezone.now() - timedelta(minutes=5)
    process = make_process(started_at=began, gauges={"tick_lateness_seconds": 1.5})
    job = ScheduledJob.objects.create(job_id="job", name="job", handler="quick", trigger=HOURLY, problem="gone")
    common = {"job": job, "job_key": "job", "job_name": "job", "cause": "fanout", "queued_at": began}
    JobRun.objects.create(**common, scheduled_time=began, available_at=began, state="queued")
    JobRun.objects.create(
        **common, scheduled_time=began, available_at=began, state="running", owner=process, started_at=began, slot=0
    )

    status = get_status()

    assert status["status"] == "running"
    assert 300 <= status["uptime"] < 360
    assert (status["job_count"], status["running_jobs"], status["queued_runs"], status["broken_jobs"]) == (1, 1, 1, 1)
    assert status["processes"][0]["running"] == 1
    assert (status["lateness"], status["processes"][0]["lateness"]) == (0.0, 1.5)


def test_status_of_a_paused_scheduler() -> None:
    make_process()
    definitions.pause_all("ada", note="the disk is changed")
    status = get_status()
    assert (status["status"], status["paused_by"], status["note"]) == ("paused", "ada", "the disk is changed")
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("schedulerstatus", stdout=out)
    assert f"Everything is paused since {status['paused_at']} by ada: the disk is changed" in out.getvalue()


def test_settings_are_the_specifications() -> None:
    assert TaskScheduler(SchedulerSettings(max_workers=2)).settings.max_workers == 2


# --- schedulerstatus --------------------------------------------------------------------------------------------------


def test_schedulerstatus_ends_with_1_when_nothing_runs() -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("schedulerstatus", stdout=out)

    assert caught.value.code == 1
    assert "Scheduler: stopped" in out.getvalue()


def test_schedulerstatus_prints_json() -> None:
    make_process()
    out = StringIO()

    call_command("schedulerstatus", "--json", stdout=out)

    status = json.loads(out.getvalue())
    assert status["status"] == "running"
    assert status["processes"][0]["pid"] == 1


def test_everything_is_paused_and_resumed_from_the_shell() -> None:
    out = StringIO()
    call_command("pauseall", "--note", " the disk is changed\x1b[2J ", stdout=out)
    call_command("pauseall", "--note", "another", stdout=out)
    told = f"by manage.py pauseall: the disk is changed{chr(92)}x1b[2J\n"
    assert out.getvalue().count(told) == 2
    call_command("resumeall", stdout=out)
    assert get_status()["paused_at"] is None
    with pytest.raises(CommandError) as caught:
        call_command("pauseall", "--note", "x" * 201)
    assert (caught.value.returncode, get_status()["paused_at"]) == (2, None)


def test_schedulerstatus_says_that_a_hosts_budget_is_per_process() -> None:
    make_process()
    make_process(pid=8)
    out = StringIO()

    call_command("schedulerstatus", stdout=out)

    assert "each keeps a host's concurrency" in out.getvalue()


# --- runscheduler -----------------------------------------------------------------------------------------------------


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("runscheduler", *arguments)
    assert caught.value.returncode == 2
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_runscheduler_refuses_a_database_that_is_not_migrated() -> None:
    applied = MigrationRecorder(connection).migration_qs.filter(app="scheduling").order_by("-id")[:1].get()
    applied.delete()
    try:
        assert "migrations are not applied: run `manage.py migrate` first." in refusal()
    finally:
        applied.save(force_insert=True)


def test_runscheduler_refuses_a_database_of_a_later_release() -> None:
    MigrationRecorder(connection).record_applied("scheduling", "9999_from_the_future")
    try:
        assert "later release (it has scheduling.9999_from_the_future)" in refusal()
    finally:
        MigrationRecorder(connection).record_unapplied("scheduling", "9999_from_the_future")


def test_runscheduler_refuses_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in refusal("--web", f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--web", "nowhere"], id="no address"),
        pytest.param(["--once", "--processes", "2"], id="once in two"),
    ],
)
def test_runscheduler_refuses_what_makes_no_sense(arguments: list[str]) -> None:
    assert refusal(*arguments)


def test_runscheduler_once_runs_what_is_due_now() -> None:
    definitions.create_one_off(job_id="now", handler="quick", job_data={})
    definitions.create_one_off(
        job_id="later", handler="quick", job_data={}, run_date=timezone.now() + timedelta(hours=1)
    )

    # in a thread, as a command's own: a test's may have a loop already
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call_command("runscheduler", "--once")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)

    assert not thread.is_alive()
    assert failures == []
    assert (state_of("now"), state_of("later")) == ("succeeded", "")
    assert ScheduledJob.objects.filter(job_id="later").exists()
