"""Crawls the same site with Lamplighter and with tuned Scrapy, both storing to SQLite: pages a CPU-second.

    python -m benchmarks.crawl_vs_scrapy [--site shop] [--site django-doc] [--rounds 5]

Each side is a whole process from its start to its end, pinned to one core; our loopback server has the other. The
rounds are interleaved. Pages and items of both are compared: a difference ends the benchmark. robots.txt is asked for
and obeyed by both. The sites are read from `$CORPORA` (default ../shared/corpora).
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .measuring import PEERS, ROOT, Usage, closing_line, median, peer_python, run_measured
from .sites import SITES

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CRAWLER_CPUS, SERVER_CPUS = CPUS[:1], CPUS[1:] or CPUS
Items = dict[tuple[str, str], str]


@contextmanager
def served(site: str) -> Iterator[str]:
    """The site on loopback; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.sites", "--corpus", site, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=(lambda: os.sched_setaffinity(0, SERVER_CPUS)) if hasattr(os, "sched_setaffinity") else None,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def ours(site: str, base_url: str, folder: Path) -> tuple[Usage, set[str], Items]:
    """`manage.py crawl` into a fresh, migrated SQLite file."""
    database = folder / "lamplighter.sqlite3"
    env = os.environ | {
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "benchmark-" + "x" * 50,
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{database}",
        "CRAWLER_ALLOWED_NETWORKS": "127.0.0.1/32",
        "LOG_LEVEL": "ERROR",
    }
    document = SITES[site](base_url)
    definitions = folder / "definitions.json"
    definitions.write_text(json.dumps({"spiders": [document]}), encoding="utf-8")
    manage = [sys.executable, str(ROOT / "manage.py")]
    for command in (["migrate", "-v", "0"], ["loaddefinitions", str(definitions)]):
        subprocess.run([*manage, *command], env=env, check=True, stdout=subprocess.DEVNULL)
    usage = run_measured([*manage, "crawl", str(document["name"]), "--json"], env=env, cpus=CRAWLER_CPUS)
    with closing(sqlite3.connect(database)) as connection:
        pages = {url for (url,) in connection.execute("SELECT url FROM crawler_page WHERE status_code IS NOT NULL")}
        items = {
            (kind, key): _canonical(data)
            for kind, key, data in connection.execute("SELECT type, key, data FROM crawler_item")
        }
    return usage, pages, items


def scrapy(site: str, base_url: str, folder: Path) -> tuple[Usage, set[str], Items]:
    """The tuned Scrapy project into a fresh SQLite file."""
    database = folder / "scrapy.sqlite3"
    command = [str(peer_python("scrapy")), str(PEERS / "scrapy_crawl.py"), site, base_url, str(database)]
    usage = run_measured(command, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, cpus=CRAWLER_CPUS)
    with closing(sqlite3.connect(database)) as connection:
        pages = {url for (url,) in connection.execute("SELECT url FROM page")}
        rows = connection.execute("SELECT type, key, data FROM item")
        items = {(kind, _canonical(key)): _canonical(data) for kind, key, data in rows}
    return usage, pages, items


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def compare(site: str, mine: tuple[set[str], Items], theirs: tuple[set[str], Items]) -> None:
    """Ends the benchmark where the two sides did not do the same work."""
    if mine == theirs:
        return
    pages = sorted(mine[0] ^ theirs[0])[:5]
    items = [key for key in {*mine[1], *theirs[1]} if mine[1].get(key) != theirs[1].get(key)][:3]
    shown = [(key, mine[1].get(key), theirs[1].get(key)) for key in items]
    raise SystemExit(f"{site}: the sides differ in pages {pages} or items {shown}")


def measure(site: str, rounds: int) -> dict[str, object]:
    """Interleaved rounds over one site."""
    rows: list[tuple[Usage, Usage]] = []
    count = 0
    with served(site) as base_url:
        for number in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                our_usage, *our_result = ours(site, base_url, Path(name))
                their_usage, *their_result = scrapy(site, base_url, Path(name))
            compare(site, (our_result[0], our_result[1]), (their_result[0], their_result[1]))
            count = len(our_result[0])
            rows.append((our_usage, their_usage))
            print(
                f"{site} round {number + 1}: {count} pages, {len(our_result[1])} items; CPU seconds "
                f"{our_usage.cpu_seconds:.2f} (ours) {their_usage.cpu_seconds:.2f} (Scrapy)",
                file=sys.stderr,
            )
    return {
        "site": site,
        "pages": count,
        "ratio": median(theirs.cpu_seconds / mine.cpu_seconds for mine, theirs in rows),
        "subject": _figures(count, [mine for mine, _theirs in rows]),
        "peer": _figures(count, [theirs for _mine, theirs in rows]),
    }


def _figures(pages: int, usages: list[Usage]) -> dict[str, object]:
    return {
        "pages_per_cpu_second": median(pages / usage.cpu_seconds for usage in usages),
        "cpu_seconds": median(usage.cpu_seconds for usage in usages),
        "seconds": median(usage.seconds for usage in usages),
        "peak_megabytes": median(usage.peak_bytes / 1_000_000 for usage in usages),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", action="append", choices=sorted(SITES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    version = subprocess.run(
        [str(peer_python("scrapy")), "-c", "import scrapy; print(scrapy.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    results = [measure(site, options.rounds) for site in options.site or ["shop", "django-doc"]]
    closing_line(
        "crawl_vs_scrapy",
        subject="lamplighter",
        peer=f"scrapy {version}, tuned",
        ratio=min(float(str(result["ratio"])) for result in results),
        rounds=options.rounds,
        python=sys.version.split()[0],
        results=results,
    )


if __name__ == "__main__":
    main()
