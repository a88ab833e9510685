"""The peer: Scrapy as fast as its users get it. `python scrapy_crawl.py SITE BASE_URL DATABASE`.

Tuned: uvloop's reactor; the spider walks lxml's tree once for links, reads items from it without Parsel, keeps its own
set of seen URLs and yields `Request(dont_filter=True)`; a pipeline stores pages and items 200 rows at a time in SQLite
(WAL); telnet, the log below ERROR, cookies, the referer and the off-site middleware are off. robots.txt is obeyed, as
on our side.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import scrapy
from lxml.html import HtmlElement
from peer import CONCURRENCY, STARTS, Alone, Store, fold, new_page
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
    "CONCURRENT_REQUESTS": CONCURRENCY,
    "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
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
ALONE = Alone()


class SQLitePipeline:
    """Pages and items, 200 rows a transaction."""

    def open_spider(self) -> None:
        self.store = Store(DATABASE)

    def process_item(self, item: dict[str, Any]) -> dict[str, Any]:
        self.store.add(item)
        return item

    def close_spider(self) -> None:
        self.store.close()
        ALONE.end()


class BenchSpider(scrapy.Spider):
    name = "bench"

    def __init__(self) -> None:
        super().__init__()
        self.host = urlsplit(START).hostname
        self.seen = {START}

    async def start(self) -> AsyncIterator[scrapy.Request]:
        ALONE.begin()
        yield scrapy.Request(START, dont_filter=True)

    def parse(self, response: Response, **kwargs: Any) -> Iterator[Any]:
        page = new_page(response.url, response.status)
        if response.status != 200 or not hasattr(response, "selector"):
            yield page
            return
        root = response.selector.root
        READERS[SITE](root, page)
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


def read_shop(root: HtmlElement, page: dict[str, Any]) -> None:
    if not re.search(r"/product/\d+$", page["url"]):
        return
    facts = {fold(dt.text or ""): fold(dt.getnext().text or "") for dt in root.iter("dt")}
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


def read_sections(root: HtmlElement, page: dict[str, Any]) -> None:
    page["type"], page["key"] = "page", json.dumps([page["url"]])
    sections = [section for heading in root.iter("h1", "h2") if (section := heading.get("id"))]
    page["data"] = {"title": read_title(root), "sections": sections}


def read_title(root: HtmlElement) -> str | None:
    title = root.find(".//title")
    return (fold(title.text_content()) or None) if title is not None else None


def read_document(root: HtmlElement, page: dict[str, Any]) -> None:
    headings = [fold(heading.text_content()) for heading in root.iter("h1", "h2", "h3")]
    page["type"], page["key"] = "page", json.dumps([page["url"]])
    page["data"] = {"title": read_title(root), "headings": [heading for heading in headings if heading]}


READERS = {"shop": read_shop, "fpc-doc": read_document, "django-doc": read_document, "sqlite-doc": read_sections}

if __name__ == "__main__":
    SITE, BASE_URL, DATABASE = sys.argv[1:]
    START = BASE_URL + STARTS[SITE]
    process = CrawlerProcess(SETTINGS)
    process.crawl(BenchSpider)
    process.start()
