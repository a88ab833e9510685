"""Pages that are kept with a spider, and what a change of its rules would change of their items."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from crawler import definitions
from crawler.engine.documents.definition import parse
from crawler.models import PinnedPage, Spider
from crawler.workshop import pinned
from crawler.workshop.draft import Draft
from crawler.workshop.samples import Samples
from scheduling import maintenance
from tests.db.crawler_definitions.documents import PRODUCT, site_spider
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

pytestmark = pytest.mark.django_db
USER = 1


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Iterator[SiteServer]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    for number in range(25):
        server.replace(f"/book/{number}", PRODUCT.format(title=f"Book {number}", price=f"{number}.00").encode())
    server.redirect("/old", "/book/1")
    with serve_in_thread(server):
        yield server


@pytest.fixture
def spider(site: SiteServer) -> Spider:
    return definitions.save_spider(site_spider(site.url))


def pin(spider: Spider, url: str, **changes: object) -> PinnedPage:
    definition = parse(spider.definition | changes)
    return pinned.pin(spider, definition, Samples().fetch(USER, definition, url), by="ada")


def draft(spider: Spider, **fields: object) -> Draft:
    """With these fields in the place of the spider's own."""
    document = definitions.dump_spider(spider)
    document["items"][0]["fields"] = {"title": {"css": "h1"}, **fields}  # type: ignore[index]
    return Draft.of_document(document)  # type: ignore[arg-type]  # JSON


PRICE = {"css": ".price", "type": "decimal"}


def test_a_page_is_kept_with_what_it_gave(spider: Spider, site: SiteServer) -> None:
    page = pin(spider, f"{site.url}/old")
    page.refresh_from_db()
    assert (page.url, page.final_url, page.status_code) == (f"{site.url}/old", f"{site.url}/book/1", 200)
    assert (page.content_type, page.charset, page.pinned_by) == ("text/html", "utf-8", "ada")
    assert page.items == [{"type": "book", "key": ["Book 1"], "data": {"title": "Book 1", "price": "1.00"}}]
    assert page.size == len(site.body_of("/book/1"))
    [answer] = pinned.answers_of(spider)
    assert (answer.body, answer.url) == (site.body_of("/book/1"), f"{site.url}/book/1")


def test_rules_that_give_the_same_change_nothing(spider: Spider, site: SiteServer) -> None:
    pin(spider, f"{site.url}/book/1")
    same = draft(spider, price={"xpath": "//p[@class='price']", "type": "decimal"})
    assert pinned.changes(spider, same) == []
    assert [change.is_same for change in pinned.compare(spider, parse(spider.definition))] == [True]


def test_a_draft_that_changes_items_says_which_fields_without_asking_the_site(spider: Spider, site: SiteServer) -> None:
    pin(spider, f"{site.url}/book/1")
    pin(spider, f"{site.url}/book/2")
    site.log.clear()
    found = pinned.changes(spider, draft(spider, price=PRICE | {"css": "p", "regex": r"^(\d)\."}))
    assert [change.page.url for change in found] == [f"{site.url}/book/1", f"{site.url}/book/2"]
    [change] = found[0].changes
    assert [(field.name, field.before, field.after) for field in change.fields] == [("price", "1.00", "1")]
    assert site.targets() == []


def test_what_was_saved_anyway_is_expected_from_then_on(spider: Spider, site: SiteServer) -> None:
    pin(spider, f"{site.url}/book/1")
    new = draft(spider, price=PRICE, extra={"css": "a"})
    found = pinned.changes(spider, new)
    assert len(found) == 1
    pinned.accept(found)
    assert pinned.changes(spider, new) == []
    assert len(pinned.changes(spider, draft(spider, price=PRICE))) == 1


def test_what_was_pinned_anew_meanwhile_keeps_what_it_gave(spider: Spider, site: SiteServer) -> None:
    pin(spider, f"{site.url}/book/1")
    found = pinned.changes(spider, draft(spider, price=PRICE, extra={"css": "a"}))
    again = pin(spider, f"{site.url}/book/1")
    pinned.accept(found)
    assert PinnedPage.objects.get().items == again.items


def test_a_wrong_draft_changes_nothing(spider: Spider, site: SiteServer) -> None:
    pin(spider, f"{site.url}/book/1")
    assert pinned.changes(spider, draft(spider, price={"css": "p::txt"})) == []


