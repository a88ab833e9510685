"""The loop against a real server: what is asked, what is stored, how it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from crawler.engine.crawl import Crawl
from crawler.engine.fetching.fetcher import Timeouts
from crawler.engine.manners import slots
from crawler.engine.memory import MemoryStorage
from crawler.engine.pages import parsing
from crawler.engine.records import Batch, CheckpointAnswer, CrawlCounts, CrawlOutcome, Ending, Link, Opening, PageState
from crawler.engine.rest import RestRoom
from crawler.engine.storage import never
from crawler.engine.visit import RetryRule

from .crawling import LONGEST, crawl_once, finish, make_crawler, make_definition, page_of
from .site import Handler, Reply, Seen, Site, page, redirect


def flaky(*statuses: int, then: Reply, headers: dict[str, str] | None = None) -> Handler:
    """Answers with each status once, and from then on well."""
    left = list(statuses)

    def handler(_: Seen) -> Reply:
        return Reply(status=left.pop(0), headers=headers or {}) if left else then

    return handler


def random_handler(chance: random.Random, reply: Reply) -> Handler:
    """Answers with `reply`: mostly at once, sometimes late, sometimes after an error."""
    delay = chance.choice([0.0, 0.0, 0.0, 0.002])
    errors = [500] * chance.choice([0, 0, 0, 0, 1, 2])

    async def handler(_: Seen) -> Reply:
        await asyncio.sleep(delay)
        return Reply(status=errors.pop()) if errors else reply

    return handler


def binary_tree(depth: int) -> dict[str, Reply | Handler]:
    """Pages ``/1`` … ``/2^depth - 1``, each but the lowest linking to two more; ``/`` links to the first."""
    last = 2**depth - 1
    pages: dict[str, Reply | Handler] = {"/": page("/1")}
    for number in range(1, last + 1):
        children = [f"/{child}" for child in (2 * number, 2 * number + 1) if child <= last]
        pages[f"/{number}"] = page(*children, "/", f"/{number}")
    return pages


class Gate:
    """Holds requests back until the test lets them through, and says how many wait."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._open = asyncio.Event()
        self.arrived = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def __call__(self, _: Seen) -> Reply:
        self.arrived.set()
        await self._open.wait()
        return self._reply


async def test_every_reachable_page_is_asked_for_exactly_once() -> None:
    storage = MemoryStorage()
    async with Site(binary_tree(8)) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert outcome.ending is Ending.COMPLETED
        assert outcome.counts.pages == outcome.counts.pages_done == 256
        assert set(site.asked.values()) == {1}
        assert len(site.asked) == 256
    reported = [link.url for batch in storage.checkpoints for result in batch.results for link in result.links]
    assert len(reported) == len(set(reported)) == 255
    assert {stored.state for stored in storage.pages.values()} == {PageState.DONE}


async def test_depth_is_the_number_of_links_from_a_start_page() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/a"), "/a": page("/b", "/"), "/b": page("/a")}) as site:
        await crawl_once(make_definition(site.url + "/"), storage)
        depths = {stored.url.removeprefix(site.url): stored.depth for stored in storage.pages.values()}
    assert depths == {"/": 0, "/a": 1, "/b": 2}


