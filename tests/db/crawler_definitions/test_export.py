"""Items leave as they are: every field, in the rules' order, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from openpyxl import load_workbook

from crawler.definitions import save_spider
from crawler.engine.records import Json
from crawler.exports import ExportRefused, Selection, export, formats, get_format
from crawler.exports.csv import harmless
from crawler.models import Item, Page, Spider

pytestmark = pytest.mark.django_db

THEN = datetime(2027, 1, 1, tzinfo=UTC)
FIELDS = {
    "title": {"css": "h1"},
    "price": {"css": "p", "type": "decimal"},
    "stock": {"css": "b", "type": "integer"},
    "tags": {"css": "i", "many": True},
    "new": {"css": "u", "type": "boolean"},
}


@pytest.fixture
def spider() -> Spider:
    return save_spider(
        {"name": "books", "start_urls": ["https://shop.example/"], "items": [{"type": "book", "fields": FIELDS}]}
    )


def make_item(spider: Spider, number: int, kind: str = "book", **changes: object) -> Item:
    data: dict[str, Json] = {"tags": ["a", "b"], "title": f"é {number}", "price": "1.50", "stock": None, "new": True}
    values: dict[str, object] = {
        "type": kind, "key": f"[{number}]", "key_hash": number, "data": data, "data_hash": b"",
        "first_seen_at": THEN, "changed_at": THEN,
    }  # fmt: skip
    return Item.objects.create(spider=spider, **(values | changes))


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("exportitems", *arguments, stdout=out)
    return out.getvalue()


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_line_of_json_is_an_item_with_its_fields_in_order(spider: Spider) -> None:
    make_item(spider, 1)
    assert run("books", "--format", "jsonl") == (
        '{"title":"é 1","price":"1.50","stock":null,"tags":["a","b"],"new":true}\n'
    )


def test_an_array_of_json_holds_the_same_lines(spider: Spider, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("books", "--format", "json") == "[]\n"
    for number in (1, 2, 3):
        make_item(spider, number)
    for piece in (1, 64_000):
        monkeypatch.setattr("crawler.exports.jsonl.PIECE", piece)
        array = run("books", "--format", "json")
        assert len(json.loads(array)) == 3
        lines = run("books", "--format", "jsonl").splitlines()
        assert array == "[\n" + ",\n".join(lines) + "\n]\n"


def test_a_row_of_a_workbook_is_an_item_with_the_rules_fields(spider: Spider, tmp_path: Path) -> None:
    make_item(spider, 1)
    path = tmp_path / "books.xlsx"
    run("books", "--format", "xlsx", "--with-meta", "--output", str(path))
    header, values = load_workbook(path)["items"].iter_rows(values_only=True)
    assert header == (
        "_type", "_url", "_version", "_first_seen_at", "_changed_at", "title", "price", "stock", "tags", "new",
    )  # fmt: skip
    then = THEN.replace(tzinfo=None)
    assert values == ("book", None, 1, then, then, "é 1", 1.5, None, '["a", "b"]', True)


def test_a_workbook_is_not_written_to_a_terminal(spider: Spider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.core.management.base.OutputWrapper.isatty", lambda _self: True)
    with pytest.raises(CommandError, match="name a file by --output"):
        run("books", "--format", "xlsx")
    assert run("books", "--format", "json") == "[]\n"


def test_a_row_of_csv_is_an_item_with_the_rules_fields(spider: Spider) -> None:
    make_item(spider, 1)
    assert run("books", "--format", "csv") == (
        'title,price,stock,tags,new\r\né 1,1.50,,"[""a"", ""b""]",true\r\n'
    )  # fmt: skip


def test_what_is_known_about_an_item_stands_before_its_fields(spider: Spider) -> None:
    page = Page.objects.create(spider=spider, url="https://shop.example/1", url_hash=1, state="done")
    make_item(spider, 1, page=page, version=3, changed_at=THEN + timedelta(days=1, microseconds=5))
    row = json.loads(run("books", "--format", "jsonl", "--with-meta"))
    assert list(row.items())[:5] == [
        ("_type", "book"),
        ("_url", "https://shop.example/1"),
        ("_version", 3),
        ("_first_seen_at", "2027-01-01T00:00:00Z"),
        ("_changed_at", "2027-01-02T00:00:00.000005Z"),
    ]
    header, values = cells(run("books", "--format", "csv", "--with-meta"))
    assert header[:6] == ["_type", "_url", "_version", "_first_seen_at", "_changed_at", "title"]
    assert values[:3] == ["book", "https://shop.example/1", "3"]


def test_an_item_whose_page_is_gone_has_no_url(spider: Spider) -> None:
    make_item(spider, 1)
    assert json.loads(run("books", "--format", "jsonl", "--with-meta"))["_url"] is None


def test_gone_items_and_other_spiders_are_left_out(spider: Spider) -> None:
    other = save_spider({"name": "other", "start_urls": ["https://shop.example/"]})
    make_item(spider, 1, gone_at=THEN)
    make_item(other, 2)
    assert run("books", "--format", "jsonl") == ""
    assert run("books", "--format", "csv") == "title,price,stock,tags,new\r\n"


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("2027-01-01T08:00:00+08:00", 2),
        ("2027-01-01T00:00:01Z", 1),
        ("2027-01-02", 1),  # midnight in Shanghai is 16:00 of the day before
        ("2027-01-02T08:00:00", 1),
        ("2027-01-03", 0),
    ],
)
def test_only_what_changed_since(spider: Spider, when: str, count: int) -> None:
    make_item(spider, 1)
    make_item(spider, 2, changed_at=THEN + timedelta(days=1))
    assert len(run("books", "--format", "jsonl", "--changed-since", when).splitlines()) == count


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_text_is_run_as_a_formula(spider: Spider, value: str, cell: str) -> None:
    make_item(spider, 1, data={"title": value})
    assert cells(run("books", "--format", "csv"))[1][0] == cell
    assert json.loads(run("books", "--format", "jsonl"))["title"] == value
    assert harmless(value) == cell


def test_a_negative_number_is_no_formula_but_a_pretended_one_is(spider: Spider) -> None:
    make_item(spider, 1, data={"price": "-1.50", "stock": -3})
    make_item(spider, 2, data={"price": "-1+cmd"})
    assert [row[1:3] for row in cells(run("books", "--format", "csv"))[1:]] == [["-1.50", "-3"], ["'-1+cmd", ""]]


def test_fields_of_earlier_rules_stay_in_json_and_have_no_column(spider: Spider) -> None:
    make_item(spider, 1, data={"title": "x", "zebra": 1, "author": "y"})
    assert list(json.loads(run("books", "--format", "jsonl"))) == ["title", "author", "zebra"]
    assert cells(run("books", "--format", "csv"))[1] == ["x", "", "", "", ""]


def test_one_type_of_several_is_named_for_csv() -> None:
    rules = [{"type": kind, "fields": {name: {"css": "p"}}} for kind, name in (("book", "title"), ("cd", "length"))]
    spider = save_spider({"name": "books", "start_urls": ["https://shop.example/"], "items": rules})
    make_item(spider, 1, data={"title": "x"})
    make_item(spider, 2, "cd", data={"length": "y"})
    assert len(run("books", "--format", "jsonl").splitlines()) == 2
    assert run("books", "--format", "csv", "--type", "cd") == "length\r\ny\r\n"
    with pytest.raises(CommandError, match='name one type: "book", "cd"') as caught:
        run("books", "--format", "csv")
    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["book", "--format", "csv"], 'There is no spider "book". Did you mean "books"?'),
        (["books", "--format", "parquet"], 'the format "parquet" is not there yet; there are csv, json, jsonl, xlsx'),
        (["books", "--format", "jsnl"], 'the format "jsnl" is not known; did you mean "jsonl"?'),
        (["books", "--format", "csv", "--type", "x"], '"books" has no items of the type "x"; its types: "book"'),
        (["books", "--format", "csv", "--type", "old"], 'no rule gives items of the type "old" any more'),
        (["books", "--format", "csv", "--changed-since", "02:00"], '--changed-since: "02:00" is no date; write '),
        (["books", "--format", "csv", "--changed-since", "2027-02-30"], '--changed-since: "2027-02-30" is no date; '),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_said(spider: Spider, arguments: list[str], message: str) -> None:
    make_item(spider, 1, "old")
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert str(caught.value).startswith(message)
    assert caught.value.returncode == 2


def test_items_of_a_type_that_no_rule_gives_any_more_can_be_had_as_json(spider: Spider) -> None:
    make_item(spider, 1, "old", data={"b": 1, "a": 2})
    assert run("books", "--format", "jsonl", "--type", "old") == '{"a":2,"b":1}\n'


def test_a_file_appears_whole_with_the_mode_that_it_had(spider: Spider, tmp_path: Path) -> None:
    make_item(spider, 1)
    path = tmp_path / "books.csv"
    path.write_text("old")
    path.chmod(0o640)
    assert run("books", "--format", "csv", "--output", str(path)) == ""
    assert len(cells(path.read_text())) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["books.csv"]


def test_a_failed_export_leaves_the_old_file(spider: Spider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_item(spider, 1)
    path = tmp_path / "books.csv"
    path.write_text("old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CommandError, match=f"{path}: No space left"):
        run("books", "--format", "csv", "--output", str(path))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["books.csv"]


def test_a_link_is_written_through(spider: Spider, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    run("books", "--format", "csv", "--output", str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("title")


@pytest.mark.any_database
def test_memory_does_not_grow_with_the_number_of_items(spider: Spider) -> None:
    def peak(file_format: str) -> int:
        tracemalloc.start()
        for _piece in export(Selection(spider=spider, with_meta=True), get_format(file_format)):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    def fill(first: int, last: int) -> None:
        data, moments = {"title": "x" * 500}, {"first_seen_at": THEN, "changed_at": THEN}
        Item.objects.bulk_create(
            Item(spider=spider, type="book", key=str(number), key_hash=number, data=data, data_hash=b"", **moments)
            for number in range(first, last)
        )

    for name in formats():
        peak(name)  # loads what it needs
    fill(0, 4_000)
    small = {name: peak(name) for name in formats()}
    fill(4_000, 10_000)
    for name, before in small.items():
        assert peak(name) < before * 1.3, name


def test_a_document_that_is_refused_by_now_still_gives_its_items(spider: Spider) -> None:
    make_item(spider, 1, data={"b": 1, "a": 2})
    spider.definition = {"name": "books"}
    spider.save(update_fields=["definition"])
    assert run("books", "--format", "jsonl") == '{"a":2,"b":1}\n'
    with pytest.raises(ExportRefused):
        list(export(Selection(spider=spider, type="book"), get_format("csv")))


def test_a_line_of_json_holds_no_line_end_of_any_kind() -> None:
    rows: list[Mapping[str, Json]] = [{"a": "x\u2028y\u2029z\n"}]
    assert b"".join(get_format("jsonl").encode(rows, [])) == b'{"a":"x\\u2028y\\u2029z\\n"}\n'
