"""Whole crawls of servers that answer anything: nothing crashes, hangs, is logged as an error, or stays in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.engine.fetching.fetcher import Timeouts
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import PageState
from crawler.engine.visit import RetryRule
from tests.unit.engine.answers import Answer, answers
from tests.unit.engine.crawling import LONGEST, Crawler, make_crawler, make_definition

PAGES = 6
TIMEOUTS = Timeouts(connect=1.0, read=0.15, total=0.5)
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
MOST_GROWTH = 48 * 1024 * 1024
"""Bytes that the process may be bigger at the end of a soak than after its first minute: caches are filled by then."""
ITEMS: list[dict[str, object]] = [
    {
        "type": "page",
        "fields": {
            "title": {"css": "title"},
            "html": {"css": "p", "type": "html"},
            "texts": {"xpath": "//text()", "many": True},
            "data": {"css": "script", "type": "json"},
            "when": {"css": "p", "regex": r"\d+-\d+-\d+", "type": "date"},
            "linked": {"jsonld": "Product.name"},
            "seen": {"meta": "og:title"},
        },
    },
    {
        "type": "row",
        "each": "td, li",
        "key": ["text"],
        "fields": {"text": {"css": "*"}, "n": {"css": "b", "type": "decimal"}},
    },
    {"type": "json", "each_json": "[]", "key": ["a"], "fields": {"a": {"json": "a"}}},
]
FOLLOW: list[dict[str, object]] = [{}, {"css": "*::attr(href)"}, {"json": "a"}]


class RawServer:
    """Writes to each path what is given for it, and nothing else; 404 to all others."""

    def __init__(self, given: Mapping[str, Answer]) -> None:
        self._given = given
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                answer = self._given.get(head.split(b" ", 2)[1].decode("ascii"), _MISSING)
                for piece in answer.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if answer.closes:
                    break
        self._tasks.discard(task)
        writer.close()


_MISSING = Answer((b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",), closes=False)


def hub() -> Answer:
    body = "".join(f'<a href="/{number}">x</a>' for number in range(PAGES)).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Answer((head + body,), closes=False)


class Complaints(logging.Handler):
    """What was logged as an error or a warning, and what no callback of the loop caught."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter("%(name)s %(levelname)s %(message)s").format(record))


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    handler = Complaints()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


async def crawl(crawler: Crawler, given: Sequence[Answer], robots: Answer | None) -> None:
    site = {"/": hub()} | {f"/{number}": answer for number, answer in enumerate(given)}
    if robots is not None:
        site["/robots.txt"] = robots
    async with RawServer(site) as server:
        storage = MemoryStorage()
        definition = make_definition(
            f"{server.url}/", follow=FOLLOW, items=ITEMS, limits={"max_pages": 40}, session={"cookies": True}
        )
        outcome = await asyncio.wait_for(
            crawler.crawl(definition, storage, timeouts=TIMEOUTS, retry=RetryRule(times=0)).run(), LONGEST
        )
    assert outcome.counts.pages <= 40
    for page in storage.pages.values():
        assert page.state is not PageState.PENDING or outcome.message
        page.reason.encode()
        page.detail.encode()
    for item in storage.items.values():
        text = item.data_json if hasattr(item, "data_json") else json.dumps(item.data, ensure_ascii=False)
        assert b"\0" not in text.encode()


def fuzz(complaints: Complaints, *, examples: int, seconds: float) -> None:
    """Crawls until the time is over, `examples` sites in a batch."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.texts.append(str(context)))
        holder = make_crawler()
        crawler = runner.run(holder.__aenter__())

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        @given(st.lists(answers(), min_size=PAGES, max_size=PAGES), st.none() | answers())
        def one(given: list[Answer], robots: Answer | None) -> None:
            runner.run(crawl(crawler, given, robots))
            assert complaints.texts == []

        begin = time.monotonic()
        first = 0
        try:
            while True:
                one()
                spent = time.monotonic() - begin
                size = psutil.Process().memory_info().rss
                if not first and spent > min(60.0, seconds / 2):
                    first = size
                if spent >= seconds:
                    break
        finally:
            runner.run(holder.__aexit__(None, None, None))
    if first:
        assert size - first < MOST_GROWTH


def test_no_answer_breaks_a_crawl(complaints: Complaints) -> None:
    fuzz(complaints, examples=15, seconds=0.0)


@pytest.mark.soak
def test_no_answer_of_ten_minutes_breaks_a_crawl(complaints: Complaints) -> None:
    fuzz(complaints, examples=200, seconds=SOAK_SECONDS)
