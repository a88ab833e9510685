"""A site of a million URLs, crawled by `runscheduler` with a schedule beside it, killed in the middle and resumed.

    python -m benchmarks.million_urls [--urls 1000000] [--postgres] [--no-kill]

The site is `tests.servers.numbered` in a process of its own on loopback: 20 links a page, half of it wide, half deep.
A job of the product fires every second beside the crawl; how late the product's ticks are is what its processes say
themselves, the worst of every three seconds. At 60 % of the pages the process is killed (-9) and started again.

Pages a second are told by the wall clock and by CPU seconds of the crawling process, for each tenth of the pages: on a
machine with other work only the latter says something. The server counts who was asked for: every page once, but for
what was fetched and not yet stored at the kill. `problems` names what misses its aim; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

from tests.acceptance.product import Product, Running, wait_for

from .measuring import ROOT, closing_line
from .schedule_load import percentile
from .tick import scratch_database, server

AIM_BYTES = 400 * 1024 * 1024
AIM_RATE = 0.9
AIM_RESUME_SECONDS = 10.0
AIM_LATE_MS = 250.0
POLL_SECONDS = 0.25
PROGRESS_SECONDS = 10.0

DONE = "SELECT count(*) FROM crawler_page WHERE state = 'done'"
BEATS = "SELECT id, beat, gauges FROM scheduling_process WHERE state = 'alive'"
STATES = "SELECT state, count(*) FROM crawler_page GROUP BY state"
FIRINGS = "SELECT state, count(*) FROM scheduling_jobrun WHERE job_key = 'every-second' GROUP BY state"
CRAWL = "SELECT state, message FROM scheduling_jobrun WHERE job_key = 'crawl'"


class Site:
    """The server process, and what it counted."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.url = url
        self._process = process

    def counts(self) -> dict[str, float]:
        with urllib.request.urlopen(f"{self.url}/counts", timeout=30) as answer:
            counts: dict[str, float] = json.load(answer)
        return counts


