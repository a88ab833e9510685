"""The page of an item: its value, its versions with what each changed, its numbers drawn, where it came from."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from crawler.models import CrawlTask, Item, ItemVersion

from .making import make_item, make_page, make_spider, make_task, make_user, make_version

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FIELDS = {"upc": {"css": "b"}, "title": {"css": "h1"}, "price": {"css": "i", "type": "decimal"}}


@pytest.fixture
def item() -> Item:
    """Of three versions: the price rose, then fell."""
    spider = make_spider(items=[{"type": "book", "key": ["upc"], "fields": FIELDS}])
    now = timezone.now()
    task = make_task(spider, task_id="third", started_at=now - timedelta(days=3))
    item = make_item(
        spider,
        "u1",
        data={"upc": "u1", "title": "A Light", "price": "45.00", "old": None},
        version=3,
        task=task,
        first_seen_at=now - timedelta(days=9),
        changed_at=now - timedelta(days=2),
        page=make_page(spider, "light", checked_at=now, extracted_version=1),
    )
    make_version(item, 1, now - timedelta(days=5), upc="u1", title="A Lihgt", price="40.00", old=None)
    make_version(item, 2, now - timedelta(days=2), upc="u1", title="A Light", price="50.00", old=None)
    return item


def page_of(client: Client, item: Item, query: str = "") -> str:
    answer = client.get(f"/admin/crawler/item/{item.pk}/change/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_shows_value_changes_drawing_and_origin(root: User, client: Client, item: Item) -> None:
    client.force_login(root)
    page = page_of(client, item)
    assert '<h1 class="w">A Light</h1>' in page
    assert "2×" in page
    assert "Version 3 against 2" in page
    assert "<del>50.00</del>" in page
    assert "<ins>45.00</ins>" in page
    assert "−10.0 %" in page
    assert "price over 3 versions" in page
    assert "https://shop.example/light" in page
    assert ">third</a>" in page
    assert "Looked at" in page


def test_the_drawing_of_one_day_tells_the_time(root: User, client: Client) -> None:
    spider = make_spider(items=[{"type": "book", "key": ["upc"], "fields": FIELDS}])
    noon = timezone.localtime(timezone.now()).replace(hour=12, minute=0) - timedelta(days=1)
    begun, changed = noon - timedelta(hours=9), noon + timedelta(hours=6)
    item = make_item(spider, "u1", data={"price": "45"}, version=2, first_seen_at=begun, changed_at=changed)
    version = make_version(item, 1, changed, price="40")
    ItemVersion.objects.filter(pk=version.pk).update(valid_from=begun)
    client.force_login(root)
    labels = re.findall(r'<text class="ax"[^>]*>([^<]*)</text>', page_of(client, item))
    assert len(labels) == 2
    assert labels[0].endswith(" 03:00")
    assert labels[1] == "18:00"


def test_older_versions_are_compared_by_their_number(root: User, client: Client, item: Item) -> None:
    client.force_login(root)
    page = page_of(client, item, "?v=2")
    assert "Version 2 against 1" in page
    assert "<del>A Lihgt</del>" in page
    assert "?v=3#diff" in page
    for query in ("?v=1", "?v=99", "?v=x", "?v="):
        assert "Version 3 against 2" in page_of(client, item, query)


def test_its_return_stands_with_the_version_that_it_came_back_with(root: User, client: Client, item: Item) -> None:
    client.force_login(root)
    assert "came back" not in page_of(client, item)
    for days, number in ((1, 3), (2, 3), (2.02, 2), (30, 0)):
        Item.objects.update(returned_at=item.changed_at - timedelta(days=days - 2))
        entries = re.findall(r"<li.*?</li>", page_of(client, item), re.DOTALL)
        told = [entry for entry in entries if "came back" in entry]
        assert [f"<b>v{number}</b>" in entry for entry in told] == ([True] if number else []), days


def test_its_goings_stand_in_its_history(root: User, client: Client, item: Item) -> None:
    client.force_login(root)
    assert ">gone <" not in page_of(client, item).replace("</svg>", ">")
    at = item.changed_at
    Item.objects.update(went_at=at - timedelta(hours=0.5), returned_at=at + timedelta(hours=2), gone_at=timezone.now())
    entries = re.findall(r"<li.*?</li>", page_of(client, item), re.DOTALL)
    told = [re.findall(r"</svg> (gone|came back) <", entry) for entry in entries if "<b>v" in entry]
    assert told == [["gone", "came back"], ["gone"], []]


def test_a_version_names_the_crawl_that_found_it_first(root: User, client: Client, item: Item) -> None:
    began = {"first": item.first_seen_at, "second": item.changed_at, "third": timezone.now() - timedelta(hours=1)}
    for name, moment in began.items():
        hour = timedelta(hours=1)
        task = CrawlTask.objects.filter(task_id=name).first() or make_task(item.spider, task_id=name)
        CrawlTask.objects.filter(pk=task.pk).update(started_at=moment - hour, finished_at=moment + hour)
    client.force_login(root)
    found = re.findall(r"<b>v(\d)</b>.*?(?:>(first|second|third)</a>|</li>)", page_of(client, item), re.DOTALL)
    assert found == [("3", "second"), ("2", ""), ("1", "")], "the versions before it name none"
    CrawlTask.objects.get(task_id="second").delete()
    assert ">third</a>" not in page_of(client, item)


def test_problems_are_told_in_words(root: User, client: Client, item: Item) -> None:
    Item.objects.update(
        complete=False, problems=[{"field": "price", "reason": "unreadable_value", "value": "much"}, "odd"]
    )
    client.force_login(root)
    page = page_of(client, item)
    assert "could not be read as its type" in page
    assert "“much”" in page


def test_nothing_is_loaded_from_outside(root: User, client: Client, item: Item) -> None:
    Item.objects.update(data={"image": "https://img.example/1.png", "odd": "javascript:alert(1)"})
    client.force_login(root)
    page = page_of(client, item)
    assert 'rel="noreferrer noopener" href="https://img.example/1.png"' in page
    assert 'src="https://' not in page
    assert 'href="javascript:' not in page


def test_its_page_is_looked_at_again(root: User, client: Client, item: Item) -> None:
    client.force_login(root)
    address = f"/admin/crawler/item/{item.pk}/look/"
    assert client.get(address).status_code == 405
    assert client.post(address).status_code == 302
    task = CrawlTask.objects.get(task_type="urls")
    assert task.targets == ["https://shop.example/light"]
    client.force_login(make_user("ada", "crawler.view_item"))
    assert client.post(address).status_code == 403
    assert "Look again" not in page_of(client, item)


def test_what_an_item_has_not_is_left_out(root: User, client: Client) -> None:
    item = make_item(make_spider("plain"), page=None, data={}, gone_at=timezone.now())
    client.force_login(root)
    page = page_of(client, item)
    assert "It has no fields." in page
    assert "None gives it at present." in page
    assert "As it was last" in page
    assert client.post(f"/admin/crawler/item/{item.pk}/look/").status_code == 404


def test_ten_queries_are_enough_for_a_hundred_versions(
    root: User, client: Client, item: Item, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    Item.objects.update(version=150)
    for number in range(3, 150):
        task = make_task(item.spider)
        make_version(item, number, price=str(number), task=None, title=task.task_id)
    client.force_login(root)
    with django_assert_max_num_queries(10):
        page = page_of(client, item)
    assert "50 older ones are kept" in page
