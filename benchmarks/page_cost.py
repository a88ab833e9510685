"""What a page costs, layer by layer: CPU microseconds a page of fetching, parsing, extracting, and of the whole loop.

    python -m benchmarks.page_cost [--site shop] [--site django-doc] [--rounds 5]

The floors (fetching and parsing alone) stand beside the whole, so that it is seen where time goes. Everything runs in
this process; the server has a core of its own. `crawl_vs_scrapy` measures the whole product, storing included.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import time
from collections.abc import Callable

from turbohtml import parse as parse_html

from crawler.engine.client import CrawlClient
from crawler.engine.crawl import Crawl
from crawler.engine.definition import parse
from crawler.engine.extractor import Extractor
from crawler.engine.fetcher import Fetcher
from crawler.engine.guard import Guard
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Answer
from crawler.engine.robots import Robots
from crawler.engine.scope import Scope
from crawler.engine.slots import Slots
from crawler.engine.spider import SpiderDefinition
from crawler.engine.transport import CrawlTransport

from .crawl_sides import served
from .measuring import closing_line, median
from .sites import SITES

AT_ONCE = 16
LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)


def cpu_micros(work: Callable[[], object], pages: int) -> float:
    """CPU microseconds a page that `work` takes."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) / pages * 1e6


async def fetch_all(urls: list[str]) -> list[Answer]:
    """Every URL once, 16 at a time, over one client."""
    async with CrawlClient(CrawlTransport(Guard(LOOPBACK))) as client:
        fetcher = Fetcher(client, user_agent="benchmark")
        waiting, answers = iter(urls), []

        async def work() -> None:
            for url in waiting:
                answers.append(await fetcher.fetch(url))

        await asyncio.gather(*(work() for _worker in range(AT_ONCE)))
        return answers


async def crawl(definition: SpiderDefinition, storage: MemoryStorage) -> None:
    """The whole loop: robots, scope, slots, frontier, checkpoints in memory."""
    async with CrawlClient(CrawlTransport(Guard(LOOPBACK))) as client:
        await Crawl(
            definition=definition,
            fetcher=Fetcher(client, user_agent="benchmark"),
            extractor=Extractor(definition),
            scope=Scope(definition),
            storage=storage,
            slots=Slots(),
            robots=Robots(),
        ).run()


def measure(site: str, rounds: int) -> dict[str, object]:
    costs: dict[str, list[float]] = {"fetch": [], "parse": [], "extract": [], "loop": []}
    with served(site) as base_url:
        definition = parse(SITES[site](base_url))
        storage = MemoryStorage()
        asyncio.run(crawl(definition, storage))
        urls = [page.url for page in storage.pages.values() if page.status_code == 200]
        for _round in range(rounds):
            answers: list[Answer] = []
            costs["fetch"].append(cpu_micros(lambda: answers.extend(asyncio.run(fetch_all(urls))), len(urls)))  # noqa: B023
            costs["parse"].append(
                cpu_micros(lambda: [parse_html(answer.body, positions=False) for answer in answers], len(urls))  # noqa: B023
            )
            extractor = Extractor(definition)
            costs["extract"].append(
                cpu_micros(
                    lambda: [
                        extractor.extract(answer.url, answer.body, answer.charset, answer.content_type)  # noqa: B023
                        for answer in answers  # noqa: B023
                    ],
                    len(urls),
                )
            )
            costs["loop"].append(cpu_micros(lambda: asyncio.run(crawl(definition, MemoryStorage())), len(urls)))
    figures = {name: median(values) for name, values in costs.items()}
    size = sum(len(answer.body) for answer in answers) / len(answers)
    floor = figures["fetch"] + figures["parse"]
    return {
        "site": site,
        "pages": len(urls),
        "bytes_a_page": round(size),
        "micros": figures,
        "ratio": median([figures["loop"] / floor]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", action="append", choices=sorted(SITES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    results = [measure(site, options.rounds) for site in options.site or ["shop", "django-doc"]]
    closing_line(
        "page_cost",
        subject="crawl loop over memory",
        peer="fetching and parsing alone",
        ratio=max(float(str(result["ratio"])) for result in results),
        rounds=options.rounds,
        results=results,
    )


if __name__ == "__main__":
    main()
