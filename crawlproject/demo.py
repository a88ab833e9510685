"""The demo's shop: a small site on loopback whose prices change, with one slow page and one broken one.

A WSGI application without state: what a page shows follows from its address and the minute alone, so that a crawl can
be checked, and two processes show the same.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

ADDRESS = "127.0.0.1:8001"
"""Where `manage.py demosite` serves it unless told otherwise."""
PRODUCTS = 48
PER_PAGE = 12
SLOW_SECONDS = 4.0
CHANGES_EVERY = 60
"""Seconds after which about a tenth of the prices has changed."""

ADJECTIVES = ("Brass", "Storm", "Harbour", "Night", "Copper", "Quiet", "Winter", "River")
THINGS = ("Lantern", "Wick", "Mantle", "Reflector", "Ladder", "Oil can")
Headers = list[tuple[str, str]]
StartResponse = Callable[[str, Headers], object]


@dataclass(frozen=True, slots=True)
class Product:
    number: int

    @property
    def name(self) -> str:
        return f"{ADJECTIVES[self.number % len(ADJECTIVES)]} {THINGS[self.number // len(ADJECTIVES)]}"

    @property
    def sku(self) -> str:
        return f"LL-{1000 + self.number}"

    def price(self, now: float) -> str:
        """In pounds; changes with the minute for about one product in ten."""
        base = 495 + 137 * self.number
        minute = int(now // CHANGES_EVERY)
        latest = next((m for m in range(minute, minute - 10, -1) if m % 10 == self.number % 10), minute)
        return f"{(base + latest * 7 % 90) / 100:.2f}"

    def stock(self, now: float) -> int:
        return (self.number * 5 + int(now // (CHANGES_EVERY * 10))) % 9


CATALOGUE = [Product(number) for number in range(PRODUCTS)]


def application(environ: dict[str, object], start_response: StartResponse) -> Iterable[bytes]:
    """Answers a page, or 304 where the reader has it as it is."""
    path = str(environ.get("PATH_INFO", "/"))
    status, body = respond(path, time.time())
    etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    kind = "text/plain" if path == "/robots.txt" else "text/html"
    headers = [("Content-Type", f"{kind}; charset=utf-8"), ("ETag", etag), ("Cache-Control", "no-cache")]
    if status.startswith("200") and environ.get("HTTP_IF_NONE_MATCH") == etag:
        start_response("304 Not Modified", headers)
        return []
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


def respond(path: str, now: float) -> tuple[str, bytes]:
    """Status line and body of a page at the time `now` (seconds since the epoch)."""
    if path == "/robots.txt":
        return "200 OK", b"User-agent: *\nDisallow: /basket\n"
    if path == "/broken":
        return "500 Internal Server Error", _page("Broken", "<p>This page is broken on purpose.</p>")
    if path == "/slow":
        time.sleep(SLOW_SECONDS)
        return "200 OK", _page("Slow", "<p>This page takes its time on purpose.</p>")
    kind, _slash, rest = path.strip("/").partition("/")
    if kind == "product" and rest.isdigit() and int(rest) < PRODUCTS:
        return "200 OK", _product(CATALOGUE[int(rest)], now)
    if path == "/" or (kind == "page" and rest.isdigit() and 1 <= int(rest) <= PRODUCTS // PER_PAGE):
        return "200 OK", _list(int(rest) if rest else 1)
    return "404 Not Found", _page("Not found", "<p>There is no such page.</p>")


def definitions(base_url: str) -> dict[str, object]:
    """A spider of this shop and a schedule that runs it every 15 seconds, as a definitions file holds them."""
    return {
        "spiders": [
            {
                "name": "demo-shop",
                "category": "demo",
                "start_urls": [f"{base_url}/"],
                "follow": [{"css": "article a, nav a"}],
                "items": [
                    {
                        "type": "product",
                        "match": r"/product/\d+$",
                        "key": ["sku"],
                        "fields": {
                            "sku": {"css": ".sku::text", "regex": r"LL-\d+", "required": True},
                            "name": {"css": "h1::text", "required": True},
                            "price": {"css": ".price::text", "regex": r"[\d.]+", "type": "decimal"},
                            "stock": {"css": ".stock::text", "regex": r"\d+", "type": "integer"},
                        },
                    }
                ],
            }
        ],
        "jobs": [
            {
                "job_id": "demo-shop-rounds",
                "name": "The demo shop, every 15 seconds",
                "handler": "crawl",
                "job_data": {"type": "spider", "target": "demo-shop"},
                "trigger": {"type": "interval", "seconds": 15},
            }
        ],
    }


def _list(number: int) -> bytes:
    products = CATALOGUE[(number - 1) * PER_PAGE : number * PER_PAGE]
    articles = "".join(
        f'<article><a href="/product/{product.number}">{escape(product.name)}</a></article>' for product in products
    )
    pages = "".join(f'<a href="/page/{page}">{page}</a> ' for page in range(1, PRODUCTS // PER_PAGE + 1))
    odd = '<a href="/slow">A slow page</a> <a href="/broken">A broken page</a> <a href="/basket">Basket</a>'
    return _page("The lamp shop", f"{articles}<nav>{pages}{odd}</nav>")


def _product(product: Product, now: float) -> bytes:
    return _page(
        product.name,
        f'<p class="price">£{product.price(now)}</p><p class="sku">{product.sku}</p>'
        f'<p class="stock">{product.stock(now)} in stock</p><nav><a href="/">Back</a></nav>',
    )


def _page(title: str, content: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<h1>{escape(title)}</h1>{content}</html>"
    ).encode()
