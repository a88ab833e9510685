"""What is different between two values of an item."""

from __future__ import annotations

import pytest

from crawler.engine.records import Json
from crawler.items.fieldchanges import changes_between


def test_fields_are_told_by_name_whatever_order_the_database_keeps() -> None:
    changes = changes_between({"price": "1", "a": 1, "kept": []}, {"kept": [], "tags": ["x"], "price": "2"})
    assert [(change.name, change.before, change.after) for change in changes] == [
        ("a", 1, None),
        ("price", "1", "2"),
        ("tags", None, ["x"]),
    ]


@pytest.mark.parametrize(("before", "after", "is_change"), [(1, True, True), (1, 1.0, False), ([0], [False], True)])
def test_true_is_another_value_than_one(before: Json, after: Json, is_change: bool) -> None:
    assert bool(changes_between({"n": before}, {"n": after})) is is_change
