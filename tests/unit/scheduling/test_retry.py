from __future__ import annotations

import asyncio
import math

import httpx
import pytest

from scheduling import retry
from scheduling.contract import JobHandler
from scheduling.retry import Retry, Stop, StopReason, decide


class Defaults(JobHandler):
    """Every default of the contract."""


class Eager(JobHandler):
    """Tries everything again, after a delay that the test gives."""

    delay = 0.0

    def should_retry(self, exception: BaseException | None, attempt: int) -> bool:
        return True

    def get_retry_delay(self, attempt: int) -> float:
        return self.delay


@pytest.mark.parametrize(
    ("success", "exception", "attempt", "max_retries", "expected"),
    [
        (True, None, 1, 3, Stop(StopReason.SUCCEEDED)),
        (False, ConnectionError(), 1, 3, Retry(1.0)),
        (False, ConnectionError(), 2, 3, Retry(2.0)),
        (False, ConnectionError(), 3, 3, Retry(4.0)),
        (False, ConnectionError(), 4, 3, Stop(StopReason.NO_RETRIES_LEFT)),
        (False, ConnectionError(), 1, 0, Stop(StopReason.NO_RETRIES_LEFT)),
        (False, ConnectionError(), 7, 99, Retry(60.0)),
        (False, ConnectionError(), 10_000, 99_999, Retry(60.0)),
        (False, ValueError(), 1, 3, Stop(StopReason.NOT_RETRYABLE)),
        (False, None, 1, 3, Stop(StopReason.NOT_RETRYABLE)),
    ],
    ids=lambda value: repr(value) if isinstance(value, Retry | Stop) else None,
)
def test_what_follows_an_attempt(
    success: bool, exception: BaseException | None, attempt: int, max_retries: int, expected: Retry | Stop
) -> None:
    assert (
        decide(Defaults(), success=success, exception=exception, attempt=attempt, max_retries=max_retries) == expected
    )


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (ConnectionResetError(), True),
        (BrokenPipeError(), True),
        (TimeoutError(), True),
        (httpx.ConnectError("x"), True),
        (httpx.ReadTimeout("x"), True),
        (httpx.TooManyRedirects("x"), False),
        (httpx.HTTPStatusError("x", request=httpx.Request("GET", "http://a"), response=httpx.Response(500)), False),
        (OSError("disk"), False),
        (ValueError(), False),
        (asyncio.CancelledError(), False),
        (None, False),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, bool) else None,
)
def test_connection_errors_and_time_outs_are_transient(exception: BaseException | None, expected: bool) -> None:
    assert retry.is_transient(exception) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0.5, 0.5), (-1.0, 0.0), (math.nan, 0.0), (math.inf, 86_400.0), (7200.0, 7200.0)],
)
def test_a_handlers_own_delay_can_be_slept(given: float, expected: float) -> None:
    handler = Eager()
    handler.delay = given

    assert decide(handler, success=False, exception=None, attempt=1, max_retries=1) == Retry(expected)


def test_the_default_delays_double_up_to_a_minute() -> None:
    assert [retry.doubling_delay(attempt) for attempt in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
