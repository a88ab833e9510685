"""`changed_since`: what is new, changed, gone or back again since. Nobody who asks again and again loses any."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler.exports import Selection
from crawler.items.browsing import State
from crawler.models import Item, Spider

from .making import make_item, make_spider

pytestmark = pytest.mark.django_db

SINCE = datetime(2027, 3, 1, tzinfo=UTC)
BEFORE, AFTER = SINCE - timedelta(days=1), SINCE + timedelta(days=1)
ASKED = "changed_since=2027-03-01T00:00:00Z"
ITEMS = "/api/crawl/items"


@pytest.fixture
def books() -> Spider:
    """What may have become of an item before and after; each has the moments in its name."""
    spider = make_spider()
    for key, moments in {
        "old": {},
        "new": {"changed_at": SINCE},
        "went before": {"gone_at": BEFORE},
        "went": {"gone_at": SINCE},
        "changed, went": {"changed_at": AFTER, "gone_at": AFTER},
        "back before": {"returned_at": BEFORE},
        "back": {"returned_at": SINCE},
        "back, changed": {"returned_at": SINCE, "changed_at": AFTER},
        "back before, went": {"returned_at": BEFORE, "gone_at": AFTER},
        "back, went": {"returned_at": SINCE, "gone_at": AFTER},
    }.items():
        make_item(spider, key, **{"changed_at": BEFORE, "first_seen_at": BEFORE} | moments)
    make_item(make_spider("music"), "other", type="cd", changed_at=AFTER)
    return spider


PRESENT = ["new", "back", "back, changed"]
WENT = ["went", "changed, went", "back before, went", "back, went"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("spider=books", [*PRESENT, *WENT]),
        ("spider=books&gone=false", PRESENT),
        ("spider=books&gone=true", WENT),
        ("", [*PRESENT, *WENT, "other"]),
        ("type=cd", ["other"]),
    ],
)
@pytest.mark.parametrize("few", [0, 100], ids=["many", "few"])
def test_rest_gives_what_changed_went_and_came_back(
    api: APIClient,
    books: Spider,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    query: str,
    expected: list[str],
    few: int,
) -> None:
    monkeypatch.setattr("crawler.items.since.FEW", few)
    found: list[dict[str, object]] = []
    for page in range(1, 1 + -(-len(expected) // 3)):
        with django_assert_max_num_queries(4):  # spider and type are looked up, as without a moment
            body = api.get(f"{ITEMS}?{ASKED}&{query}&page_size=3&page={page}").json()
        assert body["count"] == len(expected)
        found += body["results"]
    titles = [item["data"]["title"] for item in found]  # type: ignore[index]
    assert sorted(titles) == sorted(expected)
    assert [item["id"] for item in found] == sorted(item["id"] for item in found)  # type: ignore[type-var]


@pytest.mark.parametrize(("state", "expected"), [(None, PRESENT), (State.COMPLETE, PRESENT), (State.GONE, WENT)])
def test_an_export_gives_what_came_back_and_by_its_state_what_went(
    books: Spider, state: State | None, expected: list[str]
) -> None:
    arguments = ["books", "--format", "jsonl", "--changed-since", "2027-03-01T00:00:00Z"]
    out = io.StringIO()
    call_command("exportitems", *arguments, *(["--state", state.value] if state else []), stdout=out)
    assert [json.loads(line)["title"] for line in out.getvalue().splitlines()] == expected
    selection = Selection(spider=books, changed_since=SINCE, state=state)
    assert (selection.count(100), selection.count(2)) == (len(expected), 2)


def test_a_state_that_there_is_not_is_refused(books: Spider) -> None:
    with pytest.raises(CommandError, match='--state: "lost" is none; there are complete'):
        call_command("exportitems", "books", "--format", "jsonl", "--state", "lost")


def test_each_moment_is_found_by_an_index(api: APIClient, books: Spider) -> None:
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        api.get(f"{ITEMS}?{ASKED}")
        counted, listed = [query["sql"] for query in queries if '"gone_at" >=' in query["sql"]]
        cursor.execute("ANALYZE crawler_item")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # a table of eleven rows is read whole
            cursor.execute("SET LOCAL enable_indexscan = off")  # by its order, and not by what is asked for
            counted = listed  # of so few rows any index serves the parts that are counted
        for asked in (counted, listed):
            cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {asked}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
            assert all(name in plan for name in ("item_recent", "_gone", "item_returned")), plan


def test_nobody_who_asks_again_and_again_loses_any(api: APIClient, books: Spider) -> None:
    """A mirror that is told of every change, a going and a return among them, is what is there."""
    mirror: set[int] = set()
    item, asked = Item.objects.get(data__title="old"), BEFORE - timedelta(days=1)
    became: list[dict[str, datetime | None]] = [
        {},
        {"gone_at": AFTER},
        {"gone_at": None, "returned_at": AFTER + timedelta(hours=2)},
    ]
    for hour, moments in enumerate(became):
        Item.objects.filter(pk=item.pk).update(**moments)
        told = api.get(f"{ITEMS}?spider=books&changed_since={asked:%Y-%m-%dT%H:%M:%SZ}").json()["results"]
        mirror = (mirror | {one["id"] for one in told}) - {one["id"] for one in told if one["gone_at"]}
        assert mirror == set(Item.objects.filter(spider=books, gone_at=None).values_list("pk", flat=True)), hour
        asked = AFTER + timedelta(hours=hour)
