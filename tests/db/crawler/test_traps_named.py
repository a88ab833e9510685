"""A trap is named in the account of the crawl: with its pattern, an example, and what to do."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from crawler.account.explaining import explain
from crawler.definitions import save_spider
from crawler.engine.traps import ODD_DATES
from crawler.models import CrawlTask
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def test_an_endless_calendar_is_cut_and_explained(settings: Settings, tmp_path: Path) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    server.replace("/", b'<a href="/calendar/2040-01-01">calendar</a>')
    days = [f"/calendar/{2040 + number}-01-01" for number in range(ODD_DATES + 50)]
    for number, day in enumerate(days):
        server.replace(day, f'<h1>{number}</h1><a href="/calendar/{2041 + number}-01-01">next year</a>'.encode())
    with serve_in_thread(server):
        save_spider({"name": "calendar", "start_urls": [f"{server.url}/"], "follow": [{}]})
        call_command("crawl", "calendar", json=True)
        asked = server.targets()
    task = CrawlTask.objects.get()
    assert [target for target in asked if target in days] == days[:ODD_DATES]
    assert task.reasons == {"trap": 1}
    (found,) = explain(task).causes
    (example,) = found.examples
    assert (found.cause.key, found.count) == ("trap", 1)
    assert example.url == server.url + days[ODD_DATES]
    assert example.detail == f"endless calendar: {server.url}/calendar/#-#-#"
    assert task.status == CrawlTask.Status.COMPLETED
