"""Who owns an item, when a value is a new version, and what is gone: sites that change between crawls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from django.db.models import Sum

from crawler.engine.records import PageState, ValueProblem
from crawler.items import gone, history
from crawler.items.history import Standing, standing
from crawler.models import CrawlTask, Item, ItemHour, ItemVersion, Page, Spider
from scheduling.lanes import Lane

from .making import Crawl, Site, get_item, lose_answers, make_item, make_spider, owner_of, versions_of, wait

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["/1", "/2"]
ORDERS = pytest.mark.parametrize("order", [["/1", "/2"], ["/2", "/1"]], ids=["first page first", "second page first"])
BATCHES = pytest.mark.parametrize("one_by_one", [True, False], ids=["own checkpoints", "one checkpoint"])


def make_site(first: dict[str, str], second: dict[str, str]) -> Site:
    """A start page and two list pages, with keys and prices."""
    lists = [[make_item(key, price=price) for key, price in prices.items()] for prices in (first, second)]
    return Site({"/": ([], PAGES), "/1": (lists[0], []), "/2": (lists[1], [])})


def crawl(lane: Lane, site: Site, order: Sequence[str] = (), *, one_by_one: bool = True) -> CrawlTask:
    spider = Spider.objects.first() or make_spider()
    attempt = Crawl(spider, lane)
    attempt.walk(site, order, one_by_one=one_by_one)
    return CrawlTask.objects.get(pk=attempt.task.pk)


def test_the_first_crawl_makes_items_without_versions(lane: Lane) -> None:
    task = crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    assert (task.items, task.items_new, task.items_changed, task.conflicts) == (3, 3, 0, 0)
    assert Item.objects.count() == 3
    assert not ItemVersion.objects.exists()
    assert [owner_of(key) for key in "abc"] == ["/1", "/1", "/2"]


def test_a_second_crawl_of_an_unchanged_site_writes_no_item(lane: Lane) -> None:
    site = make_site({"a": "1", "b": "2"}, {"b": "2", "c": "3"})
    crawl(lane, site)
    before = list(Item.objects.order_by("id").values())
    task = crawl(lane, site)
    assert (task.pages, task.pages_unchanged) == (3, 3)
    assert list(Item.objects.order_by("id").values()) == before


def test_pages_that_changed_without_their_items_write_no_item(lane: Lane) -> None:
    site = make_site({"a": "1", "b": "2"}, {"b": "2", "c": "3"})
    crawl(lane, site)
    before = list(Item.objects.order_by("id").values())
    site["/2"] = (site["/2"][0], ["/"])
    site["/1"] = (site["/1"][0], ["/"])
    task = crawl(lane, site)
    assert task.pages_unchanged == 1
    assert list(Item.objects.order_by("id").values()) == before


def test_a_changed_value_is_one_version(lane: Lane) -> None:
    first = crawl(lane, make_site({"a": "1", "b": "2"}, {}))
    old = get_item("a")
    second = crawl(lane, make_site({"a": "9", "b": "2"}, {}))
    item = get_item("a")
    version = ItemVersion.objects.get()
    assert (version.item, version.number, version.data["price"], version.task) == (item, 1, "1", first)
    assert (version.valid_from, version.valid_to) == (old.changed_at, item.changed_at)
    assert (item.version, item.data["price"], item.task, item.first_seen_at) == (2, "9", second, old.first_seen_at)
    assert (second.items_new, second.items_changed) == (0, 1)


@ORDERS
@BATCHES
def test_an_item_that_moves_to_another_page_keeps_one_history(lane: Lane, order: list[str], one_by_one: bool) -> None:
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    task = crawl(lane, make_site({"a": "1"}, {"b": "2", "c": "3"}), order, one_by_one=one_by_one)
    assert owner_of("b") == "/2"
    assert (task.items_new, task.items_changed, task.items_gone, task.conflicts) == (0, 0, 0, 0)
    third = crawl(lane, make_site({"a": "1"}, {"b": "2", "c": "3"}), order, one_by_one=one_by_one)
    assert (third.items_changed, third.items_gone, ItemVersion.objects.count()) == (0, 0, 0)
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}), order, one_by_one=one_by_one)
    assert owner_of("b") == "/1"
    assert (Item.objects.count(), ItemVersion.objects.count()) == (3, 0)


@ORDERS
@BATCHES
def test_an_item_that_moves_and_changes_gets_one_version(lane: Lane, order: list[str], one_by_one: bool) -> None:
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    site = make_site({"a": "1"}, {"b": "7", "c": "3"})
    task = crawl(lane, site, order, one_by_one=one_by_one)
    assert versions_of("b") == ["2"]
    assert (owner_of("b"), get_item("b").data["price"]) == ("/2", "7")
    assert (task.items_changed, task.conflicts, task.items_gone) == (1, 0, 0)
    crawl(lane, site, order, one_by_one=one_by_one)
    assert versions_of("b") == ["2"]


@ORDERS
@BATCHES
def test_a_value_that_changes_on_both_pages_is_no_conflict(lane: Lane, order: list[str], one_by_one: bool) -> None:
    crawl(lane, make_site({"a": "1"}, {"a": "1", "b": "1"}))
    task = crawl(lane, make_site({"a": "2"}, {"a": "2", "b": "2"}), order, one_by_one=one_by_one)
    assert (task.conflicts, task.items_changed) == (0, 2)
    assert (versions_of("a"), owner_of("a")) == (["1"], "/1")


@ORDERS
@BATCHES
def test_two_pages_that_disagree_are_a_conflict_at_every_crawl(lane: Lane, order: list[str], one_by_one: bool) -> None:
    site = make_site({"a": "1"}, {"b": "1"})
    crawl(lane, site)
    site = make_site({"a": "1"}, {"a": "2", "b": "1"})
    for _ in range(3):
        task = crawl(lane, site, order, one_by_one=one_by_one)
        assert (task.conflicts, task.items_changed) == (1, 0)
        assert task.reasons == {"key_conflict": 1}
    assert (owner_of("a"), get_item("a").data["price"], versions_of("a")) == ("/1", "1", [])


def test_in_one_crawl_the_first_page_that_gives_a_key_owns_it(lane: Lane) -> None:
    task = crawl(lane, make_site({"a": "1"}, {"a": "2"}))
    assert (owner_of("a"), task.items_new, task.conflicts) == ("/1", 1, 1)


def test_an_item_that_no_page_gives_is_gone_and_comes_back(lane: Lane) -> None:
    crawl(lane, make_site({"a": "1", "b": "2"}, {}))
    without = make_site({"a": "1"}, {})
    task = crawl(lane, without)
    assert (task.items_gone, get_item("a").gone_at) == (1, None)
    assert get_item("b").gone_at is not None
    assert crawl(lane, without).items_gone == 0
    again = crawl(lane, make_site({"a": "1", "b": "2"}, {}))
    assert get_item("b").gone_at is None
    assert (again.items_new, again.items_changed, versions_of("b")) == (0, 0, [])


def test_items_of_a_page_that_is_not_found_are_gone(lane: Lane) -> None:
    site = make_site({"a": "1"}, {"b": "2"})
    crawl(lane, site)
    del site["/2"]
    assert crawl(lane, site).items_gone == 1
    assert get_item("b").gone_at is not None


def test_items_of_a_page_that_nothing_links_to_are_gone_and_its_return_is_seen(lane: Lane) -> None:
    site = make_site({"a": "1"}, {"b": "2"})
    crawl(lane, site)
    site["/"] = ([], ["/1"])
    assert crawl(lane, site).items_gone == 1
    site["/"] = ([], PAGES)
    task = crawl(lane, site)
    # The page itself is what it was: it must be read again nevertheless.
    assert get_item("b").gone_at is None
    assert (task.items_new, task.items_gone, versions_of("b")) == (0, 0, [])


def test_an_item_that_another_unchanged_page_shares_is_not_gone(lane: Lane) -> None:
    crawl(lane, make_site({"a": "1"}, {"a": "1", "b": "2"}))
    site = make_site({"z": "1"}, {"a": "1", "b": "2"})
    task = crawl(lane, site)
    assert (task.items_gone, task.pages_unchanged) == (0, 2)
    assert owner_of("a") == "/2"
    # The new owner is read once more, to be sure of its value; after that it is unchanged again.
    assert crawl(lane, site).pages_unchanged == 2
    assert crawl(lane, site).pages_unchanged == 3
    assert (get_item("a").gone_at, versions_of("a")) == (None, [])


def test_an_owner_that_vanishes_hands_its_item_to_the_page_that_gives_it_now(lane: Lane) -> None:
    crawl(lane, make_site({"a": "1"}, {"b": "2"}))
    site = Site({"/": ([], ["/2"]), "/2": ([make_item("a", price="5"), make_item("b", price="2")], [])})
    task = crawl(lane, site)
    assert (owner_of("a"), versions_of("a")) == ("/2", ["1"])
    assert (task.items_gone, task.items_changed, task.conflicts) == (0, 1, 0)


def test_a_redirected_page_hands_its_items_to_the_target(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open("/old")
    first.store(first.read("/old", [make_item("a", price="1")]))
    second = Crawl(first.spider, lane)
    second.open("/old")
    second.store(second.redirected("/old", "/new"))
    second.store(second.read("/new", [make_item("a", price="2")]))
    assert second.mark_gone() == 0
    assert (owner_of("a"), versions_of("a")) == ("/new", ["1"])


@pytest.mark.parametrize("status_code", [None, 429, 500, 503])
def test_a_page_that_fails_for_now_keeps_its_items(lane: Lane, status_code: int | None) -> None:
    crawl(lane, make_site({"a": "1"}, {"b": "2"}))
    second = Crawl(Spider.objects.get(), lane)
    second.open("/")
    second.store(second.unchanged("/"))
    second.store(second.unchanged("/1"), second.failed("/2", status_code, "some"))
    assert second.mark_gone() == 0
    assert get_item("b").gone_at is None


def test_what_lies_behind_a_page_that_fails_for_now_is_not_called_gone(lane: Lane) -> None:
    site = make_site({"a": "1"}, {})
    site["/1"] = (site["/1"][0], ["/1/x"])
    site["/1/x"] = ([make_item("x", price="1")], [])
    crawl(lane, site)
    spider = Spider.objects.get()
    second = Crawl(spider, lane)
    second.open("/")
    second.store(second.unchanged("/"))
    second.store(second.failed("/1", 503, "http_503"), second.unchanged("/2"))
    assert second.mark_gone() == 0
    third = Crawl(spider, lane)
    third.open("/")
    third.store(third.unchanged("/"))
    third.store(third.failed("/1", 404), third.unchanged("/2"))
    assert third.mark_gone() == 2


def test_marking_listens_between_portions_and_goes_on_when_it_is_called_again(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gone, "PART", 1)
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    second = Crawl(Spider.objects.get(), lane)
    second.open("/")
    second.store(second.failed("/", 404))
    counts = []
    for _ in range(5):
        looks = iter((False, False))
        counts.append(wait(second.storage.mark_gone(stopping=partial(next, looks, True))))
    assert counts == [0, 1, 1, 1, 0], "the first portions are pages that were not reached"
    assert not Item.objects.filter(gone_at=None).exists()


@pytest.mark.parametrize("is_committed", [True, False], ids=["after the commit", "before the commit"])
def test_items_are_marked_and_counted_once_where_the_answer_to_a_commit_is_lost(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    monkeypatch.setattr(gone, "PART", 2)
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    second = Crawl(Spider.objects.get(), lane)
    second.open("/")
    second.store(second.failed("/", 404))
    monkeypatch.setattr(second.storage, "_lane_run", lane.run_patiently)
    lose_answers(monkeypatch, is_committed=is_committed)
    assert second.mark_gone() == 3
    assert CrawlTask.objects.get(pk=second.task.pk).items_gone == 3
    assert ItemHour.objects.aggregate(gone=Sum("gone"))["gone"] == 3


def test_a_crawl_that_was_killed_between_two_pages_loses_no_item(lane: Lane) -> None:
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    spider = Spider.objects.get()
    killed = Crawl(spider, lane)
    killed.open("/")
    killed.store(killed.unchanged("/"))
    b, c = make_item("b", price="2"), make_item("c", price="3")
    killed.store(killed.read("/2", [b, c]))
    resumed = Crawl(spider, lane, task=killed.task)
    resumed.open("/")
    resumed.store(resumed.read("/1", [make_item("a", price="1")]))
    assert resumed.mark_gone() == 0
    assert (owner_of("b"), get_item("b").gone_at) == ("/2", None)
    assert (Item.objects.count(), ItemVersion.objects.count()) == (3, 0)


def test_without_room_for_claims_a_move_is_settled_at_the_end(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_CLAIMS", 0)
    crawl(lane, make_site({"a": "1", "b": "2"}, {"c": "3"}))
    site = make_site({"a": "1"}, {"b": "7", "c": "3"})
    task = crawl(lane, site, ["/2", "/1"])
    assert (task.items_gone, owner_of("b")) == (0, "/2")
    crawl(lane, site)
    assert (get_item("b").data["price"], versions_of("b")) == ("7", ["2"])


def test_an_item_that_becomes_complete_with_the_same_value_is_amended(lane: Lane) -> None:
    spider = make_spider()
    for problems, complete in (([ValueProblem("book", "price", "unreadable_value", "x")], False), ([], True)):
        attempt = Crawl(spider, lane)
        attempt.open()
        attempt.store(attempt.read("/", [make_item("a", problems=problems)], version=repr(problems)))
        item = get_item("a")
        assert (item.complete, item.version, len(item.problems)) == (complete, 1, len(problems))


def test_a_page_that_is_read_in_vain_gives_its_items_up_one_by_one(lane: Lane) -> None:
    crawl(lane, make_site({"a": "1", "b": "1"}, {}))
    crawl(lane, make_site({}, {}))
    assert [get_item(key).page for key in "ab"] == [None, None]
    assert Page.objects.filter(shared__isnull=False).count() == 0
    assert all(get_item(key).gone_at for key in "ab")


@pytest.mark.parametrize(
    ("state", "status_code", "reason", "expected"),
    [
        (PageState.DONE, 200, "", Standing.GIVES),
        (PageState.UNCHANGED, 304, "", Standing.GIVES),
        (PageState.PENDING, None, "", Standing.UNKNOWN),
        (PageState.REDIRECTED, 301, "", Standing.LEFT),
        (PageState.FAILED, 404, "http_404", Standing.LEFT),
        (PageState.FAILED, 410, "http_410", Standing.LEFT),
        (PageState.FAILED, 429, "http_429", Standing.UNKNOWN),
        (PageState.FAILED, 503, "http_503", Standing.UNKNOWN),
        (PageState.FAILED, None, "connect_error", Standing.UNKNOWN),
        (PageState.FAILED, 200, "body_truncated", Standing.UNKNOWN),
        (PageState.FAILED, 403, "http_403", Standing.LEFT),
        (PageState.FAILED, 403, "bot_wall", Standing.UNKNOWN),
        (PageState.REFUSED, None, "robots_disallowed", Standing.LEFT),
        (PageState.REFUSED, None, "robots_unreachable", Standing.UNKNOWN),
        (PageState.REFUSED, None, "proxy_error", Standing.UNKNOWN),
        (PageState.REFUSED, None, "page_limit", Standing.UNKNOWN),
    ],
)
def test_what_a_pages_state_says_about_its_items(
    lane: Lane, state: PageState, status_code: int | None, reason: str, expected: Standing
) -> None:
    assert standing(state, status_code, reason) is expected
    # The same judgement in SQL.
    first = Crawl(make_spider(), lane)
    first.open("/a")
    first.store(first.read("/a", [make_item("k")]))
    second = Crawl(first.spider, lane)
    second.open("/b")
    Page.objects.filter(url__endswith="/a").update(
        task=second.task, state=state, status_code=status_code, reason=reason
    )
    assert second.mark_gone() == (1 if expected is Standing.LEFT else 0)
