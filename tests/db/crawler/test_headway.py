"""What a crawl writes while it goes on, for those who look on: how far it is, and its log."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from pytest_django import Settings

from crawler.definitions import save_spider
from crawler.models import CrawlTask, Page, TaskFailure
from crawler.storing.headway import read
from scheduling.lanes import Lane
from scheduling.loglines import Level, look
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import Crawl, make_spider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def check(crawl: Crawl) -> None:
    task = CrawlTask.objects.get(pk=crawl.task.pk)
    seen = read(task.headway)
    assert seen is not None
    assert seen.waiting == Page.objects.filter(task=task, state="pending").count() == len(crawl.frontier)


def test_what_waits_is_written_with_each_checkpoint(lane: Lane) -> None:
    spider = make_spider()
    first = Crawl(spider, lane)
    first.open("/")
    for path, links in (("/", ["/a", "/b", "/c"]), ("/a", ["/b", "/d"]), ("/b", [])):
        first.store(first.read(path, links=links))
        check(first)
    first.store(first.failed("/c", 500, "http_500"), first.redirected("/d", "/e"))
    check(first)
    again = Crawl(spider, lane, task=first.task)
    again.open("/")
    again.store(again.read("/e"))
    check(again)
    second = Crawl(spider, lane)
    second.open("/")
    second.store(second.unchanged("/"))
    check(second)


def test_a_crawl_writes_into_its_log_what_it_does_and_what_failed(tmp_path: Path, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    links = "".join(f'<a href="/{number}">{number}</a>' for number in range(30))
    server.replace("/", f"<html><body>{links}</body></html>".encode())
    with serve_in_thread(server):
        rule = {"type": "page", "match": r"/\d+$", "fields": {"title": {"css": "h1"}}}
        save_spider({"name": "dead", "start_urls": [f"{server.url}/"], "follow": [{}], "items": [rule]})
        run = run_in_foreground("crawl", {"type": "spider", "target": "dead"})
    found = look(run.pk)
    task = CrawlTask.objects.get(run=run)
    assert found.lines[0].text == f"{task.task_id}: dead, version 1, begins with 1 page"
    assert found.lines[-1].text.startswith("completed: 31 pages answered, 30 failed, 0 readings of items in ")
    warnings = [line.text for line in look(run.pk, level=Level.WARNINGS).lines]
    urls = list(TaskFailure.objects.filter(task=task).order_by("pk").values_list("url", flat=True))
    assert [text.split()[1].rstrip(":") for text in warnings[:20]] == urls[:20]
    assert warnings[20:] == ["WARNING: what else is http_404 is counted and not written here"]
