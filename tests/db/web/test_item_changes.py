"""What is new, changed, gone or back again: the page and the feeds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as Xml

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from knox.models import AuthToken
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler.items import changes as changes
from crawler.models import Item

from .making import make_item, make_spider, make_user, make_version
from .problems import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FEED = "/api/crawl/items/changes"
PAGE = "/admin/crawler/item/changes/"
NOON = datetime(2027, 3, 1, 4, 0, tzinfo=UTC)
"""In Shanghai."""
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def items() -> dict[str, Item]:
    """One of each kind, an hour apart, and one of another spider the day before."""
    books, music = make_spider("books"), make_spider("music")
    changed = make_item(
        books, "changed", version=2, changed_at=NOON - timedelta(hours=1), data={"title": "Changed one", "price": "2"}
    )
    make_version(changed, 1, NOON - timedelta(hours=1), title="Changed one", price="1")
    return {
        "new": make_item(books, "new", changed_at=NOON, first_seen_at=NOON),
        "changed": changed,
        "gone": make_item(
            books, "gone", changed_at=NOON - timedelta(days=30), gone_at=NOON - timedelta(hours=2), version=4
        ),
        "before": make_item(music, "before", type="cd", changed_at=NOON - timedelta(days=1)),
    }


def keys(answer: object) -> list[str]:
    return [entry["_lamplighter"]["key"] for entry in answer.json()["items"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["new", "changed", "gone", "before"]),
        ("?spider=books", ["new", "changed", "gone"]),
        ("?type=cd", ["before"]),
        ("?kind=new", ["new", "before"]),
        ("?kind=changed", ["changed"]),
        ("?kind=gone", ["gone"]),
        ("?day=2027-03-01", ["new", "changed", "gone"]),
        ("?day=2027-02-28", ["before"]),
        ("?spider=books&kind=gone&day=2027-03-01&type=book", ["gone"]),
        ("?day=2020-01-01", []),
    ],
)
def test_the_feed_is_filtered(api: APIClient, items: dict[str, Item], query: str, expected: list[str]) -> None:
    assert keys(api.get(FEED + query)) == [f'["{key}"]' for key in expected]


def test_a_json_feed_says_what_changed(api: APIClient, items: dict[str, Item]) -> None:
    answer = api.get(FEED)
    assert answer["Content-Type"].startswith("application/feed+json")
    feed = answer.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert "next_url" not in feed
    new, changed, gone, _before = feed["items"]
    assert new["title"] == "New: new"
    assert changed["title"] == "Changed: Changed one"
    assert changed["content_text"] == "price: 1 → 2"
    assert changed["_lamplighter"]["changes"] == [{"field": "price", "before": "1", "after": "2"}]
    assert changed["id"] == f"http://testserver/api/crawl/items/{items['changed'].pk}#v2"
    assert gone["id"].endswith("#gone")
    assert gone["date_modified"] == "2027-03-01T02:00:00Z"
    assert new["url"].startswith("https://shop.example/")


def test_atom_is_what_readers_take(api: APIClient, items: dict[str, Item]) -> None:
    Item.objects.filter(pk=items["new"].pk).update(data={"title": "<b>& \u0007bell"}, type="a\x0bb")
    answer = api.get(f"{FEED}?format=atom")
    assert answer["Content-Type"].startswith("application/atom+xml")
    root = Xml.fromstring(answer.content)  # our own
    assert root.findtext(f"{ATOM}updated") == "2027-03-01T04:00:00Z"
    entries = root.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries][:2] == ["New: <b>& \ufffdbell", "Changed: Changed one"]
    assert all(entry.findtext(f"{ATOM}{name}") for entry in entries for name in ("id", "updated"))
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 4


def test_a_reader_that_asks_for_atom_gets_it(api: APIClient, items: dict[str, Item]) -> None:
    assert api.get(FEED, headers={"Accept": "application/atom+xml, */*"})["Content-Type"].startswith("application/atom")
    assert api.get(FEED, headers={"Accept": "text/html"})["Content-Type"].startswith("application/feed+json")


def test_what_a_reader_has_already_is_not_sent_again(api: APIClient, items: dict[str, Item]) -> None:
    first = api.get(FEED)
    again = api.get(FEED, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    make_item(items["new"].spider, "newer", changed_at=NOON + timedelta(hours=1))
    assert api.get(FEED, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_pages_follow_each_other_without_gap_or_repeat(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, items: dict[str, Item]
) -> None:
    spider = items["new"].spider
    for number in range(30):  # several at the same moment, as a checkpoint writes them
        at = NOON + timedelta(seconds=number // 10)
        later = {name: at + timedelta(seconds=1) for name in {0: ["gone_at"], 1: ["returned_at"]}.get(number % 3, [])}
        make_item(spider, f"k{number}", changed_at=at, **later)
    for looked_at, limit in ((2_000, 7), (11, 7), (12, 50), (11, 3)):
        monkeypatch.setattr(changes, "LOOKED_AT", looked_at)
        found: list[str] = []
        address = f"{FEED}?limit={limit}&spider=books"
        for _page in range(40):
            answer = api.get(address)
            found += keys(answer)
            if "next_url" not in answer.json():
                break
            address = answer.json()["next_url"]
        assert len(found) == len(set(found)) == 33, (looked_at, limit)


def test_few_among_many_are_found_by_turning_pages(
    api: APIClient, items: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        make_item(items["new"].spider, f"k{number}", changed_at=NOON + timedelta(minutes=number))
    monkeypatch.setattr(changes, "LOOKED_AT", 5)
    address, pages = f"{FEED}?kind=changed", 0
    while keys(answer := api.get(address)) == []:
        address = answer.json()["next_url"]
        pages += 1
    assert keys(answer) == ['["changed"]']
    assert pages == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?spider=nobody", "spider"),
        ("?kind=odd", "kind"),
        ("?day=yesterday", "day"),
        ("?day=2027-02-30", "day"),
        ("?before=x", "before"),
        ("?before=-1-1", "before"),
        ("?format=rss", "format"),
        ("?limit=501", "limit"),
        ("?typ=book", "typ"),
    ],
)
def test_a_feed_that_means_nothing_is_refused(api: APIClient, query: str, field: str) -> None:
    assert_problem(api.get(FEED + query), 400, field=field)


def test_a_token_opens_the_feed(items: dict[str, Item]) -> None:
    token = AuthToken.objects.create(make_user("reader", "crawler.view_item"))[1]
    assert len(keys(APIClient(HTTP_AUTHORIZATION=f"Token {token}").get(FEED))) == 4


def test_each_return_of_an_item_is_an_entry_of_its_own(api: APIClient, items: dict[str, Item]) -> None:
    item = items["new"]
    found = set()
    for day in (1, 2):
        Item.objects.filter(pk=item.pk).update(returned_at=NOON + timedelta(days=day))
        [entry] = api.get(f"{FEED}?kind=returned").json()["items"]
        assert entry["title"] == "Came back: new"
        assert (entry["_lamplighter"]["kind"], entry["_lamplighter"]["changes"]) == ("returned", [])
        assert entry["date_modified"] == f"2027-03-0{1 + day}T04:00:00Z"
        assert keys(api.get(FEED)) == ['["new"]', '["changed"]', '["gone"]', '["before"]']
        assert keys(api.get(f"{FEED}?kind=new")) == ['["before"]']
        assert api.get(f"/api/crawl/items/{item.pk}").json()["returned_at"] == entry["date_modified"]
        found.add(entry["id"])
    root = Xml.fromstring(api.get(f"{FEED}?format=atom&kind=returned").content)  # our own
    found.add(root.findtext(f"{ATOM}entry/{ATOM}id"))
    assert found == {
        f"http://testserver/api/crawl/items/{item.pk}#returned-{day}T040000" for day in ("20270302", "20270303")
    }


def test_each_going_of_an_item_is_an_entry_of_its_own(api: APIClient, items: dict[str, Item]) -> None:
    item, found = items["gone"], []
    for returned_at in (None, NOON, NOON + timedelta(days=2)):
        gone_at = NOON if returned_at is None else returned_at + timedelta(days=1)
        Item.objects.filter(pk=item.pk).update(returned_at=returned_at, gone_at=gone_at)
        [entry] = api.get(f"{FEED}?kind=gone").json()["items"]
        root = Xml.fromstring(api.get(f"{FEED}?kind=gone&format=atom").content)  # our own
        assert root.findtext(f"{ATOM}entry/{ATOM}id") == entry["id"]
        found.append(entry["id"].partition("#")[2])
    assert found == ["gone", "gone-20270302T040000", "gone-20270304T040000"]


@pytest.mark.parametrize("spider", ["", "books"], ids=["of all spiders", "of one"])
def test_what_came_back_is_found_by_an_index(api: APIClient, items: dict[str, Item], spider: str) -> None:
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        assert keys(api.get(f"{FEED}?kind=returned&spider={spider}" if spider else f"{FEED}?kind=returned")) == []
        [asked] = [query["sql"] for query in queries if '"returned_at" IS NOT NULL' in query["sql"]]
        cursor.execute("ANALYZE crawler_item")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # a table of four rows is read whole
        cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {asked}")
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    assert re.search(r"[Uu][Ss][Ii][Nn][Gg] (INDEX )?item_(spider_)?returned", plan), plan


# --- the page ---------------------------------------------------------------------------------------------------------
def test_the_page_shows_each_with_what_changed(root: User, client: Client, items: dict[str, Item]) -> None:
    client.force_login(root)
    page = client.get(PAGE).content.decode()
    assert page.index(">new</a>") < page.index(">Changed one</a>") < page.index(">gone</a>")
    assert "<del>1</del> <ins>2</ins>" in page
    assert "format=atom" in page
    filtered = client.get(f"{PAGE}?spider=music&kind=new&day=2027-02-28").content.decode()
    assert ">before</a>" in filtered
    assert ">new</a>" not in filtered
    assert "spider=music&amp;kind=new&amp;day=2027-02-28&amp;format=atom" in filtered


def test_the_page_takes_what_means_nothing_for_nothing(root: User, client: Client, items: dict[str, Item]) -> None:
    client.force_login(root)
    for query in ("?spider=nobody", "?kind=odd", "?day=2027-02-30", "?before=x", "?before=1-1", "?type=%F0%9F%98%80"):
        answer = client.get(PAGE + query)
        assert answer.status_code == 200, query
        is_choice = query.startswith(("?spider", "?kind", "?day"))
        assert ("is no choice of" in answer.content.decode()) is is_choice, query


def test_the_page_is_turned(root: User, client: Client) -> None:
    client.force_login(root)
    assert "Nothing changed yet" in client.get(PAGE).content.decode()
    spider = make_spider()
    for number in range(60):
        make_item(spider, f"k{number}", changed_at=timezone.now() + timedelta(seconds=number))
    first = client.get(PAGE)
    assert first.content.decode().count("<tr>") == 51
    older = client.get(f"{PAGE}?{first.context['following']}")
    assert older.content.decode().count("<tr>") == 11


def test_ten_queries_are_enough(
    root: User, client: Client, items: dict[str, Item], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(root)
    with django_assert_max_num_queries(10):
        client.get(PAGE)


def test_who_may_not_see_items_sees_no_changes(client: Client) -> None:
    client.force_login(make_user("ada", "crawler.view_spider"))
    assert client.get(PAGE).status_code == 403
