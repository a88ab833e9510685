from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from crawler import rawsql

pytestmark = pytest.mark.django_db

NUMBERED = (("place", "bigint"), ("word", "text"))


def numbered(count: int) -> list[tuple[int, str]]:
    return [(place, f"word {place}") for place in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 300, 7_001])
def test_a_set_of_rows_of_any_size_is_read_whole(count: int) -> None:
    rows = rawsql.fetch_rows("SELECT v.place + %s, v.word FROM v", NUMBERED, numbered(count), [5])

    assert sorted(rows) == [(place + 5, word) for place, word in numbered(count)]


@pytest.mark.any_database
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps none of ours")
def test_sets_of_all_sizes_take_few_different_statements_which_the_driver_keeps() -> None:
    asked: set[str] = set()

    def listen(execute: Callable[..., object], sql: str, *rest: object) -> object:
        asked.add(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(listen):
        for count in range(1, 400):
            rawsql.execute_rows("SELECT v.place FROM v", NUMBERED, numbered(count))

    assert len(asked) == 7


def test_text_without_what_no_database_stores() -> None:
    assert rawsql.text("a\0b\ud800c") == "ab?c"
    assert rawsql.text("é" * 9, 3) == "ééé"
