"""A workbook holds what the items hold: read back by another library than the one that wrote it."""

from __future__ import annotations

import io
import pkgutil
import re
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from threading import current_thread
from threading import enumerate as enumerate_threads

import pytest
from django.utils.translation import override
from openpyxl import load_workbook
from openpyxl.cell.cell import Cell

from crawler.engine.records import Json
from crawler.engine.spider import FieldType
from crawler.exports import ExportRefused, get_format, xlsx
from crawler.exports.csv import FORMULA
from crawler.exports.formats import Column

ESCAPED = re.compile("_x([0-9A-F]{4})_")
"""How workbooks write a character that XML may not hold; this reader leaves it to others to read that."""


def written(rows: list[Mapping[str, Json]], *columns: Column) -> bytes:
    return b"".join(get_format("xlsx").encode(rows, columns))


def cell(value: Json, kind: FieldType = FieldType.TEXT) -> Cell:
    """The cell that a value becomes."""
    book = load_workbook(io.BytesIO(written([{"a": value}], Column("a", kind))))
    [sheet] = book.worksheets
    assert sheet["A1"].value == "a"
    found: Cell = sheet["A2"]
    return found


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (-3, FieldType.INTEGER, -3),
        (10**15 - 1, FieldType.INTEGER, 10**15 - 1),
        (10**15, FieldType.INTEGER, str(10**15)),  # a cell keeps 15 digits
        ("-1.50", FieldType.DECIMAL, -1.5),
        ("1234567890.123456", FieldType.DECIMAL, "1234567890.123456"),
        ("100000000000000000000", FieldType.DECIMAL, 1e20),
        (f"1{'0' * 38}1", FieldType.DECIMAL, f"1{'0' * 38}1"),
        (f"1{'0' * 399}", FieldType.DECIMAL, f"1{'0' * 399}"),
        (f"0.{'0' * 397}1", FieldType.DECIMAL, f"0.{'0' * 397}1"),
        ("-0.00", FieldType.DECIMAL, 0),
        ("-1+cmd", FieldType.DECIMAL, "-1+cmd"),
        (0.1, FieldType.FLOAT, 0.1),
        ("007", FieldType.TEXT, "007"),
        (True, FieldType.BOOLEAN, True),
        (None, FieldType.TEXT, None),
        ("", FieldType.TEXT, None),
        (["é", 1], FieldType.JSON, '["é", 1]'),
        (10**400, FieldType.JSON, str(10**400)),
        ("https://shop.example/?a=1&b=2#c", FieldType.URL, "https://shop.example/?a=1&b=2#c"),
    ],
)
def test_a_value_is_what_it_is(value: Json, kind: FieldType, expected: object) -> None:
    found = cell(value, kind)
    assert found.value == expected
    assert type(found.value) is type(expected)
    assert found.hyperlink is None


@pytest.mark.parametrize(
    ("value", "kind", "expected", "form"),
    [
        ("2027-01-31", FieldType.DATE, datetime(2027, 1, 31), "yyyy-mm-dd"),
        ("2027-01-31T12:30:00", FieldType.DATETIME, datetime(2027, 1, 31, 12, 30), "yyyy-mm-dd hh:mm:ss"),
        ("2027-01-01T07:00:00+08:00", FieldType.DATETIME, datetime(2026, 12, 31, 23), 'yyyy-mm-dd hh:mm:ss"Z"'),
        ("2027-01-01T00:00:00Z", FieldType.DATETIME, datetime(2027, 1, 1), 'yyyy-mm-dd hh:mm:ss"Z"'),
        ("1899-12-31", FieldType.DATE, "1899-12-31", "General"),
        ("0001-01-01T00:00:00+08:00", FieldType.DATETIME, "0001-01-01T00:00:00+08:00", "General"),
        ("some day", FieldType.DATE, "some day", "General"),
        ("2027-01-31", FieldType.TEXT, "2027-01-31", "General"),
    ],
)  # fmt: skip
def test_a_date_is_a_date_and_says_where_it_is_in_utc(value: str, kind: FieldType, expected: object, form: str) -> None:
    found = cell(value, kind)
    assert (found.value, found.number_format) == (expected, form)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("=1+1", "=1+1"),
        ("+1", "+1"),
        ("-1", "-1"),
        ("@SUM(A1)", "@SUM(A1)"),
        ("\t=1", "\t=1"),
        ("\uff1d1+1", "\uff1d1+1"),
        ("{=1+1}", "{=1+1}"),
        (" <b>&amp; ]]> ", " <b>&amp; ]]> "),
        ("<r><t>a</t></r>", "<r><t>a</t></r>"),
        ("<r></r>", "<r></r>"),
        ("a\x00\x07\r\nb", "a\x00\x07\r\nb"),
        ("_x0041_", "_x0041_"),
        ("\ufffe \ud800", "\ufffd \ufffd"),
        ("\U0001f4d6", "\U0001f4d6"),
    ],
)
def test_a_text_is_a_text_whatever_it_holds(text: str, read: str) -> None:
    found = cell(text)
    assert found.data_type in ("s", "inlineStr")
    assert ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), str(found.value)) == read
    assert found.quotePrefix is text.startswith(FORMULA), "or it becomes a formula when somebody edits it"


