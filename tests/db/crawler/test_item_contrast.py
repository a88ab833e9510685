"""What became of items between two crawls, as their versions and pages tell it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from crawler.items.contrast import ItemContrast, Lines, contrast_items
from crawler.models import CrawlTask, Spider
from scheduling.lanes import Lane

from .making import Crawl, Site, make_item, make_spider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def site() -> Site:
    """A list that leads to five pages, each with an item."""
    pages = Site({f"/{name}": ([make_item(name, price="1.00")], []) for name in "abcde"})
    pages["/"] = ([], [f"/{name}" for name in "abcde"])
    return pages


def walk(spider: Spider, lane: Lane, pages: Site) -> CrawlTask:
    crawl = Crawl(spider, lane)
    crawl.walk(pages)
    CrawlTask.objects.filter(pk=crawl.task.pk).update(status="completed", finished_at=timezone.now())
    return CrawlTask.objects.get(pk=crawl.task.pk)


def keys(lines: Lines) -> dict[str, str]:
    return {line.key.strip('["]'): line.why for line in lines.shown}


def look(before: CrawlTask, after: CrawlTask, between: list[CrawlTask] | None = None) -> ItemContrast:
    has_later = CrawlTask.objects.filter(spider=after.spider_id, pk__gt=after.pk).exists()
    return contrast_items(before, after, between if between is not None else [], has_later=has_later)


def test_changed_new_and_gone_items_are_told_with_the_reason(lane: Lane) -> None:
    spider = make_spider()
    before = walk(spider, lane, site())
    pages = site()
    pages["/a"] = ([make_item("a", price="2.00", stock="3")], [])
    pages["/b"] = ([make_item("b2", price="1.00")], [])
    pages["/"] = ([], ["/a", "/b", "/c", "/d", "/f"])
    del pages["/c"]
    pages["/f"] = ([make_item("f", price="1.00")], [])
    after = walk(spider, lane, pages)
    found = look(before, after)
    [changed] = found.changed.shown
    assert changed.key == '["a"]'
    assert {change.name: (change.before, change.after) for change in changed.changes} == {
        "price": ("1.00", "2.00"),
        "stock": (None, "3"),
    }
    assert set(keys(found.added)) == {"b2", "f"}
    assert keys(found.gone) == {
        "b": "Its page was read and gives it no more.",
        "c": "Its page failed: Pages that are gone (404).",
        "e": "Its page was not reached.",
    }
    assert found.unseen.shown == []
    assert [lines.total for lines in (found.added, found.changed, found.gone, found.unseen)] == [2, 1, 3, 0]
    assert not found.has_later


def test_an_item_whose_page_failed_for_now_is_not_seen_and_not_gone(lane: Lane) -> None:
    spider = make_spider()
    before = walk(spider, lane, site())
    crawl = Crawl(spider, lane)
    crawl.open("/")
    crawl.step(site(), "/")
    crawl.store(crawl.failed("/a", 503, "http_503"), crawl.refused("/b"))
    CrawlTask.objects.filter(pk=crawl.task.pk).update(status="cancelled", finished_at=timezone.now())
    after = CrawlTask.objects.get(pk=crawl.task.pk)
    found = look(before, after)
    assert found.gone.shown == []
    assert keys(found.unseen) == {
        "a": "Its page failed: The host asked for rest (503).",
        "b": "Its page was not asked for: Closed by robots.txt.",
        "c": "The crawl ended before it came to its page.",
        "d": "The crawl ended before it came to its page.",
        "e": "The crawl ended before it came to its page.",
    }


def test_a_value_is_that_of_the_end_of_each_crawl_whatever_came_later(lane: Lane) -> None:
    spider = make_spider()
    tasks = []
    for price in ("1.00", "2.00", "3.00", "2.00"):
        pages = site()
        pages["/a"] = ([make_item("a", price=price)], [])
        tasks.append(walk(spider, lane, pages))
    second_to_third = look(tasks[1], tasks[2])
    [line] = second_to_third.changed.shown
    assert [(change.before, change.after) for change in line.changes] == [("2.00", "3.00")]
    assert second_to_third.has_later
    assert look(tasks[1], tasks[3], [tasks[2]]).changed.shown == [], "it is what it was"
    [line] = look(tasks[0], tasks[3], [tasks[1], tasks[2]]).changed.shown
    assert [(change.before, change.after) for change in line.changes] == [("1.00", "2.00")]


def test_of_a_page_that_a_later_crawl_has_reached_the_reason_is_not_guessed(lane: Lane) -> None:
    spider = make_spider()
    before = walk(spider, lane, site())
    pages = site()
    del pages["/c"]
    after = walk(spider, lane, pages)
    assert keys(look(before, after).gone) == {"c": "Its page failed: Pages that are gone (404)."}
    walk(spider, lane, pages)
    assert keys(look(before, after).gone) == {"c": "Not known any more: a later crawl has been at its page."}


def test_no_more_items_are_shown_than_fit_and_their_number_is_told(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.items.contrast.SHOWN", 2)
    spider = make_spider()
    empty = Site({"/": ([], [])})
    before = walk(spider, lane, empty)
    found = look(before, walk(spider, lane, site()))
    assert (len(found.added.shown), found.added.total, found.added.is_cut) == (2, 5, True)


def test_of_a_sample_no_number_is_told_as_that_of_all(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.items.contrast.LOOKED_AT", 2)
    spider = make_spider()
    before = walk(spider, lane, site())
    pages = Site({f"/{name}": ([make_item(name, price="2.00")], []) for name in "abcde"})
    pages["/"] = site()["/"]
    after = walk(spider, lane, pages)
    direct, unknown = look(before, after), contrast_items(before, after, None, has_later=False)
    assert (direct.is_sample, direct.changed.total) == (True, 5), "as the crawl has counted"
    assert (unknown.changed.total, unknown.changed.is_cut) == (None, True)


def test_where_not_all_pages_were_looked_at_no_number_of_unseen_items_is_told(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    spider = make_spider()
    pages = site() | {"/x": ([], []), "/y": ([], [])}
    pages["/"] = ([], ["/x", "/y", "/a", "/b"])
    before = walk(spider, lane, Site(pages))
    crawl = Crawl(spider, lane)
    crawl.open("/")
    crawl.step(Site(pages), "/")
    crawl.store(*(crawl.failed(path, 503, "http_503") for path in ("/x", "/y", "/a")), crawl.unchanged("/b"))
    CrawlTask.objects.filter(pk=crawl.task.pk).update(status="completed", finished_at=timezone.now())
    after = CrawlTask.objects.get(pk=crawl.task.pk)
    found = {}
    for bound in (2, 3):
        monkeypatch.setattr("crawler.items.contrast.LOOKED_AT", bound)
        unseen = look(before, after).unseen
        found[bound] = (list(keys(unseen)), unseen.total)
    assert found == {2: ([], None), 3: (["a"], 1)}
