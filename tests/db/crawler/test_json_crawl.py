"""A crawl of a JSON API from end to end: items, versions, and an answer that is broken."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_django import Settings

from crawler.definitions import dump_spider, save_spider
from crawler.models import CrawlTask, Item, ItemVersion, Page, Spider, TaskFailure
from crawler.preview import preview
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

JSON = "application/json"
BOOKS = {
    "follow": [{"json": "next"}],
    "items": [
        {
            "type": "book",
            "each_json": "books[]",
            "key": ["isbn"],
            "fields": {
                "isbn": {"json": "isbn", "type": "integer"},
                "title": {"json": "title"},
                "price": {"json": "price", "type": "decimal"},
                "extra": {"json": "extra", "type": "json"},
                "tags": {"json": "tags", "many": True},
            },
        }
    ],
}


def answer(price: str, *, following: str | None = "/api?page=2", first: int = 1) -> bytes:
    books = f"""[
        {{"isbn": {first}, "title": "Emma\\u0000\\ud800", "price": {price},
          "extra": {{"b": [1.5, null]}}, "tags": ["x", 2]}},
        {{"isbn": {first + 1}, "title": "Persuasion", "price": 7, "extra": null}},
        {{"title": "without"}}
    ]"""
    return f'{{"books": {books}, "next": {json.dumps(following)}}}'.encode()


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Iterator[SiteServer]:
    """An API of two pages."""
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    server.replace("/api", answer("26.10"), content_type=JSON)
    server.replace("/api?page=2", answer("1.00", following=None, first=10), content_type="text/plain")
    with serve_in_thread(server):
        yield server


@pytest.fixture
def spider(site: SiteServer) -> Spider:
    return save_spider({"name": "api", "start_urls": [f"{site.url}/api"], **BOOKS})


def crawl() -> CrawlTask:
    return CrawlTask.objects.get(run=run_in_foreground("crawl", {"type": "spider", "target": "api"}))


def test_items_of_an_api_are_stored_with_their_types(spider: Spider) -> None:
    task = crawl()
    assert (task.status, task.pages, task.items_new) == ("completed", 2, 4)
    assert task.reasons == {"missing_key": 2}
    assert [item.data for item in Item.objects.order_by("id")[:2]] == [
        {"isbn": 1, "title": "Emma\ufffd", "price": "26.10", "extra": {"b": [1.5, None]}, "tags": ["x", "2"]},
        {"isbn": 2, "title": "Persuasion", "price": "7", "extra": None, "tags": []},
    ]


def test_a_changed_value_is_one_version_and_an_unchanged_answer_none(site: SiteServer, spider: Spider) -> None:
    crawl()
    site.replace("/api", answer("26.1"), content_type=JSON)
    task = crawl()
    assert (task.items_new, task.items_changed, task.pages_unchanged) == (0, 1, 1)
    version = ItemVersion.objects.get()
    assert (version.data["price"], version.item.data["price"]) == ("26.10", "26.1")
    assert crawl().items_changed == 0


def test_a_broken_answer_keeps_what_is_stored_and_says_where_it_breaks(site: SiteServer, spider: Spider) -> None:
    crawl()
    site.replace("/api", answer("1.00")[:-1], content_type=JSON)
    task = crawl()
    assert task.reasons["json_invalid"] == 1
    failure = TaskFailure.objects.get(task=task, reason="json_invalid")
    assert "Expecting ',' delimiter at line 6" in failure.detail
    assert Page.objects.get(url=f"{site.url}/api").state == "failed"
    assert list(Item.objects.filter(gone_at=None).values_list("version", flat=True)) == [1] * 4


def test_a_preview_shows_an_answers_fields_and_links(site: SiteServer, spider: Spider) -> None:
    found = preview(dump_spider(spider), f"{site.url}/api")
    assert found["links"] == [{"url": f"{site.url}/api?page=2", "followed": True, "verdict": "followed by follow[0]"}]
    items = cast("list[dict[str, Any]]", found["items"])
    first, _second, third = items
    assert first["key"] == [1]
    assert {field["name"]: field["matches"] for field in first["fields"]} == {
        "isbn": 1,
        "title": 1,
        "price": 1,
        "extra": 1,
        "tags": 2,
    }
    assert third["reason"] == "missing_key"
