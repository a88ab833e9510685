"""Real sites, walked whole: the pages that are reached are judged by what others' tools reached."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import quote

import pytest

from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, PageState
from crawler.engine.urls import normalise
from tests.servers.corpora import corpus
from tests.servers.sites import SiteServer

from .crawling import LONGEST, finish, make_crawler, make_definition

pytestmark = pytest.mark.corpora

PRODUCT = {
    "type": "product",
    "match": "/product/",
    "fields": {"name": {"css": "h1"}, "price": {"css": ".price", "regex": "[\\d.]+", "type": "decimal"}},
}


async def test_the_shop_is_walked_whole_and_the_second_time_asked_only_for_changes() -> None:
    folder = corpus("shop")
    targets = set(json.loads((folder / "site" / "manifest.json").read_text(encoding="utf-8")))
    storage = MemoryStorage()
    async with SiteServer(folder / "site") as server, make_crawler() as crawler:
        definition = make_definition(server.url + "/", items=[PRODUCT])
        first = await finish(crawler.crawl(definition, storage))
        asked = [target for target in server.targets() if target != "/robots.txt"]
        assert sorted(asked) == sorted(targets)
        server.log.clear()
        storage.begin()
        second = await finish(crawler.crawl(definition, storage))
        assert sorted(entry.target for entry in server.log) == sorted(targets)
        assert {entry.status for entry in server.log} == {304}
    assert (first.ending, first.counts.pages) == (Ending.COMPLETED, 1159)
    assert len(storage.items) == 1000
    assert (second.ending, second.counts.pages_unchanged) == (Ending.COMPLETED, 1159)
    assert (second.counts.items, second.counts.items_new) == (0, 0)
    assert not any(item.gone or item.versions for item in storage.items.values())


@pytest.mark.parametrize("name", ["sqlite-doc", "django-doc", pytest.param("fpc-doc", marks=pytest.mark.soak)])
async def test_every_page_that_others_reach_is_reached_and_no_other(name: str) -> None:
    folder = corpus(name)
    truth = json.loads((folder / "truth" / "graph.json").read_text(encoding="utf-8"))
    storage = MemoryStorage()
    async with SiteServer(folder / "site") as server, make_crawler() as crawler:
        # The port is no part of the scope, and a page of Django's links to 127.0.0.1:8000: whatever is there, keep off.
        follow = [{"allow": [f"^{re.escape(server.url)}/"]}]
        starts = truth["start"] if isinstance(truth["start"], list) else [truth["start"]]
        definition = make_definition(*(server.url + start for start in starts), follow=follow)
        outcome = await asyncio.wait_for(crawler.crawl(definition, storage).run(), 2 * LONGEST)  # 15,760 pages
        expected = {normalise(server.url + quote(path)) for path in truth["reachable_pages"]}
        assert max(server.targets().count(target) for target in server.targets()[:50]) == 1
        read = {
            page.url.partition("?")[0]
            for page in storage.pages.values()
            if page.state is PageState.DONE and page.url.partition("?")[0].endswith((".html", ".htm"))
        }
    assert outcome.ending is Ending.COMPLETED
    assert read == expected
