"""The extractor against the sites' own databases."""

from __future__ import annotations

from crawler.engine.documents.definition import parse
from crawler.engine.pages.extractor import Extractor
from crawler.engine.records import ItemRecord
from tests.servers.corpora import corpus
from tests.spiders import (
    Document,
    differences,
    django_doc_spider,
    quotes_spider,
    quotes_truth,
    saved_pages,
    shop_spider,
    shop_truth,
)

BASE = "http://site.test"


def extract_all(document: Document, name: str) -> dict[str, ItemRecord]:
    extractor = Extractor(parse(document))
    items: dict[str, ItemRecord] = {}
    for target, saved, body in saved_pages(name):
        kind = saved["headers"].get("content-type", "").partition(";")[0]
        for item in extractor.extract(BASE + target, body, "utf-8", kind).items:
            assert items.setdefault(item.key, item).data_hash == item.data_hash, "two values under one key"
    return items


def test_every_product_of_the_shop_is_read_as_its_database_has_it() -> None:
    truth = shop_truth()
    items = extract_all(shop_spider(BASE), "shop")
    assert len(truth) == len(items) == 1_000
    assert differences(truth, {key: item.data for key, item in items.items()}) == []
    assert all(item.complete for item in items.values())


def test_every_quote_is_read_as_its_database_has_it() -> None:
    truth = quotes_truth()
    items = extract_all(quotes_spider(BASE), "quotes")
    assert len(truth) == 100
    assert differences(truth, {key: item.data for key, item in items.items()}) == []


def test_links_of_the_shop_lead_to_every_saved_page() -> None:
    extractor = Extractor(parse(shop_spider(BASE)))
    targets = {}
    for target, saved, body in saved_pages("shop"):
        targets[target] = extractor.extract(BASE + target, body, "utf-8", "text/html").links
        assert saved["status"] == 200
    reached, front = {"/"}, ["/"]
    while front:
        links = {url.removeprefix(BASE) for url in targets.get(front.pop(), ())}
        front += links - reached
        reached |= links
    assert reached == targets.keys()


def test_links_of_the_django_documentation_are_those_of_its_graph() -> None:
    site = corpus("django-doc") / "site"
    extractor = Extractor(parse(django_doc_spider(BASE)))
    reached, front = {"/index.html"}, ["/index.html"]
    titles = 0
    while front:
        target = front.pop()
        extraction = extractor.extract(BASE + target, (site / target[1:]).read_bytes(), "", "text/html")
        titles += bool(extraction.items[0].data["title"])
        for url in extraction.links:
            path = url.removeprefix(BASE)
            if path.endswith(".html") and path not in reached and (site / path[1:]).is_file():
                reached.add(path)
                front.append(path)
    assert len(reached) == titles == 691
