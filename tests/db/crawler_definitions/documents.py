"""Documents for tests, as a person would write them."""

from __future__ import annotations

from copy import deepcopy

BOOKS = """\
spiders:
  - name: books
    category: shops
    start_urls: ["https://shop.example/"]
    follow:
      - css: "li.next a, article h3 a"
        allow: ["/catalogue/"]
    items:
      - type: book
        match: "/catalogue/.*_\\\\d+/index\\\\.html$"
        key: [upc]
        fields:
          upc: {xpath: ".//th[text()='UPC']/following-sibling::td/text()", required: true}
          title: {css: "h1::text"}
          price: {css: "p.price_color::text", regex: "[\\\\d.]+", type: decimal}
    manners: {headers: {Authorization: {secret: shop-token}}}
jobs:
  - job_id: books-nightly
    handler: crawl
    job_data: {type: spider, target: books}
    trigger: {type: cron, cron: "0 2 * * *", timezone: Asia/Shanghai}
"""

SPIDER: dict[str, object] = {
    "name": "books",
    "category": "shops",
    "start_urls": ["https://shop.example/"],
    "items": [{"type": "book", "fields": {"title": {"css": "h1"}, "price": {"css": "p", "regex": "a"}}}],
}


def make_spider(**changes: object) -> dict[str, object]:
    return deepcopy(SPIDER) | changes


LIST = """<html><body>
<a href="/book/1">1</a> <a href="/book/2#x">2</a> <a href="/help">?</a> <a href="/book/old">old</a>
<a href="https://else.example/book/3">3</a> <a href="mailto:x@example.com">m</a>
</body></html>"""
PRODUCT = "<html><body><h1>{title}</h1><p class=price>{price}</p><a href='/'>home</a></body></html>"


def site_spider(url: str, **changes: object) -> dict[str, object]:
    """Reads the site of `conftest`. `url` ends without a slash."""
    book = {
        "type": "book",
        "match": r"/book/\d+$",
        "key": ["title"],
        "fields": {"title": {"css": "h1"}, "price": {"css": ".price", "type": "decimal"}},
    }
    follow = [{"css": "a[href]", "allow": ["/book/", "^mailto:"], "deny": ["/old$"]}]
    return {"name": "books", "start_urls": [f"{url}/"], "follow": follow, "items": [book]} | changes
