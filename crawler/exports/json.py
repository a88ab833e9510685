"""One JSON document, an array of objects, UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crawler.engine.records import Json

from .formats import Column
from .jsonl import several_lines


class JsonArray:
    name = "json"
    title = "JSON"
    content_type = "application/json"
    is_text = True
    one_type = False

    def encode(self, rows: Iterable[Mapping[str, Json]], columns: Sequence[Column]) -> Iterator[bytes]:
        """Each row as it is, whatever the columns, on a line of its own."""
        before = "[\n"
        for lines in several_lines(rows):
            yield (before + ",\n".join(lines)).encode()
            before = ",\n"
        yield b"\n]\n" if before == ",\n" else b"[]\n"


FORMAT = JsonArray()
