"""A site that did not change costs requests and nothing else; one changed price is one new version everywhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import shop_spider

from .product import Product, Row
from .web import log_in, site_of
from .written import count_writes, writes

pytestmark = [pytest.mark.process, pytest.mark.any_database]

PAGES = 1159
PRODUCT = "/product/1"
WATCHED = ("crawler_item", "crawler_itemversion", "crawler_page", "crawler_spider", "crawler_taskfailure")
CONTENT_OF_PAGES = (
    "SELECT id, spider_id, url, url_hash, etag, last_modified, content_hash, links, shared, extracted_version, "
    "redirected_to, reason, changed_at FROM crawler_page ORDER BY id"
)


@pytest.mark.corpora
def test_an_unchanged_site_is_only_asked_and_one_changed_price_is_one_version(product: Product) -> None:
    corpus("shop")
    site = SiteServer.of_corpus("shop")
    with serve_in_thread(site) as url:
        product.load(spiders=[shop_spider(url)])
        first = crawl(product, "shop")
        assert (first["pages"], first["items"], first["items_new"]) == (PAGES, 1000, 1000)
        crawl_unchanged(product, site)
        crawl_changed(product, site, url)


def crawl_unchanged(product: Product, site: SiteServer) -> None:
    """The site is asked for each page again, and nothing but its pages' rows is written."""
    asked_first = Counter(site.targets())
    items, pages = stored_items(product), product.sql(CONTENT_OF_PAGES)
    site.log.clear()
    count_writes(product, WATCHED)

    second = crawl(product, "shop")

    assert Counter(site.targets()) == asked_first
    statuses = Counter(logged.status for logged in site.log if logged.target != "/robots.txt")
    assert (statuses[304], statuses.total()) == (PAGES, PAGES)
    assert (second["pages"], second["items_new"], second["items_changed"], second["bytes"]) == (PAGES, 0, 0, 0)
    assert product.one("SELECT pages_unchanged FROM crawler_crawltask ORDER BY id DESC LIMIT 1") == PAGES
    # Each page's own row: once as it joins the frontier, once with what became of it.
    assert writes(product) == {("crawler_page", "UPDATE"): 2 * PAGES}
    assert stored_items(product) == items
    assert product.sql("SELECT * FROM crawler_itemversion") == []
    assert product.sql(CONTENT_OF_PAGES) == pages


def crawl_changed(product: Product, site: SiteServer, url: str) -> None:
    """The version is the same in the export, over REST and in the admin."""
    before = stored_items(product)
    [(item_id, old)] = product.sql(
        "SELECT i.id, i.data FROM crawler_item i JOIN crawler_page p ON p.id = i.page_id WHERE p.url = ?",
        [url + PRODUCT],
    )
    old_data = document(old)
    price = str(old_data["price"])
    body = site.body_of(PRODUCT)
    assert price.encode() in body
    site.replace(PRODUCT, body.replace(price.encode(), b"999.75"))
    since = datetime.now(UTC)
    site.log.clear()

    third = crawl(product, "shop")

    statuses = Counter(logged.status for logged in site.log if logged.target != "/robots.txt")
    assert statuses == {304: PAGES - 1, 200: 1}
    assert (third["items_new"], third["items_changed"]) == (0, 1)
    new_data = old_data | {"price": "999.75"}
    after = stored_items(product)
    assert {row[0] for row in after} - {row[0] for row in before} == set()
    assert [row[0] for was, row in zip(before, after, strict=True) if was != row] == [item_id]
    [(versioned, number, data)] = product.sql("SELECT item_id, number, data FROM crawler_itemversion")
    assert (versioned, number, document(data)) == (item_id, 1, old_data)

    exported = product.manage(
        *("exportitems", "shop", "--format", "jsonl", "--with-meta", "--changed-since", since.isoformat())
    )
    [line] = map(json.loads, exported.stdout.splitlines())
    assert (line["_version"], line["_url"]) == (2, url + PRODUCT)
    assert {name: value for name, value in line.items() if not name.startswith("_")} == new_data

    with site_of(product) as base_url, product.client(base_url) as client:
        versions = client.get(f"/api/crawl/items/{item_id}/versions").raise_for_status().json()["results"]
        assert [(version["number"], version["data"]) for version in versions] == [(2, new_data), (1, old_data)]
        assert versions[0]["valid_from"] == versions[1]["valid_to"]
        other = next(row[0] for row in after if row[0] != item_id)
        assert len(client.get(f"/api/crawl/items/{other}/versions").raise_for_status().json()["results"]) == 1

        log_in(client)
        page = client.get(f"/admin/crawler/item/{item_id}/change/").raise_for_status().text
        changes = re.findall(
            r'<th scope="row" class="w">(\w+)</th><td class="w"><del>(.*?)</del></td>.*?<ins>(.*?)</ins>', page
        )
        assert changes == [("price", price, "999.75")]
        assert re.findall(r"<b>v(\d+)</b>", page) == ["2", "1"]
        assert "<del>" not in client.get(f"/admin/crawler/item/{other}/change/").raise_for_status().text


