"""Exports in the background, over the page and over REST: progress, the file, cancelling, bounds."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import Settings
from rest_framework.test import APIClient

from crawler.engine.urls import hash_url
from crawler.exports import Selection, files, get_format
from crawler.exports.files import Export
from crawler.models import Item, Spider

from .making import make_item, make_spider, make_user
from .problems import assert_problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

REST = "/api/crawl/items/export"
FORM = "/admin/crawler/item/export/"


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.DATA_DIR = tmp_path
    yield tmp_path / "exports"
    for thread in threading.enumerate():
        if thread.name.startswith("export-"):
            thread.join(10)


@pytest.fixture
def books() -> Spider:
    spider = make_spider()
    make_item(spider, "a", data={"title": "=1+1", "price": "1.50"})
    make_item(spider, "b", data={"title": "b", "price": "2.50"}, complete=False)
    make_item(spider, "c", data={"title": "c", "price": None}, changed_at=timezone.now() - timedelta(days=3))
    make_item(spider, "d", gone_at=timezone.now())
    return spider


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def rows_of(workbook: bytes) -> list[tuple[object, ...]]:
    return list(load_workbook(io.BytesIO(workbook))["items"].iter_rows(values_only=True))


def sent(answer: object) -> bytes:
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    answer.close()  # type: ignore[attr-defined]
    return content


# --- the page ---------------------------------------------------------------------------------------------------------
def test_a_small_export_is_whole_when_the_page_opens(root: User, client: Client, books: Spider, folder: Path) -> None:
    client.force_login(root)
    form = client.get(f"{FORM}?spider=books").content.decode()
    assert "3 items" in form
    assert re.findall(r'name="format" value="(\w+)"[^>]*>([^<]+)<', form) == [
        ("csv", "CSV"), ("json", "JSON"), ("jsonl", "JSON Lines"), ("xlsx", "Excel"),
    ]  # fmt: skip
    answer = client.post(FORM, {"spider": "books", "format": "csv", "fields": ["title", "price"]}, follow=True)
    assert "3 of 3 rows" in answer.content.decode()
    [made] = files.exports()
    file = client.get(f"{FORM}{made.id}/file/")
    assert file["Content-Disposition"].startswith('attachment; filename="books-')
    content = sent(file)
    assert content.startswith(b"\xef\xbb\xbftitle"), "without it Excel reads no Chinese"
    assert rows(content) == [
        ["title", "price"], ["'=1+1", "1.50"], ["b", "2.50"], ["c", ""],
    ]  # fmt: skip
    assert made.name in client.get(FORM).content.decode()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_came_back_is_among_what_a_time_asks_for_and_nobody_denies_it(
    root: User, client: Client, books: Spider
) -> None:
    Item.objects.filter(key_hash=hash_url("c")).update(returned_at=timezone.now())
    client.force_login(root)
    form = client.get(f"{FORM}?spider=books&changed=day").content.decode()
    assert "3 items" in form
    assert "only came back" not in form
    client.post(FORM, {"spider": "books", "format": "csv", "changed": "day"})
    [made] = files.exports()
    assert [row[0] for row in rows(made.path.read_bytes())[1:]] == ["'=1+1", "b", "c"]


def test_a_workbook_is_made_and_says_what_does_not_fit(
    root: User, client: Client, api: APIClient, books: Spider
) -> None:
    client.force_login(root)
    assert 'value="xlsx"' in client.get(f"{FORM}?spider=books").content.decode()
    client.post(FORM, {"spider": "books", "format": "xlsx"})
    [made] = files.exports()
    assert (made.state, made.rows, made.total) == ("completed", 3, 3)
    assert rows_of(made.path.read_bytes())[1] == ("=1+1", "1.50")
    make_item(books, "e", data={"title": "x" * 32_768})
    client.post(FORM, {"spider": "books", "format": "xlsx"})
    failed = ended(next(one for one in files.exports() if one.id != made.id))
    assert (failed.state, failed.message) == (
        "failed",
        "A cell holds 32,767 characters, and “title” has 32,768 in row 5: leave that field out, or take another "
        "format.",
    )
    assert client.get(f"{FORM}?spider=books&format=xlsx").context["format"] == "xlsx"
    assert_problem(api.get(f"{REST}?spider=books&format=xlsx"), 400, field="format", says="“title” has 32,768 in row 5")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"state": "gone"}, ["d"]),
        ({"state": "incomplete"}, ["b"]),
        ({"changed": "day"}, ["=1+1", "b"]),
        ({"q": "2.5"}, ["b"]),
        ({"type": "book"}, ["=1+1", "b", "c"]),
    ],
)
def test_the_filters_of_the_list_hold(
    root: User, client: Client, books: Spider, given: dict[str, str], expected: list[str]
) -> None:
    client.force_login(root)
    client.post(FORM, {"spider": "books", "format": "jsonl", **given})
    [made] = files.exports()
    assert [json.loads(line)["title"] for line in made.path.read_text().splitlines()] == expected


def test_columns_and_what_is_known_beside_them_are_chosen(root: User, client: Client, books: Spider) -> None:
    client.force_login(root)
    client.post(
        FORM,
        {"spider": "books", "format": "csv", "offered": ["title", "price"], "fields": ["price"], "with_meta": "on"},
    )
    [made] = files.exports()
    assert rows(made.path.read_bytes())[0] == ["_type", "_url", "_version", "_first_seen_at", "_changed_at", "price"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"spider": "nobody", "format": "csv"}, "Choose a spider first."),
        ({"spider": "books", "format": "parquet"}, "is not there yet"),
        ({"spider": "books"}, "is not known"),
        (
            {"spider": "books", "format": "csv", "type": "cd"},
            "“books” has no items of the type “cd”; its types: “book”",
        ),
        ({"spider": "both", "format": "csv"}, "the format has one set of columns; name one type: “a”, “b”"),
        (
            {"spider": "both", "format": "csv", "type": "book"},
            "“both” has no items of the type “book”; its types: “a”, “b”",
        ),
    ],
)
def test_what_cannot_be_exported_is_said_on_the_form(
    root: User, client: Client, books: Spider, given: dict[str, str], says: str
) -> None:
    rule = {"type": "a", "fields": {"x": {"css": "b"}}}
    make_spider("both", items=[rule, rule | {"type": "b"}])
    client.force_login(root)
    answer = client.post(FORM, given)
    assert answer.status_code == 200
    assert says in answer.content.decode()
    assert files.exports() == []


def test_the_form_proposes_what_can_be_had(root: User, client: Client, books: Spider) -> None:
    rule = {"type": "a", "fields": {"x": {"css": "b"}}}
    make_spider("both", items=[rule, rule | {"type": "b"}])
    client.force_login(root)

    def proposed(query: str) -> tuple[str, str]:
        context = client.get(f"{FORM}?{query}").context
        return context["choice"].type, context["format"]

    assert proposed("spider=books") == ("book", "csv")
    assert proposed("spider=both") == ("", "jsonl")
    assert proposed("spider=both&type=b&format=csv") == ("b", "csv")
    assert proposed("spider=both&format=csv") == ("", "jsonl")
    assert proposed("") == ("", "jsonl")


def test_what_the_selects_say_is_exported_without_showing_it_first(root: User, client: Client, books: Spider) -> None:
    """The form was shown for the books, with one of their columns taken away; then another spider was chosen."""
    make_item(make_spider("discs", items=[{"type": "cd", "fields": {"title": {"css": "p"}, "length": {"css": "b"}}}]))
    client.force_login(root)
    form = client.get(f"{FORM}?spider=books").content.decode()
    assert len(re.findall(r'<form method="post" action="/admin/crawler/item/export/"', form)) == 1
    asked = {"spider": "discs", "type": "", "format": "csv", "offered": ["title", "price"], "fields": ["title"]}
    shown = client.post(FORM, asked | {"_show": "1"})
    assert shown["Location"] == f"{FORM}?spider=discs&format=csv"
    assert files.exports() == []
    client.post(FORM, asked)
    [made] = files.exports()
    assert made.spider == "discs"
    assert rows(made.path.read_bytes())[0] == ["title", "length"]


def test_an_export_that_has_ended_is_asked_for_no_more(root: User, client: Client, books: Spider) -> None:
    client.force_login(root)
    assert "X-Poll" not in client.get(f"{FORM}{make_export().id}/progress/")
    assert client.get(f"{FORM}{make_export(state='failed').id}/progress/")["X-Poll"] == "over"


@pytest.mark.parametrize("name", ["jsonl", "xlsx"])
def test_an_export_is_cancelled(
    root: User, client: Client, books: Spider, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Each query gives one row, and waits until the page has been looked at."""
    looked_at = threading.Event()
    monkeypatch.setattr("crawler.exports.selection.CHUNK", 1)
    monkeypatch.setattr("crawler.exports.jsonl.PIECE", 1)
    monkeypatch.setattr("crawler.exports.xlsx.STEP", 1)
    beside = tmp_path / "beside"
    beside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(beside))
    monkeypatch.setattr(files, "BEAT", 0.0)
    items = Selection.items

    def slow(selection: Selection) -> object:
        looked_at.wait(10)
        return items(selection)

    monkeypatch.setattr(Selection, "items", slow)
    monkeypatch.setattr("crawler.admin.exporting.AT_ONCE", 0.01)
    client.force_login(root)
    answer = client.post(FORM, {"spider": "books", "format": name}, follow=True)
    [made] = files.exports()
    assert made.is_running
    assert f"{FORM}{made.id}/progress/" in answer.content.decode()
    assert "<progress" in client.get(f"{FORM}{made.id}/progress/").content.decode()
    assert client.get(f"{FORM}{made.id}/file/").status_code == 404
    assert client.get(f"{FORM}{made.id}/cancel/").status_code == 405
    client.post(f"{FORM}{made.id}/cancel/")
    looked_at.set()
    assert ended(made).state == "cancelled"
    assert sorted(path.suffix for path in folder.iterdir()) == [".cancel", ".json"]
    assert list(beside.iterdir()) == []


