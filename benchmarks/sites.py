"""What is crawled in the benchmarks: each site's spider as a Lamplighter document.

The scripts in `benchmarks/peers` read the same fields in their own way; the items of all sides are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Document = dict[str, object]

CONCURRENCY = 32
"""Requests at once, on every side."""


def shop(base_url: str) -> Document:
    """1,159 pages of 5 to 10 KB, 1,000 items of six fields."""
    after = "//dt[normalize-space()='{}']/following-sibling::dd[1]"
    return {
        "name": "bench-shop",
        "start_urls": [f"{base_url}/"],
        "follow": [{"css": "a[href]"}],
        "items": [
            {
                "type": "product",
                "match": r"/product/\d+$",
                "key": ["upc"],
                "fields": {
                    "upc": {"xpath": after.format("UPC"), "required": True},
                    "name": {"css": "h1"},
                    "price": {"xpath": "//p[contains(., 'Price:')]", "regex": r"[\d.]+", "type": "decimal"},
                    "stock": {"xpath": after.format("Availability"), "regex": r"\((\d+) available", "type": "integer"},
                    "rating": {"xpath": "count(//span[@class='star filled'])", "type": "integer"},
                    "description": {"xpath": "//h2[.='Product Description']/following-sibling::p[1]"},
                },
            }
        ],
        "manners": {"concurrency_per_host": CONCURRENCY},
    }


HEADINGS: Document = {"headings": {"css": "h1, h2, h3", "many": True}}
SECTIONS: Document = {"sections": {"xpath": "//h1/@id | //h2/@id", "many": True}}
"""Attributes: parsers disagree about the texts of this site's headings, many of which are never closed."""


def _documentation(name: str, start: str, fields: Document) -> Callable[[str], Document]:
    def document(base_url: str) -> Document:
        return {
            "name": f"bench-{name}",
            "start_urls": [base_url + start],
            "follow": [{"css": "a[href]"}],
            "items": [
                {
                    "type": "page",
                    "fields": {"title": {"css": "title"}, **fields},
                }
            ],
            "manners": {"concurrency_per_host": CONCURRENCY},
        }

    return document


SITES: Mapping[str, Callable[[str], Document]] = {
    "shop": shop,
    # 15,760 pages of 3.5 KB; an item a page, as in all documentation: its title and its headings
    "fpc-doc": _documentation("fpc-doc", "/fpctoc.html", HEADINGS),
    # 691 pages of 42 KB
    "django-doc": _documentation("django-doc", "/index.html", HEADINGS),
    # 757 pages of 28 KB
    "sqlite-doc": _documentation("sqlite-doc", "/index.html", SECTIONS),
}
