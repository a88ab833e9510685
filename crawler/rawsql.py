# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""Set-based SQL that SQLite and PostgreSQL both understand: many rows in one statement.

The ORM's `bulk_update` is twenty times slower than what stands here (and a checkpoint holds the only write lock of a
SQLite file), so the checkpoint writes its rows raw. Column lists and table names are constants of this code; values
always travel as parameters.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from django.db import connection
from django.db.backends.utils import CursorWrapper

Param: TypeAlias = "bool | int | float | str | bytes | datetime | date | list[int] | None"
Row: TypeAlias = "Sequence[Param]"

Columns: TypeAlias = "tuple[tuple[str, str], ...]"
"""Of a set of rows: pairs of a name and PostgreSQL's type."""

MAX_PARAMETERS = 30_000
"""Of one statement for PostgreSQL, which takes 65,535."""
MOST_ROWS = 64
"""Of one statement for SQLite, a power of two."""


def execute_rows(statement: str, columns: Columns, rows: Sequence[Row], others: Sequence[Param] = ()) -> None:
    """Run a statement over a set of rows, which is the table `v` in it; `others` are its parameters.

    Large sets take several statements.
    """
    for part in chunks(rows, len(columns)):
        execute(_with_rows(statement, columns, len(part), connection.vendor), [*chain.from_iterable(part), *others])


def fetch_rows(
    statement: str, columns: Columns, rows: Sequence[Row], others: Sequence[Param] = ()
) -> list[tuple[object, ...]]:
    """The same of a statement that returns rows; returns all of them, in no order."""
    found: list[tuple[object, ...]] = []
    for part in chunks(rows, len(columns)):
        text = _with_rows(statement, columns, len(part), connection.vendor)
        found += fetch(text, [*chain.from_iterable(part), *others])
    return found


def chunks(rows: Sequence[Row], width: int) -> Iterator[Sequence[Row]]:
    """`rows` in pieces that one statement takes, where each row has `width` parameters.

    For SQLite in powers of two, so that there are few different statements: each is prepared once and for all. The
    driver keeps 128 prepared ones with all their parameters; one for each number of rows took 60 MB.
    """
    size = max(MAX_PARAMETERS // width, 1)
    start = 0
    while left := len(rows) - start:
        if connection.vendor == "sqlite":
            size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += min(size, left)


def _with_rows(statement: str, columns: Columns, count: int, vendor: str) -> str:
    """``WITH v(…) AS (VALUES …)`` before the statement."""
    if vendor == "sqlite":
        return _prepared(statement, columns, count)
    # PostgreSQL takes the types of a VALUES list from its first row.
    return _written(statement, columns, ", ".join(f"%s::{kind}" for _, kind in columns), count)


@lru_cache(maxsize=256)
def _prepared(statement: str, columns: Columns, count: int) -> str:
    # SQLite must not see a cast: it would turn blobs into numbers.
    return _written(statement, columns, ", ".join(["%s"] * len(columns)), count)


def _written(statement: str, columns: Columns, first: str, count: int) -> str:
    names = ", ".join(name for name, _ in columns)
    others = ", (" + ", ".join(["%s"] * len(columns)) + ")"
    return f"WITH v({names}) AS (VALUES ({first}){others * (count - 1)}) {statement}"


def among(column: str, values: Sequence[int]) -> tuple[str, Param]:
    """A condition that `column` is one of `values`, with its one parameter, however many there are."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::bigint[])", list(values)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(values))


def execute(sql: str, params: Sequence[Param]) -> int:
    """Run a statement; returns the number of rows that it changed."""
    with connection.cursor() as cursor:
        _run(cursor, sql, params)
        return int(cursor.rowcount)


def fetch(sql: str, params: Sequence[Param]) -> list[tuple[object, ...]]:
    """Run a statement that returns rows; returns all of them."""
    with connection.cursor() as cursor:
        _run(cursor, sql, params)
        rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows


def _run(cursor: CursorWrapper, sql: str, params: Sequence[Param]) -> None:
    if connection.vendor != "sqlite" or connection.queries_logged or connection.execute_wrappers:
        cursor.execute(sql, params)
        return
    # Django would look for its placeholders by a regular expression, which takes as long as SQLite's work itself.
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        sqlite3.Cursor.execute(cursor.cursor, _marked(sql), params)


@lru_cache(maxsize=256)
def _marked(sql: str) -> str:
    return sql.replace("%s", "?")


def document() -> str:
    """The place of a parameter that is JSON, as text, for a column of JSON."""
    return "%s::jsonb" if connection.vendor == "postgresql" else "%s"


def moment(value: datetime) -> Param:
    """An aware time as the ORM itself would store it: SQLite keeps text, and raw text would not compare with it."""
    adapted: Param = connection.ops.adapt_datetimefield_value(value)
    return adapted


def day(value: date) -> Param:
    """A date as the ORM itself would store it."""
    adapted: Param = connection.ops.adapt_datefield_value(value)
    return adapted


def text(value: str, limit: int | None = None) -> str:
    """Text that every database stores: without NUL and lone surrogates, cut at `limit` characters."""
    if not value:
        return value
    if "\0" in value:
        value = value.replace("\0", "")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "replace").decode("utf-8")
    return value if limit is None else value[:limit]


def pack(hashes: Sequence[int]) -> bytes:
    """Signed 64-bit numbers, little-endian."""
    return struct.pack(f"<{len(hashes)}q", *hashes)


def unpack(packed: bytes | memoryview) -> tuple[int, ...]:
    """What `pack` packed; a torn tail is dropped."""
    count = len(packed) // 8
    return struct.unpack(f"<{count}q", bytes(packed)[: count * 8])
