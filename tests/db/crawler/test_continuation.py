"""A walk over several crawls: each goes on with what the one before had to leave, and nothing is asked for twice."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pytest_django import Settings

from crawler.definitions import save_spider
from crawler.engine.documents.definition import parse
from crawler.engine.manners.budget import Calendar
from crawler.engine.records import CrawlOutcome, Ending
from crawler.manager import get_manager
from crawler.models import CrawlTask, Item, Page, Spider
from crawler.storing import continuation, host_days
from crawler.storing.storage import DatabaseStorage
from scheduling.lanes import Lane
from scheduling.runner import run_in_foreground
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import Crawl, make_spider, make_task, nobody_else, wait

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = 30
DOCUMENT: dict[str, object] = {
    "follow": [{}],
    "items": [{"type": "page", "match": r"/\d+$", "fields": {"title": {"css": "h1"}}}],
}


class Days:
    """A calendar that the test turns."""

    def __init__(self) -> None:
        self.now = datetime(2027, 1, 1, 4, tzinfo=UTC)

    def calendar(self) -> Calendar:
        return Calendar(ZoneInfo("Asia/Shanghai"), lambda: self.now)

    def turn(self) -> None:
        self.now += timedelta(days=1)


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Days:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    days = Days()
    monkeypatch.setattr(host_days, "calendar", days.calendar)
    return days


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    """A start page and thirty others, each of which links to the next two and back to the start."""
    server = SiteServer(tmp_path)
    server.replace("/", b'<a href="/1">1</a>')
    for number in range(1, PAGES + 1):
        links = "".join(f'<a href="/{n}">{n}</a>' for n in (number + 1, number + 2) if n <= PAGES)
        server.replace(f"/{number}", f'<h1>{number}</h1>{links}<a href="/">back</a>'.encode())
    with serve_in_thread(server):
        yield server


def save(site: SiteServer, **sections: object) -> None:
    save_spider({"name": "books", "start_urls": [f"{site.url}/"], **DOCUMENT, **sections})


def crawl(**job_data: object) -> CrawlTask:
    run = run_in_foreground("crawl", job_data or {"type": "spider", "target": "books"})
    return CrawlTask.objects.get(run=run)


def asked(site: SiteServer) -> Counter[str]:
    return Counter(logged.target for logged in site.log if logged.target != "/robots.txt")


def test_a_site_that_is_larger_than_a_day_is_walked_in_several(site: SiteServer, days: Days) -> None:
    save(site, manners={"pages_per_day": 12})
    tasks = []
    for _ in range(3):
        tasks.append(crawl())
        days.turn()
    task = tasks[-1]
    assert [each.pages for each in tasks] == [12, 12, 7]
    assert asked(site) == Counter({"/": 1, **{f"/{n}": 1 for n in range(1, PAGES + 1)}})
    assert task.message == (
        f"7 pages, 0 unchanged; 7 items read, 7 new, 0 changed. It went on with what {tasks[1].task_id} had left."
    )
    assert (Item.objects.filter(gone_at=None).count(), task.items_gone) == (PAGES, 0)
    # The walk is over: the next one begins at the start, and asks for changes only.
    site.log.clear()
    task = crawl()
    assert next(iter(asked(site))) == "/"
    assert task.pages_unchanged == 12


def test_a_crawl_that_is_stopped_while_it_takes_over_goes_on_with_the_rest(
    site: SiteServer, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(site, manners={"pages_per_day": 12})
    before = crawl()
    days.turn()
    spider = Spider.objects.get()
    monkeypatch.setattr(continuation, "PART", 2)
    task = make_task(spider, "crawl_spider_9", spider_version=spider.version)

    async def attempt(stopping: asyncio.Event) -> CrawlOutcome:
        manager = await get_manager()
        storage = DatabaseStorage(
            task=task,
            spider=spider,
            spider_version=spider.version,
            guard=nobody_else,
            lane_run=manager.lane.run_patiently,
        )
        return await manager.crawl(definition=parse(spider.definition), storage=storage, stopping=stopping)

    stopped = asyncio.Event()
    stopped.set()
    site.log.clear()
    assert asyncio.run(attempt(stopped)).ending is Ending.STOPPED
    assert Page.objects.filter(task=task).count() == 2
    assert not asked(site)
    assert asyncio.run(attempt(asyncio.Event())).ending is Ending.LIMITED
    assert not Page.objects.filter(task=before).exists()
    assert (asked(site).total(), "/" in asked(site)) == (12, False)


def test_what_is_gone_is_judged_by_the_whole_walk(site: SiteServer, days: Days) -> None:
    save(site)
    crawl()
    save(site, manners={"pages_per_day": 12})
    site.remove("/30")
    site.remove("/2")
    gone = []
    for _ in range(3):
        gone.append(crawl().items_gone)
        days.turn()
    assert gone == [0, 0, 2]
    assert {item.data["title"] for item in Item.objects.exclude(gone_at=None)} == {"2", "30"}


def test_an_edit_begins_anew(site: SiteServer, days: Days) -> None:
    save(site, manners={"pages_per_day": 12})
    crawl()
    save(site, manners={"pages_per_day": 24})
    days.turn()
    assert crawl().pages == 24
    assert asked(site)["/"] == 2


def test_another_crawl_between_begins_anew(site: SiteServer, days: Days) -> None:
    save(site, manners={"pages_per_day": 12})
    crawl()
    days.turn()
    crawl(type="urls", target=[f"{site.url}/3"], spider="books")
    days.turn()
    crawl()
    assert asked(site)["/"] == 2


def test_a_limit_of_pages_holds_for_the_whole_walk(site: SiteServer, days: Days) -> None:
    save(site, manners={"pages_per_day": 12}, limits={"max_pages": 20})
    first = crawl()
    days.turn()
    second = crawl()
    assert (first.pages, second.pages) == (12, 8)
    assert "Stopped at max_pages = 20" in second.message
    days.turn()
    third = crawl()
    assert third.pages == 12
    assert asked(site)["/"] == 2, "the walk was over"


def test_links_that_were_cut_on_another_day_are_not_forgotten(site: SiteServer, days: Days) -> None:
    save(site, manners={"pages_per_day": 4}, limits={"max_depth": 4})
    messages = []
    for _ in range(2):
        messages.append(crawl().message)
        days.turn()
    assert "pages were left in the frontier" in messages[0]
    assert messages[-1].endswith("Links beyond max_depth = 4 were left out")


def test_a_long_rest_is_kept_by_processes_that_have_not_heard_of_it(days: Days) -> None:
    """Each crawl of this test has an event loop of its own, and so slots that know nothing of the one before."""
    server = MisbehavingServer()
    with serve_in_thread(server):
        save_spider({"name": "books", "start_urls": [f"{server.url}/retry-after/503?seconds=3600"]})
        first = crawl()
        requests = len(server.log)
        assert first.status == "failed"
        assert first.hosts[server.url]["closed_by"] == "host_rest"
        days.now += timedelta(minutes=50)
        again = crawl()
        assert again.message == (f"{server.url} asked to be left alone until 2027-01-01 13:00 (Asia/Shanghai)")
        assert len(server.log) == requests
        days.now += timedelta(minutes=20)
        crawl()
        assert len(server.log) > requests


@pytest.mark.parametrize("closed_until", ["", "soon", "2027-01-01", "2027-01-01T00:00:00"])
def test_a_rest_that_cannot_be_read_is_none(lane: Lane, closed_until: str) -> None:
    spider = make_spider()
    hosts = {"https://shop.example": {"closed_by": "host_rest", "closed_until": closed_until}}
    CrawlTask.objects.filter(pk=Crawl(spider, lane).task.pk).update(hosts=hosts)
    assert Crawl(spider, lane).open("/").rests == {}


def left(crawl: Crawl, *, reason: str = "day_budget", **fields: object) -> None:
    """End a hand-made crawl as manners end one."""
    values = {"status": "completed", "reasons": {reason: 1}, "spider_version": 1} | fields
    CrawlTask.objects.filter(pk=crawl.task.pk).update(**values)


def test_a_taking_over_that_breaks_off_is_finished_by_the_next_attempt(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(Exception):
        pass

    monkeypatch.setattr(continuation, "PART", 2)
    spider = make_spider()
    first = Crawl(spider, lane)
    first.open("/")
    first.store(first.read("/", links=[f"/{n}" for n in range(9)]))
    left(first)
    calls = 0

    def lose() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Lost

    broken = Crawl(spider, lane, guard=lose)
    with pytest.raises(Lost):
        broken.open("/")
    assert Page.objects.filter(task=broken.task).count() == 4
    second = Crawl(spider, lane, task=broken.task)
    opening = second.open("/")
    assert Page.objects.filter(task=broken.task).count() == 10
    assert (opening.resumed, opening.start_answered, len(opening.pending)) == (True, True, 9)


@pytest.mark.parametrize(
    ("fields", "goes_on"),
    [
        ({}, True),
        ({"reason": "quiet_hours"}, True),
        ({"reason": "host_rest"}, True),
        ({"reason": "http_404"}, False),
        ({"status": "cancelled"}, False),
        ({"status": "failed"}, False),
        ({"spider_version": 2}, False),
        ({"task_type": "urls"}, False),
    ],
    ids=["day", "quiet hours", "rest", "another reason", "cancelled", "failed", "another version", "given URLs"],
)
def test_only_what_manners_left_is_gone_on_with(lane: Lane, fields: dict[str, object], goes_on: bool) -> None:
    spider = make_spider()
    first = Crawl(spider, lane)
    first.open("/")
    first.store(first.read("/", links=["/1", "/2"]))
    left(first, **fields)  # type: ignore[arg-type]
    opening = Crawl(spider, lane).open("/")
    assert opening.resumed is goes_on
    assert len(opening.pending) == (2 if goes_on else 1)


@pytest.mark.parametrize(
    ("pages", "requests", "goes_on"), [(0, 2, False), (1, 2, True), (0, 0, True)], ids=["vain", "progress", "not asked"]
)
def test_a_host_that_always_asks_for_rest_does_not_keep_all_others_from_being_crawled(
    lane: Lane, *, pages: int, requests: int, goes_on: bool
) -> None:
    spider = make_spider()
    first = Crawl(spider, lane)
    first.open("/")
    first.store(first.read("/", links=["/1", "/2"]))
    left(first, reason="host_rest", pages=1)
    second = Crawl(spider, lane)
    assert second.open("/").resumed
    left(second, reason="host_rest", pages=pages, hosts={"https://resting.example": {"requests": requests}})
    opening = Crawl(spider, lane).open("/")
    assert (opening.resumed, [page.url for page in opening.pending] == ["https://shop.example/"]) == (
        goes_on,
        not goes_on,
    )


def test_given_urls_take_nothing_over(lane: Lane) -> None:
    spider = make_spider()
    first = Crawl(spider, lane)
    first.open("/")
    first.store(first.read("/", links=["/1", "/2"]))
    left(first)
    opening = Crawl(spider, lane, follows_links=False).open("/1")
    assert [page.url for page in opening.pending] == ["https://shop.example/1"]
    assert wait(first.storage.window(room=10, held=())) != []
