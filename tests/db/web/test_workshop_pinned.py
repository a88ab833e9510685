"""Pinned pages in the workshop: pin, unpin, ask anew, and look before a save changes their items."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from crawler import definitions
from crawler.models import PinnedPage, Spider
from crawler.workshop import pinned, previewing, samples
from tests.db.crawler_definitions.documents import PRODUCT, site_spider
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .answers import messages_of
from .making import make_user
from .workshop import form_of, look, plain

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _nothing_kept(settings: Settings) -> Iterator[None]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    yield
    samples.SAMPLES.clear()
    previewing.forget()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    server = SiteServer(tmp_path)
    for number in (1, 2):
        server.replace(f"/book/{number}", PRODUCT.format(title=f"Book {number}", price=f"{number}.50").encode())
    with serve_in_thread(server):
        yield server


@pytest.fixture
def spider(site: SiteServer) -> Spider:
    return definitions.save_spider(site_spider(site.url))


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def page_of(spider: Spider) -> str:
    return f"/admin/crawler/spider/{spider.pk}/change/"


def pin(web: Client, spider: Spider, url: str) -> PinnedPage:
    document = definitions.dump_spider(spider)
    look(web, document, url, fetch=True)
    answer = web.post(page_of(spider), form_of(document, url, _pin="1"))
    assert answer.status_code == 200
    assert "is pinned, with what it gives now" in " ".join(messages_of(answer))
    return PinnedPage.objects.get(url=url)


def without_price(url: str) -> dict[str, object]:
    document = site_spider(url)
    document["items"][0]["fields"]["price"]["regex"] = "^x"  # type: ignore[index]
    return document


def test_the_page_of_the_preview_is_pinned(web: Client, spider: Spider, site: SiteServer) -> None:
    page = pin(web, spider, f"{site.url}/book/1")
    assert page.pinned_by == "root"
    assert site.targets().count("/book/1") == 1
    shown = plain(web.get(f"{page_of(spider)}?tab=pinned").content.decode())
    assert "1 of 20" in shown
    assert f"{site.url}/book/1 as before 1 item expected" in shown


def test_a_page_that_was_not_fetched_is_not_pinned(web: Client, spider: Spider, site: SiteServer) -> None:
    answer = web.post(page_of(spider), form_of(site_spider(site.url), f"{site.url}/book/1", _pin="1"))
    assert messages_of(answer) == ["Fetch the page first: what the preview shows is what is pinned."]
    assert site.targets() == []
    look(web, site_spider(site.url), f"{site.url}/nowhere", fetch=True)
    answer = web.post(page_of(spider), form_of(site_spider(site.url), f"{site.url}/nowhere", _pin="1"))
    assert "A crawl would not read this page" in messages_of(answer)[0]
    for url in ("nope", ""):
        assert web.post(page_of(spider), form_of(site_spider(site.url), url, _pin="1")).status_code == 200
    assert not PinnedPage.objects.exists()


def test_a_new_spider_has_none_yet(web: Client, site: SiteServer) -> None:
    answer = web.post("/admin/crawler/spider/add/", form_of(site_spider(site.url), f"{site.url}/book/1", _pin="1"))
    assert messages_of(answer) == ["Save the spider first: pages are pinned to it."]
    answer = web.post("/admin/crawler/spider/add/", form_of(site_spider(site.url), _tab="pinned"))
    assert "Save the spider first: pages are pinned to it." in plain(answer.content.decode())


def test_the_tab_tells_what_the_draft_makes_of_each_page(web: Client, spider: Spider, site: SiteServer) -> None:
    pin(web, spider, f"{site.url}/book/1")
    answer = web.post(page_of(spider), form_of(without_price(site.url), _tab="pinned"))
    page = answer.content.decode()
    assert "1 item changes" in plain(page)
    assert re.search(r"<del>.*1\.50</del>", page)
    assert "book Book 1 changes" in plain(page)
    wrong = web.post(page_of(spider), form_of("name: [", _tab="pinned"))
    assert "The draft cannot be read as it stands." in plain(wrong.content.decode())
    assert Spider.objects.get().version == 1


def test_a_save_that_changes_pinned_items_shows_them_first(web: Client, spider: Spider, site: SiteServer) -> None:
    pin(web, spider, f"{site.url}/book/1")
    pin(web, spider, f"{site.url}/book/2")
    body = form_of(without_price(site.url), _save="1")
    answer = web.post(page_of(spider), body)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Not saved yet: the items of 2 pinned pages would change." in plain(page)
    assert "regex: ^x" in page, "the draft is still here"
    assert Spider.objects.get().version == 1
    [mark] = re.findall(r'name="_despite" value="(\w+)"', page)
    answer = web.post(page_of(spider), form_of(without_price(site.url), _despite=mark))
    assert answer.status_code == 302
    assert Spider.objects.get().version == 2
    assert {page.items[0]["data"]["price"] for page in PinnedPage.objects.all()} == {None}
    shown = plain(web.get(f"{page_of(spider)}?tab=pinned").content.decode())
    assert shown.count("as before") == 2


def test_what_was_not_seen_is_not_saved_by_the_button_of_another_change(
    web: Client, spider: Spider, site: SiteServer
) -> None:
    pin(web, spider, f"{site.url}/book/1")
    page = web.post(page_of(spider), form_of(without_price(site.url), _save="1")).content.decode()
    [mark] = re.findall(r'name="_despite" value="(\w+)"', page)
    other = site_spider(site.url, items=[])
    answer = web.post(page_of(spider), form_of(other, _despite=mark))
    assert "Not saved yet" in plain(answer.content.decode())
    assert "is not given any more" in plain(answer.content.decode())
    assert Spider.objects.get().version == 1


def test_a_save_over_anothers_version_meets_both_objections_and_ends(
    web: Client, spider: Spider, site: SiteServer
) -> None:
    pin(web, spider, f"{site.url}/book/1")
    definitions.save_spider(site_spider(site.url, category="else"))
    document = without_price(site.url)
    first = web.post(page_of(spider), form_of(document, _save="1", _based_on="1")).content.decode()
    [over] = re.findall(r'name="_over" value="(\d+)"', first)
    second = web.post(page_of(spider), form_of(document, _over=over, _based_on="1")).content.decode()
    [mark] = re.findall(r'name="_despite" value="(\w+)"', second)
    [kept] = re.findall(r'type="hidden" name="_over" value="(\d+)"', second)
    assert web.post(page_of(spider), form_of(document, _despite=mark, _over=kept, _based_on="1")).status_code == 302
    assert Spider.objects.get().version == 3


def test_a_save_that_changes_no_pinned_item_is_not_held_up(web: Client, spider: Spider, site: SiteServer) -> None:
    pin(web, spider, f"{site.url}/book/1")
    answer = web.post(page_of(spider), form_of(site_spider(site.url, category="other"), _save="1"))
    assert answer.status_code == 302
    assert Spider.objects.get().version == 2


def without_key(url: str) -> dict[str, object]:
    document = site_spider(url)
    document["items"][0]["fields"]["title"]["css"] = "h7"  # type: ignore[index]
    return document


def test_a_key_that_finds_nothing_on_the_page_of_the_preview_is_told_before_the_save(
    web: Client, spider: Spider, site: SiteServer
) -> None:
    url = f"{site.url}/book/1"
    look(web, site_spider(site.url), url, fetch=True)
    page = web.post(page_of(spider), form_of(without_key(site.url), url, _save="1")).content.decode()
    shown = plain(page).partition("Live preview")[0]
    assert "Not saved yet: items on the page of the preview would not be stored." in shown
    assert "book : No item is stored: “title” is in the key" in shown
    assert Spider.objects.get().version == 1
    [mark] = re.findall(r'name="_despite" value="(\w+)"', page)
    assert web.post(page_of(spider), form_of(without_key(site.url), url, _despite=mark)).status_code == 302
    # It is so already: what else is changed is saved without a word.
    other = without_key(site.url) | {"category": "other"}
    assert web.post(page_of(spider), form_of(other, url, _save="1")).status_code == 302
    assert Spider.objects.get().version == 3


def test_a_new_spider_whose_key_finds_nothing_is_told_before_it_is_saved(web: Client, site: SiteServer) -> None:
    url, add = f"{site.url}/book/1", "/admin/crawler/spider/add/"
    look(web, without_key(site.url), url, fetch=True)
    page = web.post(add, form_of(without_key(site.url), url, _save="1")).content.decode()
    assert "Not saved yet" in page
    assert not Spider.objects.exists()
    # No page was looked at: nobody is held up.
    assert web.post(add, form_of(without_key(site.url), _save="1")).status_code == 302


def test_a_pinned_page_is_asked_for_anew(web: Client, spider: Spider, site: SiteServer) -> None:
    page = pin(web, spider, f"{site.url}/book/1")
    site.replace("/book/1", PRODUCT.format(title="Book 1", price="7.00").encode())
    web.post(page_of(spider), form_of(site_spider(site.url), _pin_again=page.pk))
    page.refresh_from_db()
    assert page.items[0]["data"]["price"] == "7.00"
    site.remove("/book/1")
    answer = web.post(page_of(spider), form_of(site_spider(site.url), _pin_again=page.pk))
    assert "there is no such page" in messages_of(answer)[0]
    page.refresh_from_db()
    assert page.items[0]["data"]["price"] == "7.00"


def test_what_a_page_gives_now_may_be_expected(web: Client, spider: Spider, site: SiteServer) -> None:
    page = pin(web, spider, f"{site.url}/book/1")
    answer = web.post(page_of(spider), form_of(without_price(site.url), _expect=page.pk))
    assert "as before" in plain(answer.content.decode())
    page.refresh_from_db()
    assert page.items[0]["data"]["price"] is None


def test_a_page_is_unpinned(web: Client, spider: Spider, site: SiteServer) -> None:
    page = pin(web, spider, f"{site.url}/book/1")
    answer = web.post(page_of(spider), form_of(site_spider(site.url), _unpin=page.pk))
    assert "No page is pinned yet" in plain(answer.content.decode())
    assert not PinnedPage.objects.exists()


@pytest.mark.parametrize("button", ["_unpin", "_pin_again", "_expect"])
def test_a_page_that_is_not_there_is_told(web: Client, spider: Spider, button: str) -> None:
    for number in ("", "0", "x", "-1", "9" * 30, HOSTILE):
        answer = web.post(page_of(spider), form_of(definitions.dump_spider(spider), **{button: number}))
        assert messages_of(answer)[-1] == "This page is not pinned any more."


def test_pages_of_other_spiders_are_out_of_reach(web: Client, spider: Spider, site: SiteServer) -> None:
    page = pin(web, spider, f"{site.url}/book/1")
    other = definitions.save_spider(site_spider(site.url, name="other"))
    for button in ("_unpin", "_pin_again", "_expect"):
        web.post(page_of(other), form_of(definitions.dump_spider(other)) | {button: page.pk})
    assert PinnedPage.objects.get().pinned_at == page.pinned_at


def test_pinning_is_for_those_who_may_change_the_spider(client: Client, spider: Spider, site: SiteServer) -> None:
    client.force_login(make_user("ben", "crawler.view_spider"))
    for button in ("_pin", "_unpin", "_pin_again", "_expect", "_despite"):
        answer = client.post(page_of(spider), form_of(site_spider(site.url), f"{site.url}/book/1", **{button: "1"}))
        assert answer.status_code == 403
    assert site.targets() == []


def test_what_others_wrote_stays_text(web: Client, spider: Spider, site: SiteServer) -> None:
    hostile = HOSTILE.replace("<", "&lt;")
    site.replace("/book/1", PRODUCT.format(title=hostile, price="1.00").encode())
    pin(web, spider, f"{site.url}/book/1")
    document = site_spider(site.url)
    document["items"][0]["fields"]["title"]["regex"] = "alert"  # type: ignore[index]
    assert HOSTILE not in web.post(page_of(spider), form_of(document, _tab="pinned")).content.decode()
    assert HOSTILE not in web.post(page_of(spider), form_of(document, _save="1")).content.decode()


def test_the_tab_takes_few_queries_however_many_pages_there_are(
    web: Client, spider: Spider, site: SiteServer, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in (1, 2):
        pin(web, spider, f"{site.url}/book/{number}")
    with django_assert_max_num_queries(10):
        web.get(f"{page_of(spider)}?tab=pinned")


def test_a_page_that_takes_too_long_is_told_and_the_save_goes_on(
    web: Client, spider: Spider, site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.replace("/book/1", b"<h1>x</h1>" + b"<p>y</p>" * 4_000)
    pin(web, spider, f"{site.url}/book/1")
    document = site_spider(site.url)
    slow = {"xpath": "//p[count(preceding::p[count(preceding::p) > 3]) > 3]"}
    document["items"][0]["fields"]["price"] = slow  # type: ignore[index]
    monkeypatch.setattr(previewing, "SECONDS", 0.3)
    compare = pinned.compare
    monkeypatch.setattr(pinned, "compare", lambda *arguments: compare(*arguments, seconds=0.3))
    page = web.post(page_of(spider), form_of(document, _save="1")).content.decode()
    assert "reading the pages took longer than 0.3 s" in plain(page).partition("Live preview")[2]
    assert "It could not be read: reading the pages took longer than 0.3 s" in plain(page)
    [mark] = re.findall(r'name="_despite" value="(\w+)"', page)
    assert web.post(page_of(spider), form_of(document, _despite=mark)).status_code == 302
