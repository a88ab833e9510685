"""One page gives the same items wherever it is read: in the preview, in a foreground crawl, in a scheduled run."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from crawler import definitions
from crawler.engine.documents.definition import parse
from crawler.models import CrawlTask, Item, Page
from crawler.preview import preview
from crawler.workshop import pinned
from crawler.workshop.draft import Draft
from crawler.workshop.previewing import forget, look
from crawler.workshop.samples import SAMPLES
from scheduling import definitions as schedules
from scheduling.models import JobRun, ScheduledJob
from tests.db.scheduling.making import make_run
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .test_manager import running, until

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = """<!doctype html><meta charset=iso-8859-2><title>Shop</title>
<script type="application/ld+json">{"@type": "Store", "name": "Lámpa"}</script>
<ul><li data-id=1><h2> One  <b>lamp</b></h2><i>1.50</i><i>9</i><a href=/one>x</a></li>
<li data-id=2><h2>Two</h2><i>free</i></li><li><h2>no id</h2></li><li data-id=1><h2>again</h2></li>
<li data-id=3><h2>\u017dluť</h2><i>3.00</i></li></ul>"""
ITEMS: list[dict[str, object]] = [
    {
        "type": "lamp",
        "each": "li",
        "key": ["id"],
        "fields": {
            "id": {"css": "::attr(data-id)", "type": "integer"},
            "name": {"css": "h2"},
            "prices": {"css": "i", "many": True},
            "price": {"css": "i", "type": "decimal"},
            "link": {"css": "a::attr(href)", "type": "url"},
            "html": {"css": "h2", "type": "html"},
        },
    },
    {"type": "shop", "fields": {"name": {"jsonld": "Store.name"}, "url": {"from": "url"}}},
]


@pytest.fixture
def url(tmp_path: Path, settings: Settings) -> Iterator[str]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    site = SiteServer(tmp_path)
    site.replace("/", PAGE.encode("iso-8859-2", "xmlcharrefreplace"), content_type="text/html")
    with serve_in_thread(site) as origin:
        yield f"{origin}/"
    SAMPLES.clear()
    forget()


def stored() -> dict[tuple[str, str], object]:
    return {(item.type, item.key): item.data for item in Item.objects.all()}


def run_by_schedule() -> None:
    job = schedules.parse_job(
        {
            "job_id": "nightly",
            "handler": "crawl",
            "job_data": {"type": "spider", "target": "lamps"},
            "trigger": {"type": "cron", "cron": "0 2 * * *"},
        }
    )
    schedules.create_job(job)
    make_run(ScheduledJob.objects.get(job_id="nightly"), exclusive_key="spider:lamps")

    async def run() -> None:
        async with running():
            await until(lambda: CrawlTask.objects.filter(status__in=CrawlTask.TERMINAL).exists())

    asyncio.run(run())
    assert JobRun.objects.get().state == "succeeded"


def test_preview_workshop_foreground_and_schedule_agree(url: str) -> None:
    document = {"name": "lamps", "start_urls": [url], "items": ITEMS}
    spider = definitions.save_spider(document)

    told = preview(document, url)
    items: list[dict[str, object]] = told["items"]  # type: ignore[assignment]
    shown = {
        (str(item["type"]), json.dumps(item["key"], ensure_ascii=False, separators=(",", ":"))): {
            field["name"]: field["value"]
            for field in item["fields"]  # type: ignore[attr-defined]
        }
        for item in items
        if not item["reason"]
    }
    seen = look(1, spider, Draft.of_document(document), url, fetch=True)  # type: ignore[arg-type]  # JSON
    assert seen.sample is not None
    kept = pinned.pin(spider, parse(document), seen.sample)
    assert not Page.objects.exists()

    call_command("crawl", "lamps", json=True)
    by_hand = stored()
    Item.objects.all().delete()
    Page.objects.all().delete()
    CrawlTask.objects.all().delete()
    JobRun.objects.all().delete()
    run_by_schedule()

    assert len(shown) == 4
    assert by_hand == shown
    assert stored() == shown
    assert {(item["type"], json.dumps(item["key"])): item["data"] for item in kept.items} == shown
    assert [(view.type, view.stored, view.total) for view in seen.types] == [("lamp", 3, 5), ("shop", 1, 1)]
