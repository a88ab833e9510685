from __future__ import annotations

from collections.abc import Iterator

import pytest

from scheduling import registry
from scheduling.contract import JobHandler
from scheduling.exceptions import DuplicateHandler, UnknownHandler


class AtticJobHandler(JobHandler):
    """Named by its class."""


class Cellar(JobHandler):
    name = "under-ground"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    registry.register(AtticJobHandler)
    registry.register(Cellar)
    yield
    registry.unregister(AtticJobHandler)
    registry.unregister(Cellar)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("attic", AtticJobHandler),
        ("AtticJobHandler", AtticJobHandler),
        ("under-ground", Cellar),
        ("Cellar", Cellar),
    ],
)
def test_a_handler_is_known_by_its_short_and_its_class_name(name: str, expected: type[JobHandler]) -> None:
    assert type(registry.get(name)) is expected


def test_the_same_instance_serves_every_run() -> None:
    assert registry.get("attic") is registry.get("AtticJobHandler")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownHandler, match=r"no handler “attik”. Did you mean “attic”\?") as refused:
        registry.get("attik")
    assert refused.value.nearest == "attic"


def test_two_classes_cannot_have_one_name() -> None:
    class Another(JobHandler):
        name = "attic"

    with pytest.raises(DuplicateHandler, match="AtticJobHandler"):
        registry.register(Another)


def test_registering_again_changes_nothing() -> None:
    registry.register(AtticJobHandler)
    assert registry.names().count("attic") == 1


def test_the_shipped_handlers_are_found() -> None:
    assert {"maintenance", "report"} <= set(registry.names())
    assert type(registry.get("MaintenanceJobHandler")).__name__ == "MaintenanceJobHandler"
