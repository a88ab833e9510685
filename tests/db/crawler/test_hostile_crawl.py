"""Hostile pages from a real server into the database: what is stored can be stored, what failed says why."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from crawler.definitions import save_spider
from crawler.models import CrawlTask, Item, Page, Spider, TaskFailure
from crawler.preview import preview
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

NUL = b"<title>\0nul\0</title><p>\0a\0b&#0;</p><script>\"\\u0000\\ud800\"</script><a href='/\0x'>x</a>"
SURROGATES = b"<title>\xed\xa0\x80half\xed\xb0\x80</title><p>&#xd800;x&#xdfff;</p><a href='/\xed\xa0\x80'>x</a>"
BLOWN_UP = b"<p>" + b"".join(b"<b a=%d>" % n for n in range(500)) + b"</p>" + b"<p>x" * 100_000


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Iterator[SiteServer]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    server.replace(
        "/", b"<title>home</title><a href=/nul>a</a><a href=/half>b</a><a href=/blown>c</a><a href=/big>d</a>"
    )
    server.replace("/nul", NUL)
    server.replace("/half", SURROGATES)
    server.replace("/blown", BLOWN_UP)
    server.replace("/big", b"<title>big</title>" + b"<p>text " * 100_000)
    with serve_in_thread(server):
        save_spider(
            {
                "name": "hostile",
                "start_urls": [f"{server.url}/"],
                "follow": [{}],
                "items": [
                    {
                        "type": "page",
                        "fields": {
                            "title": {"css": "title"},
                            "html": {"css": "p", "type": "html"},
                            "data": {"css": "script", "type": "json"},
                        },
                    }
                ],
            }
        )
        yield server


def test_what_databases_refuse_is_stored_without_it_and_a_page_that_ends_its_reader_fails_alone(
    site: SiteServer,
) -> None:
    task = CrawlTask.objects.get(run=run_in_foreground("crawl", {"type": "spider", "target": "hostile"}))

    assert task.status == CrawlTask.Status.COMPLETED
    assert task.reasons["reading_died"] == 1
    rows = Item.objects.values_list("page__url", "data")
    items = {str(url).removeprefix(site.url): data for url, data in rows}
    assert set(items) >= {"/", "/nul", "/half", "/big"}
    assert "/blown" not in items
    assert items["/big"]["title"] == "big"
    for value in map(str, items.values()):
        assert "\0" not in value
        value.encode()
    failure = TaskFailure.objects.get(task=task, reason="reading_died")
    assert failure.url == f"{site.url}/blown"
    assert "more memory than one may have" in failure.detail
    assert Page.objects.get(url=f"{site.url}/blown").state == "failed"


def test_a_preview_of_such_a_page_says_why_it_shows_nothing(site: SiteServer) -> None:
    document = Spider.objects.get(name="hostile").definition
    shown = preview(document, f"{site.url}/blown")

    assert "more memory than one may have" in str(shown["notice"])
    assert shown["items"] == []