def test_what_a_sheet_has_no_room_for_goes_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 3)
    book = load_workbook(io.BytesIO(written([{"a": n} for n in range(5)], Column("a", FieldType.INTEGER))))
    read = {sheet.title: [row[0].value for row in sheet.iter_rows()] for sheet in book.worksheets}
    assert read == {"items": ["a", 0, 1], "items 2": ["a", 2, 3], "items 3": ["a", 4]}
    assert [sheet.title for sheet in load_workbook(io.BytesIO(written([], Column("a", FieldType.TEXT))))] == ["items"]


def test_what_a_cell_has_no_room_for_is_refused_and_never_cut() -> None:
    most = xlsx.MOST_CHARACTERS
    assert cell("x" * most).value == "x" * most
    for text in ("x" * (most + 1), "\U0001f4d6" * 16_384):  # counted as UTF-16
        with override("en"), pytest.raises(ExportRefused, match="holds 32,767 characters, and “a” has 32,768 in row 3"):
            written([{}, {"a": text}], Column("a", FieldType.TEXT))
    with pytest.raises(ExportRefused, match="so many columns"):
        written([], *(Column(f"f{number}", FieldType.TEXT) for number in range(xlsx.MOST_COLUMNS + 1)))


def test_one_that_is_given_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(xlsx, "STEP", 1)
    pieces = get_format("xlsx").encode([{"a": 1}] * 5, [Column("a", FieldType.INTEGER)])
    assert next(pieces) == b"", "whoever takes the pieces sees that it goes on"
    assert len(list(tmp_path.iterdir())) == 1
    pieces.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "stage", ["xlsxwriter.worksheet.Worksheet._write_optimized_sheet_data", "zipfile.ZipFile.write"]
)
def test_packing_ends_when_nobody_takes_it_any_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: str
) -> None:
    """In both of its stages: rows become sheets, and these a file."""
    targets: list[xlsx._Target] = []
    ended: list[str] = []
    there = pkgutil.resolve_name(stage)

    class Target(xlsx._Target):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            targets.append(self)

    def wait_there(*arguments: object) -> None:
        assert targets[0].given_up.wait(30)
        try:
            there(*arguments)
        except xlsx._GivenUp:
            ended.append(current_thread().name)
            raise

    monkeypatch.setattr(stage, wait_there)
    monkeypatch.setattr(xlsx, "_Target", Target)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pieces = get_format("xlsx").encode([{"a": 1}] * 5, [Column("a", FieldType.INTEGER)])
    assert next(pieces) == b"", "it is being packed"
    pieces.close()  # type: ignore[attr-defined]
    assert len(ended) == 1
    assert ended[0] not in {thread.name for thread in enumerate_threads()}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xlsxwriter.workbook.ZipFile", fail)
    with pytest.raises(OSError, match="No space left"):
        written([{"a": 1}], Column("a", FieldType.INTEGER))
