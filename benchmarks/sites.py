"""What is crawled in the benchmarks: each site's spider as a Lamplighter document.

`benchmarks/peers/scrapy_crawl.py` reads the same fields in Scrapy's own way; the items of both are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Document = dict[str, object]


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
        "manners": {"concurrency_per_host": 16},
    }


def django_doc(base_url: str) -> Document:
    """691 pages of about 100 KB, an item a page: its title and all headings."""
    return {
        "name": "bench-django-doc",
        "start_urls": [f"{base_url}/index.html"],
        "follow": [{"css": "a[href]"}],
        "items": [
            {
                "type": "page",
                "fields": {"title": {"css": "title"}, "headings": {"css": "h1, h2, h3", "many": True}},
            }
        ],
        "manners": {"concurrency_per_host": 16},
    }


SITES: Mapping[str, Callable[[str], Document]] = {"shop": shop, "django-doc": django_doc}