def test_a_page_is_pinned_once_and_anew_in_its_own_place(spider: Spider, site: SiteServer) -> None:
    first = pin(spider, f"{site.url}/book/1")
    site.replace("/book/1", PRODUCT.format(title="Book 1", price="9.99").encode())
    again = pin(spider, f"{site.url}/book/1#top")
    assert again.pk == first.pk
    assert again.items[0]["data"]["price"] == "9.99"
    assert PinnedPage.objects.count() == 1
    again.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        again.save(force_insert=True)


def test_so_many_pages_are_kept_and_no_more(spider: Spider, site: SiteServer) -> None:
    for number in range(pinned.MAX_PINNED):
        pin(spider, f"{site.url}/book/{number}")
    with pytest.raises(pinned.CannotPin, match="unpin one first"):
        pin(spider, f"{site.url}/book/20")
    pin(spider, f"{site.url}/book/3")
    [first] = PinnedPage.objects.filter(url__endswith="/book/0")
    assert pinned.unpin(spider, first.pk)
    assert not pinned.unpin(spider, first.pk)
    pin(spider, f"{site.url}/book/20")
    assert pinned.pages_of(spider).count() == pinned.MAX_PINNED


def test_what_is_no_good_answer_is_not_kept(spider: Spider, site: SiteServer) -> None:
    with pytest.raises(pinned.CannotPin, match="there is no such page"):
        pin(spider, f"{site.url}/nowhere")
    with pytest.raises(pinned.CannotPin, match="A crawl would not read this page"):
        pin(spider, "https://else.example/")


def test_what_is_too_big_is_not_kept(spider: Spider, site: SiteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    site.replace("/book/1", b"<h1>x</h1>" + b"<p>y</p>" * 1_000)
    monkeypatch.setattr(pinned, "MAX_BODY", 1_000)
    with pytest.raises(pinned.CannotPin, match=r"8,010 bytes; at most 1,000"):
        pin(spider, f"{site.url}/book/1")


def test_a_page_of_too_many_items_is_not_kept(
    spider: Spider, site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned, "MAX_ITEMS", 2)
    site.replace("/book/1", b"<i>1</i><i>2</i><i>3</i>")
    item = {"type": "row", "each": "i", "key": ["n"], "fields": {"n": {"xpath": "."}}}
    with pytest.raises(pinned.CannotPin, match="gives 3 items"):
        pin(spider, f"{site.url}/book/1", items=[item])


def test_an_empty_page_is_kept_too(spider: Spider, site: SiteServer) -> None:
    site.replace("/book/1", b"")
    pin(spider, f"{site.url}/book/1")
    assert pinned.changes(spider, draft(spider, price=PRICE)) == []


def test_a_page_that_takes_too_long_is_told_and_holds_nothing_up(spider: Spider, site: SiteServer) -> None:
    site.replace("/book/1", b"<h1>x</h1>" + b"<p>y</p>" * 4_000)
    pin(spider, f"{site.url}/book/1")
    slow = draft(spider, price={"xpath": "//p[count(preceding::p[count(preceding::p) > 3]) > 3]"})
    assert slow.definition is not None
    [change] = pinned.compare(spider, slow.definition, seconds=0.5)
    assert (change.is_same, change.items) == (False, None)
    assert "0.5 s" in change.problem
    pinned.accept([change])
    assert PinnedPage.objects.get().items != []


def test_pinned_pages_are_no_part_of_the_definition_and_go_with_the_spider(spider: Spider, site: SiteServer) -> None:
    pin(spider, f"{site.url}/book/1")
    document = definitions.dump_spider(spider)
    assert definitions.to_yaml(document) == definitions.to_yaml(site_spider(site.url))
    definitions.delete_spider(spider.name)
    assert not PinnedPage.objects.exists()


def test_retention_leaves_them(spider: Spider, site: SiteServer) -> None:
    page = pin(spider, f"{site.url}/book/1")
    PinnedPage.objects.update(pinned_at=timezone.now() - timedelta(days=4_000))
    for step in (maintenance.remove_runs, maintenance.remove_versions, maintenance.remove_others):
        step(timezone.now())
    assert PinnedPage.objects.get().pk == page.pk


def test_all_pages_take_one_query(
    spider: Spider, site: SiteServer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        pin(spider, f"{site.url}/book/{number}")
    new = draft(spider, price=PRICE)
    with django_assert_num_queries(1):
        pinned.changes(spider, new)
