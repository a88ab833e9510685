"""The peer: crawlee for Python. `python crawlee_crawl.py SITE BASE_URL DATABASE`.

A `ParselCrawler` as its documents show it, with its queue in memory, robots.txt obeyed, as many requests at once as the
others, and our batched store in place of its data set's files.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

from crawlee import ConcurrencySettings, RequestOptions
from crawlee.configuration import Configuration
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient
from peer import CONCURRENCY, STARTS, Alone, Store, new_page, read_with_parsel

EVERY_STATUS = list(range(400, 600))


def read_backslash(options: RequestOptions) -> RequestOptions:
    """The site has a link to a lone backslash, which is "/" as browsers and the other sides read it."""
    options["url"] = options["url"].replace("/%5C", "/")
    return options


async def main(site: str, base_url: str, database: str) -> None:
    store = Store(database)
    crawler = ParselCrawler(
        configuration=Configuration(log_level="ERROR"),
        storage_client=MemoryStorageClient(),
        concurrency_settings=ConcurrencySettings(
            min_concurrency=CONCURRENCY, max_concurrency=CONCURRENCY, desired_concurrency=CONCURRENCY
        ),
        respect_robots_txt_file=True,
        ignore_http_error_status_codes=EVERY_STATUS,
        use_session_pool=False,
        max_request_retries=0,
        statistics_log_format="inline",
        request_handler_timeout=timedelta(seconds=60),
    )

    @crawler.router.default_handler
    async def handle(context: ParselCrawlingContext) -> None:
        page = new_page(context.request.loaded_url or context.request.url, context.http_response.status_code)
        is_html = "html" in (context.http_response.headers.get("content-type") or "")
        if page["status"] == 200 and is_html:
            read_with_parsel(site, context.selector, page)
        store.add(page)
        if page["status"] == 200 and is_html:
            if site == "sqlite-doc":
                await context.enqueue_links(strategy="same-hostname", transform_request_function=read_backslash)
            else:
                await context.enqueue_links(strategy="same-hostname")

    alone = Alone()
    alone.begin()
    await crawler.run([base_url + STARTS[site]])
    store.close()
    alone.end()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
