"""What good manners cost: a slow host beside a quick one, and the adaptive throttle at hosts that take so much.

    python -m benchmarks.manners [--rounds 5] [--only slow-host | throttle | chance]

*slow host*: the seconds until all pages of the shop are read, alone and in one crawl with a host that takes a second
for each of its pages. *throttle*: the seconds for all pages of a host that works on four requests at once, with the
throttle (up to 16 at once), against the best that anybody could do who knew: exactly four at once. Where the host has
a queue, 16 at once without the throttle stands beside it. The host counts for itself how many requests were under way.
*chance*: hosts that refuse a share of the requests whatever they are asked, by a clock that only the simulation moves,
the slot and the throttle being the real ones: what part of the best is reached, the median and the worst of 25 courses.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import random
import time
from collections.abc import Callable
from statistics import fmean

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
from crawler.engine.records import Extraction
from crawler.engine.scope import Scope
from crawler.engine.spider import SpiderDefinition
from crawler.engine.tools import CrawlTools, Pace
from tests.servers.capacity import CapacityServer
from tests.servers.serving import serve_in_thread
from tests.unit.engine.throttled import Hiccuping, Queueing, RateLimited, Refusing, SimulatedHost, simulate

from .crawl_sides import served
from .measuring import closing_line, median
from .sites import SITES

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
SHOP_PAGES = 1_159
CAPACITY = 4
SECONDS = 0.05
PAGES = 600
AT_ONCE = 16
SHARES = (0.0, 0.01, 0.03, 0.1, 0.2)
COURSES = 25


class Watching(Extractor):
    """Knows when the last page of a host was read, and ends the crawl then."""

    def __init__(self, definition: SpiderDefinition, host: str, pages: int) -> None:
        super().__init__(definition)
        self._host = host
        self._left = pages
        self.done_at = 0.0
        self.crawl: Crawl

    def extract(self, url: str, body: bytes, charset: str, content_type: str) -> Extraction:
        extraction = super().extract(url, body, charset, content_type)
        if url.startswith(self._host):
            self._left -= 1
            if not self._left:
                self.done_at = time.perf_counter()
                self.crawl.request_stop()
        return extraction


async def crawl(definition: SpiderDefinition, extractor: Extractor) -> None:
    async with CrawlClient(CrawlTransport(Guard(LOOPBACK))) as client:
        tools = CrawlTools(
            fetcher=Fetcher(client, user_agent="benchmark"),
            extractor=extractor,
            scope=Scope(definition),
            storage=MemoryStorage(),
            slots=Slots(),
            robots=Robots(),
        )
        running = Crawl(definition, tools, Pace(drain_seconds=0.1))
        if isinstance(extractor, Watching):
            extractor.crawl = running
        await running.run()


def seconds_for_the_shop(base_url: str, *others: str) -> tuple[float, float]:
    """By the wall clock and by the CPU, until the last page of the shop is read."""
    document = SITES["shop"](base_url) | {"start_urls": [f"{base_url}/", *others]}
    document["manners"] = {"concurrency_per_host": 5}
    definition = parse(document)
    extractor = Watching(definition, f"{base_url}/", SHOP_PAGES)
    begin, cpu_begin = time.perf_counter(), time.process_time()
    asyncio.run(crawl(definition, extractor))
    return extractor.done_at - begin, time.process_time() - cpu_begin


def slow_host(rounds: int) -> dict[str, object]:
    alone: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    slow = CapacityServer(capacity=100, seconds=1.0, pages=500)
    with served("shop") as base_url, serve_in_thread(slow) as slow_url:
        seconds_for_the_shop(base_url)
        for _round in range(rounds):
            alone.append(seconds_for_the_shop(base_url))
            beside.append(seconds_for_the_shop(base_url, f"{slow_url}/"))
    return {
        "case": "slow host",
        "pages": SHOP_PAGES,
        "seconds_alone": median(seconds for seconds, _ in alone),
        "seconds_beside": median(seconds for seconds, _ in beside),
        "cpu_seconds_alone": median(cpu for _, cpu in alone),
        "cpu_seconds_beside": median(cpu for _, cpu in beside),
        "ratio": round(median(seconds for seconds, _ in beside) / median(seconds for seconds, _ in alone), 3),
    }


def seconds_at(*, refuses: bool, concurrency: int, adaptive: bool) -> tuple[float, float, int]:
    """Seconds, requests under way on average in the second half, refusals."""
    host = CapacityServer(capacity=CAPACITY, seconds=SECONDS, pages=PAGES, refuses=refuses)
    with serve_in_thread(host) as url:
        manners = {"obey_robots": False, "concurrency_per_host": concurrency, "adaptive_throttle": adaptive}
        definition = parse({"name": "b", "start_urls": [f"{url}/"], "follow": [{}], "manners": manners})
        begin = time.perf_counter()
        asyncio.run(crawl(definition, Extractor(definition)))
        seconds = time.perf_counter() - begin
    return seconds, fmean(host.at_once[PAGES // 2 :]), host.refused


def throttle(rounds: int, *, refuses: bool) -> dict[str, object]:
    sides = {
        "adaptive": {"concurrency": AT_ONCE, "adaptive": True},
        "best": {"concurrency": CAPACITY, "adaptive": False},
    }
    if not refuses:  # a host that refuses makes it rest again and again: minutes, for no insight
        sides["all at once"] = {"concurrency": AT_ONCE, "adaptive": False}
    measured: dict[str, list[tuple[float, float, int]]] = {name: [] for name in sides}
    for _round in range(rounds):
        for name, side in sides.items():
            measured[name].append(
                seconds_at(refuses=refuses, concurrency=int(side["concurrency"]), adaptive=bool(side["adaptive"]))
            )
    figures = {
        name: {
            "seconds": median(seconds for seconds, _, _ in values),
            "at_once": median(at_once for _, at_once, _ in values),
            "refused": median(refused for _, _, refused in values),
        }
        for name, values in measured.items()
    }
    return {
        "case": "throttle, 503 beyond four" if refuses else "throttle, a queue beyond four",
        "pages": PAGES,
        **figures,
        "ratio": round(figures["adaptive"]["seconds"] / figures["best"]["seconds"], 3),
    }


def by_chance() -> list[dict[str, object]]:
    hosts: dict[str, tuple[Callable[[], SimulatedHost], float, int]] = {
        "takes all": (lambda: Queueing(1_000, 0.2), 0.2 / AT_ONCE, 3_000),
        "has a queue beyond four": (lambda: Queueing(4, 0.2), 0.2 / 4, 3_000),
        "refuses beyond four": (lambda: Refusing(4, 0.2), 0.2 / 4, 3_000),
        "refuses beyond one": (lambda: Refusing(1, 0.2), 0.2, 3_000),
        "takes two a second": (lambda: RateLimited(2.0, 0.02), 1 / 2.0, 1_000),
        "takes ten a second": (lambda: RateLimited(10.0, 0.2), 1 / 10.0, 1_000),
    }
    results: list[dict[str, object]] = []
    for name, (make, seconds, pages) in hosts.items():
        for share in SHARES:
            courses = [
                simulate(Hiccuping(make(), share, random.Random(seed)), pages=pages, concurrency=AT_ONCE)
                for seed in range(COURSES)
            ]
            parts = sorted(pages * seconds / course.ended for course in courses)
            results.append(
                {
                    "case": f"the host {name}, and refuses {share:.0%} by chance",
                    "pages": pages,
                    "part_of_the_best": round(parts[COURSES // 2], 3),
                    "worst": round(parts[0], 3),
                    "refused": median(len(course.refused) for course in courses),
                }
            )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("slow-host", "throttle", "chance"))
    options = parser.parse_args()
    results = []
    if options.only in (None, "slow-host"):
        results.append(slow_host(options.rounds))
    if options.only in (None, "throttle"):
        results += [throttle(options.rounds, refuses=refuses) for refuses in (False, True)]
    closing_line(
        "manners",
        subject="a quick host beside a slow one; the adaptive throttle",
        peer="the quick host alone; the best fixed concurrency",
        ratio=max((float(str(result["ratio"])) for result in results), default=0.0),
        rounds=options.rounds,
        results=results + (by_chance() if options.only in (None, "chance") else []),
    )


if __name__ == "__main__":
    main()
