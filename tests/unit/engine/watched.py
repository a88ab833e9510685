"""A crawl in a process of its own that watches itself: `python -m tests.unit.engine.watched PATIENCE URL [URL …]`.

PATIENCE: the seconds that an answer may take in all; a third of it for each of its pieces.

Prints JSON: `reasons` by path, `done` (paths), `grown` (bytes that the process was bigger at its biggest than after its
first crawl), `longest` (processor seconds of the loop's longest turn), `seconds` that the crawl took.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
from urllib.parse import unquote, urlsplit

import psutil

from crawler.engine.fetching.fetcher import Timeouts
from crawler.engine.memory import MemoryStorage
from crawler.engine.pages.parsing import Helpers
from crawler.engine.records import PageState
from crawler.engine.visit import RetryRule
from tests.unit.engine.crawling import make_crawler, make_definition


class Watch:
    """Looks at the process's size from a thread, and at each turn of the loop from within."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.begin = self.biggest = self._process.memory_info().rss
        self.longest = 0.0
        self._turn = 0.0

    def start(self) -> None:
        """A turn is what the loop does between two questions to its selector."""
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # no other place sees whole turns
        ask = selector.select

        def select(timeout: float | None = None) -> object:
            self.longest = max(self.longest, time.thread_time() - self._turn)
            ready = ask(timeout)
            self._turn = time.thread_time()
            return ready

        self._turn = time.thread_time()
        selector.select = select
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.002):
            self.biggest = max(self.biggest, self._process.memory_info().rss)


async def main(patience: float, urls: list[str]) -> dict[str, object]:
    timeouts = Timeouts(connect=60.0, read=patience / 3, total=patience)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(urls[0]))
    async with make_crawler() as crawler:
        await crawler.helpers.close()
        crawler.helpers = Helpers(seconds=patience, cpu_seconds=0.3)
        await crawler.crawl(make_definition(f"{origin}/ok"), MemoryStorage(), timeouts=timeouts).run()
        gc.collect()
        gc.freeze()
        watch = Watch()
        watch.start()
        storage = MemoryStorage()
        definition = make_definition(
            *urls,
            manners={"obey_robots": False, "concurrency_per_host": 3},
            limits={"max_depth": 0},
            follow=[{"xpath": "//a[preceding::a]/@href"}, {}],
        )
        begin = time.monotonic()
        await crawler.crawl(definition, storage, timeouts=timeouts, retry=RetryRule(times=0)).run()
        seconds = time.monotonic() - begin
        watch.stop()
    paths = {page.url.removeprefix(origin): page for page in storage.pages.values()}
    return {
        "reasons": {unquote(path): page.reason for path, page in paths.items() if page.reason},
        "done": [unquote(path) for path, page in paths.items() if page.state is PageState.DONE],
        "grown": watch.biggest - watch.begin,
        "longest": watch.longest,
        "seconds": seconds,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(float(sys.argv[1]), sys.argv[2:]))))
