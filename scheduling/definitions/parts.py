"""Many definitions, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

SIZE = 500
"""Names in one statement: below what any database takes as parameters."""
T = TypeVar("T")


def batched(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in their order, `SIZE` at a time."""
    rest = iter(values)
    while part := list(islice(rest, SIZE)):
        yield part
