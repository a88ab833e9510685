"""A workbook for spreadsheets (Office Open XML): numbers are numbers, dates are dates, and no text is ever a formula.

One row is in memory, the others are on disk until the end: the file can be given when the last row is known. Pieces of
no byte come meanwhile, so that whoever takes them sees that it goes on, and may stop it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from io import BufferedWriter, FileIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, TextIO

from django.utils.translation import gettext as _

from crawler.engine.records import Json
from crawler.engine.spider import FieldType

from .csv import FORMULA
from .formats import Column, ExportRefused

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_576
"""Of a sheet, with the names of its columns. What is more goes into further sheets."""
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767
"""Of a cell, counted as UTF-16."""
MOST_DIGITS = 15
"""Of a number: a cell forgets what is beyond."""
MOST_EXPONENT = 300
"""Of a number, to ten: a cell takes none that is greater, and one that is smaller for nothing."""
FIRST_YEAR = 1900
"""Of a date."""
STEP = 200
"""Rows between two pieces of no byte."""
PIECE = 65_536
"""Bytes that are handed over at once."""
PAUSE = 0.2
"""Seconds between two pieces of no byte while the sheets are packed."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.FLOAT, FieldType.DECIMAL})
_TIMES = {FieldType.DATE: "yyyy-mm-dd", FieldType.DATETIME: "yyyy-mm-dd hh:mm:ss"}
_UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What no XML document may hold, but for control characters, which workbooks have an escape for."""
_WIDTHS = {FieldType.DATE: 12, FieldType.DATETIME: 22}
_WIDTH = 18
"""Of a column, in characters: a date that has no room is shown as ``####``."""


class Spreadsheet:
    name = "xlsx"
    title = "Excel"
    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    is_text = False
    one_type = True

    def encode(self, rows: Iterable[Mapping[str, Json]], columns: Sequence[Column]) -> Iterator[bytes]:
        """A row of names, then a row for each row. No value is an empty cell, a list or a mapping is JSON.

        Raises:
            ExportRefused: more columns than a sheet has, or a text that is longer than a cell may be.
        """
        from xlsxwriter import Workbook  # loaded by those who ask for a workbook

        if len(columns) > MOST_COLUMNS:
            raise ExportRefused(_("A sheet has no room for so many columns: choose fewer of them."), field="fields")
        with TemporaryDirectory(prefix="lamplighter-export-") as folder:
            path = Path(folder) / "items.xlsx"
            target = _Target(path)
            book = Workbook(target, {"constant_memory": True, "tmpdir": folder})
            book.use_zip64()
            try:
                sheets = _Sheets(book, columns)
                for number, row in enumerate(rows, 1):
                    sheets.add(row)
                    if number % STEP == 0:
                        yield b""
                yield from _packed(book, target)
            finally:
                with ExitStack() as files:  # of one that is given up, nobody else closes them
                    for sheet in book.worksheets():
                        files.callback(sheet.row_data_fh.close)
                        files.callback(sheet.fh.close)
                    files.callback(target.close)
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece


class _GivenUp(Exception):
    """Nobody takes the workbook any more."""


class _Target(BufferedWriter):
    """Where a workbook is packed into. Once it is given up, it ends whoever writes, and keeps nothing more."""

    def __init__(self, path: Path) -> None:
        super().__init__(FileIO(path, "w"))
        self.given_up = Event()
        self.keeps_nothing = False

    def write(self, data: ReadableBuffer) -> int:
        self.look()
        return memoryview(data).nbytes if self.keeps_nothing else super().write(data)

    def look(self) -> None:
        """Raises `_GivenUp` once: the archive's own end is written by whoever ends it."""
        if self.given_up.is_set() and not self.keeps_nothing:
            self.keeps_nothing = True
            raise _GivenUp


class _Rows:
    """The rows of a sheet on disk, as they are read to be packed."""

    def __init__(self, file: TextIO, target: _Target) -> None:
        self._file = file
        self._target = target
        self.write, self.seek, self.close = file.write, file.seek, file.close

    def read(self, size: int) -> str:
        self._target.look()
        return self._file.read(size)


def _packed(book: Workbook, target: _Target) -> Iterator[bytes]:
    """Pack the sheets beside: of a million rows with long texts it takes a minute."""
    for sheet in book.worksheets():
        sheet.row_data_fh = _Rows(sheet.row_data_fh, target)
    with ThreadPoolExecutor(1, thread_name_prefix="packing") as beside:
        packing = beside.submit(_pack, book, target)
        try:
            while wait([packing], PAUSE).not_done:
                yield b""
        except BaseException:
            target.given_up.set()
            raise
        packing.result()


