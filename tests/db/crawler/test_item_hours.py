"""The sums of items are what a plain count says, through crawls of a site that changes."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from crawler.definitions import delete_spider
from crawler.items import hours, stock
from crawler.models import Item, ItemHour, ItemStock, ItemVersion, Spider
from scheduling.hours import KEPT, hour_of
from scheduling.lanes import Lane
from scheduling.runner import run_in_foreground

from .making import Crawl, Site, make_item, make_spider, make_task

pytestmark = pytest.mark.django_db(transaction=True)


def make_site(prices: dict[str, str]) -> Site:
    """A start page and two list pages, on which the keys are spread."""
    items = {key: make_item(key, price=price) for key, price in prices.items()}
    lists = [[item for key, item in items.items() if (key < "m") is is_first] for is_first in (True, False)]
    return Site({"/": ([], ["/1", "/2"]), "/1": (lists[0], []), "/2": (lists[1], [])})


def total(name: str) -> int:
    return ItemHour.objects.aggregate(total=Sum(name))["total"] or 0


def assert_sums_are_a_plain_count() -> None:
    rows = Item.objects.filter(gone_at=None).order_by().values("spider").annotate(number=Count("pk"))
    present = {row["spider"]: row["number"] for row in rows}
    stocks = dict(ItemStock.objects.values_list("spider_id", "present"))
    assert {spider: stocks.get(spider, 0) for spider in present} == present
    assert sum(stocks.values()) == sum(present.values())
    assert total("added") == Item.objects.count()
    assert total("changed") == ItemVersion.objects.count()
    assert total("added") + total("returned") - total("gone") == sum(present.values())


def test_new_changed_gone_and_returned_items_are_summed_up(lane: Lane) -> None:
    spider = make_spider()
    Crawl(spider, lane).walk(make_site({"a": "1", "b": "2", "x": "3"}))
    assert (total("added"), total("changed"), total("gone"), total("returned")) == (3, 0, 0, 0)

    Crawl(spider, lane).walk(make_site({"a": "9", "x": "3", "y": "4"}))
    assert (total("added"), total("changed"), total("gone"), total("returned")) == (4, 1, 1, 0)

    Crawl(spider, lane).walk(make_site({"a": "9", "b": "2", "x": "3", "y": "5"}))
    assert (total("added"), total("changed"), total("gone"), total("returned")) == (4, 2, 1, 1)
    assert ItemStock.objects.get().present == 4
    assert_sums_are_a_plain_count()


@pytest.mark.parametrize("seed", range(3))
def test_random_sites(lane: Lane, seed: int) -> None:
    chance = random.Random(seed)
    spiders = [make_spider("one"), make_spider("two")]
    for _round in range(6):
        spider = chance.choice(spiders)
        keys = chance.sample("abcdefmnopqr", chance.randrange(10))
        Crawl(spider, lane).walk(
            make_site({key: str(chance.randrange(2)) for key in keys}), one_by_one=chance.random() < 0.5
        )
        assert_sums_are_a_plain_count()


class Killed(Exception):
    """Stands for a process that dies between two statements."""


class Books:
    """A plain account beside the sums: after each step, what the rows of items have become since the one before."""

    def __init__(self) -> None:
        self.hours: dict[tuple[int, datetime], Counter[str]] = defaultdict(Counter)
        self._items: dict[int, bool] = {}
        self._versions: set[int] = set()

    def close(self, now: datetime) -> None:
        """Enter a step that went on at `now`."""
        items = {
            pk: (spider, gone is not None) for pk, spider, gone in Item.objects.values_list("pk", "spider", "gone_at")
        }
        for pk, (spider, is_gone) in items.items():
            before = self._items.get(pk)
            self._enter(spider, now, added=before is None, gone=is_gone > bool(before), returned=is_gone < bool(before))
        versions = dict(ItemVersion.objects.values_list("pk", "item__spider"))
        for pk in versions.keys() - self._versions:
            self._enter(versions[pk], now, changed=1)
        self._items, self._versions = {pk: is_gone for pk, (_spider, is_gone) in items.items()}, set(versions)

    def _enter(self, spider: int, now: datetime, **happened: int) -> None:
        if any(happened.values()):
            self.hours[spider, hour_of(now)].update(happened)

    def forget(self, *, spider: int | None = None, before: datetime | None = None) -> None:
        """What is removed with a spider, or by retention."""
        for key in list(self.hours):
            if key[0] == spider or (before is not None and key[1] < before):
                del self.hours[key]

    def assert_sums_are_these(self) -> None:
        names = ("added", "changed", "gone", "returned")
        rows = {
            (row.spider_id, row.start_at): {name: getattr(row, name) for name in names}
            for row in ItemHour.objects.all()
        }
        assert rows == {key: {name: counts[name] for name in names} for key, counts in self.hours.items()}
        present = Counter(Item.objects.filter(gone_at=None).values_list("spider", flat=True))
        stocks = {spider: number for spider, number in ItemStock.objects.values_list("spider_id", "present") if number}
        assert stocks == present


@contextmanager
def killed_after(statements: int, lane: Lane) -> Iterator[None]:
    """The lane dies before it sends one more statement than these."""
    left = iter(range(statements))

    def die(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        if next(left, None) is None:
            raise Killed
        return execute(sql, params, many, context)

    lane.submit(lambda: connection.execute_wrappers.append(die)).result()
    try:
        yield
    finally:
        lane.submit(lambda: connection.execute_wrappers.clear()).result()


@pytest.mark.parametrize("seed", range(2))
def test_random_work_kills_deletions_and_retention(lane: Lane, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance, books = random.Random(seed), Books()
    now = datetime(2026, 3, 28, 20, 30, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    crawls: dict[str, tuple[Crawl, Site]] = {}
    for step in range(40):
        now += timedelta(minutes=chance.choice([0, 0, 10, 50, 200, -70]))
        name = chance.choice(["one", "two"])
        if name not in crawls:
            spider = Spider.objects.filter(name=name).first() or make_spider(name)
            keys = chance.sample("abcdefmnopqr", chance.randrange(8))
            site = make_site({key: str(chance.randrange(2)) for key in keys})
            crawls[name] = Crawl(spider, lane, task=make_task(spider, f"crawl_{step}")), site
            crawls[name][0].open("/")
        crawl, site = crawls[name]
        is_read = not crawl.frontier
        try:
            with killed_after(chance.choice([*range(25), 99, 99, 99]), lane):
                if is_read:
                    crawl.mark_gone()
                else:
                    crawl.step(site, chance.choice(list(crawl.frontier)))
            if is_read:
                del crawls[name]
        except Killed:
            crawls[name] = Crawl(crawl.spider, lane, task=crawl.task), site
            crawls[name][0].open("/")
        books.close(now)
        if chance.random() < 0.05:
            crawls.pop(name, None)
            books.forget(spider=crawl.spider.pk)
            delete_spider(name)
            books.close(now)
        if chance.random() < 0.1:
            now += timedelta(days=chance.choice([1, 20, 40]))
            while hours.remove_hours(now - timedelta(days=1), limit=2):
                pass
            books.forget(before=now - KEPT - timedelta(hours=1))
        books.assert_sums_are_these()


def test_a_site_that_did_not_change_writes_no_sum(lane: Lane) -> None:
    spider = make_spider()
    site = make_site({"a": "1", "x": "2"})
    Crawl(spider, lane).walk(site)
    before = list(ItemHour.objects.values())

    Crawl(spider, lane).walk(site)

    assert list(ItemHour.objects.values()) == before


def test_the_sums_of_a_spider_go_with_it(lane: Lane) -> None:
    spider = make_spider()
    Crawl(spider, lane).walk(make_site({"a": "1"}))

    delete_spider(spider.name)

    assert not Spider.objects.exists()
    assert not ItemHour.objects.exists()
    assert not ItemStock.objects.exists()


def test_an_upgrade_sums_up_what_the_rows_say(lane: Lane) -> None:
    spider, other = make_spider("one"), make_spider("two")
    Crawl(spider, lane).walk(make_site({"a": "1", "b": "2", "x": "3"}))
    Crawl(spider, lane).walk(make_site({"a": "9", "x": "3", "y": "4"}))
    Crawl(other, lane).walk(make_site({"a": "1"}))
    names = ("spider_id", "start_at", "added", "changed", "gone")
    hours, stocks = set(ItemHour.objects.values_list(*names)), set(ItemStock.objects.values_list())
    ItemHour.objects.all().delete()
    ItemStock.objects.all().delete()

    migration = import_module("crawler.migrations.0007_sum_up_items")
    migration.sum_up(apps, SimpleNamespace(connection=connection))

    assert set(ItemHour.objects.values_list(*names)) == hours
    assert set(ItemStock.objects.values_list()) == stocks
    assert_sums_are_a_plain_count()


def test_hours_are_kept_apart_and_old_ones_go() -> None:
    spider = make_spider()
    now = timezone.now()
    for moment in (now, now, now - timedelta(hours=1), now - timedelta(days=70), now - timedelta(days=71)):
        hours.add(spider.pk, moment, added=2, changed=1)

    assert ItemHour.objects.get(start_at=hour_of(now)).added == 4
    assert ItemStock.objects.get().present == 10
    assert hours.remove_hours(now - timedelta(days=1), limit=1) == 1
    assert hours.remove_hours(now - timedelta(days=1), limit=9) == 1
    assert hours.remove_hours(now - timedelta(days=1), limit=9) == 0
    assert ItemStock.objects.get().present == 10


def drift(spider: Spider) -> None:
    """Items come and go by a process of a release that keeps no sums."""
    Item.objects.filter(spider=spider).first().delete()  # type: ignore[union-attr]
    Item.objects.filter(spider=spider).update(gone_at=timezone.now())


def test_the_nightly_maintenance_counts_anew_what_an_old_release_has_written(lane: Lane) -> None:
    for name in ("drifted", "right", "unknown", "deleted"):
        Crawl(make_spider(name), lane).walk(make_site({"a": "1", "b": "2", "x": "3"}))
    drift(Spider.objects.get(name="drifted"))
    ItemStock.objects.filter(spider__name="unknown").delete()
    gone = Spider.objects.get(name="deleted")
    delete_spider(gone.name)
    with transaction.atomic():
        stock.recount(gone.pk)

    runs = [run_in_foreground("maintenance", {"action": "retention"}) for _night in range(2)]

    assert [run.data and run.data["recounted"] for run in runs] == [2, 0]
    assert dict(ItemStock.objects.values_list("spider__name", "present")) == {"drifted": 0, "right": 3, "unknown": 3}


def test_what_a_checkpoint_writes_while_its_spider_is_counted_anew_is_counted_once(lane: Lane) -> None:
    """Between lock and count its item is written, not committed; PostgreSQL lets the one wait for the other."""
    spider = make_spider()
    Crawl(spider, lane).walk(make_site({"a": "1", "b": "2"}))
    drift(spider)
    written = threading.Event()
    checkpoints = []

    def checkpoint() -> None:
        with transaction.atomic():
            Item.objects.filter(spider=spider).update(gone_at=None)
            written.set()
            hours.add(spider.pk, timezone.now(), returned=1)

    def between(execute: Callable[..., object], sql: str, *others: object) -> object:
        if sql.startswith("UPDATE crawler_itemstock"):
            checkpoints.append(lane.submit(checkpoint))
            assert connection.vendor == "sqlite" or written.wait(10)
        return execute(sql, *others)

    with connection.execute_wrapper(between), transaction.atomic():
        stock.recount(spider.pk)
    checkpoints[0].result(10)
    assert ItemStock.objects.get().present == Item.objects.filter(gone_at=None).count() == 1
    assert stock.drifted() == []
