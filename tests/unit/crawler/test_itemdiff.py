"""What is different between the items of a page then and now."""

from __future__ import annotations

import pytest

from crawler.engine.records import Json
from crawler.items.fieldchanges import FieldChange
from crawler.workshop.itemdiff import ItemChange, KeptItem, Kind, item_changes


def item(key: str, kind: str = "book", **data: Json) -> KeptItem:
    return KeptItem(type=kind, key=[key], data={"name": key, **data})


def told(before: list[KeptItem], after: list[KeptItem]) -> list[tuple[str, str, dict[str, tuple[Json, Json]]]]:
    return [
        (change.kind, change.key, {field.name: (field.before, field.after) for field in change.fields})
        for change in item_changes(before, after)
    ]


def test_what_is_the_same_in_another_order_is_no_change() -> None:
    a, b = item("a", price="1.00"), item("b", price=None)
    assert item_changes([a, b], [b, a]) == []
    assert item_changes([], []) == []


def test_one_and_one_point_nothing_are_the_same_and_true_is_another() -> None:
    assert item_changes([item("a", n=1)], [item("a", n=1.0)]) == []
    assert told([item("a", n=1)], [item("a", n=True)]) == [("changed", "a", {"n": ("1", "true")})]


def test_a_field_is_told_as_it_was_and_as_it_is() -> None:
    before = [item("a", price="1.00", tags=["x"], gone="old")]
    after = [item("a", price=None, tags=["x", "y"], new="fresh")]
    assert item_changes(before, after) == [
        ItemChange(
            kind=Kind.CHANGED,
            type="book",
            key="a",
            fields=(
                FieldChange(name="price", before="1.00", after=None),
                FieldChange(name="tags", before='["x"]', after='["x", "y"]'),
                FieldChange(name="new", before=None, after="fresh"),
                FieldChange(name="gone", before="old", after=None),
            ),
        )
    ]


def test_items_that_come_and_go_are_told_whole() -> None:
    before, after = [item("a"), item("b", price="2")], [item("a")]
    assert told(before, after) == [("removed", "b", {"name": ("b", None), "price": ("2", None)})]
    assert told(after, before) == [("added", "b", {"name": (None, "b"), "price": (None, "2")})]


def test_an_item_whose_key_changes_is_one_change_and_not_two() -> None:
    assert told([item("a", n=1), item("b", n=2)], [item("a", n=1), item("B", n=2)]) == [
        ("changed", "b", {"name": ("b", "B")})
    ]


def test_items_of_another_type_are_others() -> None:
    assert [kind for kind, _, _ in told([item("a")], [item("a", kind="page")])] == ["removed", "added"]


@pytest.mark.parametrize(("value", "shown"), [("x" * 400, "x" * 299 + "…"), ({"a": [1]}, '{"a": [1]}'), ("", "")])
def test_values_are_shown_short(value: Json, shown: str) -> None:
    [change] = item_changes([item("a", v=None)], [item("a", v=value)])
    assert change.fields == (FieldChange(name="v", before=None, after=shown),)
