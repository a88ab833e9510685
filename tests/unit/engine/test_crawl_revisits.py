"""The second crawl of a site: what did not change costs a question and nothing else."""

from __future__ import annotations

import pytest

from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, PageState

from .crawling import crawl_once, make_definition, page_of
from .site import Handler, Reply, Seen, Site, page

ITEMS = [{"type": "note", "fields": {"text": {"css": "p"}}}]


def with_validators(reply: Reply, *, etag: str = "", last_modified: str = "") -> Handler:
    """Answers 304 to its own validators."""

    def handler(seen: Seen) -> Reply:
        headers = {"ETag": etag} if etag else {}
        headers |= {"Last-Modified": last_modified} if last_modified else {}
        is_known = (etag and seen.headers.get("if-none-match") == etag) or (
            last_modified and seen.headers.get("if-modified-since") == last_modified
        )
        if is_known:
            return Reply(status=304, headers=headers)
        return Reply(reply.body, reply.status, {**reply.headers, **headers})

    return handler


DATE = "Tue, 01 Sep 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    "validators",
    [{"etag": '"v1"'}, {"etag": 'W/"v1"'}, {"last_modified": DATE}, {"etag": '"v1"', "last_modified": DATE}, {}],
    ids=["etag", "weak etag", "date", "both", "none: equal bytes"],
)
async def test_an_unchanged_site_is_walked_whole_and_extracted_never(validators: dict[str, str]) -> None:
    storage = MemoryStorage()
    pages: dict[str, Reply | Handler] = {
        "/": with_validators(page("/a", "/b", text="start"), **validators),
        "/a": with_validators(page("/b", "/c", text="a"), **validators),
        "/b": with_validators(page("/", text="b"), **validators),
        "/c": with_validators(page(text="c"), **validators),
    }
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", items=ITEMS)
        first = await crawl_once(definition, storage)
        storage.begin()
        second = await crawl_once(definition, storage)
        assert site.asked == dict.fromkeys(pages, 2)
    assert (first.counts.pages_done, first.counts.items_new) == (4, 4)
    assert second.ending is Ending.COMPLETED
    assert (second.counts.pages, second.counts.pages_unchanged, second.counts.items) == (4, 4, 0)
    assert not any(item.gone for item in storage.items.values())


async def test_a_changed_page_is_extracted_and_the_others_are_not() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/a", "/b", text="start"), "/a": page(text="old"), "/b": page(text="b")}) as site:
        definition = make_definition(site.url + "/", items=ITEMS)
        await crawl_once(definition, storage)
        storage.begin()
        site.pages["/a"] = page("/new", text="fresh")
        site.pages["/new"] = page(text="new")
        outcome = await crawl_once(definition, storage)
    counts = outcome.counts
    assert (counts.pages_done, counts.pages_unchanged) == (2, 2)
    assert (counts.items_changed, counts.items_new, counts.items_unchanged) == (1, 1, 0)
    changed = [item for item in storage.items.values() if item.versions]
    assert [(item.versions, item.data) for item in changed] == [([{"text": "old"}], {"text": "fresh"})]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("text/html", "text/html; charset=utf-8", "Ã¤"),
        ("text/html; charset=latin1", "text/html; charset=UTF-8", "Ã¤"),
        ("application/octet-stream", "text/html; charset=utf-8", None),
    ],
)
async def test_the_same_bytes_under_another_type_or_charset_are_another_page(
    before: str, after: str, text: str | None
) -> None:
    body = "<meta charset=latin1><p>ä</p>"
    rule = {"type": "page", "fields": {"text": {"css": "p"}}}
    storage = MemoryStorage()
    async with Site({"/": Reply(body, headers={"Content-Type": before})}) as site:
        definition = make_definition(site.url + "/", items=[rule])
        await crawl_once(definition, storage)
        assert [item.data["text"] for item in storage.items.values()] == ([] if text is None else [text])
        for unchanged in (0, 1):
            site.pages["/"] = Reply(body, headers={"Content-Type": after})
            storage.begin()
            assert (await crawl_once(definition, storage)).counts.pages_unchanged == unchanged
    assert [item.data["text"] for item in storage.items.values()] == ["ä"]


