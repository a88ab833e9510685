"""`runscheduler --processes 2` against one process: two crawls of the same generated site, stored in one database.

    python -m benchmarks.processes [--urls 60000] [--rounds 5] [--postgres]

The site is `tests.servers.numbered` in a process of its own; each crawl has a spider of its own. Timed is from the
first request until both runs are through. One process leaves the second core to the server; two processes share the
cores with it, so that half of its CPU seconds are taken off their time: what they would take where the server is
another machine. On a machine with other work the clock says little: `cpu_ratio` is what two cores give by CPU seconds
alone (pages a CPU second of two processes by that of one, times two, times how evenly the two had work). Each round
says how long the crawling processes waited for a core: where that is much, others had it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.acceptance.product import Product, wait_for

from .measuring import closing_line, median
from .million_urls import Site, crawl_once, served, spider
from .tick import scratch_database, server

SPIDERS = ("left", "right")
RUNS = "SELECT state FROM scheduling_jobrun"
DONE = "SELECT count(*) FROM crawler_page WHERE state = 'done'"


@dataclass(frozen=True, slots=True)
class Round:
    """Both crawls, once."""

    seconds: float
    server_seconds: float
    """CPU of the server."""
    cpu_seconds: tuple[float, ...]
    """Of each crawling process."""
    waited_seconds: float
    """For which their event loops could have worked and had no core; 0 where the system does not say."""

    @property
    def net_seconds(self) -> float:
        """The time without the server's share of the cores."""
        return self.seconds - (self.server_seconds / 2 if len(self.cpu_seconds) > 1 else 0.0)


def measure(pages: int, processes: int, server_url: str) -> Round:
    with (
        tempfile.TemporaryDirectory() as folder,
        scratch_database(server_url, folder) as url,
        served(pages) as site,
    ):
        environment = {"CRAWLER_ALLOWED_NETWORKS": "127.0.0.1/32", "LOG_LEVEL": "WARNING"}
        product = Product(Path(folder), url, environment)
        product.manage("migrate", "-v", "0")
        product.load(spiders=[spider(name, site.url) for name in SPIDERS])
        try:
            running = product.start("runscheduler", "--processes", str(processes))
            wait_for(lambda: len(product.alive()) == processes, what="all processes")
            crawlers = [psutil.Process(int(str(pid))) for _id, pid in product.alive()]
            measured = _crawl(product, site, crawlers)
            assert running.terminate() == 0, running.output()
        finally:
            product.close()
        assert product.one(DONE) == 2 * pages
        return measured


def _crawl(product: Product, site: Site, crawlers: list[psutil.Process]) -> Round:
    product.load(jobs=[crawl_once(name, name) for name in SPIDERS])
    while not site.counts()["requests"]:
        time.sleep(0.01)
    began, cpu, served_for = time.perf_counter(), _cpu(crawlers), site.counts()["cpu_seconds"]
    waited = _waited(crawlers)
    wait_for(
        lambda: [state for (state,) in product.sql(RUNS)] == ["succeeded"] * 2, seconds=3600, what="the end of both"
    )
    return Round(
        seconds=time.perf_counter() - began,
        server_seconds=site.counts()["cpu_seconds"] - served_for,
        cpu_seconds=tuple(after - before for before, after in zip(cpu, _cpu(crawlers), strict=True)),
        waited_seconds=_waited(crawlers) - waited,
    )


def _cpu(processes: list[psutil.Process]) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in processes]


def _waited(processes: list[psutil.Process]) -> float:
    """Seconds that the first threads of all of them were ready to run and did not; Linux counts them."""
    with suppress(OSError):
        return sum(int(Path(f"/proc/{one.pid}/schedstat").read_text().split()[1]) for one in processes) / 1e9
    return 0.0


def cpu_ratio(one: Round, two: Round) -> float:
    """What two cores give, by CPU seconds."""
    evenness = sum(two.cpu_seconds) / (2 * max(two.cpu_seconds))
    return 2 * evenness * sum(one.cpu_seconds) / sum(two.cpu_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    options = parser.parse_args()
    rounds: list[tuple[Round, Round]] = []
    with server(fsync=True) if options.postgres else nullcontext("") as server_url:
        for number in range(options.rounds):
            one, two = (measure(options.urls, processes, server_url) for processes in (1, 2))
            rounds.append((one, two))
            print(
                f"round {number + 1}: {one.seconds:.1f} s in one process, {two.net_seconds:.1f} s in two "
                f"({two.seconds:.1f} with the server's share); CPU seconds {sum(one.cpu_seconds):.1f}, "
                f"{' and '.join(f'{cpu:.1f}' for cpu in two.cpu_seconds)}; waited for a core: "
                f"{one.waited_seconds:.1f} and {two.waited_seconds:.1f}",
                file=sys.stderr,
                flush=True,
            )
    closing_line(
        "processes",
        database="postgresql" if options.postgres else "sqlite",
        urls=options.urls,
        rounds=options.rounds,
        subject={
            "seconds": median(two.net_seconds for _one, two in rounds),
            "cpu_seconds": median(sum(two.cpu_seconds) for _one, two in rounds),
            "pages_a_second": median(2 * options.urls / two.net_seconds for _one, two in rounds),
        },
        peer={
            "seconds": median(one.seconds for one, _two in rounds),
            "cpu_seconds": median(sum(one.cpu_seconds) for one, _two in rounds),
            "pages_a_second": median(2 * options.urls / one.seconds for one, _two in rounds),
        },
        ratio=median(one.seconds / two.net_seconds for one, two in rounds),
        cpu_ratio=median(cpu_ratio(one, two) for one, two in rounds),
    )


if __name__ == "__main__":
    main()
