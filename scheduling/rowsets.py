"""Sets of rows as parameters of one statement, and times as the two databases hold them.

SQLite takes a set as a JSON text (`json_each`), PostgreSQL as an array a column (`unnest`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias, cast

from django.db import connection

Param: TypeAlias = "int | str | datetime | list[int] | None"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
"""A time minus the one plus the other is in UTC without saying so; the text of such a one is made in half the time."""

_BY = re.compile(r"\{by (\w+)\}")


@dataclass(frozen=True, slots=True)
class Columns:
    """A set of rows: one parameter on SQLite (a JSON text), one array a column on PostgreSQL; `v` in the statements."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    """PostgreSQL's."""
    is_map: bool = False
    """The first of two columns is unique: a JSON object, which SQLite reads faster than an array of arrays."""

    def into(self, statement: str) -> str:
        """Fill in the set (`{set}`), the tick's moment (`{now}`), and what else `written_for` knows."""
        return _with_set(statement, self, connection.vendor)

    def params(self, rows: Sequence[tuple[object, ...]]) -> list[Param]:
        columns: list[Sequence[object]] = list(zip(*rows, strict=True))
        if connection.vendor == "postgresql":
            return [_array(column, kind) for column, kind in zip(columns, self.types, strict=True)]
        if len(columns) == 1:
            return [json.dumps(columns[0])]
        for index, kind in enumerate(self.types):
            if kind == "timestamptz":
                columns[index] = _as_texts(columns[index])
        pairs = zip(*columns, strict=True)
        return [json.dumps(dict(pairs) if self.is_map else list(pairs))]


@lru_cache(maxsize=64)
def _with_set(statement: str, columns: Columns, vendor: str) -> str:
    names = columns.names
    if vendor == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.types)
        table, now = f"unnest({arrays}) AS v({', '.join(names)})", "%s::timestamptz"
    elif len(names) == 1:
        table, now = f"(SELECT value AS {names[0]} FROM json_each(%s)) AS v", "%s"  # noqa: S608 - our own column names
    elif columns.is_map:
        key = "CAST(key AS integer)" if columns.types[0] == "bigint" else "key"
        table, now = f"(SELECT {key} AS {names[0]}, value AS {names[1]} FROM json_each(%s)) AS v", "%s"  # noqa: S608
    else:
        values = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(names))
        table, now = f"(SELECT {values} FROM json_each(%s)) AS v", "%s"  # noqa: S608 - our own column names
    return written_for(vendor, statement.replace("{set}", table).replace("{now}", now))


@lru_cache(maxsize=64)
def written_for(vendor: str, statement: str) -> str:
    """Fill in what one database needs: SQLite's index (`{by …}`), PostgreSQL's order (`{order}`; SQLite keeps it)."""
    on_postgres = vendor == "postgresql"
    statement = _BY.sub("" if on_postgres else r"INDEXED BY \1", statement)
    return statement.replace("{order}", "ORDER BY v.scheduled_time" if on_postgres else "")


def _array(values: Sequence[object], kind: str) -> Param:
    """Return PostgreSQL's text of an array; where texts would need quoting, what the driver makes one of."""
    if kind == "text":
        return cast("list[int]", list(values))
    texts = ["NULL" if value is None else f'"{value}"' if kind == "timestamptz" else str(value) for value in values]
    return f"{{{','.join(texts)}}}"


def moment(value: datetime) -> datetime | str:
    """Return an aware time as the ORM itself would store it."""
    return value if connection.vendor == "postgresql" else _as_text(value)


def _as_text(value: datetime) -> str:
    return (value - _EPOCH + _NAIVE_EPOCH).isoformat(" ")


def _as_texts(values: Iterable[object]) -> list[str | None]:
    # No call a value: half of what a tick computes for SQLite is texts of times.
    return [
        (value - _EPOCH + _NAIVE_EPOCH).isoformat(" ") if isinstance(value, datetime) else cast("str | None", value)
        for value in values
    ]


def missing_offset() -> str:
    """Return what a time's text lacks: SQLite's are in UTC without saying so."""
    return "+00:00" if connection.vendor == "sqlite" else ""


def read_moment(value: object) -> datetime:
    """Read a time that the database gives, as text or read already."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value if "+" in value else value + "+00:00")
    read = cast("datetime", value)
    if read.tzinfo is UTC:
        return read
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
