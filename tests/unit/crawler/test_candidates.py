"""Selectors from pointing: those proposed on one page of a real site read the others too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from turbohtml import Element

from crawler.engine.documents.definition import parse
from crawler.engine.pages.fields import FieldReader
from crawler.engine.pages.page import PageTree
from crawler.engine.pages.selectors import compile_xpath
from crawler.engine.spider import FieldRule, ItemRule
from crawler.workshop.candidates import _Search, candidates
from crawler.workshop.features import CROWD
from crawler.workshop.goals import Candidate, Goal
from crawler.workshop.readings import TEXT, Way, ways
from crawler.workshop.scopes import alike, contexts_of
from tests.servers.corpora import corpus
from tests.spiders import django_doc_spider, quotes_spider, saved_pages, shop_spider

ENOUGH = 0.95
"""Of a site's pages on which a candidate must be right."""


def make_page(html: str, url: str = "https://shop.example/lamp") -> PageTree:
    return PageTree(url, html.encode(), "utf-8")


def one(page: PageTree, css: str) -> Element:
    found = page.document.select_one(css)
    assert found is not None, css
    return found


def selectors(found: Sequence[Candidate]) -> list[str]:
    return [candidate.selector for candidate in found]


# --- pages that cost much ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("siblings", [3, CROWD + 2])
def test_nothing_is_told_by_its_position_in_a_crowd(siblings: int) -> None:
    """There it takes the square of them to be found, and is another one tomorrow."""
    page = make_page("<ul>" + "<li><p><i>a</i></p></li>" * siblings + "</ul>")
    found = candidates(page, Goal(targets=(page.document.select("i")[-2],), by_labels=False))
    assert any("nth" in selector for selector in selectors(found)) is (siblings == 3)


def test_no_selector_is_tried_after_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(_Search, "_verified", lambda _self, _kind, hold: tried.append(hold.css))
    page = make_page("<dl><dt>Price</dt><dd>1</dd><dt>Size</dt><dd>2</dd></dl>" * 3)
    target = page.document.select("dd")[-1]
    candidates(page, Goal(targets=(target,)))
    in_time = len(tried)
    tried.clear()
    candidates(page, Goal(targets=(target,)), seconds=-1.0)
    assert any("normalize-space" in selector for selector in tried) is False
    assert len(tried) < in_time / 2


def test_what_stands_alike_is_found_by_its_tags_and_classes() -> None:
    page = make_page(
        "<ul><li class='a b'><i>1</i></li><li class='b a'><i>2</i></li><li class='c'><i>3</i></li></ul>"
        "<ol><li class='a b'><i>4</i></li></ol>"
    )
    assert [one.text for one in alike(one(page, "i"), page.document)] == ["1", "2", "3"]
    assert [one.text for one in alike(one(page, "li"), page.document)] == ["1", "2"]


# --- real sites -------------------------------------------------------------------------------------------------------
def shop_pages() -> list[PageTree]:
    products = [(target, body) for target, _, body in saved_pages("shop") if target.startswith("/product/")]
    return [PageTree(f"http://shop.example{target}", body, "utf-8") for target, body in products[:160]]


def quotes_pages() -> list[PageTree]:
    lists = [
        (target, body) for target, _, body in saved_pages("quotes") if target == "/" or target.startswith("/page/")
    ]
    return [PageTree(f"http://quotes.example{target}", body, "utf-8") for target, body in lists]


def django_pages() -> list[PageTree]:
    site = corpus("django-doc") / "site"
    paths = sorted(path for path in site.rglob("*.html") if "_modules" not in path.parts)[5:400:8]
    return [PageTree(f"http://docs.example/{path.relative_to(site)}", path.read_bytes(), "utf-8") for path in paths]


def books_pages() -> list[PageTree]:
    site = corpus("books-lists") / "site"
    paths: list[Path] = sorted(site.rglob("*.html"))
    return [PageTree(f"http://books.example/{path.relative_to(site)}", path.read_bytes(), "utf-8") for path in paths]


