"""Comma-separated values (RFC 4180), UTF-8, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from crawler.engine.records import Json
from crawler.engine.spider import FieldType

from .formats import Column

PIECE = 64_000
"""Characters, about, that are handed over at once."""
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula, or skips before one; the wide forms too, which Excel takes
in East Asian languages."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.FLOAT, FieldType.DECIMAL})


class CommaSeparated:
    name = "csv"
    title = "CSV"
    content_type = "text/csv; charset=utf-8; header=present"
    is_text = True
    one_type = True

    def __init__(self, *, mark: str = "") -> None:
        self._mark = mark

    def encode(self, rows: Iterable[Mapping[str, Json]], columns: Sequence[Column]) -> Iterator[bytes]:
        """A line of names, then a line a row. No value is an empty cell, a list or a mapping is JSON."""
        buffer = io.StringIO()
        buffer.write(self._mark)
        writer = csv.writer(buffer)
        writer.writerow([harmless(column.name) for column in columns])
        keys = [(column.name, column.type in _NUMBERS) for column in columns]
        for row in rows:
            writer.writerow([_cell(row.get(name), is_number=is_number) for name, is_number in keys])
            if buffer.tell() > PIECE:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue().encode()


def harmless(text: str) -> str:
    """`text` with an apostrophe before what would be run as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _cell(value: Json, *, is_number: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A decimal is a text in JSON; a negative one is no formula.
        return value if is_number and _NUMBER.match(value) else harmless(value)
    return json.dumps(value, ensure_ascii=False)


FORMAT = CommaSeparated()
FOR_PEOPLE = CommaSeparated(mark="\ufeff")
"""With a byte order mark: without it Excel takes the file for one of the system's old code page, and shows what is
written in Chinese as nonsense. Programs are given none: most take it for a part of the first name."""
