"""The storage lane, as it is seen by what stores in several transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PART_PAUSE = 0.02
"""Seconds between two transactions of one whole: SQLite's waiting writers ask again only now and then."""


class LaneRun(Protocol):
    """`Lane.run` or `Lane.run_patiently`: calls a function in the storage lane."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