def books_rule() -> ItemRule:
    fields = {
        "title": {"css": "h3 a::attr(title)"},
        "price": {"css": "p.price_color", "regex": r"[\d.]+", "type": "decimal"},
        "rating": {"css": "p.star-rating::attr(class)"},
        "image": {"css": "img.thumbnail::attr(src)", "type": "url"},
        "page": {"css": "h3 a::attr(href)", "type": "url"},
    }
    return rule_of(
        {
            "name": "books",
            "start_urls": ["http://books.example/"],
            "items": [{"type": "book", "each": "article.product_pod", "key": ["page"], "fields": fields}],
        }
    )


def rule_of(document: dict[str, object]) -> ItemRule:
    return parse(document).items[0]


SITES: dict[str, tuple[Callable[[], list[PageTree]], Callable[[], ItemRule]]] = {
    "shop": (shop_pages, lambda: rule_of(shop_spider("http://shop.example"))),
    "quotes": (quotes_pages, lambda: rule_of(quotes_spider("http://quotes.example"))),
    "django-doc": (django_pages, lambda: rule_of(django_doc_spider("http://docs.example"))),
    "books-lists": (books_pages, books_rule),
}
POINTED_AT = {
    "rating of shop": "span.star.filled",
    "instock of shop": "p.mb-0 + p.mb-0",
    "title of books-lists": "h3 a",
    "rating of books-lists": "p.star-rating",
    "image of books-lists": "img.thumbnail",
    "page of books-lists": "h3 a",
}
"""Where the rule gives no element: it counts, or takes an attribute."""
MEASURED = {
    "shop": {"upc": 1, "name": 1, "price": 1, "stock": 1, "rating": 1, "instock": 1},
    "quotes": {"text": 1, "author": 1, "tags": 1},
    "django-doc": {"title": 1, "headings": 1},
    "books-lists": {"title": 1, "price": 1, "rating": 1, "image": 1, "page": 1},
}
"""The place of the first candidate that is right on enough pages."""


@pytest.mark.corpora
@pytest.mark.parametrize("site", SITES)
def test_pointing_at_a_field_gives_what_reads_it_on_the_whole_site(site: str) -> None:
    make_pages, make_rule = SITES[site]
    pages, rule = make_pages(), make_rule()
    assert {field.name: place_of_right_one(site, pages, rule, field) for field in rule.fields} == MEASURED[site]


def place_of_right_one(site: str, pages: list[PageTree], rule: ItemRule, field: FieldRule) -> int:
    """Among the first three candidates, counted from 1; 0: none of them."""
    each = rule.each or ""
    page = next(page for page in pages if values(page, each, field) and pointed_at(site, page, each, field))
    targets = pointed_at(site, page, each, field)
    attribute = (field.css or "").partition("::attr(")[2].rstrip(")")
    goal = Goal(targets=tuple(targets), each=each, many=field.many, attribute=attribute)
    for place, candidate in enumerate(candidates(page, goal, others=pages[1:4])[:3], 1):
        way = ways(str(candidate.value), name=field.name, attribute=attribute)[0] if not field.many else TEXT
        if share_of_right(pages, each, field, candidate, way) >= ENOUGH:
            return place
    return 0


def pointed_at(site: str, page: PageTree, each: str, field: FieldRule) -> list[Element]:
    """What a person would point at for a field: its first value, or several of a list."""
    context = contexts_of(page, each)[0]
    css = POINTED_AT.get(f"{field.name} of {site}")
    if css is not None:
        return context.select(css)[: 2 if "filled" in css else 1]
    if field.many and field.css == "h1, h2, h3":
        firsts = [context.select(tag)[:1] for tag in ("h1", "h2", "h3")]
        return [element for elements in firsts for element in elements] if all(firsts) else []
    if field.xpath is not None:
        found = compile_xpath(field.xpath).find(context, page)
        return [one for one in found[:1] if isinstance(one, Element)]
    return context.select((field.css or "").removesuffix("::text"))[:1]


def values(page: PageTree, each: str, rule: FieldRule) -> list[object]:
    return [FieldReader(rule).read(context, page).value for context in contexts_of(page, each)]


def share_of_right(pages: list[PageTree], each: str, field: FieldRule, candidate: Candidate, way: Way) -> float:
    rule = way.rule(candidate.kind, candidate.selector, many=field.many)
    return sum(values(page, each, rule) == values(page, each, field) for page in pages) / len(pages)
