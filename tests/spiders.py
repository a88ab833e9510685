"""The spiders of the real sites, and what they must find: the sites' own databases, mapped as their index says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias, TypedDict, cast

from tests.servers.corpora import corpus

Data: TypeAlias = "dict[str, object]"
Document: TypeAlias = "dict[str, object]"


class Saved(TypedDict):
    """One answer of a site that was saved: see its ``manifest.json``."""

    file: str
    status: int
    headers: dict[str, str]


def shop_spider(base_url: str) -> Document:
    """1,000 products behind categories and numbered pages. `base_url` ends without a slash."""
    return {
        "name": "shop",
        "category": "shops",
        "start_urls": [f"{base_url}/"],
        "follow": [{"css": "a[href]"}],
        "items": [
            {
                "type": "product",
                "match": r"/product/\d+$",
                "key": ["upc"],
                "fields": {
                    "upc": {"xpath": _described("UPC"), "required": True},
                    "name": {"css": "h1", "required": True},
                    "price": {"xpath": "//p[starts-with(., 'Price:')]", "regex": r"[\d.]+", "type": "decimal"},
                    "stock": {"xpath": _described("Availability"), "regex": r"\((\d+) available", "type": "integer"},
                    "rating": {"xpath": "count(//span[@class='star filled'])", "type": "integer"},
                    "instock": {"css": "h1 ~ p.mb-0", "regex": "^In stock$", "type": "boolean"},
                },
            }
        ],
    }


def quotes_spider(base_url: str) -> Document:
    """100 quotes on ten list pages. `base_url` ends without a slash."""
    return {
        "name": "quotes",
        "start_urls": [f"{base_url}/"],
        "follow": [{"css": "li.next a"}],
        "items": [
            {
                "type": "quote",
                "each": "div.quote",
                "key": ["text"],
                "fields": {
                    "text": {"css": "span.text::text"},
                    "author": {"css": "small.author::text", "required": True},
                    "tags": {"css": "a.tag", "many": True},
                },
            }
        ],
    }


def django_doc_spider(base_url: str) -> Document:
    """Every page that is linked, with its title and headings. `base_url` ends without a slash."""
    return {
        "name": "django-doc",
        "start_urls": [f"{base_url}/index.html"],
        "follow": [{"css": "a[href]"}],
        "items": [
            {
                "type": "page",
                "fields": {
                    "title": {"css": "title"},
                    "headings": {"css": "h1, h2, h3", "many": True},
                },
            }
        ],
    }


def shop_truth() -> dict[str, Data]:
    """The shop's products by the canonical key of their items."""
    products = json.loads((corpus("shop") / "truth" / "products.json").read_text(encoding="utf-8"))
    return {_key(product["properties"]["UPC"]): _product(product) for product in products}


def quotes_truth() -> dict[str, Data]:
    """The quotes by the canonical key of their items."""
    quotes = json.loads((corpus("quotes") / "truth" / "quotes.json").read_text(encoding="utf-8"))
    return {_key(_folded(quote["text"])): _quote(quote) for quote in quotes}


def differences(truth: Mapping[str, Data], found: Mapping[str, Mapping[str, object]]) -> list[str]:
    """What keeps the items `found`, data by key, from being the truth: one line each, empty where nothing does.

    Equal means of equal type too: 3 is neither ``"3"`` nor ``True``.
    """
    lines = [f"missing: {key}" for key in truth.keys() - found.keys()]
    lines += [f"not in the truth: {key}" for key in found.keys() - truth.keys()]
    for key in truth.keys() & found.keys():
        if json.dumps(truth[key], sort_keys=True) != json.dumps(found[key], sort_keys=True):
            lines.append(f"{key}: {found[key]!r} should be {truth[key]!r}")
    return sorted(lines)


def saved_pages(name: str) -> Iterator[tuple[str, Saved, bytes]]:
    """Request target, answer and body of every page of a saved site (`shop`, `quotes`)."""
    site = corpus(name) / "site"
    for target, saved in manifest(site).items():
        yield target, saved, (site / saved["file"]).read_bytes()


def manifest(site: Path) -> dict[str, Saved]:
    return cast("dict[str, Saved]", json.loads((site / "manifest.json").read_text(encoding="utf-8")))


def _described(term: str) -> str:
    return f"//dt[normalize-space()='{term}']/following-sibling::dd[1]"


def _product(product: dict[str, object]) -> Data:
    properties = cast("dict[str, str]", product["properties"])
    stock = re.search(r"\((\d+) available", properties.get("Availability", ""))
    return {
        "upc": properties["UPC"],
        "name": _folded(str(product["name"])),
        "price": str(product["price"]).removeprefix("£"),
        "stock": int(stock[1]) if stock else None,
        "rating": product["rating"],
        "instock": product["instock"],
    }


def _quote(quote: dict[str, object]) -> Data:
    author = cast("dict[str, str]", quote["author"])
    return {"text": _folded(str(quote["text"])), "author": _folded(author["name"]), "tags": quote["tags"]}


def _key(value: str) -> str:
    return json.dumps([value], ensure_ascii=False, separators=(",", ":"))


def _folded(text: str) -> str:
    return " ".join(text.split())
