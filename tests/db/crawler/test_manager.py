"""What all crawls of a process share, and the handler inside a real runner."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pytest
from pytest_django import Settings

from crawler.definitions import save_spider
from crawler.engine.documents.definition import parse
from crawler.engine.errors import UrlError
from crawler.fan_out import COUNTS
from crawler.manager import CrawlerManager, close_manager, get_manager
from crawler.models import CrawlTask, Item, Page
from crawler.one_page import FetchedPage
from crawler.tasks import cancel_task, request_crawl
from scheduling.lanes import Lane
from scheduling.liveness import Liveness
from scheduling.models import JobRun, Process, ScheduledJob
from scheduling.runner import Runner
from tests.db.scheduling.making import make_process
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

T = TypeVar("T")

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "<html><body><h1>{name}</h1>{links}</body></html>"
TITLES = {"follow": [{"css": "a"}], "items": [{"type": "page", "fields": {"title": {"css": "h1"}}}]}


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    settings.CRAWLER_CHECKPOINT_PAGES = 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    """A chain of ten pages."""
    server = SiteServer(tmp_path)
    for number in range(10):
        links = f'<a href="/{number + 1}">next</a>' if number < 9 else ""
        server.replace(f"/{number}", PAGE.format(name=f"page {number}", links=links).encode())
    with serve_in_thread(server):
        yield server


def make_chain(site: SiteServer, name: str = "chain") -> None:
    save_spider({"name": name, "start_urls": [f"{site.url}/0"], **TITLES})


@asynccontextmanager
async def running(*, drain: float = 10.0) -> AsyncIterator[Runner]:
    control = Lane("control")
    liveness = Liveness(kind=Process.Kind.SCHEDULER, control=control, max_workers=4)
    runner = Runner(liveness=liveness, control=control, max_workers=4, poll_seconds=0.02)
    try:
        await liveness.start()
        await runner.start()
        try:
            yield runner
        finally:
            await runner.stop(drain)
            await liveness.stop()
    finally:
        await close_manager()
        control.close()


async def aside(function: Callable[[], T]) -> T:
    """Call a function that queries, in a thread whose connection is closed afterwards."""
    lane = Lane("aside")
    try:
        return await lane.run(function)
    finally:
        lane.close()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = monotonic() + seconds
    while not await aside(condition):
        assert monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.01)


def status_of(task: CrawlTask) -> str:
    return CrawlTask.objects.get(pk=task.pk).status


class TestInARunner:
    def test_all_spiders_are_crawled_and_rolled_up(self, site: SiteServer) -> None:
        for name in ("one", "two", "three"):
            make_chain(site, name)
        task = request_crawl("all")

        async def run() -> None:
            async with running():
                await until(lambda: status_of(task) in CrawlTask.TERMINAL)

        asyncio.run(run())
        task.refresh_from_db()
        assert (task.status, task.pages, task.items_new) == ("completed", 30, 30)
        children = list(CrawlTask.objects.filter(parent=task))
        assert [child.status for child in children] == ["completed"] * 3
        for name in COUNTS:
            assert getattr(task, name) == sum(getattr(child, name) for child in children), name
        assert Item.objects.count() == 30
        assert not ScheduledJob.objects.exists()

    def test_a_drained_crawl_goes_on_in_the_next_process_where_it_was(self, site: SiteServer) -> None:
        make_chain(site)
        site.delay = 0.05
        task = request_crawl("spider", "chain")

        async def run(condition: Callable[[], object]) -> None:
            async with running():
                await until(condition)

        asyncio.run(run(lambda: Page.objects.filter(state="done").count() >= 3))
        task.refresh_from_db()
        run_row = task.run
        assert run_row is not None
        assert (task.status, run_row.state) == ("pending", "queued")
        read = set(Page.objects.filter(state="done").values_list("url", flat=True))
        assert task.pages == len(read) < 10
        site.log.clear()
        asyncio.run(run(lambda: status_of(task) in CrawlTask.TERMINAL))
        task.refresh_from_db()
        assert (task.status, task.pages, task.items_new) == ("completed", 10, 10)
        assert not read & {f"{site.url}{target}" for target in site.targets()}

    def test_a_cancelled_crawl_stops_at_once(self, site: SiteServer) -> None:
        make_chain(site)
        site.delay = 0.1
        task = request_crawl("spider", "chain")

        async def run() -> None:
            async with running():
                await until(lambda: Page.objects.filter(state="done").exists())
                await aside(lambda: cancel_task(task.task_id, by="ada"))
                await until(lambda: status_of(task) == "cancelled")

        asyncio.run(run())
        assert CrawlTask.objects.get().pages < 10

    def test_a_crawl_whose_run_was_given_away_writes_nothing_more(self, site: SiteServer) -> None:
        make_chain(site)
        site.delay = 0.05
        request_crawl("spider", "chain")
        before: list[object] = []

        def give_away() -> None:
            other = make_process()
            JobRun.objects.update(owner=other, claim=2)
            before.extend([list(Page.objects.values()), list(CrawlTask.objects.values()), list(Item.objects.values())])

        async def run() -> None:
            async with running() as runner:
                await until(lambda: Page.objects.filter(state="done").count() >= 2)
                await aside(give_away)
                await until(lambda: not runner.running)

        asyncio.run(run())
        assert [list(Page.objects.values()), list(CrawlTask.objects.values()), list(Item.objects.values())] == before
        assert site.targets().count("/9") == 0
        assert JobRun.objects.get().state == "running"

    def test_no_query_is_run_on_the_loops_thread(self, site: SiteServer) -> None:
        from django.db.backends.utils import CursorWrapper

        make_chain(site)
        task = request_crawl("spider", "chain")
        threads: set[str] = set()
        execute = CursorWrapper.execute

        def spy(self: CursorWrapper, sql: str, params: object = None) -> object:
            threads.add(threading.current_thread().name)
            return execute(self, sql, params)  # type: ignore[arg-type]

        async def run() -> str:
            async with running():
                await until(lambda: status_of(task) in CrawlTask.TERMINAL)
            return threading.current_thread().name

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CursorWrapper, "execute", spy)
            loop_thread = asyncio.run(run())
        assert loop_thread not in threads
        assert {"lane-control", "lane-storage"} <= threads
        assert CrawlTask.objects.get().status == "completed"


class TestShared:
    async def test_one_manager_and_one_client_a_loop(self) -> None:
        first, second = await get_manager(), await get_manager()
        assert first is second
        assert first.client is second.client
        await close_manager()
        assert first.client.is_closed
        assert await get_manager() is not first

    def test_the_loops_end_closes_the_manager(self) -> None:
        manager = asyncio.run(get_manager())
        assert manager.client.is_closed
        with pytest.raises(RuntimeError):
            manager.lane.submit(int)


def preview(site: SiteServer, path: str, **sections: object) -> FetchedPage:
    definition = parse({"name": "chain", "start_urls": [f"{site.url}/0"], **TITLES, **sections})

    async def run() -> FetchedPage:
        manager = CrawlerManager()
        try:
            return await manager.preview_fetch(definition, path if "://" in path else site.url + path)
        finally:
            await manager.close()

    return asyncio.run(run())


class TestPreview:
    def test_one_page_is_fetched_and_its_redirects_followed(self, site: SiteServer) -> None:
        site.redirect("/old", "/0")
        page = preview(site, "/old")
        assert page.answer is not None
        assert (page.answer.url, page.answer.status_code) == (f"{site.url}/0", 200)
        assert (page.redirects, page.reason) == ([f"{site.url}/old"], "")

    def test_robots_are_asked_unless_the_spider_says_otherwise(self, site: SiteServer) -> None:
        site.replace("/robots.txt", b"User-agent: *\nDisallow: /1\n", content_type="text/plain")
        assert (preview(site, "/1").reason, preview(site, "/1").answer) == ("robots_disallowed", None)
        assert preview(site, "/1", manners={"obey_robots": False}).answer is not None

    def test_the_guard_refuses(self, site: SiteServer, settings: Settings) -> None:
        settings.CRAWLER_ALLOWED_NETWORKS = []
        page = preview(site, "/1")
        assert (page.answer, page.reason) == (None, "address_refused")
        assert "CRAWLER_ALLOWED_NETWORKS" in page.detail
        assert site.connections == 0

    def test_a_page_outside_the_spiders_domains_is_refused_also_at_a_redirect(self, site: SiteServer) -> None:
        assert preview(site, "https://else.example/").reason == "out_of_scope"
        site.redirect("/away", "https://else.example/")
        page = preview(site, "/away")
        assert (page.reason, page.redirects) == ("out_of_scope", [f"{site.url}/away"])

    def test_redirects_end(self, site: SiteServer) -> None:
        site.redirect("/a", "/b")
        site.redirect("/b", "/a")
        assert preview(site, "/a").reason == "redirect_loop"

    def test_no_url_is_refused(self, site: SiteServer) -> None:
        with pytest.raises(UrlError):
            preview(site, "ftp://127.0.0.1/")