async def test_after_an_edit_of_the_spider_nothing_is_taken_as_unchanged() -> None:
    storage = MemoryStorage()
    async with Site({"/": with_validators(page(text="start"), etag='"v1"')}) as site:
        definition = make_definition(site.url + "/", items=ITEMS)
        await crawl_once(definition, storage)
        storage.begin(version=2)
        outcome = await crawl_once(definition, storage)
        assert not any("if-none-match" in seen.headers for seen in site.seen)
    assert outcome.counts.pages_done == 1


async def test_a_page_that_nothing_links_to_any_more_is_not_asked_for_and_its_item_is_gone() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/a", "/b", text="start"), "/a": page(text="a"), "/b": page(text="b")}) as site:
        definition = make_definition(site.url + "/", items=ITEMS)
        await crawl_once(definition, storage)
        storage.begin()
        site.pages["/"] = page("/b", text="start again")
        await crawl_once(definition, storage)
        assert site.asked["/a"] == 1
    assert [item.data for item in storage.items.values() if item.gone] == [{"text": "a"}]


async def test_nothing_is_gone_after_a_crawl_under_a_limit() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/a", "/b", text="start"), "/a": page(text="a"), "/b": page(text="b")}) as site:
        await crawl_once(make_definition(site.url + "/", items=ITEMS), storage)
        storage.begin(version=2)
        limited = make_definition(site.url + "/", items=ITEMS, limits={"max_pages": 1})
        outcome = await crawl_once(limited, storage)
    assert outcome.ending is Ending.LIMITED
    assert not any(item.gone for item in storage.items.values())


async def test_an_unchanged_site_under_max_depth_ends_as_it_did_when_it_was_read() -> None:
    storage = MemoryStorage(max_depth=1)
    async with Site({"/": page("/a", "/b"), "/a": page("/far", "/"), "/b": page(), "/far": page()}) as site:
        definition = make_definition(site.url + "/", items=ITEMS, limits={"max_depth": 1})
        first = await crawl_once(definition, storage)
        storage.begin()
        second = await crawl_once(definition, storage)
        assert not site.asked["/far"]
    assert (first.ending, first.counts.reasons) == (Ending.LIMITED, {"depth_limit": 2})
    assert (second.ending, second.counts.reasons) == (Ending.LIMITED, {"depth_limit": 2})
    assert second.counts.pages_unchanged == 3


async def test_links_that_were_cut_are_found_when_their_page_comes_nearer() -> None:
    storage = MemoryStorage(max_depth=2)
    async with Site({"/": page("/a"), "/a": page("/b"), "/b": page("/c"), "/c": page()}) as site:
        definition = make_definition(site.url + "/", limits={"max_depth": 2})
        await crawl_once(definition, storage)
        storage.begin()
        site.pages["/"] = page("/a", "/b")
        outcome = await crawl_once(definition, storage)
        assert site.asked == {"/": 2, "/a": 2, "/b": 2, "/c": 1}
    assert outcome.ending is Ending.COMPLETED


async def test_a_304_that_nobody_asked_for_is_a_failure() -> None:
    async with Site({"/": page("/odd"), "/odd": Reply(status=304)}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.reasons == {"http_304": 1}


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        ("text/html", True),
        ("TEXT/HTML; charset=utf-8", True),
        ("application/xhtml+xml", True),
        ("text/plain", True),
        ("", True),
        ("application/atom+xml", True),
        ("image/png", False),
        ("image/svg+xml", False),
        ("application/pdf", False),
        ("application/zip", False),
        ("application/json", False),
    ],
)
async def test_only_what_is_text_of_a_page_is_extracted(content_type: str, is_read: bool) -> None:
    storage = MemoryStorage()
    reply = Reply('<a href="/further">', headers={"Content-Type": content_type} if content_type else {})
    async with Site({"/": page("/file"), "/file": reply, "/further": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert bool(site.asked["/further"]) is is_read
        file = page_of(storage, site.url + "/file")
    assert (file.state, file.reason) == (PageState.DONE, "" if is_read else "not_html")
    assert outcome.counts.reasons["not_html"] == (not is_read)
