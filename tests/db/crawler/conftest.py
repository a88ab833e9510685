from __future__ import annotations

from collections.abc import Iterator

import pytest

from scheduling.lanes import Lane

from .making import storage_lane


@pytest.fixture
def lane() -> Iterator[Lane]:
    with storage_lane() as lane:
        yield lane