# -- failures and retries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_an_answer_that_may_get_better_is_asked_for_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "FIRST_BACKOFF", 0.01)
    storage = MemoryStorage()
    async with Site({"/": flaky(status, status, then=page())}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert site.asked["/"] == 3
    assert outcome.ending is Ending.COMPLETED
    assert (outcome.counts.retries, outcome.counts.requests, outcome.counts.pages) == (2, 3, 1)


async def test_giving_up_is_counted_by_reason() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/broken", "/gone"), "/broken": Reply(status=500)}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert site.asked == {"/": 1, "/broken": 3, "/gone": 1}
        broken = page_of(storage, site.url + "/broken")
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.reasons == {"http_500": 1, "http_404": 1}
    assert (broken.state, broken.reason, broken.status_code) == (PageState.FAILED, "http_500", 500)


async def test_the_bytes_of_an_error_page_are_counted_with_its_page() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/gone"), "/gone": Reply("x" * 1_000, 404)}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
    stored = [result.wire_bytes for batch in storage.checkpoints for result in batch.results]
    assert sum(stored) == outcome.counts.bytes > 1_000


async def test_a_connection_that_cannot_be_made_is_tried_three_times() -> None:
    async with Site() as site:
        url = site.url + "/"
    storage = MemoryStorage()
    definition = make_definition(url, manners={"obey_robots": False})
    outcome = await crawl_once(definition, storage)
    assert outcome.ending is Ending.FAILED
    assert outcome.counts.requests == 3
    assert outcome.counts.reasons == {"connect_error": 1}
    assert url in outcome.message
    assert "connect_error" in outcome.message


async def test_retry_after_holds_the_whole_host_back() -> None:
    storage = MemoryStorage()
    busy = flaky(503, then=page(), headers={"Retry-After": "1"})
    pages: dict[str, Reply | Handler] = {"/": page("/busy", "/a", "/b"), "/busy": busy, "/a": page(), "/b": page()}
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        outcome = await crawl_once(definition, storage)
        first, second = site.times("/busy")
        assert second - first >= 0.99
        assert min(*site.times("/a"), *site.times("/b")) - first >= 0.99
    assert outcome.counts.pages == 4


async def test_a_page_that_waits_for_its_retry_does_not_hold_others_back() -> None:
    storage = MemoryStorage()
    late = flaky(500, then=page())
    async with Site({"/": page("/late", *(f"/{n}" for n in range(20))), "/late": late}) as site:
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        async with make_crawler() as crawler:
            await finish(crawler.crawl(definition, storage, retry=RetryRule(times=1, delay=0.3)))
        order = [seen.path for seen in site.seen]
    assert order[-1] == "/late"


async def test_a_page_that_breaks_the_extractor_does_not_end_the_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/bad", "/good"), "/bad": page(), "/good": page()}) as site, make_crawler() as crawler:
        crawl = crawler.crawl(make_definition(site.url + "/"), storage)
        extract = crawl._visitor._extractor.extract

        def break_on_bad(url: str, body: bytes, charset: str, content_type: str) -> object:
            if url.endswith("/bad"):
                raise ValueError("no such thing")
            return extract(url, body, charset, content_type)

        monkeypatch.setattr(crawl._visitor._extractor, "extract", break_on_bad)
        outcome = await finish(crawl)
        bad = page_of(storage, site.url + "/bad")
    assert outcome.ending is Ending.COMPLETED
    assert (bad.state, bad.reason, bad.detail) == (PageState.FAILED, "extraction_error", "ValueError: no such thing")
    assert outcome.counts.pages_done == 2


# -- how it ends ------------------------------------------------------------------------------------------------------


async def test_a_crawl_whose_start_page_is_missing_failed() -> None:
    async with Site() as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert outcome.ending is Ending.FAILED
        assert outcome.message == f"No start page answered: {site.url}/: http_404"


async def test_one_start_page_that_answers_is_enough() -> None:
    async with Site({"/b": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/a", site.url + "/b"), MemoryStorage())
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.reasons == {"http_404": 1}


async def test_a_start_page_outside_the_allowed_domains_is_not_fetched() -> None:
    storage = MemoryStorage()
    async with Site({"/": page(), "/other": page()}) as site:
        other = f"http://localhost:{site.port}/other"
        definition = make_definition(site.url + "/", other, allowed_domains=["127.0.0.1"])
        outcome = await crawl_once(definition, storage)
        assert set(site.asked) == {"/"}
    assert outcome.counts.reasons == {"out_of_scope": 1}
    assert page_of(storage, other).state is PageState.REFUSED


async def test_a_start_page_behind_a_redirect_counts() -> None:
    async with Site({"/": redirect("/home"), "/home": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.ending is Ending.COMPLETED


async def test_the_guards_own_sentence_is_the_message() -> None:
    storage = MemoryStorage()
    async with Site({"/": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage, allow_loopback=False)
        assert not site.seen
        assert page_of(storage, site.url + "/").state is PageState.REFUSED
    assert outcome.ending is Ending.FAILED
    assert outcome.counts.reasons == {"address_refused": 1}
    assert "CRAWLER_ALLOWED_NETWORKS" in outcome.message


async def test_a_storage_that_fails_ends_the_crawl_with_its_error() -> None:
    class Broken(MemoryStorage):
        async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
            raise ConnectionError("the claim is lost")

    async with Site({"/": page()}) as site:
        with pytest.raises(ConnectionError, match="the claim is lost"):
            await crawl_once(make_definition(site.url + "/"), Broken())


async def test_progress_is_told_at_every_checkpoint() -> None:
    told: list[int] = []

    def note(counts: CrawlCounts) -> None:
        told.append(counts.pages)

    async with Site(binary_tree(5)) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        crawl = crawler.crawl(make_definition(site.url + "/"), storage, checkpoint_pages=4, on_progress=note)
        await finish(crawl)
    assert len(told) == len(storage.checkpoints)
    assert told == sorted(told)
    assert told[-1] == 32


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 7, 30])
async def test_max_pages_is_exact(limit: int) -> None:
    storage = MemoryStorage()
    async with Site(binary_tree(6)) as site:
        outcome = await crawl_once(make_definition(site.url + "/", limits={"max_pages": limit}), storage)
        assert site.asked.total() == limit
    assert outcome.ending is Ending.LIMITED
    assert outcome.counts.pages == limit
    assert f"max_pages = {limit}" in outcome.message


async def test_max_pages_counts_neither_redirects_nor_robots_txt() -> None:
    pages: dict[str, Reply | Handler] = {
        "/robots.txt": Reply("User-agent: *\nDisallow: /private"),
        "/": page("/old", "/private", "/new"),
        "/old": redirect("/moved"),
        "/moved": page(),
        "/new": page(),
    }
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", limits={"max_pages": 3})
        outcome = await crawl_once(definition, MemoryStorage())
        assert set(site.asked) == {"/", "/old", "/moved", "/new"}
    assert outcome.ending is Ending.COMPLETED


async def test_a_limit_that_is_not_in_the_way_leaves_the_crawl_completed() -> None:
    async with Site(binary_tree(3)) as site:
        limits = {"max_pages": 8, "max_depth": 10, "max_seconds": 60}
        outcome = await crawl_once(make_definition(site.url + "/", limits=limits), MemoryStorage())
    assert outcome.ending is Ending.COMPLETED


async def test_max_pages_is_exact_while_pages_are_read_in_a_helper_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "INLINE_BYTES", -1)
    async with Site(binary_tree(6)) as site:
        outcome = await crawl_once(make_definition(site.url + "/", limits={"max_pages": 9}), MemoryStorage())
        assert site.asked.total() == 9
    assert outcome.counts.pages_done == 9


async def test_max_depth_leaves_out_what_is_deeper_and_says_so() -> None:
    async with Site(binary_tree(5)) as site:
        outcome = await crawl_once(make_definition(site.url + "/", limits={"max_depth": 2}), MemoryStorage())
        assert set(site.asked) == {"/", "/1", "/2", "/3"}
    assert outcome.ending is Ending.LIMITED
    assert outcome.counts.reasons["depth_limit"] > 0


async def test_max_seconds_ends_a_crawl_that_takes_longer() -> None:
    async def slow(_: Seen) -> Reply:
        await asyncio.sleep(0.05)
        return page()

    pages: dict[str, Reply | Handler] = {"/": page(*(f"/{n}" for n in range(100)))}
    pages |= {f"/{n}": slow for n in range(100)}
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        definition = replace(definition, limits=replace(definition.limits, max_seconds=0.3))
        outcome = await crawl_once(definition, MemoryStorage())
        assert 1 < site.asked.total() < 100
        assert site.asked.total() == outcome.counts.pages
    assert outcome.ending is Ending.LIMITED
    assert "max_seconds = 0.3" in outcome.message
    assert outcome.seconds < 2.0


async def test_max_seconds_waits_for_no_request_that_hangs() -> None:
    storage = MemoryStorage()
    gate = Gate(page())
    async with Site({"/": page("/stuck", "/next"), "/stuck": gate, "/next": page()}) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        limited = replace(definition, limits=replace(definition.limits, max_seconds=0.3))
        outcome = await finish(crawler.crawl(limited, storage, drain_seconds=10 * LONGEST))
        assert outcome.ending is Ending.LIMITED
        assert "pages were left" in outcome.message
        assert (outcome.counts.pages_failed, outcome.counts.reasons) == (0, {})
        assert page_of(storage, site.url + "/stuck").state is PageState.PENDING
        gate.open()
        outcome = await finish(crawler.crawl(definition, storage))
        assert outcome.ending is Ending.COMPLETED
        assert {page.state for page in storage.pages.values()} == {PageState.DONE}
        assert site.asked == {"/": 1, "/stuck": 2, "/next": 1}


async def test_max_seconds_does_not_begin_anew_when_a_crawl_goes_on() -> None:
    class Resumed(MemoryStorage):
        async def open(self, seeds: Sequence[Link], *, room: int, stopping: Callable[[], bool] = never) -> Opening:
            return replace(await super().open(seeds, room=room, stopping=stopping), seconds_spent=59.9)

    async def slow(_: Seen) -> Reply:
        await asyncio.sleep(0.05)
        return page("/on")

    pages: dict[str, Reply | Handler] = {"/": page(*(f"/{n}" for n in range(100)))}
    pages |= {f"/{n}": slow for n in range(100)}
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        definition = replace(definition, limits=replace(definition.limits, max_seconds=60.0))
        outcome = await crawl_once(definition, Resumed())
    assert outcome.ending is Ending.LIMITED
    assert "max_seconds = 60" in outcome.message


# -- stopping and going on --------------------------------------------------------------------------------------------


async def test_a_stop_lets_what_is_in_flight_finish_and_stores_it() -> None:
    storage = MemoryStorage()
    gate = Gate(page("/after"))
    async with Site({"/": page("/slow", "/next"), "/slow": gate, "/next": page()}) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        crawl = crawler.crawl(definition, storage)
        running = asyncio.create_task(finish(crawl))
        await gate.arrived.wait()
        crawl.request_stop()
        gate.open()
        outcome = await running
        assert set(site.asked) == {"/", "/slow"}
        assert page_of(storage, site.url + "/slow").state is PageState.DONE
        assert page_of(storage, site.url + "/next").state is PageState.PENDING
        assert page_of(storage, site.url + "/after").state is PageState.PENDING
    assert outcome.ending is Ending.STOPPED


async def test_a_stop_does_not_wait_for_ever() -> None:
    storage = MemoryStorage()
    gate = Gate(page())
    async with Site({"/": page("/stuck"), "/stuck": gate}) as site, make_crawler() as crawler:
        crawl = crawler.crawl(make_definition(site.url + "/"), storage, drain_seconds=0.05)
        running = asyncio.create_task(finish(crawl))
        await gate.arrived.wait()
        crawl.request_stop()
        outcome = await running
        assert page_of(storage, site.url + "/stuck").state is PageState.PENDING
    assert outcome.ending is Ending.STOPPED
    assert outcome.counts.pages == 1


async def test_a_stop_ends_the_marking_of_what_is_gone_and_another_attempt_goes_on() -> None:
    class Marking(MemoryStorage):
        crawl: Crawl

        async def mark_gone(self, *, stopping: Callable[[], bool] = never) -> int:
            if not done:
                self.crawl.request_stop()
                assert stopping()
                return 0
            return await super().mark_gone(stopping=stopping)

    done: list[CrawlOutcome] = []
    storage = Marking()
    async with Site({"/": page()}) as site, make_crawler() as crawler:
        for expected in (Ending.STOPPED, Ending.COMPLETED):
            storage.crawl = crawler.crawl(make_definition(site.url + "/"), storage)
            done.append(await finish(storage.crawl))
            assert done[-1].ending is expected
        assert site.asked == {"/": 1}


async def test_a_stop_ends_the_counting_of_what_earlier_attempts_fetched() -> None:
    class Endless(MemoryStorage):
        crawl: Crawl

        async def visited(self, *, after: int) -> Sequence[tuple[int, str]]:
            self.crawl.request_stop()
            return [(after + 1, "http://a.example/")]

    storage = Endless()
    async with Site({"/": page()}) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/", limits={"max_pages_per_host": 10})
        await finish(crawler.crawl(definition, storage))
        storage.crawl = crawler.crawl(definition, storage)
        assert (await finish(storage.crawl)).ending is Ending.STOPPED


async def test_after_a_crash_no_page_of_a_committed_checkpoint_is_asked_for_again() -> None:
    storage = MemoryStorage()
    async with Site(binary_tree(7)) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/")
        enough = asyncio.Event()

        def watch(counts: CrawlCounts) -> None:
            if counts.pages >= 40:
                enough.set()

        dying = crawler.crawl(definition, storage, checkpoint_pages=5, on_progress=watch)
        running = asyncio.create_task(dying.run())
        await enough.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        stored = {p.url.removeprefix(site.url) for p in storage.pages.values() if p.state is not PageState.PENDING}
        site.seen.clear()
        outcome = await finish(crawler.crawl(definition, storage, checkpoint_pages=5))
        assert 0 < len(stored) < 128
        assert not stored & set(site.asked)
        assert stored | set(site.asked) == {"/", *(f"/{n}" for n in range(1, 128))}
    assert outcome.ending is Ending.COMPLETED
    assert {p.state for p in storage.pages.values()} == {PageState.DONE}


async def test_a_cancelled_crawl_gives_its_places_in_the_slots_back() -> None:
    gate = Gate(page())
    async with Site({"/": gate}) as site, make_crawler() as crawler:
        running = asyncio.create_task(crawler.crawl(make_definition(site.url + "/"), MemoryStorage()).run())
        await gate.arrived.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        guest = crawler.slots.join(site.url, concurrency=1, delay=0.0, wake=lambda: None, now=0.0)
        assert guest.slot.active == 0
        assert guest.slot.guests == [guest]


async def test_max_pages_counts_what_earlier_attempts_stored() -> None:
    storage = MemoryStorage()
    async with Site(binary_tree(6)) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/", limits={"max_pages": 20})
        stopping = crawler.crawl(definition, storage, checkpoint_pages=4, on_progress=lambda _: stopping.request_stop())
        await finish(stopping)
        outcome = await finish(crawler.crawl(definition, storage))
        assert site.asked.total() == 20
    assert outcome.ending is Ending.LIMITED


@pytest.mark.parametrize(
    ("start", "ending"), [(page("/a", "/b"), Ending.COMPLETED), (Reply(status=404), Ending.FAILED)], ids=["good", "bad"]
)
async def test_whether_a_start_page_answered_outlives_an_attempt(start: Reply, ending: Ending) -> None:
    """The second attempt fetches other pages only, and neither forgets a good start nor takes them for one."""
    storage = MemoryStorage()
    async with Site({"/": start, "/late": Reply(status=404), "/a": page(), "/b": page()}) as site:
        async with make_crawler() as crawler:
            definition = make_definition(site.url + "/", site.url + "/late", manners={"concurrency_per_host": 1})
            stopping = crawler.crawl(
                definition, storage, checkpoint_pages=1, on_progress=lambda _: stopping.request_stop()
            )
            assert (await finish(stopping)).ending is Ending.STOPPED
            outcome = await finish(crawler.crawl(definition, storage))
        assert site.asked["/"] == 1
    assert outcome.ending is ending


async def test_links_that_an_earlier_attempt_cut_are_not_forgotten() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/far"), "/b": page()}) as site, make_crawler() as crawler:
        definition = make_definition(
            site.url + "/", site.url + "/b", limits={"max_depth": 0}, manners={"concurrency_per_host": 1}
        )
        stopping = crawler.crawl(definition, storage, checkpoint_pages=1, on_progress=lambda _: stopping.request_stop())
        assert (await finish(stopping)).counts.pages == 1
        outcome = await finish(crawler.crawl(definition, storage))
    assert (outcome.ending, outcome.counts.pages) == (Ending.LIMITED, 1)


# -- the storage's rhythm ---------------------------------------------------------------------------------------------


class SlowStorage(MemoryStorage):
    """Each checkpoint waits until the test lets it through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.writing = 0
        self.most_writing = 0

    async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
        self.writing += 1
        self.most_writing = max(self.most_writing, self.writing)
        self.entered.set()
        if len(self.checkpoints) >= 1:
            await self.gate.wait()
        answer = await super().checkpoint(batch, room=room)
        self.writing -= 1
        return answer


async def test_fetching_goes_on_while_a_batch_is_written_until_the_next_one_is_full() -> None:
    storage = SlowStorage()
    async with Site({"/": page(*(f"/{n}" for n in range(200)))}) as site, make_crawler() as crawler:
        for number in range(200):
            site.pages[f"/{number}"] = page()
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 5})
        crawl = crawler.crawl(definition, storage, checkpoint_pages=10)
        running = asyncio.create_task(finish(crawl))
        while not crawl._ledger.full or crawl._crew._busy:
            await asyncio.sleep(0.001)
        asked = site.asked.total()
        storage.gate.set()
        outcome = await running
        # one page stored; then a batch being written and one full, each with at most what was in flight on top
        assert 1 + 10 + 10 <= asked <= 1 + 10 + 5 + 10 + 5
        assert site.asked.total() == 201
    assert storage.most_writing == 1
    assert outcome.ending is Ending.COMPLETED


async def test_a_small_window_walks_the_whole_site() -> None:
    storage = MemoryStorage()
    async with Site({"/": page(*(f"/{n}" for n in range(150)))}) as site, make_crawler() as crawler:
        for number in range(150):
            site.pages[f"/{number}"] = page(f"/{(number * 7) % 150}", "/")
        outcome = await finish(crawler.crawl(make_definition(site.url + "/"), storage, window=8, checkpoint_pages=3))
        assert site.asked.total() == 151
        assert set(site.asked.values()) == {1}
    assert outcome.ending is Ending.COMPLETED


async def test_an_opening_may_leave_all_pages_to_the_window() -> None:
    class Reluctant(MemoryStorage):
        async def open(self, seeds: Sequence[Link], *, room: int, stopping: Callable[[], bool] = never) -> Opening:
            opening = await super().open(seeds, room=room, stopping=stopping)
            return replace(opening, pending=[], pending_dropped=len(opening.pending))

    async with Site(binary_tree(3)) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), Reluctant())
    assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, 8)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_sites_the_window_and_the_rhythm_every_page_is_stored_once(seed: int) -> None:
    """Random sites on several hosts, with slow and failing pages, small windows and checkpoints."""
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(Site()) for _ in range(chance.randint(1, 4))]
        urls = [f"{site.url}/{n}" for site in sites for n in range(chance.randint(1, 60))]
        for site in sites:
            for url in (url for url in urls if url.startswith(site.url)):
                links = chance.sample(urls, min(len(urls), chance.randint(0, 4)))
                site.pages[url.removeprefix(site.url)] = random_handler(chance, page(*links))
        crawler = await stack.enter_async_context(make_crawler())
        storage = MemoryStorage()
        outcome = await finish(
            crawler.crawl(
                make_definition(urls[0], manners={"concurrency_per_host": chance.randint(1, 6)}),
                storage,
                window=chance.choice([1, 2, 7, 1000]),
                checkpoint_pages=chance.choice([1, 3, 500]),
                checkpoint_seconds=chance.choice([0.01, 2.0]),
                max_concurrency=chance.choice([1, 3, 64]),
                retry=RetryRule(times=2, delay=0.001),
            )
        )
        results = [result.page.url for batch in storage.checkpoints for result in batch.results]
        assert sorted(results) == sorted(stored.url for stored in storage.pages.values())
        assert sum(site.asked.total() for site in sites) == outcome.counts.requests
        assert outcome.counts.requests == len(results) + outcome.counts.retries
    assert outcome.ending is Ending.COMPLETED
    assert not storage._pending


async def test_a_crawl_starts_at_full_speed() -> None:
    """The start page's links are fetched at once, not after the two seconds of a checkpoint."""
    async with Site({"/": page("/a"), "/a": page("/b"), "/b": page("/c"), "/c": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.pages == 4
    assert outcome.seconds < 1.0


# -- hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_host_never_sees_more_requests_at_once_than_allowed(concurrency: int) -> None:
    async def slow(_: Seen) -> Reply:
        await asyncio.sleep(0.005)
        return page()

    async with Site({"/": page(*(f"/{n}" for n in range(40)))}) as site:
        site.pages |= {f"/{n}": slow for n in range(40)}
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": concurrency})
        await crawl_once(definition, MemoryStorage())
        assert site.most_at_once == concurrency
        assert site.asked.total() == 41


async def test_two_crawls_of_one_host_share_its_budget() -> None:
    async def slow(_: Seen) -> Reply:
        await asyncio.sleep(0.002)
        return page()

    async with Site({"/": page(*(f"/{n}" for n in range(60)))}) as site, make_crawler() as crawler:
        site.pages |= {f"/{n}": slow for n in range(60)}
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 2})
        outcomes = await asyncio.gather(
            finish(crawler.crawl(definition, MemoryStorage())), finish(crawler.crawl(definition, MemoryStorage()))
        )
        assert site.most_at_once == 2
        assert site.asked.total() == 122
        assert [seen.path for seen in site.seen].count("/robots.txt") == 1
    assert [outcome.counts.pages for outcome in outcomes] == [61, 61]


async def test_starts_to_one_host_are_a_delay_apart() -> None:
    async with Site({"/": page("/a", "/b"), "/a": page(), "/b": page()}) as site:
        definition = make_definition(site.url + "/", manners={"delay": 0.1, "obey_robots": False})
        begin = asyncio.get_running_loop().time()
        await crawl_once(definition, MemoryStorage())
        times = sorted(seen.at for seen in site.seen)
    assert len(times) == 3
    # Each counted from the beginning: a request may come late, but none before its turn.
    assert all(at - begin >= 0.1 * number for number, at in enumerate(times))


async def test_slow_answers_do_not_stretch_the_delay() -> None:
    gate = Gate(page())
    async with Site({f"/{n}": gate for n in range(4)}) as site, make_crawler() as crawler:
        manners = {"delay": 0.02, "obey_robots": False}
        definition = make_definition(*(f"{site.url}/{n}" for n in range(4)), manners=manners)
        running = asyncio.create_task(finish(crawler.crawl(definition, MemoryStorage())))
        async with asyncio.timeout(LONGEST):
            while site.asked.total() < 4:
                await asyncio.sleep(0.001)
        gate.open()
        await running


async def test_what_is_due_wakes_nobody_while_no_page_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last page that `max_pages` allows is slow, and a retry falls due meanwhile."""
    fired: list[RestRoom] = []
    on_time = RestRoom._on_time

    def watched(room: RestRoom) -> None:
        fired.append(room)
        on_time(room)

    monkeypatch.setattr(RestRoom, "_on_time", watched)
    gate = Gate(page())
    async with Site({"/broken": Reply(status=500), "/slow": gate}) as site, make_crawler() as crawler:
        definition = make_definition(
            site.url + "/broken", site.url + "/slow", manners={"obey_robots": False}, limits={"max_pages": 1}
        )
        running = asyncio.create_task(finish(crawler.crawl(definition, MemoryStorage())))
        await gate.arrived.wait()
        await asyncio.sleep(0.1)  # as long as a worker could be woken in vain
        gate.open()
        await running
        assert site.asked == {"/broken": 1, "/slow": 1}
    assert len(fired) <= 3


async def test_a_slow_host_does_not_hold_another_back() -> None:
    gate = Gate(page())
    slow_pages: dict[str, Reply | Handler] = {f"/{n}": gate for n in range(50)}
    async with Site(slow_pages) as slow, Site(binary_tree(6)) as quick, make_crawler() as crawler:
        starts = [*(f"{slow.url}/{n}" for n in range(50)), quick.url + "/"]
        definition = make_definition(*starts, manners={"obey_robots": False, "concurrency_per_host": 2})
        running = asyncio.create_task(finish(crawler.crawl(definition, MemoryStorage(), max_concurrency=8)))
        async with asyncio.timeout(LONGEST):
            while quick.asked.total() < 64:
                await asyncio.sleep(0.001)
        assert slow.asked.total() == 2
        gate.open()
        outcome = await running
    assert outcome.counts.pages == 50 + 64


async def test_a_time_out_is_named() -> None:
    gate = Gate(page())
    async with Site({"/": gate}) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/", manners={"obey_robots": False})
        crawl = crawler.crawl(
            definition, MemoryStorage(), timeouts=Timeouts(connect=1.0, read=0.05, total=1.0), retry=RetryRule(times=0)
        )
        outcome = await finish(crawl)
        gate.open()
    assert outcome.counts.reasons == {"read_timeout": 1}
