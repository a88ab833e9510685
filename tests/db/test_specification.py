"""Every class, method, field and default that was specified, in one table."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from crawler.engine.spider import Manners
from crawler.manager import CrawlerManager, get_manager
from crawler.models import CrawlTask
from crawler.tasks import CrawlTaskService, new_task_id, request_crawl, scheduler_status
from scheduling import definitions, registry, retry
from scheduling.conf import SchedulerSettings
from scheduling.contract import JobContext, JobHandler, JobResult
from scheduling.models import JobRun, ScheduledJob
from scheduling.runner import Runner
from scheduling.scheduler import TaskScheduler, get_status
from tests.db.processes import make_process

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = inspect.Parameter.empty
PREFIXES: Mapping[object, str] = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.KEYWORD_ONLY: "*"}
COROUTINE, FUNCTION = True, False
DOCUMENT: Mapping[str, object] = {
    "job_id": "j",
    "handler": "ReportJobHandler",
    "job_data": {"period": "day"},
    "trigger": {"type": "interval", "seconds": 60},
}


# --- what is looked at ------------------------------------------------------------------------------------------------


def shape(owner: type, name: str) -> Callable[[], object]:
    """Of a method: whether it is a coroutine, and its parameters with their defaults; `*` before keyword-only ones."""

    def look() -> object:
        method = getattr(owner, name)
        parameters: dict[str, object] = {}
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            parameters[PREFIXES.get(parameter.kind, "") + parameter.name] = parameter.default
        return inspect.iscoroutinefunction(method), parameters

    return look


def fields(owner: type, *names: str) -> Callable[[], object]:
    """Which of `names` a dataclass has as fields, or as properties."""

    def look() -> object:
        known = {field.name for field in dataclasses.fields(owner)} | {
            name for name in dir(owner) if isinstance(getattr(owner, name), property)
        }
        return [name for name in names if name in known]

    return look


def policy(name: str) -> Callable[[], object]:
    """A default as a new job has it in the end."""
    return lambda: getattr(definitions.create_job(definitions.parse_job(DOCUMENT)), name)


def retried(exception: BaseException | None) -> Callable[[], object]:
    return lambda: JobHandler().should_retry(exception, 1)


def words_of_scheduler_status() -> object:
    told = {"": scheduler_status(CrawlTask())}
    return told | {state: scheduler_status(CrawlTask(run=JobRun(state=state))) for state in JobRun.State.values}


def words_of_status() -> object:
    told = [get_status()["status"]]
    make_process(host="h/b/n", max_workers=4)
    told.append(get_status()["status"])
    definitions.pause_all()
    return [*told, get_status()["status"]]


def task_id_at_home_and_abroad() -> object:
    """Of one moment, in two zones of the scheduler; the four characters at the end as a pattern."""
    moment = datetime(2026, 12, 31, 18, tzinfo=UTC)
    told = []
    for zone in ("Asia/Shanghai", "UTC"):
        with override_settings(SCHEDULER_TIMEZONE=zone):
            told.append(re.sub(r"_[a-z0-9]{4}$", "_xxxx", new_task_id("all", moment)))
    return told


def a_one_offs_task_is_its_job() -> object:
    task = request_crawl("all")
    return ScheduledJob.objects.get(one_time=True).job_id == task.task_id


def adding_twice() -> object:
    arguments = {"job_id": "j", "handler_class_name": "report", "trigger": DOCUMENT["trigger"]}

    async def add() -> object:
        scheduler = TaskScheduler()
        await scheduler.add_job(**arguments)  # type: ignore[arg-type]
        try:
            await scheduler.add_job(**arguments)  # type: ignore[arg-type]
        except Exception as error:
            return type(error).__name__
        return None

    return async_to_sync(add)()


def predefined_jobs() -> object:
    """What comes with the product; then again after one was deleted."""
    definitions.predefine()
    first = sorted(ScheduledJob.objects.values_list("job_id", flat=True))
    definitions.delete_job("nightly-retention")
    definitions.predefine()
    return first, sorted(ScheduledJob.objects.values_list("job_id", flat=True))


def one_client() -> object:
    async def look() -> object:
        first, second = await get_manager(), await get_manager()
        client = first.client
        same = isinstance(client, httpx.AsyncClient) and second.client is client
        await first.close()
        return same, client.is_closed

    return asyncio.run(look())


def dumped_handler() -> object:
    return definitions.dump_job(definitions.create_job(definitions.parse_job(DOCUMENT)))["handler"]


def results_of_failing_both_ways() -> object:
    """One decision for an exception and for a result without success: the handler is asked in both."""
    return [
        retry.decide(JobHandler(), success=False, exception=exception, attempt=1, max_retries=3)
        for exception in (ConnectionError(), None, ValueError())
    ]


# --- the table --------------------------------------------------------------------------------------------------------

CONTEXT_AND_RESULT = {"context": NOWHERE, "result": NOWHERE}
ROWS: dict[str, tuple[Callable[[], object], object]] = {
    # TaskScheduler
    "TaskScheduler.start": (shape(TaskScheduler, "start"), (COROUTINE, {})),
    "TaskScheduler.shutdown": (shape(TaskScheduler, "shutdown"), (COROUTINE, {"drain_seconds": None})),
    "TaskScheduler.add_job": (
        shape(TaskScheduler, "add_job"),
        (
            COROUTINE,
            {
                "*job_id": NOWHERE,
                "*handler_class_name": NOWHERE,
                "*trigger": NOWHERE,
                "*job_data": None,
                "*name": None,
                "**policies": NOWHERE,
            },
        ),
    ),
    "TaskScheduler.add_job on an existing id": (adding_twice, "JobExists"),
    "TaskScheduler.add_one_time_job": (
        shape(TaskScheduler, "add_one_time_job"),
        (COROUTINE, {"*job_id": NOWHERE, "*handler_class_name": NOWHERE, "*job_data": None, "*run_date": None}),
    ),
    "TaskScheduler.remove_job": (shape(TaskScheduler, "remove_job"), (FUNCTION, {"job_id": NOWHERE})),
    "TaskScheduler.pause_job": (shape(TaskScheduler, "pause_job"), (FUNCTION, {"job_id": NOWHERE})),
    "TaskScheduler.resume_job": (shape(TaskScheduler, "resume_job"), (FUNCTION, {"job_id": NOWHERE})),
    "TaskScheduler.get_job": (shape(TaskScheduler, "get_job"), (FUNCTION, {"job_id": NOWHERE})),
    "TaskScheduler.get_status": (shape(TaskScheduler, "get_status"), (FUNCTION, {})),
    "get_status keys": (
        lambda: [
            key
            for key in ("status", "job_count", "running_jobs", "paused_jobs", "uptime")
            if key in TaskScheduler().get_status()
        ],
        ["status", "job_count", "running_jobs", "paused_jobs", "uptime"],
    ),
    "get_status words": (words_of_status, ["stopped", "running", "paused"]),
    # JobContext and JobResult
    "JobContext fields": (
        fields(
            *(JobContext, "job_id", "job_name", "trigger_time", "scheduled_time", "job_data", "executor"),
            *("retry_count", "max_retries", "run_id", "stopping"),
        ),
        [
            *("job_id", "job_name", "trigger_time", "scheduled_time", "job_data", "executor"),
            *("retry_count", "max_retries", "run_id", "stopping"),
        ],
    ),
    "JobContext.log": (shape(JobContext, "log"), (FUNCTION, {"line": NOWHERE})),
    "JobContext.progress": (shape(JobContext, "progress"), (FUNCTION, {"fraction": NOWHERE, "message": ""})),
    "JobContext.effects": (lambda: inspect.iscoroutinefunction(JobContext.effects), COROUTINE),
    "JobResult fields": (
        fields(*(JobResult, "success", "message", "data", "exception", "execution_time", "timestamp", "retry_count")),
        ["success", "message", "data", "exception", "execution_time", "timestamp", "retry_count"],
    ),
    # JobHandler
    "JobHandler.execute": (shape(JobHandler, "execute"), (COROUTINE, {"context": NOWHERE})),
    "JobHandler.execute_with_retry": (shape(JobHandler, "execute_with_retry"), (COROUTINE, {"context": NOWHERE})),
    "JobHandler.should_retry": (
        shape(JobHandler, "should_retry"),
        (FUNCTION, {"exception": NOWHERE, "attempt": NOWHERE}),
    ),
    "JobHandler.get_retry_delay": (shape(JobHandler, "get_retry_delay"), (FUNCTION, {"attempt": NOWHERE})),
    "JobHandler.on_success": (shape(JobHandler, "on_success"), (COROUTINE, CONTEXT_AND_RESULT)),
    "JobHandler.on_failure": (shape(JobHandler, "on_failure"), (COROUTINE, CONTEXT_AND_RESULT)),
    "JobHandler.on_retry": (
        shape(JobHandler, "on_retry"),
        (COROUTINE, {"context": NOWHERE, "exception": NOWHERE, "attempt": NOWHERE}),
    ),
    "JobHandler.validate": (shape(JobHandler, "validate"), (FUNCTION, {"job_data": NOWHERE})),
    "a handler's two names": (
        lambda: [
            registry.get(short) is registry.get(cls)
            for short, cls in (
                ("crawl", "CrawlJobHandler"),
                ("maintenance", "MaintenanceJobHandler"),
                ("report", "ReportJobHandler"),
            )
        ],
        [True, True, True],
    ),
    "documents are dumped with the short name": (dumped_handler, "report"),
    # the crawler's half
    "CrawlerManager.client, reused and closed": (one_client, (True, True)),
    "CrawlerManager.close": (shape(CrawlerManager, "close"), (COROUTINE, {})),
    "CrawlTaskService.create_task": (
        lambda: inspect.iscoroutinefunction(CrawlTaskService.create_task),
        FUNCTION,
    ),
    "CrawlTaskService.update_task_status": (
        shape(CrawlTaskService, "update_task_status"),
        (FUNCTION, {"task_id": NOWHERE, "status": NOWHERE, "message": ""}),
    ),
    "CrawlTaskService.get_task_by_id": (shape(CrawlTaskService, "get_task_by_id"), (FUNCTION, {"task_id": NOWHERE})),
    "scheduler_status words": (
        words_of_scheduler_status,
        {
            "": "scheduled",
            "queued": "pending",
            "running": "running",
            "succeeded": "completed",
            "failed": "failed",
            "cancelled": "cancelled",
            "missed": "missed",
            "skipped": "skipped",
        },
    ),
    "task id": (
        task_id_at_home_and_abroad,
        ["crawl_all_20270101_020000_xxxx", "crawl_all_20261231_180000_xxxx"],
    ),
    "a one-off's job_id is its task's": (a_one_offs_task_is_its_job, True),
    "requests at once to a host": (lambda: Manners().concurrency_per_host, 5),
    # settings
    "SchedulerSettings fields": (
        fields(*(SchedulerSettings, "max_workers", "job_store_url", "timezone", "job_defaults")),
        ["max_workers", "job_store_url", "timezone", "job_defaults"],
    ),
    "max_workers": (lambda: SchedulerSettings().max_workers, 4),
    "max_workers is the runner's own limit": (
        lambda: "max_workers" in inspect.signature(Runner).parameters,
        True,
    ),
    "timezone": (lambda: SchedulerSettings().timezone, "Asia/Shanghai"),
    "job_defaults": (
        lambda: {
            name: SchedulerSettings().job_defaults[name]
            for name in ("coalesce", "max_instances", "misfire_grace_time", "max_retries", "timeout")
        },
        {"coalesce": False, "max_instances": 1, "misfire_grace_time": 30, "max_retries": 3, "timeout": None},
    ),
    # a new job
    "job.coalesce": (policy("coalesce"), False),
    "job.max_instances": (policy("max_instances"), 1),
    "job.misfire_grace_time": (policy("misfire_grace_time"), 30),
    "job.max_retries": (policy("max_retries"), 3),
    "job.timeout": (policy("timeout"), None),
    "predefined jobs, and that they stay deleted": (
        predefined_jobs,
        (["nightly-retention", "weekly-report"], ["weekly-report"]),
    ),
    # retries
    "delays": (
        lambda: [JobHandler().get_retry_delay(attempt) for attempt in range(1, 10)],
        [1, 2, 4, 8, 16, 32, 60, 60, 60],
    ),
    "retried: connection refused": (retried(ConnectionRefusedError()), True),
    "retried: connection reset": (retried(ConnectionResetError()), True),
    "retried: time-out": (retried(TimeoutError()), True),
    "retried: httpx connect": (retried(httpx.ConnectError("x")), True),
    "retried: httpx read time-out": (retried(httpx.ReadTimeout("x")), True),
    "retried: httpx broken answer": (retried(httpx.RemoteProtocolError("x")), True),
    "retried: another error": (retried(ValueError()), False),
    "retried: another error of httpx": (retried(httpx.InvalidURL("x")), False),
    "retried: a cancel": (retried(asyncio.CancelledError()), False),
    "retried: a result without success": (retried(None), False),
    "one decision for both ways of failing": (
        results_of_failing_both_ways,
        [retry.Retry(1.0), retry.Stop(retry.StopReason.NOT_RETRYABLE), retry.Stop(retry.StopReason.NOT_RETRYABLE)],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_specification(row: str) -> None:
    look, expected = ROWS[row]

    assert look() == expected
