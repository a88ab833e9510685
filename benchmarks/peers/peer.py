"""What the peers share: where each site starts, a batched SQLite store, what Parsel reads, and the closing line."""

from __future__ import annotations

import json
import os
import re
import resource
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

STARTS = {"shop": "/", "fpc-doc": "/fpctoc.html", "django-doc": "/index.html", "sqlite-doc": "/index.html"}
CONCURRENCY = 32
BATCH = 200
SECTIONS = "//h1/@id | //h2/@id"


def fold(text: str) -> str:
    return " ".join(text.split())


class Store:
    """Pages and items, 200 rows a transaction, in SQLite's fastest safe mode."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path)
        self.database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE page (url TEXT PRIMARY KEY, status INTEGER);"
            "CREATE TABLE item (type TEXT, key TEXT, data TEXT, PRIMARY KEY (type, key));"
        )
        self.pages: list[tuple[str, int]] = []
        self.items: list[tuple[str, str, str]] = []

    def add(self, page: dict[str, Any]) -> None:
        self.pages.append((page["url"], page["status"]))
        if page["data"] is not None:
            data = json.dumps(page["data"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            self.items.append((page["type"], page["key"], data))
        if len(self.pages) >= BATCH:
            self.flush()

    def flush(self) -> None:
        with self.database:
            self.database.executemany("INSERT INTO page VALUES (?, ?)", self.pages)
            self.database.executemany("INSERT INTO item VALUES (?, ?, ?)", self.items)
        self.pages, self.items = [], []

    def close(self) -> None:
        self.flush()
        self.database.close()


class Alone:
    """The crawl without the start of its process: from `begin` (before the first request) to `end` (the last commit).

    `end` prints the line that `benchmarks.crawl_sides` reads. Processes that the crawl has started are counted with it.
    """

    def begin(self) -> None:
        self._seconds, self._cpu_seconds = time.perf_counter(), _usage()[0]

    def end(self) -> None:
        seconds = time.perf_counter() - self._seconds
        cpu_seconds, peak_bytes = _usage()
        told = {"seconds": seconds, "cpu_seconds": cpu_seconds - self._cpu_seconds, "peak_bytes": peak_bytes}
        print(json.dumps(told), flush=True)


def _usage() -> tuple[float, int]:
    """CPU seconds and peak bytes of this process and of those that it has started and that still run."""
    seconds, peak = time.process_time(), _peak_bytes("self")
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                peak += _peak_bytes(status.parent.name)
        except OSError:
            continue  # it has ended
    return seconds, peak


def _peak_bytes(process: str) -> int:
    """Of this program alone: what `getrusage` says begins with the size of the process that started it."""
    status = Path("/proc") / process / "status"
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def new_page(url: str, status: int) -> dict[str, Any]:
    url = url.partition("#")[0]
    if url.endswith("//"):
        url = url[:-1]  # sqlite-doc has a link to a lone backslash, which is "/" as browsers and we read it
    return {"url": url, "status": status, "data": None, "type": "", "key": ""}


def read_with_parsel(site: str, selector: Any, page: dict[str, Any]) -> None:
    """The site's item as the documents of Scrapy and crawlee read one: CSS and XPath on the response."""
    if site == "shop":
        _read_product(selector, page)
        return
    page["type"], page["key"] = "page", json.dumps([page["url"]])
    title = fold("".join(selector.css("title")[:1].xpath(".//text()").getall())) or None
    if site == "sqlite-doc":
        page["data"] = {"title": title, "sections": selector.xpath(SECTIONS).getall()}
    else:
        page["data"] = {"title": title, "headings": _texts(selector.css("h1, h2, h3"))}


def _texts(selectors: Any) -> list[str]:
    texts = (fold("".join(one.xpath(".//text()").getall())) for one in selectors)
    return [text for text in texts if text]


def _read_product(selector: Any, page: dict[str, Any]) -> None:
    if not re.search(r"/product/\d+$", page["url"]):
        return
    after = "//dt[normalize-space()='{}']/following-sibling::dd[1]/text()"
    upc = fold(selector.xpath(after.format("UPC")).get())
    stock = selector.xpath(after.format("Availability")).re_first(r"\((\d+) available")
    description = selector.xpath("string(//h2[.='Product Description']/following-sibling::p[1])").get()
    page["type"], page["key"] = "product", json.dumps([upc])
    page["data"] = {
        "upc": upc,
        "name": fold("".join(selector.css("h1").xpath(".//text()").getall())),
        "price": selector.xpath("//p[contains(., 'Price:')]/text()").re_first(r"[\d.]+"),
        "stock": int(stock) if stock else None,
        "rating": len(selector.xpath("//span[@class='star filled']")),
        "description": fold(description) or None,
    }
