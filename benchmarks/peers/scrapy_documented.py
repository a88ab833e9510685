"""The peer: Scrapy as its documents show it. `python scrapy_documented.py SITE BASE_URL DATABASE`.

A `CrawlSpider` with a `LinkExtractor` rule, items read with `response.css` and `response.xpath`, and a pipeline. Beyond
the documents, in its favour: as many requests at once as the others, the log below ERROR, and a pipeline that stores
200 rows at a time.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import scrapy
from peer import CONCURRENCY, STARTS, Alone, Store, new_page, read_with_parsel
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule

SETTINGS = {
    "ROBOTSTXT_OBEY": True,
    "LOG_LEVEL": "ERROR",
    "CONCURRENT_REQUESTS": CONCURRENCY,
    "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
    "DOWNLOAD_DELAY": 0,
    "HTTPERROR_ALLOW_ALL": True,
    "ITEM_PIPELINES": {"__main__.SQLitePipeline": 100},
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


class DocumentedSpider(CrawlSpider):
    name = "documented"
    # The same pages as the others: links of <a> alone, whatever their file's name ends with.
    rules = (Rule(LinkExtractor(tags=("a",), deny_extensions=()), callback="parse_page", follow=True),)

    async def start(self) -> AsyncIterator[scrapy.Request]:
        ALONE.begin()
        yield scrapy.Request(START)

    def parse_start_url(self, response: Response, **kwargs: Any) -> Iterator[dict[str, Any]]:
        return self.parse_page(response)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        page = new_page(response.url, response.status)
        if response.status == 200 and hasattr(response, "selector"):
            read_with_parsel(SITE, response.selector, page)
        yield page


if __name__ == "__main__":
    SITE, BASE_URL, DATABASE = sys.argv[1:]
    START = BASE_URL + STARTS[SITE]
    DocumentedSpider.allowed_domains = [urlsplit(START).hostname]
    process = CrawlerProcess(SETTINGS)
    process.crawl(DocumentedSpider)
    process.start()
