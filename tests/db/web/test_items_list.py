"""The list of items: fields as columns, filters, and searches whose cost has a bound."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from crawler.engine.urls import hash_url
from crawler.items import browsing
from crawler.models import Spider

from .answers import messages_of
from .making import make_item, make_job, make_page, make_run, make_spider, make_task

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

LIST = "/admin/crawler/item/"
RULES = [
    {
        "type": "book",
        "key": ["upc"],
        "fields": {
            "upc": {"css": "b"},
            "title": {"css": "h1"},
            "price": {"css": "i", "type": "decimal"},
            "page": {"css": "a::attr(href)", "type": "url"},
            "tags": {"css": "u", "many": True},
        },
    },
    {"type": "author", "key": ["name"], "fields": {"name": {"css": "h2"}}},
]


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def books() -> Spider:
    return make_spider("books", items=RULES)


def shown(client: Client, query: str = "") -> str:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return answer.content.decode()


def titles(client: Client, query: str) -> list[str]:
    """Of the items of an answer, in its order, by the only text that is theirs alone."""
    return re.findall(r'class="ll-two"><b>([^<]+)</b>', shown(client, query))


def make_book(spider: Spider, upc: str, **fields: object) -> None:
    data = {
        "upc": upc,
        "title": f"Title of {upc}",
        "price": "26.10",
        "page": "https://shop.example/x?a=1&b=2",
        "tags": [],
    }
    make_item(spider, upc, **({"data": data} | fields))


def test_the_fields_of_a_chosen_type_are_the_columns(web: Client, books: Spider) -> None:
    make_spider("other")
    make_book(books, "u1")
    page = shown(web, "?spider=books&type=book")
    headings = re.findall(r'class="column-[^"]*">\s*<div class="text"><span>([^<]*)', page) or re.findall(
        r'<div class="text"><span>([^<]*)', page
    )
    assert headings == ["Item", "State", "Title", "Price", "Page", "Tags", "Changed"]
    assert re.search(r'class="field-n_field1"><span class="ll-k">price</span>26\.10', page)
    assert 'rel="noreferrer noopener" href="https://shop.example/x?a=1&amp;b=2"' in page
    assert "<img" not in page.partition("<main")[2]


def test_without_a_choice_values_stand_in_one_column(web: Client, books: Spider) -> None:
    make_spider("other")
    make_book(books, "u1")
    assert "Title of u1" in shown(web)
    assert "column-value" in shown(web)


def test_the_only_spider_with_the_only_type_needs_no_choice(web: Client) -> None:
    spider = make_spider("books", items=RULES[:1])
    make_book(spider, "u1")
    assert "column-n_field1" in shown(web)


def test_there_are_at_most_eight_columns_of_fields(web: Client) -> None:
    fields = {f"f{number}": {"css": "b"} for number in range(20)}
    make_spider("books", items=[{"type": "book", "fields": fields}])
    make_item(Spider.objects.get())
    assert len(set(re.findall(r"column-field\d+", shown(web)))) == 8


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?spider=books", ["gone", "bad", "old", "new"]),
        ("?spider=books&type=author", []),
        ("?spider=books&state=complete", ["old", "new"]),
        ("?spider=books&state=incomplete", ["bad"]),
        ("?spider=books&state=gone", ["gone"]),
        ("?spider=books&changed=day", ["new", "gone", "bad"]),
        ("?spider=books&type=book&state=complete&changed=day", ["new"]),
        ("?state=gone", ["gone"]),
        ("?spider=nobody", []),
        ("?spider=music", ["other"]),
        ("?state=nothing&changed=never&spider=music", ["other"]),
    ],
)
def test_items_are_filtered(web: Client, books: Spider, query: str, expected: list[str]) -> None:
    now = timezone.now()
    make_book(books, "new", changed_at=now)
    make_book(books, "old", changed_at=now - timedelta(days=9))
    make_book(books, "bad", complete=False, changed_at=now - timedelta(minutes=2))
    make_book(books, "gone", gone_at=now, changed_at=now - timedelta(minutes=1))
    make_book(make_spider("music"), "other")
    assert titles(web, query) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u2", ["u2"]),
        ("title of U1", ["u1"]),
        ("été", ["u3"]),
        ('"quoted" \\ %', ["u4"]),
        ("26.10", ["u4", "u3", "u2", "u1"]),
        ("nothing like it", []),
        ("%", ["u4"]),
    ],
)
def test_keys_and_values_are_searched(web: Client, books: Spider, text: str, expected: list[str]) -> None:
    for upc, title in (("u1", None), ("u2", None), ("u3", "L'été"), ("u4", 'a "quoted" \\ % sign')):
        data = {"upc": upc, "title": title or f"Title of {upc}", "price": "26.10"}
        make_item(books, upc, data=data, page=None)
    answer = web.get(LIST, {"spider": "books", "type": "book", "q": text})
    assert re.findall(r'class="ll-two"><b>([^<]+)</b>', answer.content.decode()) == expected


def test_what_is_too_old_to_be_looked_at_is_said_and_its_whole_key_finds_it(
    web: Client, books: Spider, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_item(books, "first", key_hash=hash_url('["first"]'))
    for number in range(5):
        make_book(books, f"u{number}")
    monkeypatch.setattr(browsing, "LOOKED_AT", 3)
    query = "?spider=books&type=book&q="
    assert titles(web, query + "fir") == []
    assert "were looked at" in shown(web, query + "fir")
    assert titles(web, query + "first") == ["first"]
    assert titles(web, query + "title") == ["u4", "u3", "u2"]


def test_an_unknown_parameter_is_told_and_filters_nothing(web: Client, books: Spider) -> None:
    for name in ("nope", "data__title", "spider__definition__contains", "key__regex", "gone_at__isnull"):
        answer = web.get(f"{LIST}?{name}=x")
        assert (answer.status_code, answer["Location"]) == (302, f"{LIST}?e=1")
        assert messages_of(answer)[-1] == f"Items are not filtered by “{name}”: all are shown."


def test_a_choice_that_there_is_not_is_told(web: Client, books: Spider) -> None:
    assert "“odd” is no choice of “state”: that filter is left out." in shown(web, "?state=odd")
    assert "“year” is no choice of “new or changed within”" in shown(web, "?changed=year")
    assert "is no choice" not in shown(web, "?state=gone&changed=day&spider=books&type=x&q=y")
    assert "“zzz” is no choice of “state”" in web.get("/admin/scheduling/jobrun/?state=zzz").content.decode()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("scheduling/jobrun/?state__exact=zz", "state"),
        ("scheduling/jobrun/?cause__exact=zz", "cause"),
        ("scheduling/definitionversion/?kind__exact=zz&q=books", "kind"),
        ("crawler/spider/?enabled__exact=9", "enabled"),
        ("crawler/crawltask/?status__exact=zz", "status"),
        ("crawler/page/?state__exact=zz", "state"),
    ],
)
def test_what_a_field_cannot_hold_is_told_and_the_list_is_shown(web: Client, address: str, told: str) -> None:
    spider = make_spider()
    make_run(make_job()), make_task(spider), make_page(spider)
    page = web.get(f"/admin/{address}").content.decode()
    assert re.search(f"“(zz|9)” is no choice of “{told}”: that filter is left out.", page)
    assert "Nothing here yet" not in page
    assert 'id="result_list"' in page


def test_a_list_that_a_bare_lookup_leaves_empty_is_not_told_to_be_new(web: Client) -> None:
    make_run(make_job())
    page = web.get("/admin/scheduling/jobrun/?state__exact=cancelled").content.decode()
    assert "Nothing matches" in page


def test_the_filter_by_time_says_what_it_does_not_go_by(web: Client, books: Spider) -> None:
    make_book(books, "one")
    assert shown(web).count("Items that only came back, or went, within that time are not among them.") == 1


def test_an_empty_list_says_where_items_come_from(web: Client) -> None:
    assert "Nothing found yet" in shown(web)
    assert "Nothing matches" in shown(web, "?state=gone")


def test_ten_queries_are_enough(
    web: Client, books: Spider, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_spider("other")
    for number in range(60):
        make_book(books, f"u{number}", page=make_page(books))
    web.get(LIST)
    for query in ("", "?spider=books", "?spider=books&type=book&state=complete&changed=day&q=title", "?q=x&p=2"):
        with django_assert_max_num_queries(10):
            assert web.get(LIST + query).status_code in (200, 302), query
