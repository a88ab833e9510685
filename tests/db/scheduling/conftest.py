from __future__ import annotations

from collections.abc import Iterator

import pytest

from scheduling import registry

from .ticking import IdleJobHandler, LockedJobHandler


@pytest.fixture
def handlers() -> Iterator[None]:
    """Handlers that the jobs of `ticking` name."""
    for handler in (IdleJobHandler, LockedJobHandler):
        registry.register(handler)
    yield
    for handler in (IdleJobHandler, LockedJobHandler):
        registry.unregister(handler)
