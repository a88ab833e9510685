"""Crawls that meet at the same hosts, stopped, killed and limited at any moment: whatever happens, manners are kept, no
page is lost or doubled, nobody waits for ever, and nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from crawler.engine.crawl import Crawl
from crawler.engine.crew import MOST_IN_HELPER
from crawler.engine.manners.budget import Calendar
from crawler.engine.manners.robots import Robots
from crawler.engine.manners.slots import Slots
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import CrawlOutcome, Ending, PageState
from crawler.engine.scope import Scope
from crawler.engine.spider import SpiderDefinition
from crawler.engine.tools import CrawlTools, Pace
from crawler.engine.visit import RetryRule

from .chance import ChanceExtractor, ChanceFetcher, VirtualLoop, World
from .crawling import make_definition

ATTEMPTS = 4
PATIENCE = 5.0
"""Seconds for which a free host may be left alone by who has pages of it."""


@dataclass(slots=True)
class Process:
    """What the crawls of one process share, and which of them run."""

    world: World
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    slots: Slots = field(default_factory=Slots)
    robots: Robots = field(init=False)
    running: list[Crawl] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.robots = Robots(retry_delay=0.5, clock=self.loop.time, ttl=self.world.rnd.choice([3_600.0, 5.0]))

    def make_crawl(
        self,
        definition: SpiderDefinition,
        storage: MemoryStorage,
        *,
        extractor: ChanceExtractor | None = None,
        pace: Pace | None = None,
    ) -> Crawl:
        rnd = self.world.rnd

        async def prepare(origin: str) -> None:
            await asyncio.sleep(rnd.choice([0.0, 0.01, 3.0]))

        tools = CrawlTools(
            fetcher=ChanceFetcher(self.world),
            extractor=extractor or ChanceExtractor(self.world, rnd.choice([0.0, 0.3])),
            scope=Scope(definition),
            storage=storage,
            slots=self.slots,
            robots=self.robots,
            prepare=rnd.choice([None, prepare]),
            calendar=Calendar(now=lambda: self.world.wall),
            clock=self.loop.time,
        )
        pace = pace or Pace(
            max_concurrency=rnd.choice([1, 4, 64]),
            checkpoint_pages=rnd.choice([1, 5, 500]),
            checkpoint_seconds=rnd.choice([0.1, 2.0]),
            window=rnd.choice([3, 20, 50_000]),
            retry=RetryRule(times=2, delay=0.5),
            drain_seconds=rnd.choice([0.5, 10.0]),
        )
        return Crawl(definition, tools, pace)

    async def crawl(self) -> None:
        """One spider, until an attempt at it comes to its end."""
        rnd, definition = self.world.rnd, make_spider(self.world)
        storage = MemoryStorage(max_depth=definition.limits.max_depth)
        await asyncio.sleep(rnd.choice([0.0, 0.5, 3.0]))
        for attempt in range(ATTEMPTS):
            crawl = self.make_crawl(definition, storage)
            task = asyncio.create_task(crawl.run())
            self.running.append(crawl)
            fate = rnd.random() if attempt < ATTEMPTS - 1 else 1.0
            if fate < 0.4:
                await asyncio.sleep(rnd.choice([0.0, 0.05, 0.3, 2.0]))
                if fate < 0.25:
                    crawl.request_stop()
                else:
                    task.cancel()
            await asyncio.wait([task])
            self.running.remove(crawl)
            if not task.cancelled():
                judge(storage, task.result(), definition)
                if task.result().ending is not Ending.STOPPED:
                    return

    async def watch(self) -> None:
        """Raises where a crawl does not ask a host that is free for its pages."""
        free_since: dict[tuple[int, str], float] = {}
        while True:
            await asyncio.sleep(1.0)
            now, before, free_since = self.loop.time(), free_since, {}
            for crawl in self.running:
                crew = crawl._crew
                if crew.ending is not None or crew.over.is_set() or crew._is_full or self.world.quiet:
                    continue
                for host in crawl._frontier.hosts():
                    slot = host.guest.slot
                    is_free = slot.active < slot.concurrency and now > 1.0 + max(slot.next_start, slot.blocked_until)
                    may_be_asked = host.place.name in ("READY", "PARKED", "NOWHERE") and host.in_helper < MOST_IN_HELPER
                    if host.pages and is_free and may_be_asked:
                        place = (id(crawl), host.origin)
                        free_since[place] = before.get(place, now)
                        assert now - free_since[place] < PATIENCE, f"{host.origin} waits in vain, {host.place.name}"


def make_spider(world: World) -> SpiderDefinition:
    rnd = world.rnd
    limits = {"max_pages": [1, 7, 25], "max_seconds": [1, 10], "max_depth": [1]}
    manners = world.manners | ({"pages_per_day": rnd.choice([1, 5, 20])} if rnd.random() < 0.3 else {})
    return make_definition(
        *(host + "/0" for host in rnd.sample(world.hosts, rnd.randint(1, len(world.hosts)))),
        allowed_domains=["test"],
        manners=manners,
        limits={name: rnd.choice(values) for name, values in limits.items() if rnd.random() < 0.2},
        sitemaps=[f"{rnd.choice(world.hosts)}/s{number}.xml" for number in range(rnd.choice([0, 0, 1, 3]))],
    )


def judge(storage: MemoryStorage, outcome: CrawlOutcome, definition: SpiderDefinition) -> None:
    results = [result for batch in storage.checkpoints for result in batch.results]
    assert max(Counter(result.page.page_id for result in results).values(), default=1) == 1
    pages = storage.pages.values()
    if outcome.ending is Ending.COMPLETED:
        assert PageState.PENDING not in {page.state for page in pages}
    if definition.limits.max_pages is not None:
        assert sum(page.is_answer for page in pages) <= definition.limits.max_pages


async def live(seed: int) -> None:
    process = Process(World(seed))
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(process.watch())
        crawls = [group.create_task(process.crawl()) for _ in range(process.world.rnd.randint(1, 4))]
        await asyncio.wait(crawls)
        watch.cancel()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    slots = process.slots._slots.values()
    assert not any(slot.guests or slot.line or slot.active for slot in slots)


def run(seed: int) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live(seed))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_manners_are_kept_and_nobody_waits_for_ever(seed: int) -> None:
    run(seed)


def test_a_crawl_that_waits_for_pages_that_are_read_elsewhere_keeps_no_turn_from_another() -> None:
    async def meet() -> float:
        world = World(1)
        world.hosts, world.robots, world.quiet = ["http://h0.test"], {"http://h0.test": ""}, ()
        world.faults, world.concurrency, world.delay, world.size, world.seconds = 0.0, 1, 0.0, 200, (0.01,)
        process = Process(world)
        definition = make_definition("http://h0.test/0", manners=world.manners)
        starts = [f"http://h0.test/{number}" for number in range(50)]
        slow = process.make_crawl(
            make_definition(*starts, manners=world.manners),
            MemoryStorage(),
            extractor=ChanceExtractor(world, 1.0, (1_000.0,)),
            pace=Pace(),
        )
        reading = asyncio.create_task(slow.run())
        await asyncio.sleep(1.0)
        assert all(host.in_helper >= MOST_IN_HELPER for host in slow._frontier.hosts())
        quick = process.make_crawl(definition, MemoryStorage(), extractor=ChanceExtractor(world, 0.0), pace=Pace())
        outcome = await quick.run()
        assert outcome.counts.pages >= 100
        reading.cancel()
        await asyncio.wait([reading])
        return outcome.seconds / outcome.counts.pages

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(meet()) < 0.02


@pytest.mark.soak
def test_whatever_happens_in_thousands_of_worlds() -> None:
    for seed in range(1_000, 6_000):
        run(seed)
