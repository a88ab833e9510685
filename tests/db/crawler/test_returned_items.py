"""Items that were gone and come back: when, and how that is told of two crawls and in the order of changes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from django.utils import timezone

from crawler.engine.records import ValueProblem
from crawler.items.changes import Asked, ItemChange, Kind, item_changes
from crawler.models import CrawlTask, Item, ItemHour, Spider
from scheduling.lanes import Lane

from .making import Crawl, Site, get_item, make_item, make_spider
from .test_item_contrast import keys, look, walk

pytestmark = pytest.mark.django_db(transaction=True)


def site(**prices: str) -> Site:
    """A list that leads to a page for each item."""
    pages = Site({f"/{key}": ([make_item(key, price=price)], []) for key, price in prices.items()})
    pages["/"] = ([], [f"/{key}" for key in prices])
    return pages


def moment(name: str, key: str) -> datetime:
    found = getattr(get_item(key), name)
    assert isinstance(found, datetime)
    return found


def told(kind: Kind | None = None) -> dict[str, ItemChange]:
    return {change.item.key.strip('["]'): change for change in item_changes(Asked(kind=kind)).entries}


def test_an_item_that_comes_back_is_told_by_the_feed_and_by_the_comparison(lane: Lane) -> None:
    spider = make_spider()
    walk(spider, lane, site(a="1", b="1", c="1"))
    before = walk(spider, lane, site(c="1"))
    assert {key: change.kind for key, change in told().items()} == {"a": Kind.GONE, "b": Kind.GONE, "c": Kind.NEW}

    after = walk(spider, lane, site(a="1", b="2", c="1", d="1"))
    found = told()
    assert {key: change.kind for key, change in found.items()} == {
        "a": Kind.RETURNED, "b": Kind.RETURNED, "c": Kind.NEW, "d": Kind.NEW,
    }  # fmt: skip
    assert set(told(Kind.RETURNED)) == {"a", "b"}
    assert set(told(Kind.NEW)) == {"c", "d"}
    assert told(Kind.CHANGED) == {}
    assert before.finished_at is not None
    assert found["a"].at == moment("returned_at", "a") > before.finished_at
    assert found["a"].changes == ()
    assert [(change.before, change.after) for change in found["b"].changes] == [("1", "2")]

    assert [(task.items_new, task.items_changed, task.items_gone, task.items_returned) for task in (before, after)] == [
        (0, 0, 2, 0),
        (1, 1, 0, 2),
    ]
    assert ItemHour.objects.aggregate(total=Sum("returned"))["total"] == 2

    contrast = look(before, after)
    assert (set(keys(contrast.returned)), contrast.returned.total) == ({"a", "b"}, 2)
    assert set(keys(contrast.added)) == {"d"}
    assert set(keys(contrast.changed)) == {"b"}
    assert keys(contrast.gone) == {}

    walk(spider, lane, site(a="2", b="2", c="1", d="1"))
    assert {key: change.kind for key, change in told().items()} == {
        "a": Kind.CHANGED, "b": Kind.RETURNED, "c": Kind.NEW, "d": Kind.NEW,
    }  # fmt: skip


def test_what_went_again_is_gone_and_came_back_between_the_crawls_where_it_did(lane: Lane) -> None:
    spider = make_spider()
    tasks = [walk(spider, lane, pages) for pages in (site(a="1", b="1"), site(b="1"), site(a="1", b="1"), site(b="1"))]
    assert moment("went_at", "a") < moment("returned_at", "a") < moment("gone_at", "a")
    assert told()["a"].kind is Kind.GONE
    assert told(Kind.RETURNED) == {}
    assert set(keys(look(tasks[1], tasks[2]).returned)) == {"a"}
    assert keys(look(tasks[1], tasks[3]).returned) == {}, "it went again"
    returned_at = moment("returned_at", "a")
    walk(spider, lane, site(a="1", b="1"))
    assert moment("returned_at", "a") > returned_at


def test_only_what_was_gone_comes_back(lane: Lane) -> None:
    """Whichever statement writes it: another owner, what could not be read, another value."""
    spider = make_spider()
    walk(spider, lane, site(a="1", b="1", c="1"))
    problem = ValueProblem("book", "price", "unreadable_value", "x")
    pages = site(b="1", c="2")
    pages["/other"] = ([make_item("a", price="1")], [])
    pages["/b"] = ([make_item("b", price="1", problems=[problem])], ["/c"])
    pages["/"] = ([], ["/other", "/b", "/c"])
    walk(spider, lane, pages)
    assert list(Item.objects.values_list("returned_at", flat=True)) == [None] * 3
    gone_at = timezone.now() - timedelta(days=1)
    Item.objects.update(gone_at=gone_at)
    walk(spider, lane, site(a="1", b="1", c="1"))
    assert Item.objects.filter(gone_at=None, returned_at__gt=gone_at).count() == 3
    first = dict(Item.objects.values_list("pk", "returned_at"))
    walk(spider, lane, pages)
    assert dict(Item.objects.values_list("pk", "returned_at")) == first


def test_of_more_than_are_looked_at_the_crawl_itself_tells_the_number(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    spider = make_spider()
    before = walk(spider, lane, site(a="1", b="1", c="1"))
    Item.objects.update(gone_at=timezone.now())
    after = walk(spider, lane, site(a="2", b="2", c="2"))
    monkeypatch.setattr("crawler.items.contrast.SHOWN", 2)
    for looked_at, counted, expected in ((4, 0, 3), (2, 3, 3), (2, 0, None)):
        monkeypatch.setattr("crawler.items.contrast.LOOKED_AT", looked_at)
        after.items_returned = counted  # 0: by a release that did not count them
        returned = look(before, after).returned
        assert (len(returned.shown), returned.total) == (2, expected)


def test_items_outlive_the_way_back_to_the_release_before_and_forth(lane: Lane) -> None:
    spider = make_spider()
    walk(spider, lane, site(a="1"))
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        MigrationExecutor(connection).migrate([("crawler", "0010_items_without_a_second_index")])
        with connection.cursor() as cursor:
            columns = {column.name for column in connection.introspection.get_table_description(cursor, "crawler_item")}
            cursor.execute("UPDATE crawler_item SET gone_at = changed_at")
        assert "returned_at" not in columns
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert told()["a"].kind is Kind.GONE
    Crawl(Spider.objects.get(), lane).walk(site(a="2"))
    assert told()["a"].kind is Kind.RETURNED


def test_a_process_of_the_release_before_goes_on_making_tasks_and_items(lane: Lane) -> None:
    """Its statements name no column that is new."""
    spider = make_spider()
    walk(spider, lane, site(a="1"))
    with connection.cursor() as cursor:
        for table, new in (("crawler_crawltask", "items_returned"), ("crawler_item", "returned_at")):
            columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
            assert new in columns
            kept = [name for name in columns if name not in (new, "id")]
            unique = {"task_id": "'other'"} if table == "crawler_crawltask" else {"key_hash": "7"}
            values = ", ".join(unique.get(name, name) for name in kept)
            cursor.execute(f"INSERT INTO {table} ({', '.join(kept)}) SELECT {values} FROM {table}")
    assert list(CrawlTask.objects.values_list("items_returned", flat=True)) == [0, 0]
    assert list(Item.objects.values_list("returned_at", flat=True)) == [None, None]
