"""Wide, deep and long-winded sites in a small form: what is kept of them is bounded, every page is asked for once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import pytest

from crawler.engine import frontier, ledger
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.transport import CrawlTransport
from crawler.engine.manners import gate, openings, robots
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, PendingPage

from .crawling import LOOPBACK, Crawler, finish, make_crawler, make_definition
from .site import Reply, Seen, Site, page

HOSTS = 600
IDLE = 100
DEPTH = 1_500


class Sparing(MemoryStorage):
    """Gives two long URLs at a time, whatever room there is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def window(self, *, room: int, held: Collection[int]) -> Sequence[PendingPage]:
        self.asked += 1
        return (await super().window(room=room, held=held))[:2]


async def test_a_crawl_over_many_hosts_keeps_little_of_those_that_it_is_through_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frontier, "MAX_IDLE_HOSTS", IDLE)
    monkeypatch.setattr(robots, "MAX_KEPT", IDLE)
    looked_up: Counter[str] = Counter()
    open_at_once, known_at_once = 0, 0

    async def resolver(host: str, port: int) -> Sequence[str]:
        looked_up[host] += 1
        return ["127.0.0.1"]

    def home(seen: Seen) -> Reply:
        nonlocal open_at_once, known_at_once
        open_at_once = max(open_at_once, transport.connections_open)
        known_at_once = max(known_at_once, len(list(crawl._frontier.hosts())))
        return page("/more")

    async with Site({"/": home, "/more": page("/"), "/robots.txt": Reply("User-agent: *\nDisallow: /no")}) as site:
        names = [f"h{number}.wide.example" for number in range(HOSTS)]
        site.pages["/hub"] = page(*(f"http://{name}:{site.port}/" for name in names))
        guard = Guard(LOOPBACK, resolver)
        transport = CrawlTransport(guard, max_idle=50)
        crawler = Crawler(CrawlClient(transport))
        storage = MemoryStorage()
        definition = make_definition(f"http://hub.wide.example:{site.port}/hub", allowed_domains=["wide.example"])
        crawl = crawler.crawl(definition, storage, window=200)
        outcome = await finish(crawl)
        kept = len(crawler.slots)
        await crawler.robots.close()
        await crawler.client.aclose()
        guard.close()
    assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, 2 * HOSTS + 1)
    asked = Counter((seen.headers["host"], seen.path) for seen in site.seen)
    assert len(asked) == 3 * HOSTS + 2  # robots.txt of each host, the hub's own too
    assert {times for (_host, path), times in asked.items() if path != "/robots.txt"} == {1}
    # Who was forgotten with its rules and has pages again is asked for them again.
    assert max(asked.values()) == 2
    assert set(looked_up.values()) == {1}
    assert open_at_once <= 50 + 64 + openings.MOST
    # Those with pages in memory, and those that are remembered though they have none.
    assert known_at_once <= 200 + IDLE + 64
    assert kept <= 1_000 + known_at_once


async def test_many_hosts_with_much_to_say_in_robots_txt_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, kept = 40, 3
    text = "User-agent: *\nDisallow: /no\n" + "".join(f"Disallow: /no/{number}\n" for number in range(100))
    monkeypatch.setattr(frontier, "MANY_HOSTS", 5)
    monkeypatch.setattr(gate, "BIG_RULES", 1_000)
    monkeypatch.setattr(robots, "MAX_KEPT_BYTES", kept * len(text))
    pages = {"/": page("/a", "/no", "/no/1"), "/a": page("/b"), "/b": page("/"), "/no": page()}
    async with Site({**pages, "/robots.txt": Reply(text)}) as site:
        names = [f"http://h{number}.wide.example:{site.port}/" for number in range(hosts)]

        async def resolver(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        guard = Guard(LOOPBACK, resolver)
        crawler = Crawler(CrawlClient(CrawlTransport(guard)))
        crawl = crawler.crawl(make_definition(*names), MemoryStorage())
        outcome = await finish(crawl)
        holding = [host for host in crawl._frontier.hosts() if host.rules is not None]
        await crawler.robots.close()
        await crawler.client.aclose()
        guard.close()
    assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, 3 * hosts)
    assert outcome.counts.reasons["robots_disallowed"] == 2 * hosts
    asked = Counter((seen.headers["host"], seen.path) for seen in site.seen if seen.path != "/robots.txt")
    assert set(asked.values()) == {1}
    assert len(holding) <= 5
    assert len(crawler.robots._known) <= kept


async def test_a_chain_of_pages_is_walked_to_its_end() -> None:
    pages = {f"/{number}": page(f"/{number + 1}", "/0") for number in range(DEPTH)}
    async with Site(dict(pages)) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        outcome = await finish(crawler.crawl(make_definition(site.url + "/0"), storage))
        assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, DEPTH + 1)
        assert set(site.asked.values()) == {1}
        assert max(found.depth for found in storage.pages.values()) == DEPTH


async def test_long_urls_fill_the_memory_before_many_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "WINDOW_CHARACTERS", 50_000)
    monkeypatch.setattr(ledger, "BATCH_CHARACTERS", 20_000)
    monkeypatch.setattr(ledger, "LOOK_CHARACTERS", 8_000)
    paths = [f"/{number:03}" + "x" * 4_000 for number in range(120)]
    pages = {path: page("/", text=path[:4]) for path in paths}
    async with Site({"/": page(*paths), **pages}) as site, make_crawler() as crawler:
        storage = Sparing()
        # All 120 are there from the hub's checkpoint on, of which memory takes in only the first ones.
        crawl = crawler.crawl(make_definition(site.url + "/"), storage, window=20)
        outcome = await finish(crawl)
        assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, 121)
        assert set(site.asked.values()) == {1}
        assert crawl._frontier.characters == 0
        assert storage.asked >= 50


async def test_a_batch_of_few_pages_with_many_links_is_stored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "BATCH_CHARACTERS", 2_000)
    pages: dict[str, Reply] = {"/": page(*(f"/{number}" for number in range(30)))}
    for number in range(30):
        pages[f"/{number}"] = page(*(f"/{number}/{leaf}/{'y' * 100}" for leaf in range(10)))
        pages |= {f"/{number}/{leaf}/{'y' * 100}": page("/") for leaf in range(10)}
    async with Site(dict(pages)) as site, make_crawler() as crawler:
        storage = MemoryStorage()
        outcome = await finish(crawler.crawl(make_definition(site.url + "/"), storage, checkpoint_seconds=60.0))
        assert outcome.counts.pages == 331
        # Each page brings more than half of what a batch may hold: workers under way may add theirs to a full one.
        assert max(sum(len(result.links) for result in batch.results) for batch in storage.checkpoints[1:]) <= 10 * 12
