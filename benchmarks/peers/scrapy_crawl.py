"""The peer: Scrapy as fast as its users get it. `python scrapy_crawl.py SITE BASE_URL DATABASE`.

Tuned: uvloop's reactor; the spider walks `response.selector.root` once for links, keeps its own set of seen URLs and
yields `Request(dont_filter=True)`; a pipeline stores pages and items 200 rows at a time in SQLite (WAL); telnet, the
log below ERROR, cookies, the referer and the off-site middleware are off. robots.txt is obeyed, as on our side.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response

SETTINGS = {
    "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
    "ROBOTSTXT_OBEY": True,
    "TELNETCONSOLE_ENABLED": False,
    "LOG_LEVEL": "ERROR",
    "COOKIES_ENABLED": False,
    "REFERER_ENABLED": False,
    "CONCURRENT_REQUESTS": 16,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
    "DOWNLOAD_DELAY": 0,
    "HTTPERROR_ALLOW_ALL": True,
    "HTTPCACHE_ENABLED": False,
    "ITEM_PIPELINES": {"__main__.SQLitePipeline": 100},
    "SPIDER_MIDDLEWARES": {"scrapy.spidermiddlewares.depth.DepthMiddleware": None},
    "EXTENSIONS": {
        "scrapy.extensions.corestats.CoreStats": None,
        "scrapy.extensions.logstats.LogStats": None,
        "scrapy.extensions.memusage.MemoryUsage": None,
    },
}
BATCH = 200


def fold(text: str) -> str:
    return " ".join(text.split())


class SQLitePipeline:
    """Pages and items, 200 rows a transaction."""

    def open_spider(self) -> None:
        self.database = sqlite3.connect(DATABASE)
        self.database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE page (url TEXT PRIMARY KEY, status INTEGER);"
            "CREATE TABLE item (type TEXT, key TEXT, data TEXT, PRIMARY KEY (type, key));"
        )
        self.pages: list[tuple[str, int]] = []
        self.items: list[tuple[str, str, str]] = []

    def process_item(self, item: dict[str, Any]) -> dict[str, Any]:
        self.pages.append((item["url"], item["status"]))
        if item["data"] is not None:
            data = json.dumps(item["data"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            self.items.append((item["type"], item["key"], data))
        if len(self.pages) >= BATCH:
            self.store()
        return item

    def store(self) -> None:
        with self.database:
            self.database.executemany("INSERT INTO page VALUES (?, ?)", self.pages)
            self.database.executemany("INSERT INTO item VALUES (?, ?, ?)", self.items)
        self.pages, self.items = [], []

    def close_spider(self) -> None:
        self.store()
        self.database.close()


class BenchSpider(scrapy.Spider):
    name = "bench"

    def __init__(self) -> None:
        super().__init__()
        self.host = urlsplit(START).hostname
        self.seen = {START}

    async def start(self) -> AsyncIterator[scrapy.Request]:
        yield scrapy.Request(START, dont_filter=True)

    def parse(self, response: Response, **kwargs: Any) -> Iterator[Any]:
        page: dict[str, Any] = {"url": response.url, "status": response.status, "data": None, "type": "", "key": ""}
        if response.status != 200 or not hasattr(response, "selector"):
            yield page
            return
        root = response.selector.root
        READERS[SITE](response, page)
        yield page
        for anchor in root.iter("a"):
            href = anchor.get("href")
            if not href:
                continue
            url = urldefrag(urljoin(response.url, href)).url
            if url in self.seen or not url.startswith("http") or urlsplit(url).hostname != self.host:
                continue
            self.seen.add(url)
            yield scrapy.Request(url, dont_filter=True)


def read_shop(response: Response, page: dict[str, Any]) -> None:
    if not re.search(r"/product/\d+$", response.url):
        return
    facts = {fold(dt.text or ""): fold(dt.getnext().text or "") for dt in response.selector.root.iter("dt")}
    root = response.selector.root
    price = next(p.text for p in root.iter("p") if "Price:" in (p.text or ""))
    stock = re.search(r"\((\d+) available", facts.get("Availability", ""))
    description = [fold(p.text_content()) for p in root.xpath("//h2[.='Product Description']/following-sibling::p[1]")]
    page["type"], page["key"] = "product", json.dumps([facts["UPC"]])
    page["data"] = {
        "upc": facts["UPC"],
        "name": fold(root.find(".//h1").text_content()),
        "price": re.search(r"[\d.]+", price).group(),  # type: ignore[union-attr]
        "stock": int(stock.group(1)) if stock else None,
        "rating": int(root.xpath("count(//span[@class='star filled'])")),
        "description": description[0] if description and description[0] else None,
    }


def read_django_doc(response: Response, page: dict[str, Any]) -> None:
    root = response.selector.root
    page["type"], page["key"] = "page", json.dumps([response.url])
    page["data"] = {
        "title": fold(root.find(".//title").text_content()),
        "headings": [fold(heading.text_content()) for heading in root.iter("h1", "h2", "h3")],
    }


READERS = {"shop": read_shop, "django-doc": read_django_doc}
STARTS = {"shop": "/", "django-doc": "/index.html"}

if __name__ == "__main__":
    SITE, BASE_URL, DATABASE = sys.argv[1:]
    START = BASE_URL + STARTS[SITE]
    process = CrawlerProcess(SETTINGS)
    process.crawl(BenchSpider)
    process.start()
