"""Manners in the database: how hosts were treated, what they had on a day, and whole crawls that are limited by it."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from crawler.account.politeness import report
from crawler.definitions import save_spider
from crawler.engine.manners.budget import Calendar
from crawler.engine.manners.politeness import HostManners
from crawler.engine.manners.slots import host_key
from crawler.engine.records import Batch, PageResult, PageState, PendingPage
from crawler.models import CrawlTask, HostDay, Page, Spider
from crawler.storing import host_days
from crawler.storing.host_days import KEPT_DAYS, pages_on
from crawler.tasks import with_progress
from scheduling.lanes import Lane
from scheduling.models import JobRun
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import SITE, Crawl, make_spider, wait

pytestmark = pytest.mark.django_db(transaction=True)

HOST = host_key(SITE)
DAY = date(2027, 1, 1)


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    """A list of twenty pages, with validators."""
    server = SiteServer(tmp_path)
    server.replace("/", ("".join(f'<a href="/{number}">{number}</a>' for number in range(20))).encode())
    for number in range(20):
        server.replace(f"/{number}", f"<h1>{number}</h1>".encode())
    with serve_in_thread(server):
        yield server


def make(site: SiteServer, name: str = "books", **manners: object) -> Spider:
    return save_spider({"name": name, "start_urls": [f"{site.url}/"], "follow": [{}], "manners": manners})


def crawl(name: str = "books") -> tuple[JobRun, CrawlTask]:
    run = run_in_foreground("crawl", {"type": "spider", "target": name})
    return run, CrawlTask.objects.get(run=run)


def asked(site: SiteServer) -> int:
    return sum(logged.target != "/robots.txt" for logged in site.log)


def store(
    crawl: Crawl, *results: PageResult, hosts: dict[str, HostManners] | None = None, day: date | None = None
) -> dict[str, tuple[int, int]]:
    batch = Batch(results=list(results), hosts=hosts, day=day)
    answer = wait(crawl.storage.checkpoint(batch, room=100))
    crawl._expect(answer.pending)
    return dict(answer.host_pages)


# --- how hosts were treated -------------------------------------------------------------------------------------------


def test_a_crawl_keeps_how_it_treated_its_hosts(site: SiteServer) -> None:
    make(site, concurrency_per_host=2)
    _run, task = crawl()
    (told,) = report(task).hosts
    assert told.host == site.url
    assert told.figures["requests"] == asked(site) == 21
    assert told.figures["robots_requests"] == 1
    assert told.figures["peak_concurrency"] == 2
    assert told.figures["bytes"] == task.bytes > 0
    assert told.sentences[0].startswith("21 requests and 1 for robots.txt, at most ")


def test_what_a_304_saves_is_what_the_page_took_before(site: SiteServer) -> None:
    make(site)
    _run, first = crawl()
    _run, second = crawl()
    assert {page.size for page in Page.objects.exclude(url=f"{site.url}/")} == {len("<h1>1</h1>"), len("<h1>11</h1>")}
    (told,) = report(second).hosts
    assert (told.figures["not_modified"], told.figures["bytes_saved"]) == (21, first.bytes)
    assert told.figures["bytes"] == 0


def test_the_figures_of_all_attempts_are_added_up(lane: Lane) -> None:
    spider = make_spider()
    first = Crawl(spider, lane)
    first.open("/")
    store(first, first.read("/", links=["/1"]), hosts={SITE: HostManners(requests=1, peak_rate=3)})
    store(first, first.read("/1"), hosts={SITE: HostManners(requests=2, peak_rate=4)})
    assert CrawlTask.objects.get().hosts == {SITE: {"requests": 2, "peak_rate": 4}}, "of one attempt: its newest"
    second = Crawl(spider, lane, task=first.task)
    second.open("/")
    store(second, hosts={SITE: HostManners(requests=5, peak_rate=2)})
    store(second, hosts={SITE: HostManners(requests=6, peak_rate=2)})
    assert CrawlTask.objects.get().hosts == {SITE: {"requests": 8, "peak_rate": 4}}


def test_lists_of_tasks_do_not_read_the_hosts() -> None:
    assert '"hosts"' not in str(with_progress(CrawlTask.objects.all()).query)


# --- pages of a day ---------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_host_and_day_only_where_somebody_wants_it(lane: Lane) -> None:
    plain = Crawl(make_spider("plain"), lane)
    plain.open("/")
    assert store(plain, plain.read("/", links=["/1"])) == {}
    assert not HostDay.objects.exists()
    make_spider("polite", manners={"pages_per_day": 100})
    other = Crawl(make_spider("other"), lane)
    other.open("/")
    assert store(other, other.read("/", links=["/1"])) == {HOST: (1, 1)}
    today = timezone.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    assert pages_on(HOST, today) == 1


def test_a_day_is_the_sum_of_all_spiders_and_each_hears_of_the_others(lane: Lane) -> None:
    one = Crawl(make_spider("one", manners={"pages_per_day": 100}), lane)
    two = Crawl(make_spider("two"), lane)
    for each in (one, two):
        each.open("/")
    assert store(one, one.read("/", links=["/1", "/2"]), day=DAY) == {HOST: (1, 1)}
    assert store(two, two.read("/", links=["/1"]), day=DAY) == {HOST: (2, 1)}
    retried = one.read("/1")
    retried.page.attempts = 2
    assert store(one, retried, one.refused("/2"), day=DAY) == {HOST: (5, 3)}
    assert wait(one.storage.pages_on(HOST, DAY)) == 5
    assert wait(one.storage.pages_on(HOST, date(2027, 1, 2))) == 0
    assert wait(one.storage.pages_on("other.example", DAY)) == 0


def test_a_transaction_that_fails_counts_nothing(lane: Lane) -> None:
    class Lost(Exception):
        pass

    def lost() -> None:
        raise Lost

    crawl = Crawl(make_spider("one", manners={"pages_per_day": 100}), lane)
    crawl.open("/")
    result = crawl.read("/")
    broken = Crawl(crawl.spider, lane, task=crawl.task, guard=lost)
    with pytest.raises(Lost):
        store(broken, result, day=DAY)
    assert not HostDay.objects.exists()


def test_old_days_go_when_a_new_one_begins(lane: Lane) -> None:
    HostDay.objects.create(host="old.example", day=date(2026, 12, 31 - KEPT_DAYS - 1), pages=1)
    HostDay.objects.create(host="kept.example", day=date(2026, 12, 31), pages=1)
    crawl = Crawl(make_spider(manners={"pages_per_day": 100}), lane)
    crawl.open("/")
    store(crawl, crawl.read("/"), day=DAY)
    assert set(HostDay.objects.values_list("host", flat=True)) == {"kept.example", HOST}


def test_hosts_with_names_that_are_too_long_for_any_host_stop_no_checkpoint() -> None:
    """A page may link to them. They differ only beyond what is stored."""
    urls = [f"http://{'a.' * 160}{number}.example/" for number in range(3)]
    pages = [PendingPage(number, url, number, 0) for number, url in enumerate(urls)]
    results = [PageResult(page, PageState.FAILED, None, "dns_error") for page in pages]
    with transaction.atomic():
        assert host_days.count(Batch(results=results, day=DAY), datetime.now(UTC)) == {}
    assert not HostDay.objects.exists()


def test_checkpoints_of_many_processes_lose_no_page() -> None:
    """Each adds the same hosts, in the opposite order of its pages."""
    if connection.vendor == "sqlite":
        rounds, threads = 5, 2
    else:
        rounds, threads = 20, 4
    urls = [f"http://{number}.example/" for number in range(30)]
    pages = [PendingPage(number, url, number, 0) for number, url in enumerate(urls)]
    results = [PageResult(page, PageState.DONE, 200) for page in pages]

    def add(backwards: bool) -> None:
        batch = Batch(results=results[::-1] if backwards else results, day=DAY)
        for _ in range(rounds):
            with transaction.atomic():
                host_days.count(batch, datetime.now(UTC))
        connection.close()

    adding = [threading.Thread(target=add, args=(bool(number % 2),)) for number in range(threads)]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert set(HostDay.objects.values_list("pages", flat=True)) == {rounds * threads}


def test_pages_per_day_holds_over_spiders_and_crawls(site: SiteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2027, 1, 1, 4, tzinfo=UTC)
    monkeypatch.setattr(host_days, "calendar", lambda: Calendar(ZoneInfo("Asia/Shanghai"), lambda: noon))
    make(site, pages_per_day=15)
    make(site, "others", pages_per_day=18)
    run, task = crawl()
    assert (run.state, task.status, task.pages, asked(site)) == ("succeeded", "completed", 15, 15)
    assert task.message.endswith(
        f"pages_per_day = 15 is used up until 2027-01-02 00:00 (Asia/Shanghai) for {site.url}; "
        "pages were left in the frontier"
    )
    assert task.reasons == {"day_budget": 6}
    assert Page.objects.filter(task=task, state="pending").count() == 6
    (told,) = report(task).hosts
    assert told.sentences[-1] == (
        "Its other pages were left: pages_per_day is used up; from 2027-01-02 00:00 (Asia/Shanghai) on it may be "
        "asked again."
    )
    crawl("others")
    assert asked(site) == 18
    run, task = crawl()
    assert (run.state, task.pages, asked(site)) == ("succeeded", 0, 18)
    assert HostDay.objects.get().pages == 18
    noon = datetime(2027, 1, 1, 16, tzinfo=UTC)
    assert crawl()[1].pages == 6, "the next day goes on with what was left"


def test_quiet_hours_end_the_run_with_the_moment_at_which_they_end(
    site: SiteServer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    zone = ZoneInfo(settings.SCHEDULER_TIMEZONE)
    noon = datetime(2027, 1, 1, 12, tzinfo=zone)
    monkeypatch.setattr(host_days, "calendar", lambda: Calendar(zone, lambda: noon))
    make(site, quiet_hours=["08:00-20:00"])
    run, task = crawl()
    assert (run.state, task.status, task.pages, site.log) == ("succeeded", "completed", 0, [])
    assert run.message.endswith(
        "Stopped at quiet_hours until 2027-01-01 20:00 (Asia/Shanghai); pages were left in the frontier"
    )
    assert json.loads(json.dumps(task.reasons)) == {"quiet_hours": 1}


def test_nothing_is_gone_after_a_crawl_that_manners_ended(site: SiteServer) -> None:
    document = {
        "name": "books",
        "start_urls": [f"{site.url}/"],
        "follow": [{}],
        "items": [{"type": "page", "match": r"/\d+$", "fields": {"title": {"css": "h1"}}}],
    }
    save_spider(document)
    assert crawl()[1].items_new == 20
    save_spider(document | {"manners": {"pages_per_day": 5}})
    _run, task = crawl()
    assert (task.pages, task.items_gone) == (5, 0)
