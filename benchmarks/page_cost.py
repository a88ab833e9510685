"""What a page costs, layer by layer: CPU microseconds a page of fetching, parsing, storing, and of the whole.

    python -m benchmarks.page_cost [--site shop] [--site django-doc] [--rounds 5]

The floors stand beside the whole, so that it is seen where time goes: *fetch* is the transport alone, *parse* turbohtml
alone, *store* the same rows written by bare `executemany` into the same tables. *extract* is parsing, links and items;
*loop* the whole crawl into memory; *whole* the crawl of `manage.py crawl` into SQLite without the process's start.
Everything but that runs in this process; the server has a core of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from turbohtml import parse as parse_html

from crawler.engine.collector import calm_collector
from crawler.engine.crawl import Crawl
from crawler.engine.documents.definition import parse
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.fetcher import Fetcher
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.transport import CrawlTransport
from crawler.engine.manners.robots import Robots
from crawler.engine.manners.slots import Slots
from crawler.engine.memory import MemoryStorage
from crawler.engine.pages.extractor import Extractor
from crawler.engine.records import Answer
from crawler.engine.scope import Scope
from crawler.engine.spider import SpiderDefinition
from crawler.engine.tools import CrawlTools

from .crawl_sides import lamplighter, served
from .measuring import closing_line, median
from .sites import CONCURRENCY, SITES
from .store_floor import store_cost

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def cpu_micros(work: Callable[[], object], pages: int) -> float:
    """CPU microseconds a page that `work` takes."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) / pages * 1e6


async def fetch_all(urls: list[str]) -> list[Answer]:
    """Every URL once, as many at a time as in a crawl, over one client."""
    async with CrawlClient(CrawlTransport(Guard(LOOPBACK))) as client:
        fetcher = Fetcher(client, user_agent="benchmark")
        waiting, answers = iter(urls), []

        async def work() -> None:
            for url in waiting:
                answers.append(await fetcher.fetch(url))

        await asyncio.gather(*(work() for _worker in range(CONCURRENCY)))
        return answers


async def crawl(definition: SpiderDefinition, storage: MemoryStorage) -> None:
    """The whole loop: robots, scope, slots, frontier, checkpoints in memory."""
    async with CrawlClient(CrawlTransport(Guard(LOOPBACK))) as client:
        tools = CrawlTools(
            fetcher=Fetcher(client, user_agent="benchmark"),
            extractor=Extractor(definition),
            scope=Scope(definition),
            storage=storage,
            slots=Slots(),
            robots=Robots(),
        )
        await Crawl(definition, tools).run()


def measure(site: str, rounds: int) -> dict[str, object]:
    costs: dict[str, list[float]] = {"fetch": [], "parse": [], "store": [], "extract": [], "loop": [], "whole": []}
    with served(site) as base_url:
        definition = parse(SITES[site](base_url))
        storage = MemoryStorage()
        asyncio.run(crawl(definition, storage))
        urls = [page.url for page in storage.pages.values() if page.status_code is not None]
        answers = asyncio.run(fetch_all(urls))
        pages = [answer for answer in answers if answer.status_code == 200]
        extractor = Extractor(definition)

        def parse_all() -> None:
            for answer in pages:
                parse_html(answer.body, positions=False)

        def extract_all() -> None:
            for answer in pages:
                extractor.extract(answer.url, answer.body, answer.charset, answer.content_type)

        count = len(urls)
        for _round in range(rounds):
            costs["fetch"].append(cpu_micros(lambda: asyncio.run(fetch_all(urls)), count))
            costs["parse"].append(cpu_micros(parse_all, count))
            costs["store"].append(store_cost(storage.checkpoints) / count * 1e6)
            costs["extract"].append(cpu_micros(extract_all, count))
            costs["loop"].append(cpu_micros(lambda: asyncio.run(crawl(definition, MemoryStorage())), count))
            with tempfile.TemporaryDirectory() as folder:
                stored = lamplighter(site, base_url, Path(folder))
            costs["whole"].append(stored.alone.cpu_seconds / count * 1e6)
    figures = {name: median(values) for name, values in costs.items()}
    floor = figures["fetch"] + figures["parse"] + figures["store"]
    return {
        "site": site,
        "pages": count,
        "bytes_a_page": round(sum(len(answer.body) for answer in answers) / count),
        "micros": figures,
        "floor": round(floor, 1),
        "ratio": round(floor / figures["whole"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", action="append", choices=sorted(SITES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    calm_collector()  # as in every process that crawls
    results = [measure(site, options.rounds) for site in options.site or SITES]
    closing_line(
        "page_cost",
        subject="pages a CPU-second of the whole crawl",
        peer="of fetching, parsing and storing alone",
        ratio=min(float(str(result["ratio"])) for result in results),
        rounds=options.rounds,
        results=results,
    )


if __name__ == "__main__":
    main()