def ended(export: Export) -> Export:
    for _attempt in range(200):
        found = files.find(export.id)
        if found is not None and not found.is_running:
            return found
        time.sleep(0.05)
    raise AssertionError("it does not end")


def make_export(**changes: object) -> Export:
    now = timezone.now().isoformat()
    made = Export(
        id=f"{len(files.exports()):032x}", by="ada", spider="books", type="", format="csv", name="books.csv",
        content_type="text/csv", started_at=now, beat_at=now,
    )  # fmt: skip
    made = replace(made, **changes)  # type: ignore[arg-type]
    files.folder().mkdir(exist_ok=True)
    files._write(made)
    return made


def test_two_run_at_once_and_no_more(root: User, client: Client, api: APIClient, books: Spider) -> None:
    make_export()
    make_export()
    client.force_login(root)
    answer = client.post(FORM, {"spider": "books", "format": "csv"})
    assert "Already 2 exports are running" in answer.content.decode()
    refused = api.get(f"{REST}?spider=books&format=csv")
    assert_problem(refused, 429, says="Already 2")
    assert refused["Retry-After"] == "5"


def test_of_many_that_begin_at_once_no_more_run(books: Spider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has found room before any of them begins, where nothing keeps them apart."""
    together, written = threading.Barrier(6), threading.Event()
    items = Selection.items

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(0.2)

    def held(selection: Selection) -> object:
        written.wait(10)
        return items(selection)

    def begin(_number: int) -> Export | None:
        with suppress(files.ExportsBusy):
            return files.start(Selection(spider=books), get_format("jsonl"), by="ada")
        return None

    monkeypatch.setattr(files, "check_disk", meet)
    monkeypatch.setattr(Selection, "items", held)
    with ThreadPoolExecutor(6) as threads:
        begun = [one for one in threads.map(begin, range(6)) if one is not None]
        written.set()
    assert len(begun) == files.AT_ONCE
    assert {ended(one).state for one in begun} == {"completed"}


def test_one_whose_process_died_is_told_so_and_makes_room(api: APIClient, books: Spider) -> None:
    old = (timezone.now() - timedelta(minutes=5)).isoformat()
    dead = [make_export(beat_at=old), make_export(beat_at=old)]
    found = files.find(dead[0].id)
    assert found is not None
    assert found.state == "failed"
    assert "has ended" in found.message
    assert sent(api.get(f"{REST}?spider=books&format=csv"))


def test_one_whose_database_is_silent_lives_for_a_while(books: Spider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that takes long is no death of the process: others do not take its place, until that is too long."""
    answers = threading.Event()
    count = Selection.count

    def silent(selection: Selection) -> int:
        answers.wait(90)
        return count(selection)

    monkeypatch.setattr(Selection, "count", silent)
    monkeypatch.setattr(files, "QUIET_BEAT", 0.02)
    begun = files.start(Selection(spider=books), get_format("jsonl"), by="ada")
    seen = {begun.beat_at}
    while len(seen) < 4:
        found = files.find(begun.id)
        assert found is not None
        assert found.is_running, "no sign of life"
        seen.add(found.beat_at)
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    monkeypatch.setattr(files, "SILENT", timedelta(seconds=0.1))
    assert ended(begun).state == "failed"
    monkeypatch.undo()
    answers.set()
    assert ended(begun).state == "completed"


def test_a_day_later_they_are_gone(folder: Path, books: Spider, api: APIClient) -> None:
    old = make_export(state="completed", started_at=(timezone.now() - timedelta(days=2)).isoformat())
    old.path.write_bytes(b"x")
    kept = make_export(state="completed")
    kept.path.write_bytes(b"x")
    assert sent(api.get(f"{REST}?spider=books&format=csv"))
    assert files.find(old.id) is None
    assert sorted(path.name for path in folder.iterdir()) == [f"{kept.id}.data", f"{kept.id}.json"]


def test_a_full_disk_is_no_place_for_exports(api: APIClient, books: Spider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LEAST_FREE", 10**18)
    assert_problem(api.get(f"{REST}?spider=books&format=csv"), 400, says="disk is nearly full")


def test_exports_of_others_are_not_shown(client: Client, books: Spider) -> None:
    made = make_export(state="completed", by="bob")
    made.path.write_bytes(b"x")
    client.force_login(make_user("ada", "crawler.view_item", "crawler.export_item"))
    assert made.name not in client.get(FORM).content.decode()
    for page in ("", "progress/", "file/"):
        assert client.get(f"{FORM}{made.id}/{page}").status_code == 404
    assert client.post(f"{FORM}{made.id}/cancel/").status_code == 404
    for odd in ("x", "..", "a" * 32):
        assert client.get(f"{FORM}{odd}/file/").status_code == 404
    client.force_login(make_user("eve", "crawler.view_item"))
    assert client.get(FORM).status_code == 403
    assert client.get(f"{FORM}{made.id}/file/").status_code == 403


# --- REST -------------------------------------------------------------------------------------------------------------
def test_rest_sends_the_whole_file_and_keeps_none(api: APIClient, books: Spider, folder: Path) -> None:
    answer = api.get(f"{REST}?spider=books&format=csv&fields=price,title")
    assert answer["Content-Type"].startswith("text/csv")
    content = sent(answer)
    assert content.startswith(b"title,price"), "a program gets no byte order mark"
    assert list(folder.iterdir()) == []
    lines = sent(api.get(f"{REST}/?spider=books&format=jsonl&with_meta=true&state=gone")).splitlines()
    assert [json.loads(line)["_type"] for line in lines] == ["book"]
    book = api.get(f"{REST}?spider=books&format=xlsx")
    assert book["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert book["Content-Disposition"].endswith('.xlsx"')
    assert rows_of(sent(book)) == [("title", "price"), ("=1+1", "1.50"), ("b", "2.50"), ("c", None)]
    assert [row["title"] for row in json.loads(sent(api.get(f"{REST}?spider=books&format=json")))] == ["=1+1", "b", "c"]
    Item.objects.all().delete()
    assert sent(api.get(f"{REST}?spider=books&format=jsonl")) == b""


def test_rest_names_where_to_ask_for_what_takes_long(
    api: APIClient, books: Spider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.api.exporting.LONGEST", 0.0)
    held = threading.Event()
    items = Selection.items

    def slow(selection: Selection) -> object:
        held.wait(10)
        return items(selection)

    monkeypatch.setattr(Selection, "items", slow)
    asked = api.get(f"{REST}?spider=books&format=csv")
    assert (asked.status_code, asked["Retry-After"]) == (202, "2")
    address = asked["Location"]
    assert asked.json()["url"] == f"http://testserver{address}"
    assert api.get(address).json()["state"] == "running"
    stranger = APIClient()
    stranger.force_authenticate(make_user("eve", "crawler.export_item"))
    assert_problem(stranger.get(address), 404)
    assert_problem(stranger.delete(address), 404)
    held.set()
    [made] = files.exports()
    ended(made)
    assert rows(sent(api.get(f"{address}/")))[0] == ["title", "price"]
    assert api.delete(address).status_code == 204
    assert_problem(api.get(address), 404)


@pytest.mark.parametrize(("state", "status"), [("running", 202), ("cancelled", 503), ("failed", 503)])
def test_rest_tells_how_an_export_stands(api: APIClient, state: str, status: int) -> None:
    made = make_export(state=state, message="The disk is nearly full." if state == "failed" else "")
    assert api.get(f"{REST}/{made.id}").status_code == status
    assert api.delete(f"{REST}/{made.id}").status_code == 204
    assert (files.folder() / f"{made.id}.cancel").exists() is (state == "running")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("format=csv", "spider"),
        ("spider=nobody&format=csv", "spider"),
        ("spider=books", "format"),
        ("spider=books&format=xml", "format"),
        ("spider=books&format=csv&state=odd", "state"),
        ("spider=books&format=csv&type=cd", "type"),
        ("spider=books&format=csv&fields=nothing", "fields"),
        ("spider=books&format=csv&with_meta=1", "with_meta"),
        ("spider=books&format=csv&changed_since=then", "changed_since"),
        ("spider=books&format=csv&columns=x", "columns"),
    ],
)
def test_rest_refuses_by_the_name_of_the_field(api: APIClient, books: Spider, query: str, field: str) -> None:
    assert_problem(api.get(f"{REST}?{query}"), 400, field=field)


def test_rest_speaks_of_its_own_parameters(api: APIClient) -> None:
    rule = {"type": "a", "fields": {"x": {"css": "b"}}}
    make_spider("both", items=[rule, rule | {"type": "b"}])
    answer = api.get(f"{REST}?spider=both&format=csv")
    assert_problem(answer, 400, field="type", says="name one type: “a”, “b”")
    assert "--" not in answer.json()["detail"]
