"""Whether and when a failed attempt is tried again: pure, so that its test is one table."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
"""Seconds: the default delays are 1, 2, 4, 8 … and never more than this."""

_TRANSIENT = (ConnectionError, TimeoutError, asyncio.TimeoutError)
# Named, not imported: a scheduler that crawls nothing need not load httpx.
_TRANSIENT_NAMES = frozenset({("httpx", "TransportError")})


class StopReason(StrEnum):
    """Why there is no further attempt."""

    SUCCEEDED = "succeeded"
    NOT_RETRYABLE = "not retryable"
    NO_RETRIES_LEFT = "no retries left"


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again."""

    delay: float
    """Seconds to wait before; never negative."""


@dataclass(frozen=True, slots=True)
class Stop:
    """This attempt was the last."""

    reason: StopReason


class Policy(Protocol):
    """What a handler says about its own failures (`JobHandler` is one)."""

    def should_retry(self, exception: BaseException | None, attempt: int) -> bool: ...

    def get_retry_delay(self, attempt: int) -> float: ...


def decide(
    policy: Policy, *, success: bool, exception: BaseException | None, attempt: int, max_retries: int
) -> Retry | Stop:
    """Return what follows the attempt number `attempt` (the first is 1).

    Both ways of failing come here: a raised exception, and a result without success (whose `exception` may be None).
    `max_retries` counts the attempts after the first.
    """
    if success:
        return Stop(StopReason.SUCCEEDED)
    if attempt > max_retries:
        return Stop(StopReason.NO_RETRIES_LEFT)
    if not policy.should_retry(exception, attempt):
        return Stop(StopReason.NOT_RETRYABLE)
    return Retry(_bounded(policy.get_retry_delay(attempt)))


def is_transient(exception: BaseException | None) -> bool:
    """Whether an exception is a connection error or a time-out, which may be gone at the next attempt."""
    if isinstance(exception, _TRANSIENT):
        return True
    return any((cls.__module__.split(".")[0], cls.__name__) in _TRANSIENT_NAMES for cls in type(exception).__mro__)


def doubling_delay(attempt: int) -> float:
    """Return the default delay after the attempt number `attempt`, in seconds: 1, 2, 4, 8 … 60."""
    doublings = min(max(attempt, 1) - 1, 10)
    return min(FIRST_DELAY * 2.0**doublings, LONGEST_DELAY)


def _bounded(delay: float) -> float:
    """A handler's own delay may be long, but must be a number that can be slept."""
    if math.isnan(delay) or delay < 0:
        return 0.0
    return min(delay, 86_400.0)
