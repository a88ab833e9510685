"""What handlers' authors build against: every field, method and default, in tables."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from datetime import UTC, datetime, timedelta

import pytest

from scheduling.contract import JobContext, JobHandler, JobResult, describe_exception, describe_failure

REQUIRED = dataclasses.MISSING


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (
            JobContext,
            {
                "job_id": REQUIRED,
                "job_name": REQUIRED,
                "trigger_time": REQUIRED,
                "scheduled_time": REQUIRED,
                "job_data": REQUIRED,
                "executor": REQUIRED,
                "retry_count": 0,
                "max_retries": 0,
                "run_id": REQUIRED,
                "claim": REQUIRED,
                "stopping": REQUIRED,
                "link": REQUIRED,
            },
        ),
        (
            JobResult,
            {
                "success": REQUIRED,
                "message": "",
                "data": None,
                "falls_short": False,
                "exception": None,
                "execution_time": 0.0,
                "timestamp": "now",
                "retry_count": 0,
            },
        ),
    ],
    ids=["JobContext", "JobResult"],
)
def test_fields_and_their_defaults(cls: type, expected: dict[str, object]) -> None:
    fields = {
        field.name: "now" if field.default_factory is not REQUIRED else field.default
        for field in dataclasses.fields(cls)
    }

    assert fields == expected
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "parameters", "is_coroutine"),
    [
        ("execute", ["context"], True),
        ("execute_with_retry", ["context"], True),
        ("should_retry", ["exception", "attempt"], False),
        ("get_retry_delay", ["attempt"], False),
        ("on_success", ["context", "result"], True),
        ("on_failure", ["context", "result"], True),
        ("on_retry", ["context", "exception", "attempt"], True),
        ("validate", ["job_data"], False),
        ("exclusive_key", ["job_data"], False),
    ],
)
def test_methods_of_a_handler(name: str, parameters: list[str], is_coroutine: bool) -> None:
    method = getattr(JobHandler, name)

    assert list(inspect.signature(method).parameters) == ["self", *parameters]
    assert inspect.iscoroutinefunction(method) is is_coroutine


def test_a_result_knows_when_it_was_made() -> None:
    assert datetime.now(UTC) - JobResult(success=True).timestamp < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("class_name", "given", "expected"),
    [
        ("CrawlJobHandler", None, "crawl"),
        ("Tidy", None, "tidy"),
        ("JobHandler", None, "jobhandler"),
        ("X", "why", "why"),
    ],
)
def test_a_handlers_short_name(class_name: str, given: str | None, expected: str) -> None:
    assert type(class_name, (JobHandler,), {"name": given} if given else {}).name == expected  # type: ignore[attr-defined]


class RecordingLink:
    """Stands for the run, and keeps what the loop of attempts asked of it."""

    def __init__(self) -> None:
        self.pauses: list[tuple[int, float, str]] = []

    async def pause_before_retry(self, retry_count: int, delay: float, error: str) -> None:
        self.pauses.append((retry_count, delay, error))


def make_context(link: RecordingLink, **fields: object) -> JobContext:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, object] = {
        "job_id": "j",
        "job_name": "J",
        "trigger_time": now,
        "scheduled_time": now,
        "job_data": {},
        "executor": "embedded",
        "run_id": 1,
        "claim": 1,
        "stopping": asyncio.Event(),
        "link": link,
    }
    return JobContext(**{**values, **fields})  # type: ignore[arg-type]


class Failing(JobHandler):
    async def execute(self, context: JobContext) -> JobResult:
        raise ConnectionError("gone")


@pytest.mark.parametrize(
    ("max_retries", "stored", "pauses"),
    [
        (0, 0, []),
        (3, 0, [(1, 1.0), (2, 2.0), (3, 4.0)]),
        (3, 2, [(3, 4.0)]),
        (3, 3, []),
    ],
    ids=["no retries", "all", "recovered with two behind it", "recovered with all behind it"],
)
async def test_attempts_are_paused_between_and_not_after_the_last(
    max_retries: int, stored: int, pauses: list[tuple[int, float]]
) -> None:
    link = RecordingLink()

    result = await Failing().execute_with_retry(make_context(link, max_retries=max_retries, retry_count=stored))

    assert [(count, delay) for count, delay, _error in link.pauses] == pauses
    assert {error for _count, _delay, error in link.pauses} <= {"ConnectionError: gone"}
    assert (result.success, result.retry_count) == (False, max_retries)
    assert isinstance(result.exception, ConnectionError)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (Mute(), "<exception str() failed>"),
    ],
    ids=["text", "no text", "text that cannot be made"],
)
def test_an_exception_in_one_line(error: Exception, expected: str) -> None:
    assert describe_exception(error).endswith(expected)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (JobResult(success=False, message="m"), "m"),
        (JobResult(success=False, message="m", exception=ValueError("v")), "ValueError: v"),
        (JobResult(success=False), "The handler returned a result without success."),
    ],
    ids=["message", "exception", "neither"],
)
def test_why_a_result_is_no_success(result: JobResult, expected: str) -> None:
    assert describe_failure(result) == expected
