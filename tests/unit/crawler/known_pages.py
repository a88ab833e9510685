"""Pages of every kind, and what they give: who changes that must raise `reading_version.GENERATION`.

    python -m tests.unit.crawler.known_pages

writes what they give now into ``known_results.json``, under the next generation where that differs for a page that was
known; `test_reading_version.py` compares. Further pages may be added at any time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from crawler.engine.documents.definition import parse
from crawler.engine.pages.extractor import Extractor
from crawler.engine.records import Extraction, Json

RESULTS = Path(__file__).with_name("known_results.json")
URL = "https://shop.example/catalogue/lamp_7/index.html?ref=1#top"

_PRODUCT = """<!doctype html><html lang="de"><head><meta charset="utf-8"><title> Sturm&shy;laterne  No. 7 </title>
<base href="/catalogue/lamp_7/"><link rel="canonical" href="https://shop.example/catalogue/lamp_7/">
<meta property="og:title" content="Storm lantern"><meta name="description" content="Burns for &frac12; a night.">
<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [{"@type": ["Product", "Thing"],
"name": "Storm lantern", "brand": {"@type": "Brand", "name": "Acme"}, "image": ["a.jpg", {"url": "/b.jpg"}],
"offers": [{"@type": "Offer", "price": 1249.5, "priceCurrency": "EUR", "availability": "https://schema.org/InStock"}]}
]}</script><style>p {color: red}</style></head><body><h1>Storm <em>lantern</em><br>No. 7</h1>
<p class="price">1.249,50&nbsp;€</p>
<p class="old">£ 1,399.00</p><p class="date" title="2026-03-03T14:30+01:00">3 March 2026, at noon</p>
<p class="stock">In stock (12 left)</p><table><tr><th>UPC</th><td> a-7 </td></tr><tr><th>Weight</th><td>0.75 kg
</td></tr></table><ul class="tags"><li>oil</li><li> </li><li>out&#8203;door</li></ul>
<div itemscope itemtype="https://schema.org/Product"><span itemprop="sku">S7</span><div itemprop="aggregateRating"
itemscope itemtype="https://schema.org/AggregateRating"><meta itemprop="ratingValue" content="4.6"></div></div>
<article class="card"><h3><a href="../lamp_8/">Eight</a></h3><p>9.90</p></article>
<article class="card"><h3><a href="//cdn.shop.example/lamp_9?b=2&amp;a=1">Nine</a></h3><p>1,019.90</p></article>
<article class="card"><h3>Ten</h3></article><template><article class="card"><h3>No</h3></article></template>
<a href="mailto:a@b.example">mail</a><a rel="nofollow" href="?page=2">2</a><a href=" /deep/ ">deep</a></body></html>"""

_ARTICLE = """<!doctype html><html><head><title>The lamps of our street</title></head><body><nav><a href="/">Home</a>
<a href="/all">All</a></nav><main><article><h1>The lamps of our street</h1><p>Every evening at dusk a man with a long
pole walks down our street and lights the lamps, one after the other, as his father did before him.</p><p>Nobody knows
how many there are. He says that he has never counted them, because a number that is known can be wrong.</p><ul><li>The
first stands at the corner of the bakery.</li><li>The last is said to be broken.</li></ul><p>When it rains he walks more
slowly, and the children of the street carry the matches for him under their coats.</p></article></main><aside>Read
also: ten lamps you must see</aside><footer>All rights reserved. Imprint. Contact.</footer></body></html>"""

_QUOTES = json.dumps({
    "page": 2, "has_next": True, "links": {"next": "/api/quotes?page=3"},
    "quotes": [
        {"text": "Light <b>first</b>", "author": {"name": "Ann", "born": "1971-02-03"}, "tags": ["a", "b"], "n": 1e3},
        {"text": None, "author": {}, "tags": [], "n": "12,5"},
    ],
})  # fmt: skip

_FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Lamps</title><link>https://shop.example/</link>
<item><title>One</title><link>https://shop.example/1</link><pubDate>Tue, 03 Mar 2026 10:00:00 GMT</pubDate></item>
<item><title>Two</title><guid>https://shop.example/2</guid></item></channel></rss>"""

