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
from itertools import chain
from typing import TypeAlias

from django.db import connection
from django.db.backends.utils import CursorWrapper

Param: TypeAlias = "bool | int | float | str | bytes | datetime | date | list[int] | None"
Row: TypeAlias = "Sequence[Param]"

_MANY = 100
"""Parameters, from which on a statement of ours goes to SQLite by the short way."""
MAX_PARAMETERS = 30_000
"""Of one statement: SQLite's limit is 32,766."""


def chunks(rows: Sequence[Row], width: int) -> Iterator[Sequence[Row]]:
    """`rows` in pieces that fit one statement, where each row takes `width` parameters."""
    size = max(MAX_PARAMETERS // width, 1)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def with_rows(columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> tuple[str, list[Param]]:
    """``WITH v(…) AS (VALUES …)`` and its parameters.

    `columns` are pairs of a name and PostgreSQL's type: that database takes the types of a VALUES list from its first
    row, and SQLite must not see a cast (it would turn blobs into numbers).
    """
    names = ", ".join(name for name, _ in columns)
    plain = "(" + ", ".join(["%s"] * len(columns)) + ")"
    first = plain
    if connection.vendor == "postgresql":
        first = "(" + ", ".join(f"%s::{kind}" for _, kind in columns) + ")"
    values = first + f", {plain}" * (len(rows) - 1)
    return f"WITH v({names}) AS (VALUES {values})", list(chain.from_iterable(rows))


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
    if connection.vendor != "sqlite" or len(params) < _MANY or connection.queries_logged:
        cursor.execute(sql, params)
        return
    # Django would look for its placeholders by a regular expression, which takes as long as SQLite's work itself.
    with connection.wrap_database_errors:
        sqlite3.Cursor.execute(cursor.cursor, sql.replace("%s", "?"), params)


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
