"""The memory storage keeps the promises of `CrawlStorage`, so that previews and tests may lean on it."""

from __future__ import annotations

from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Batch, ItemRecord, Json, Link, PageResult, PageState, PendingPage
from crawler.engine.urls import hash_url


def make_link(path: str, *, depth: int = 0) -> Link:
    url = f"http://a.example{path}"
    return Link(url, hash_url(url), depth)


def make_item(key: str, value: Json) -> ItemRecord:
    return ItemRecord(
        type="note", key=key, key_hash=hash_url(key), data={"v": value}, data_json="", data_hash=str(value).encode()
    )


def done(page: PendingPage, *items: ItemRecord, links: tuple[Link, ...] = ()) -> PageResult:
    return PageResult(page, PageState.DONE, 200, extracted=True, items=list(items), links=list(links))


async def test_seeds_are_opened_once_however_often_the_crawl_goes_on() -> None:
    storage = MemoryStorage()
    seeds = [make_link("/1"), make_link("/2")]
    first = await storage.open(seeds, room=10)
    again = await storage.open(seeds, room=10)
    assert (first.resumed, again.resumed) == (False, True)
    assert [page.page_id for page in first.pending] == [page.page_id for page in again.pending] == [1, 2]


async def test_no_more_pages_are_given_than_there_is_room_for_and_the_window_brings_the_rest() -> None:
    storage = MemoryStorage()
    opening = await storage.open([make_link("/")], room=1)
    links = tuple(make_link(f"/{n}", depth=1) for n in range(5))
    answer = await storage.checkpoint(Batch([done(opening.pending[0], links=links)]), room=2)
    assert (len(answer.pending), answer.pending_dropped) == (2, 3)
    rest = await storage.window(room=10, held={page.page_id for page in answer.pending})
    assert [page.url for page in (*answer.pending, *rest)] == [link.url for link in links]


async def test_a_page_that_is_through_is_pending_no_more() -> None:
    storage = MemoryStorage()
    opening = await storage.open([make_link("/")], room=1)
    await storage.checkpoint(Batch([done(opening.pending[0], links=(make_link("/"),))]), room=5)
    assert await storage.window(room=5, held=()) == []
    again = await storage.open([make_link("/")], room=5)
    assert (list(again.pending), again.pages_done) == ([], 1)


async def test_a_second_page_with_the_same_key_and_another_value_is_a_conflict() -> None:
    storage = MemoryStorage()
    opening = await storage.open([make_link("/1"), make_link("/2"), make_link("/3")], room=5)
    first, second, third = opening.pending
    results = [
        done(first, make_item("k", 1)),
        done(second, make_item("k", 2)),
        done(third, make_item("k", 1)),
    ]
    answer = await storage.checkpoint(Batch(results), room=5)
    assert (answer.items_new, answer.conflicts, answer.items_unchanged, answer.items_changed) == (1, 1, 1, 0)
    (item,) = storage.items.values()
    assert (item.data, item.page_id) == ({"v": 1}, first.page_id)


async def test_an_item_may_wander_to_another_page_and_keeps_its_history() -> None:
    storage = MemoryStorage()
    opening = await storage.open([make_link("/1"), make_link("/2")], room=5)
    await storage.checkpoint(Batch([done(opening.pending[0], make_item("k", 1)), done(opening.pending[1])]), room=5)
    storage.begin()
    opening = await storage.open([make_link("/1"), make_link("/2")], room=5)
    await storage.checkpoint(Batch([done(opening.pending[0]), done(opening.pending[1], make_item("k", 2))]), room=5)
    assert await storage.mark_gone() == 0
    (item,) = storage.items.values()
    assert (item.data, item.versions, item.page_id) == ({"v": 2}, [{"v": 1}], opening.pending[1].page_id)


async def test_what_no_page_gives_is_gone_and_comes_back_when_one_does() -> None:
    storage = MemoryStorage()
    gone = []
    for items in ([make_item("k", 1)], [], [make_item("k", 1)]):
        opening = await storage.open([make_link("/")], room=5)
        await storage.checkpoint(Batch([done(opening.pending[0], *items)]), room=5)
        gone.append((await storage.mark_gone(), [item.gone for item in storage.items.values()]))
        storage.begin()
    assert gone == [(0, [False]), (1, [True]), (0, [False])]