_FIELDS: dict[str, dict[str, object]] = {
    "title": {"css": "h1", "required": True},
    "own_text": {"css": "h1::text"},
    "head": {"css": "title"},
    "price": {"css": "p.price", "type": "decimal", "regex": r"[\d.,]+", "decimal_mark": ","},
    "old": {"css": "p.old", "type": "decimal", "regex": r"[\d.,]+"},
    "whole_text": {"css": "p.old", "type": "decimal"},
    "left": {"css": "p.stock", "regex": r"\((\d+) left", "type": "integer"},
    "in_stock": {"jsonld": "Product.offers.availability", "type": "boolean", "regex": "InStock$"},
    "day": {"css": "p.date", "type": "date", "format": "%d %B %Y", "regex": r"\d+ \w+ \d+"},
    "moment": {"css": "p.date::attr(title)", "type": "datetime"},
    "upc": {"xpath": "//th[text()='UPC']/following-sibling::td/text()"},
    "weight": {"xpath": "//th[.='Weight']/../td", "type": "float", "regex": "[0-9.]+"},
    "rows": {"xpath": "count(//tr)", "type": "integer"},
    "tags": {"css": ".tags li", "many": True},
    "images": {"jsonld": "Product.image", "type": "url", "many": True},
    "amount": {"jsonld": "Product.offers.price", "type": "decimal"},
    "brand": {"jsonld": "Product.brand"},
    "sku": {"microdata": "Product.sku"},
    "rating": {"microdata": "Product.aggregateRating.ratingValue", "type": "float"},
    "og": {"meta": "og:title"},
    "description": {"meta": "description"},
    "whole": {"jsonld": "Product.offers", "type": "json"},
    "markup": {"css": "h1", "type": "html"},
    "number": {"from": "url", "regex": r"_(\d+)/", "type": "integer"},
    "nothing": {"css": ".none"},
}

_CARDS: dict[str, object] = {
    "type": "card", "each": "article.card", "key": ["name"],
    "fields": {
        "name": {"css": "h3", "required": True}, "link": {"css": "a::attr(href)", "type": "url"},
        "price": {"css": "p", "type": "decimal", "required": True},
    },
}  # fmt: skip

_QUOTE: dict[str, object] = {
    "type": "quote", "each_json": "quotes[]", "key": ["text"],
    "fields": {
        "text": {"json": "text", "required": True}, "author": {"json": "author.name"},
        "born": {"json": "author.born", "type": "date"}, "tags": {"json": "tags", "many": True},
        "n": {"json": "n", "type": "decimal"},
    },
}  # fmt: skip

_ENTRIES: dict[str, object] = {
    "type": "entry", "each": "//item", "key": ["title"],
    "fields": {
        "title": {"css": "title"}, "at": {"css": "pubDate", "type": "datetime", "format": "%a, %d %b %Y %H:%M:%S %Z"},
    },
}  # fmt: skip

_TEXT: dict[str, object] = {"type": "text", "fields": {"title": {"css": "h1"}, "text": {"type": "article"}}}

PAGES: dict[str, tuple[str, bytes, str, list[dict[str, object]], list[dict[str, object]]]] = {
    "product": ("text/html", _PRODUCT.encode(), "utf-8", [{}], [{"type": "lamp", "fields": _FIELDS}, _CARDS]),
    "some links": (
        "text/html", _PRODUCT.encode(), "utf-8", [{"css": "h3 a"}, {"xpath": "//a/@href", "deny": ["page="]}], [_CARDS],
    ),
    "another charset": (
        "text/html", _PRODUCT.replace("utf-8", "windows-1252").encode("cp1252", "xmlcharrefreplace"), "", [{}],
        [{"type": "lamp", "fields": {name: _FIELDS[name] for name in ("title", "price", "old", "day", "tags")}}],
    ),
    "article": ("text/html", _ARTICLE.encode(), "utf-8", [{}], [_TEXT]),
    "json": (
        "application/json", _QUOTES.encode(), "", [{"json": "links.next"}], [_QUOTE],
    ),
    "feed": ("application/rss+xml", _FEED.encode(), "", [{}], [_ENTRIES]),
    "broken": ("text/html", b"<table><p>a<td>b<h1>\xff\xfe</h1><a href='http://['>x</a><a href=1>y", "", [{}], [_TEXT]),
}  # fmt: skip
"""Content type, body, charset, follow rules, item rules."""


def results() -> dict[str, Json]:
    """What each page gives."""
    return {name: _given(_extract(*page)) for name, page in PAGES.items()}


def stored() -> tuple[int, dict[str, Json]]:
    """The generation, and what each page gave when it was written."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    return document["generation"], document["results"]


def _extract(
    content_type: str, body: bytes, charset: str, follow: list[dict[str, object]], items: list[dict[str, object]]
) -> Extraction:
    definition = parse({"name": "known", "start_urls": [URL], "follow": follow, "items": items})
    return Extractor(definition).extract(URL, body, charset, content_type)


def _given(extraction: Extraction) -> Json:
    given = {
        "items": [{"type": item.type, "key": item.key, "data": item.data} for item in extraction.items],
        "problems": [f"{each.field}: {each.reason}" for item in extraction.items for each in item.problems],
        "links": extraction.links,
        "rejected": extraction.rejected,
        "reasons": dict(sorted(extraction.reasons.items())),
    }
    return cast(Json, json.loads(json.dumps(given)))


def main() -> None:
    now = results()
    generation, before = stored() if RESULTS.exists() else (1, now)
    if any(name in now and now[name] != given for name, given in before.items()):
        generation += 1
    document = {"generation": generation, "results": now}
    RESULTS.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{RESULTS.name}: generation {generation}; the same must stand in crawler/reading_version.py")


if __name__ == "__main__":
    main()
