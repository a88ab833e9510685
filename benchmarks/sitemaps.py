"""A sitemap of 50 MB, read into the database: what memory it takes, and for how long it holds up the event loop.

    python -m benchmarks.sitemaps [--addresses 330000]

Each side is a process and a SQLite file of its own, with the sitemap and the pages on loopback servers in other
processes. No page but the start page is fetched (the host wants an hour between two), so that nothing else is measured.
Memory is told beside that of a sitemap with 60,000 addresses, which fills the frontier's window. `lag_ms` is by how
much a task that sleeps for 5 ms was late, at worst and in 99 of 100 cases: on a machine with other work only the latter
says something.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from .measuring import ROOT, closing_line
from .tick import in_scratch_database

if TYPE_CHECKING:
    from crawler.storing.storage import DatabaseStorage

BASE = 60_000
POLL_SECONDS = 0.05
NAP_SECONDS = 0.005


@contextmanager
def served(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.servers.sites", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def write_sitemap(file: Path, site: str, addresses: int, *, zipped: bool) -> int:
    """Returns its size, decompressed. Written line by line: its writer's memory must not hide its reader's."""
    size = 0
    with gzip.open(file, "wb", 6) if zipped else file.open("wb") as sitemap:
        for line in _lines(site, addresses):
            size += sitemap.write(line.encode())
    return size


def _lines(site: str, addresses: int) -> Iterator[str]:
    yield '<?xml version="1.0"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    for number in range(addresses):
        lastmod = f"2026-0{number % 9 + 1}-1{number % 9}T10:00:00+00:00"
        address = f"{site}/product/{number}?colour=red&amp;size={number % 9}"
        yield f"<url><loc>{address}</loc><lastmod>{lastmod}</lastmod><changefreq>daily</changefreq></url>\n"
    yield "</urlset>\n"


def crawl(addresses: int, *, zipped: bool) -> dict[str, float]:
    """One side, in a process with a migrated database."""
    import django

    django.setup()
    with tempfile.TemporaryDirectory() as pages, tempfile.TemporaryDirectory() as maps:
        Path(pages, "index.html").write_text("<h1>home</h1>")
        with served(Path(pages)) as site, served(Path(maps)) as host:
            size = write_sitemap(Path(maps, "sitemap.xml"), site, addresses, zipped=zipped)
            return asyncio.run(_crawl(site, f"{host}/sitemap.xml", addresses)) | {"megabytes": size / 1_000_000}


async def _crawl(site: str, sitemap: str, addresses: int) -> dict[str, float]:
    from django.conf import settings

    from crawler.engine.documents.definition import parse
    from crawler.manager import close_manager, get_manager
    from crawler.models import CrawlTask, Page, Spider
    from crawler.storing.storage import DatabaseStorage

    settings.CRAWLER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    document = {
        "name": "shop",
        "start_urls": [f"{site}/"],
        "sitemaps": [sitemap],
        "manners": {"delay": 3600, "obey_robots": False},
    }
    manager = await get_manager()

    def prepare() -> CrawlTask:
        spider = Spider.objects.create(name="shop", definition=document)
        return CrawlTask.objects.create(task_id="once", spider=spider, task_type="spider")

    task = await manager.lane.run(prepare)
    spider = task.spider
    assert spider is not None
    storage = DatabaseStorage(
        task=task, spider=spider, spider_version=1, guard=lambda: None, lane_run=manager.lane.run_patiently
    )
    stopping = asyncio.Event()
    lags: list[float] = []
    other = [asyncio.create_task(_sleep(lags)), asyncio.create_task(_stop_when_read(stopping, storage))]
    begin, cpu = time.perf_counter(), time.process_time()
    await manager.crawl(definition=parse(document), storage=storage, stopping=stopping)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    for each in other:
        each.cancel()
    stored = await manager.lane.run(Page.objects.count)
    await close_manager()
    if stored != addresses + 1:
        raise SystemExit(f"{stored} pages are stored, not {addresses + 1}")
    lags.sort()
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "lag_ms_worst": round(lags[-1] * 1000, 1),
        "lag_ms_p99": round(lags[int(len(lags) * 0.99)] * 1000, 1),
    }


async def _sleep(lags: list[float]) -> None:
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(NAP_SECONDS)
        lags.append(time.perf_counter() - begin - NAP_SECONDS)


async def _stop_when_read(stopping: asyncio.Event, storage: DatabaseStorage) -> None:
    while not (await storage.sitemap_memory()).read:
        await asyncio.sleep(POLL_SECONDS)
    stopping.set()


def measure(addresses: int) -> int:
    sides = {"base": (BASE, ""), "plain": (addresses, ""), "gzip": (addresses, "--zipped")}
    figures: dict[str, dict[str, float]] = {}
    for side, (count, option) in sides.items():
        command = ["benchmarks.sitemaps", "--side", "--addresses", str(count), *filter(None, [option])]
        figures[side] = dict(in_scratch_database(command, ""))
        print(side, figures[side], file=sys.stderr)
    for side in ("plain", "gzip"):
        figures[side]["grown_megabytes"] = round((figures[side]["peak_bytes"] - figures["base"]["peak_bytes"]) / 1e6, 1)
    closing_line("sitemaps", database="sqlite", addresses=addresses, **figures)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=330_000)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--zipped", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.side:
        return measure(options.addresses)
    print(json.dumps(crawl(options.addresses, zipped=options.zipped)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
