"""What a preview tells about a page, beside what a crawl would store."""

from __future__ import annotations

from crawler.engine.documents.definition import parse
from crawler.engine.errors import Reason
from crawler.engine.pages.extractor import Explanation, Extractor, FieldExplanation
from tests.spiders import saved_pages, shop_spider

URL = "http://shop.example/list"
PAGE = """
<article><h2>One</h2><p>1.50</p><p>2.00</p></article>
<article><h2>Two</h2><p>free</p></article>
<article><p>3.00</p></article>
<article><h2>One</h2></article>
<a href="mailto:a@b">x</a>
"""
ITEM: dict[str, object] = {
    "type": "book",
    "each": "article",
    "key": ["name"],
    "fields": {"name": {"css": "h2"}, "price": {"css": "p", "type": "decimal"}},
}


def explain(*items: dict[str, object], html: str = PAGE) -> Explanation:
    document: dict[str, object] = {"name": "a", "start_urls": [URL], "follow": [{}], "items": list(items)}
    return Extractor(parse(document)).explain(URL, html.encode(), "", "text/html")


def test_each_field_tells_its_value_type_and_number_of_matches() -> None:
    first = explain(ITEM).items[0]
    assert first.key == '["One"]'
    assert first.fields == (
        FieldExplanation("name", "text", "One", 1, ()),
        FieldExplanation("price", "decimal", "1.50", 2, ()),
    )


def test_a_value_that_cannot_be_read_is_shown_with_the_reason() -> None:
    second = explain(ITEM).items[1]
    assert second.reason == ""
    assert second.fields[1].value is None
    assert second.fields[1].problems == ('"free" is not a number of type decimal',)
    assert second.fields[1].unreadable == ("free",)


def test_items_that_would_not_be_stored_say_why() -> None:
    assert [(item.key, item.reason) for item in explain(ITEM).items[2:]] == [
        ("", Reason.MISSING_KEY),
        ("", Reason.DUPLICATE_KEY),
    ]
    assert explain(ITEM).items[2].fields[0].problems == (Reason.MISSING_KEY.value,)


def test_rules_for_other_pages_are_named() -> None:
    explanation = explain(ITEM | {"match": "/product/"}, ITEM | {"type": "other"})
    assert explanation.unmatched == ("book",)
    assert {item.type for item in explanation.items} == {"other"}


def test_links_that_cannot_be_fetched_are_counted() -> None:
    assert explain(ITEM).refused == {Reason.SCHEME_REFUSED: 1}


def test_a_preview_shows_what_a_crawl_stores() -> None:
    extractor = Extractor(parse(shop_spider("http://site.test")))
    for target, _, body in saved_pages("shop"):
        arguments = ("http://site.test" + target, body, "utf-8", "text/html")
        stored = [(item.key, item.data) for item in extractor.extract(*arguments).items]
        shown = [
            (item.key, {field.name: field.value for field in item.fields})
            for item in extractor.explain(*arguments).items
            if not item.reason
        ]
        assert shown == stored