def test_an_item_that_moves_over_list_pages_keeps_one_history(product: Product, tmp_path: Path) -> None:
    """A new book pushes one from the first list page to the second; later that one's price changes there."""
    folder = tmp_path / "site"
    folder.mkdir()
    site = SiteServer(folder)
    list_pages(folder, {"a": 1, "b": 2}, {"c": 3, "d": 4})
    with serve_in_thread(site) as url:
        product.load(spiders=[books_spider(url)])
        first = crawl(product, "books")
        assert (first["items_new"], owner(product, "b")) == (4, url + "/index.html")

        for target, body in list_bodies({"new": 5, "a": 1}, {"b": 2, "c": 3, "d": 4}).items():
            site.replace(target, body)
        second = crawl(product, "books")
        assert (second["items_new"], second["items_changed"]) == (1, 0)
        assert owner(product, "b") == url + "/page-2.html"
        assert product.sql("SELECT * FROM crawler_itemversion") == []

        for target, body in list_bodies({"new": 5, "a": 1}, {"b": 22, "c": 3, "d": 4}).items():
            site.replace(target, body)
        third = crawl(product, "books")
        assert (third["items_new"], third["items_changed"]) == (0, 1)

    history = product.sql(
        "SELECT i.key, v.number, v.data FROM crawler_itemversion v JOIN crawler_item i ON i.id = v.item_id"
    )
    assert [(key, number, document(data)) for key, number, data in history] == [('["b"]', 1, {"name": "b", "price": 2})]
    assert {key: item["price"] for key, item in product.items("books").items()} == {
        '["new"]': 5, '["a"]': 1, '["b"]': 22, '["c"]': 3, '["d"]': 4
    }  # fmt: skip
    assert first["conflicts"] == second["conflicts"] == third["conflicts"] == 0


# --- the product ------------------------------------------------------------------------------------------------------


def crawl(product: Product, spider: str) -> dict[str, object]:
    """`manage.py crawl` to its end: what it prints, and the task's conflicts."""
    printed = json.loads(product.manage("crawl", spider, "--json").stdout.splitlines()[-1])
    assert printed["status"] == "completed"
    conflicts = product.one("SELECT conflicts FROM crawler_crawltask WHERE task_id = ?", [printed["task_id"]])
    return dict(printed) | {"conflicts": conflicts}


def stored_items(product: Product) -> list[Row]:
    """Every column of every item."""
    return product.sql("SELECT * FROM crawler_item ORDER BY id")


def owner(product: Product, book: str) -> object:
    return product.one(
        "SELECT p.url FROM crawler_item i JOIN crawler_page p ON p.id = i.page_id WHERE i.key = ?",
        [json.dumps([book])],
    )


def document(stored: object) -> dict[str, object]:
    """A JSON column, which PostgreSQL gives read and SQLite as text."""
    read: object = json.loads(stored) if isinstance(stored, str) else stored
    assert isinstance(read, dict)
    return read


# --- a small site -----------------------------------------------------------------------------------------------------


def books_spider(base_url: str) -> dict[str, object]:
    return {
        "name": "books",
        "start_urls": [f"{base_url}/index.html"],
        "follow": [{"css": "a.next"}],
        "items": [
            {
                "type": "book",
                "each": "li",
                "key": ["name"],
                "fields": {"name": {"css": "b"}, "price": {"css": "i", "type": "integer"}},
            }
        ],
    }


def list_bodies(first: dict[str, int], second: dict[str, int]) -> dict[str, bytes]:
    def lines(books: dict[str, int]) -> str:
        return "".join(f"<li><b>{name}</b> <i>{price}</i></li>" for name, price in books.items())

    return {
        "/index.html": f"<ul>{lines(first)}</ul><a class='next' href='page-2.html'>next</a>".encode(),
        "/page-2.html": f"<ul>{lines(second)}</ul>".encode(),
    }


def list_pages(folder: Path, first: dict[str, int], second: dict[str, int]) -> None:
    for target, body in list_bodies(first, second).items():
        (folder / target.lstrip("/")).write_bytes(body)