def _pack(book: Workbook, target: _Target) -> None:
    """Raises `OSError` with what the disk said."""
    from xlsxwriter.exceptions import FileCreateError

    problem: OSError | None = None
    try:
        book.close()
    except _GivenUp:
        return
    except FileCreateError as error:
        target.keeps_nothing = True
        # Without the frames that hold the archive, which writes its end when it is let go.
        problem = error.args[0].with_traceback(None)
    if problem is not None:
        raise problem
    target.flush()


class _Sheets:
    """The sheets of a workbook, the first row of each naming the columns."""

    def __init__(self, book: Workbook, columns: Sequence[Column]) -> None:
        self._book = book
        self._columns = columns
        self._plain: Format = book.add_format()
        self._bold: Format = book.add_format({"bold": True})
        # Somebody who edits such a text would make a formula of it.
        self._quoted: Format = book.add_format({"quote_prefix": True})
        self._times: dict[FieldType, Format] = {
            kind: book.add_format({"num_format": form}) for kind, form in _TIMES.items()
        }
        self._utc: Format = book.add_format({"num_format": f'{_TIMES[FieldType.DATETIME]}"Z"'})
        self._begin()

    def add(self, row: Mapping[str, Json]) -> None:
        if self._next == MOST_ROWS:
            self._begin()
        for place, column in enumerate(self._columns):
            value = row.get(column.name)
            if value is not None and value != "":
                self._write(place, column, value)
        self._next += 1

    def _begin(self) -> None:
        number = len(self._book.worksheets()) + 1
        self._sheet: Worksheet = self._book.add_worksheet("items" if number == 1 else f"items {number}")
        self._sheet.freeze_panes(1, 0)
        self._next = 0
        for place, column in enumerate(self._columns):
            self._sheet.set_column(place, place, _WIDTHS.get(column.type, _WIDTH))
            self._write_text(place, column, column.name, self._bold)
        self._next = 1

    def _write(self, place: int, column: Column, value: Json) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(self._next, place, value)
        elif (number := _number(value, column.type)) is not None:
            self._sheet.write_number(self._next, place, number)
        elif (moment := _moment(value, column.type)) is not None:
            form = self._times[column.type] if moment.tzinfo is None else self._utc
            self._sheet.write_datetime(self._next, place, _in_utc(moment), form)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            self._write_text(place, column, text, self._quoted if text.startswith(FORMULA) else None)

    def _write_text(self, place: int, column: Column, text: str, form: Format | None) -> None:
        length = len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
        if length > MOST_CHARACTERS:
            message = _(
                "A cell holds %(most)s characters, and “%(field)s” has %(length)s in row %(row)s: leave that field "
                "out, or take another format."
            )
            values = {"most": MOST_CHARACTERS, "field": column.name, "length": length, "row": self._next + 1}
            raise ExportRefused(message % {name: _shown(told) for name, told in values.items()}, field="format")
        text = _UNWRITABLE.sub("\ufffd", text)
        if text.startswith("<r>") and text.endswith("</r>"):
            # The library would take it for its own mark-up, and write it as it is.
            self._sheet.write_rich_string(self._next, place, "<r", self._plain, text[2:])
        else:
            self._sheet.write_string(self._next, place, text, form)


def _number(value: Json, kind: FieldType) -> int | float | None:
    """What a cell gives back as it was; None for all else. A decimal is a text in JSON."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**MOST_DIGITS else None
    if not isinstance(value, str) or kind not in _NUMBERS or not _NUMBER.fullmatch(value):
        return None
    # Counted in the text: arithmetic with decimals would round those of more than 28 digits first.
    digits = value.lstrip("-").replace(".", "").strip("0")
    is_kept = len(digits) <= MOST_DIGITS and abs(Decimal(value).adjusted()) <= MOST_EXPONENT
    return float(value) if is_kept or not digits else None


def _moment(value: Json, kind: FieldType) -> datetime | None:
    """A date or a moment that a sheet can hold."""
    if not isinstance(value, str) or kind not in _TIMES:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found if _in_utc(found).year >= FIRST_YEAR else None
    except (ValueError, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime:
    """As a cell keeps it, which knows no offset."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)[:100]


FORMAT = Spreadsheet()
