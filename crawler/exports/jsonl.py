"""One JSON object a line, UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from crawler.engine.records import Json

from .formats import Column

PIECE = 64_000
"""Characters, about, that are handed over at once."""


class JsonLines:
    name = "jsonl"
    title = "JSON Lines"
    content_type = "application/jsonl; charset=utf-8"
    is_text = True
    one_type = False

    def encode(self, rows: Iterable[Mapping[str, Json]], columns: Sequence[Column]) -> Iterator[bytes]:
        """Each row as it is, whatever the columns."""
        for lines in several_lines(rows):
            yield ("\n".join(lines) + "\n").encode()


def several_lines(rows: Iterable[Mapping[str, Json]]) -> Iterator[list[str]]:
    """Each row as a line of JSON without its end; about `PIECE` characters at once."""
    dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    lines: list[str] = []
    size = 0
    for row in rows:
        # U+2028 and U+2029 end a line for some readers.
        line = dumps(row).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        lines.append(line)
        size += len(line)
        if size > PIECE:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


FORMAT = JsonLines()
