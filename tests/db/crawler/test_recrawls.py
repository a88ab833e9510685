"""Crawl after crawl of one site: keys that two pages give, rules that are edited; nothing flutters, nothing hides."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from crawler.definitions import save_spider
from crawler.models import CrawlTask, Item, ItemVersion
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = 6
LIST = "<html><body>" + "".join(f'<a href="/{n}">{n}</a>' for n in range(1, PAGES + 1)) + "</body></html>"
PAGE = '<html><body><h1>{name}</h1><p class="price">{price}</p><p class="old">{old}</p></body></html>'
PRICE = {"css": ".price"}
OLD_PRICE = {"css": ".old"}


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    """A list and six pages, each with a name of its own."""
    server = SiteServer(tmp_path)
    server.replace("/", LIST.encode())
    for number in range(1, PAGES + 1):
        replace(server, number, f"name {number}")
    with serve_in_thread(server):
        yield server


def replace(site: SiteServer, number: int, name: str, price: str = "") -> None:
    values = {"name": name, "price": price or f"{number}.00", "old": f"{number}.50"}
    site.replace(f"/{number}", PAGE.format(**values).encode())


def save(site: SiteServer, price: dict[str, str] = PRICE) -> None:
    fields = {"name": {"css": "h1"}, "price": price}
    rule = {"type": "thing", "match": r"/\d$", "key": ["name"], "fields": fields}
    save_spider({"name": "things", "start_urls": [f"{site.url}/"], "follow": [{}], "items": [rule]})


def crawl(site: SiteServer) -> tuple[CrawlTask, list[int]]:
    """The task, and the statuses that the server gave to pages."""
    site.log.clear()
    run = run_in_foreground("crawl", {"type": "spider", "target": "things"})
    statuses = [entry.status for entry in site.log if entry.target != "/robots.txt"]
    return CrawlTask.objects.get(run=run), statuses


@pytest.mark.parametrize("validators", [True, False], ids=["with validators", "without"])
def test_a_key_that_two_pages_give_makes_no_version_in_five_crawls(site: SiteServer, *, validators: bool) -> None:
    replace(site, 2, "name 1")
    site.validators = validators
    save(site)

    tasks = [crawl(site)[0] for _ in range(5)]

    assert [task.conflicts for task in tasks] == [1] * 5
    assert [task.items_changed for task in tasks] == [0] * 5
    assert [task.items_new for task in tasks] == [PAGES - 1, 0, 0, 0, 0]
    assert ItemVersion.objects.count() == 0
    assert Item.objects.filter(gone_at=None).count() == PAGES - 1


def test_after_each_edit_every_page_is_read_anew(site: SiteServer) -> None:
    """Also after the edit that takes the first one back: what was read by the rule in between is not the rule's."""
    save(site)
    assert crawl(site)[1] == [200] * (PAGES + 1)
    assert crawl(site)[1] == [304] * (PAGES + 1)
    for price, ending in ((OLD_PRICE, ".50"), (PRICE, ".00")):
        save(site, price)
        task, statuses = crawl(site)
        assert statuses == [200] * (PAGES + 1)
        assert (task.items_changed, task.pages_unchanged) == (PAGES, 0)
        assert {item.data["price"] for item in Item.objects.all()} == {f"{n}{ending}" for n in range(1, PAGES + 1)}
    assert ItemVersion.objects.count() == 2 * PAGES


def test_an_edit_is_not_hidden_by_equal_bytes(site: SiteServer) -> None:
    site.validators = False
    save(site)
    crawl(site)
    assert crawl(site)[0].pages_unchanged == PAGES + 1
    save(site, OLD_PRICE)

    task, _ = crawl(site)

    assert (task.items_changed, task.pages_unchanged) == (PAGES, 0)


def test_an_edit_holds_for_pages_that_were_away_meanwhile(site: SiteServer) -> None:
    """A page that is not reached in the crawl after the edit is not taken for read when it comes back."""
    save(site)
    crawl(site)
    site.replace("/", LIST.replace('<a href="/3">3</a>', "").encode())
    save(site, OLD_PRICE)
    crawl(site)
    site.replace("/", LIST.encode())

    task, statuses = crawl(site)

    assert sorted(statuses) == [200, 200, *[304] * (PAGES - 1)]
    assert Item.objects.get(data__name="name 3").data["price"] == "3.50"
    assert task.items_changed == 1
