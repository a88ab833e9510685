"""The sides of `crawl_vs_scrapy`: each crawls a site into a fresh SQLite file, as a process of its own on one core."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .measuring import CACHE, PEERS, ROOT, Usage, peer_python, run_measured
from .sites import SITES

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""Django's documentation links to 127.0.0.1:8000, where nobody answers: some of the crawlers wait and ask again."""
CRAWLER_CPUS, SERVER_CPUS = CPUS[:1], CPUS[1:] or CPUS
Items: TypeAlias = "dict[tuple[str, str], str]"


@dataclass(frozen=True, slots=True)
class Crawled:
    """What one crawl took and what it stored."""

    whole: Usage
    """The process from its start to its end."""
    alone: Usage
    """From the first request to the last commit; its peak is that of the process."""
    pages: set[str]
    items: Items


Side: TypeAlias = Callable[[str, str, Path], Crawled]
"""Crawls (site, base URL) into an empty folder."""


@contextmanager
def served(site: str) -> Iterator[str]:
    """The site on loopback; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.sites", "--corpus", site, "--host", HOST],
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


def lamplighter(site: str, base_url: str, folder: Path) -> Crawled:
    """`manage.py crawl` into a fresh, migrated SQLite file."""
    database = folder / "lamplighter.sqlite3"
    env = _environment() | {
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "benchmark-" + "x" * 50,
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{database}",
        "CRAWLER_ALLOWED_NETWORKS": f"{HOST}/32",
        "LOG_LEVEL": "ERROR",
    }
    document = SITES[site](base_url)
    definitions = folder / "definitions.json"
    definitions.write_text(json.dumps({"spiders": [document]}), encoding="utf-8")
    for command in (["migrate", "-v", "0"], ["loaddefinitions", str(definitions)]):
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *command], env=env, check=True, stdout=subprocess.DEVNULL
        )
    crawl = [sys.executable, "-m", "benchmarks.lamplighter_crawl", "crawl", str(document["name"]), "--json"]
    whole = run_measured(crawl, env=env, cpus=CRAWLER_CPUS)
    with closing(sqlite3.connect(database)) as connection:
        pages = {url for (url,) in connection.execute("SELECT url FROM crawler_page WHERE status_code IS NOT NULL")}
        items = {
            (kind, key): _canonical(data)
            for kind, key, data in connection.execute("SELECT type, key, data FROM crawler_item")
        }
    return Crawled(whole, _alone(whole), pages, items)


def peer(environment: str, script: str) -> Side:
    """A script of `benchmarks/peers` in a virtual environment of its own."""

    def crawl(site: str, base_url: str, folder: Path) -> Crawled:
        database = folder / "peer.sqlite3"
        command = [str(peer_python(environment)), str(PEERS / script), site, base_url, str(database)]
        env = _environment() | {"CRAWLEE_STORAGE_DIR": str(folder / "storage")}
        whole = run_measured(command, env=env, cpus=CRAWLER_CPUS)
        with closing(sqlite3.connect(database)) as connection:
            pages = {url for (url,) in connection.execute("SELECT url FROM page")}
            rows = connection.execute("SELECT type, key, data FROM item")
            items = {(kind, _canonical(key)): _canonical(data) for kind, key, data in rows}
        return Crawled(whole, _alone(whole), pages, items)

    return crawl


SUBJECT = "lamplighter"
TUNED = "scrapy, tuned"
SIDES: Mapping[str, Side] = {
    SUBJECT: lamplighter,
    TUNED: peer("scrapy", "scrapy_crawl.py"),
    "scrapy, as documented": peer("scrapy", "scrapy_documented.py"),
    "crawlee": peer("crawlee", "crawlee_crawl.py"),
}


def _environment() -> dict[str, str]:
    """Every side finds its modules compiled, as an installed program does, whatever the caller's environment says."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPYCACHEPREFIX": str(CACHE.parent / "bytecode")}


def _alone(whole: Usage) -> Usage:
    """What the process said of its crawl: one line of JSON among its output."""
    line = next(
        line for line in reversed(whole.output.splitlines()) if line.startswith('{"seconds"') and "peak" in line
    )
    told = json.loads(line)
    return Usage(told["seconds"], told["cpu_seconds"], told["peak_bytes"], "")


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