@contextmanager
def served(pages: int) -> Iterator[Site]:
    """The site on loopback."""
    command = [sys.executable, "-m", "tests.servers.numbered", "--pages", str(pages)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield Site(process, process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def spider(name: str, url: str) -> dict[str, object]:
    """Follows everything; every tenth page gives an item."""
    return {
        "name": name,
        "start_urls": [f"{url}/p/0"],
        "follow": [{"css": "a[href]"}],
        "items": [
            {"type": "page", "match": r"/p/\d*0$", "fields": {"title": {"css": "h1"}, "price": {"css": "p.price"}}}
        ],
        "manners": {"concurrency_per_host": 16},
    }


def crawl_once(name: str, spider_name: str) -> dict[str, object]:
    """A job that crawls a spider as soon as a scheduler is there."""
    return {
        "job_id": name,
        "handler": "crawl",
        "job_data": {"type": "spider", "target": spider_name},
        "trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"},
        "policies": {"misfire_grace_time": None},
    }


@dataclass
class Watch:
    """What is seen of the product's processes while they work."""

    product: Product
    site: Site
    started: float = field(default_factory=time.perf_counter)
    marks: list[tuple[float, float, float]] = field(default_factory=lambda: [(0.0, 0.0, 0.0)])
    """Pages asked for, wall seconds, CPU seconds: of one process after the other, without the start of each."""
    late: dict[tuple[int, int], float] = field(default_factory=dict)
    """Seconds that the worst tick was late, by process and beat."""
    lags: dict[tuple[int, int], float] = field(default_factory=dict)
    peak_bytes: int = 0
    _cpu_before: float = 0.0
    _wall_before: float = 0.0
    _cpu: float = 0.0
    _wall: float = 0.0
    _begun: tuple[float, float] = (0.0, 0.0)
    """When the process was last seen before its first page."""
    _has_begun: bool = False
    _told: float = 0.0

    def follow(self, running: Running) -> None:
        """From now on `running` is the process that crawls; what came before it counts on."""
        self._process = psutil.Process(running.pid)
        self._cpu_before, self._wall_before = self._cpu, self._wall
        self._has_begun = False
        self._begun = (time.perf_counter(), 0.0)

    def look(self) -> float:
        """Note how things are; returns the number of pages asked for."""
        pages = self.site.counts()["requests"]
        with suppress(psutil.Error):
            times = self._process.cpu_times()
            now = (time.perf_counter(), times.user + times.system)
            self.peak_bytes = max(self.peak_bytes, _peak(self._process))
            if pages == self.marks[-1][0] and not self._has_begun:
                self._begun = now
            else:
                self._has_begun = True
                self._wall = self._wall_before + now[0] - self._begun[0]
                self._cpu = self._cpu_before + now[1] - self._begun[1]
                self.marks.append((pages, self._wall, self._cpu))
        for process, beat, gauges in self.product.sql(BEATS):
            values = json.loads(gauges) if isinstance(gauges, str) else gauges
            key = (int(str(process)), int(str(beat)))
            if "tick_lateness_seconds" in values:
                self.late[key] = values["tick_lateness_seconds"]
                self.lags[key] = values["loop_lag_seconds"]
        self._tell(pages)
        return pages

    def rates(self, pages: int, parts: int = 10) -> list[tuple[float, float]]:
        """Pages a second of each part, by the wall clock and by CPU seconds."""
        bounds = [self._at(pages * part / parts) for part in range(parts + 1)]
        each = pages / parts
        return [(each / max(1e-9, w1 - w0), each / max(1e-9, c1 - c0)) for (w0, c0), (w1, c1) in pairwise(bounds)]

    def _at(self, pages: float) -> tuple[float, float]:
        before = self.marks[0]
        for mark in self.marks:
            if mark[0] >= pages:
                share = (pages - before[0]) / (mark[0] - before[0]) if mark[0] > before[0] else 0.0
                return tuple(b + (m - b) * share for b, m in zip(before[1:], mark[1:], strict=True))  # type: ignore[return-value]
            before = mark
        return self.marks[-1][1:]

    def _tell(self, pages: float) -> None:
        now = time.perf_counter()
        if now - self._told >= PROGRESS_SECONDS and pages:
            self._told = now
            wall, cpu = self.marks[-1][1:]
            print(
                f"{pages:,.0f} pages after {now - self.started:.0f} s; {pages / max(wall, 0.1):,.0f} a second, "
                f"{pages / max(cpu, 0.1):,.0f} a CPU second; at most {self.peak_bytes / 2**20:.0f} MiB; "
                f"ticks late by at most {max(self.late.values(), default=0.0):.3f} s",
                file=sys.stderr,
                flush=True,
            )


def _peak(process: psutil.Process) -> int:
    """The most memory that a process ever had, in bytes; what it has now where the system does not say."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return int(process.memory_info().rss)


def measure(pages: int, folder: Path, database_url: str, *, kill: bool) -> dict[str, object]:
    """The whole crawl."""
    environment = {"CRAWLER_ALLOWED_NETWORKS": "127.0.0.1/32", "LOG_LEVEL": "WARNING"}
    product = Product(folder, database_url, environment)
    product.manage("migrate", "-v", "0")
    with served(pages) as site:
        every_second = {
            "job_id": "every-second",
            "handler": "maintenance",
            "job_data": {"action": "check"},
            "trigger": {"type": "interval", "seconds": 1},
        }
        product.load(spiders=[spider("numbers", site.url)], jobs=[crawl_once("crawl", "numbers"), every_second])
        watch = Watch(product, site)
        figures: dict[str, object] = {}
        try:
            running = product.start_scheduler()
            watch.follow(running)
            if kill:
                _until(watch, running, pages * 0.6)
                figures = _kill_and_resume(watch, running)
                running = product.started[-1]
            _until_over(watch, running)
            # The last results are stored after the last request.
            assert running.terminate() == 0, running.output()
        finally:
            product.close()
        figures["database_bytes"] = _size(product)
        return _results(watch, pages, figures)


def _until(watch: Watch, running: Running, pages: float) -> None:
    while watch.look() < pages:
        assert running.process.poll() is None, running.output()
        time.sleep(POLL_SECONDS)


def _until_over(watch: Watch, running: Running) -> None:
    while (rows := watch.product.sql(CRAWL)) == [] or rows[0][0] in ("queued", "running"):
        assert running.process.poll() is None, running.output()
        watch.look()
        time.sleep(POLL_SECONDS)


def _kill_and_resume(watch: Watch, running: Running) -> dict[str, object]:
    running.kill()
    asked = watch.site.counts()["requests"]
    stored = int(str(watch.product.one(DONE)))
    began = time.perf_counter()
    again = watch.product.start("runscheduler")
    wait_for(lambda: watch.site.counts()["requests"] > asked, seconds=300, what="the next page")
    seconds = time.perf_counter() - began
    watch.follow(again)
    print(f"killed after {asked:,.0f} pages, {stored:,} stored; resumed in {seconds:.1f} s", file=sys.stderr)
    return {"resume_seconds": round(seconds, 2), "unsaved_at_kill": int(asked) - stored}


def _size(product: Product) -> int:
    """Bytes of the database, its log included."""
    if product.database_url.startswith("sqlite"):
        name = product.database_url.removeprefix("sqlite:///")
        return sum(Path(name + end).stat().st_size for end in ("", "-wal") if Path(name + end).exists())
    return int(str(product.one("SELECT pg_database_size(current_database())")))


def _results(watch: Watch, pages: int, figures: dict[str, object]) -> dict[str, object]:
    counts = watch.site.counts()
    rates = watch.rates(pages)
    wall, cpu = watch.marks[-1][1:]
    states = {str(state): int(str(count)) for state, count in watch.product.sql(STATES)}
    late, lags = sorted(watch.late.values()), sorted(watch.lags.values())
    results = figures | {
        "peak_mebibytes": round(watch.peak_bytes / 2**20, 1),
        "pages_a_second": round(pages / wall, 1),
        "pages_a_cpu_second": round(pages / cpu, 1),
        "last_tenth_to_first": round(rates[-1][0] / rates[0][0], 3),
        "last_tenth_to_first_cpu": round(rates[-1][1] / rates[0][1], 3),
        "tenths_a_cpu_second": [round(rate) for _wall, rate in rates],
        "late_p50_ms": percentile(late, 0.5),
        "late_p99_ms": percentile(late, 0.99),
        "late_max_ms": percentile(late, 1.0),
        "loop_lag_p99_ms": percentile(lags, 0.99),
        "firings": dict(watch.product.sql(FIRINGS)),
        "pages": states,
        "asked_for": counts,
    }
    return results | {"problems": _problems(results, watch, pages, states, counts)}


def _problems(
    results: dict[str, object], watch: Watch, pages: int, states: dict[str, int], counts: dict[str, float]
) -> list[str]:
    """What misses its aim, in words."""
    unsaved = int(str(results.get("unsaved_at_kill", 0)))
    ((state, message),) = watch.product.sql(CRAWL)
    misses = {
        f"the crawl ended as {state}: {message}": state != "succeeded",
        f"pages are {states} instead of {pages} done": states != {"done": pages},
        f"{counts['distinct']} of {pages} pages were asked for": counts["distinct"] != pages,
        f"{counts['repeated']} pages were asked for again, {unsaved} were not stored at the kill": (
            counts["repeated"] > unsaved or counts["requests"] != pages + unsaved
        ),
        f"memory: more than {AIM_BYTES / 2**20:.0f} MiB": watch.peak_bytes > AIM_BYTES,
        f"the last tenth: less than {AIM_RATE} of the first, by CPU seconds": (
            float(str(results["last_tenth_to_first_cpu"])) < AIM_RATE
        ),
        f"resumed after more than {AIM_RESUME_SECONDS:g} s": (
            float(str(results.get("resume_seconds", 0))) > AIM_RESUME_SECONDS
        ),
        f"ticks: later than {AIM_LATE_MS:g} ms (p99)": float(str(results["late_p99_ms"])) > AIM_LATE_MS,
    }
    return [what for what, is_missed in misses.items() if is_missed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    parser.add_argument("--no-kill", action="store_true", help="let the first process crawl to the end")
    options = parser.parse_args()
    with (
        server(fsync=True) if options.postgres else nullcontext("") as server_url,
        tempfile.TemporaryDirectory() as folder,
        scratch_database(server_url, folder) as url,
    ):
        results = measure(options.urls, Path(folder), url, kill=not options.no_kill)
    closing_line(
        "million_urls",
        database="postgresql" if options.postgres else "sqlite",
        urls=options.urls,
        subject=results,
        python=sys.version.split()[0],
    )
    return 1 if results["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
