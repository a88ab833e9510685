"""The live preview of the workshop: what a draft makes of a page, while one types."""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from crawler import definitions, preview
from crawler.engine.documents.definition import parse
from crawler.engine.spider import SpiderDefinition
from crawler.engine.urls import hash_url
from crawler.models import Page, Spider
from crawler.one_page import FetchedPage
from crawler.secrets import set_secret
from crawler.workshop import previewing, samples
from crawler.workshop.busy import Places
from crawler.workshop.previewing import default_address
from tests.db.crawler_definitions.documents import LIST, PRODUCT, site_spider
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import make_item, make_page, make_spider, make_task, make_user
from .workshop import PREVIEW, form_of, look, plain

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HOSTILE = "<script>alert(1)</script>"
TABLE = """<h1>Books</h1><ul>
<li class=b><b>One</b><i>1.50</i><i>9</i></li><li class=b><b>Two</b><i>free</i></li><li class=b><i>3</i></li>
<li class=b><b>One</b></li></ul>"""


@pytest.fixture(autouse=True)
def _nothing_kept(settings: Settings) -> Iterator[None]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    yield
    samples.SAMPLES.clear()
    previewing.forget()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    server = SiteServer(tmp_path)
    server.replace("/", LIST.encode())
    server.replace("/book/1", PRODUCT.format(title="One", price="26.10").encode())
    server.replace("/book/2", PRODUCT.format(title=HOSTILE.replace("<", "&lt;"), price="cheap").encode())
    server.replace("/table", TABLE.encode())
    server.replace("/robots.txt", b"User-agent: *\nDisallow: /book/2\n", content_type="text/plain")
    with serve_in_thread(server):
        yield server


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def test_a_page_is_fetched_and_shown_within_a_second(web: Client, site: SiteServer) -> None:
    look(web, site_spider(site.url), f"{site.url}/book/1")  # what is loaded once is no matter of the second
    started = time.monotonic()
    shown = look(web, site_spider(site.url), f"{site.url}/book/1", fetch=True)
    assert time.monotonic() - started < 1
    assert "200 OK" in shown
    assert "allowed by robots.txt" in shown
    assert "book 1 item on this page" in shown
    assert "title * part of the key One text Matches 1" in shown
    assert "price 26.10 decimal Matches 1" in shown
    assert "1 found: 0 to follow, 1 not" in shown


def test_typing_asks_the_site_nothing(web: Client, site: SiteServer) -> None:
    url = f"{site.url}/book/1"
    assert "not fetched yet" in look(web, site_spider(site.url), url)
    assert site.targets() == []
    look(web, site_spider(site.url), url, fetch=True)
    asked = site.targets()
    item = {"type": "book", "fields": {"cost": {"css": "p.price"}, "none": {"css": ".no"}, "link": {"css": "h1, p"}}}
    shown = look(web, site_spider(site.url, items=[item]), url)
    assert site.targets() == asked
    assert "cost 26.10" in shown
    assert "none nothing matched" in shown
    assert "2 matches, the first is taken" in shown
    assert "1 field empty" in shown
    look(web, site_spider(site.url), url, fetch=True)
    assert len(site.targets()) > len(asked)


def test_what_was_right_last_stays_while_the_draft_is_wrong(web: Client, site: SiteServer) -> None:
    url = f"{site.url}/book/1"
    look(web, site_spider(site.url), url, fetch=True)
    broken = site_spider(site.url)
    broken["items"][0]["fields"]["price"]["css"] = "p.price::txt"  # type: ignore[index]
    shown = look(web, broken, url)
    assert re.search(r"of [\d.]+ s ago", shown)
    assert "up to date" not in shown
    assert "items[0].fields.price.css" in shown
    assert "price 26.10" in shown
    assert re.search(r"price 26\.10 [^,]*::txt", shown), "beside the value, too"
    unreadable = look(web, "name: [", url)
    assert "price 26.10" in unreadable
    assert "up to date" in look(web, site_spider(site.url), url)


def test_a_draft_that_never_was_right_says_what_is_wrong(web: Client, site: SiteServer) -> None:
    shown = look(web, {"name": "a", "start_urls": []}, f"{site.url}/book/1", fetch=True)
    assert "start_urls" in shown
    assert site.targets() == []


def test_several_items_tell_which_of_them_are_not_stored(web: Client, site: SiteServer) -> None:
    fields = {"name": {"css": "b"}, "price": {"css": "i", "type": "decimal"}}
    item = {"type": "row", "each": "li.b", "key": ["name"], "fields": fields}
    shown = look(web, site_spider(site.url, items=[item]), f"{site.url}/table", fetch=True)
    assert "row 4 items on this page" in shown
    assert "2 are not stored" in shown
    assert "not stored: Items without a key" in shown
    assert "not stored: The same key twice on a page" in shown
    assert '"free" cannot be read as decimal' in shown
    assert "needed: without it the item is not stored" in shown


def test_of_many_items_the_first_are_shown_and_all_counted(web: Client, site: SiteServer) -> None:
    site.replace("/many", "".join(f"<li class=b><b>n{n}</b>" for n in range(300)).encode())
    item = {"type": "row", "each": "li.b", "key": ["name"], "fields": {"name": {"css": "b"}}}
    shown = look(web, site_spider(site.url, items=[item]), f"{site.url}/many", fetch=True)
    assert "row 300 items on this page" in shown
    assert "and 280 more" in shown
    assert "n19" in shown
    assert "n20" not in shown


def test_what_is_too_long_to_be_shown_ends_with_a_sign_of_that(web: Client, site: SiteServer) -> None:
    site.replace("/long", f"<li class=b><b>one</b><li class=b><b>{'lamp ' * 30}</b>".encode())
    item = {"type": "row", "each": "li.b", "key": ["name"], "fields": {"name": {"css": "b"}}}
    shown = look(web, site_spider(site.url, items=[item]), f"{site.url}/long", fetch=True)
    assert f"2 {('lamp ' * 30)[:79]}…" in shown


def test_a_rule_for_other_addresses_is_named(web: Client, site: SiteServer) -> None:
    shown = look(web, site_spider(site.url), f"{site.url}/", fetch=True)
    assert r"book not on this page “/book/\d+$” is not found in the address." in shown


def test_each_link_has_its_verdict_and_the_rule_that_decided(web: Client, site: SiteServer) -> None:
    shown = look(web, site_spider(site.url), f"{site.url}/", fetch=True)
    assert "5 found: 1 to follow, 4 not" in shown
    assert "/book/1 follow allow /book/ · rule 1" in shown
    assert "/book/2 refused robots.txt: Disallow: /book/2 · rule 1" in shown
    assert "https://else.example/book/3 no outside the allowed domains" in shown
    assert "/help no no allow is found in it · rule 1" in shown
    assert "/book/old no deny /old$ · rule 1" in shown


def test_links_that_the_spider_knows_are_marked(web: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    url = f"{site.url}/book/1"
    Page.objects.create(spider=spider, url=url, url_hash=hash_url(url), state="done")
    path = f"{PREVIEW}?spider={spider.pk}"
    assert "/book/1 known" in look(web, site_spider(site.url), f"{site.url}/", fetch=True, path=path)


def test_of_many_links_the_first_are_shown_and_all_counted(web: Client, site: SiteServer) -> None:
    site.replace("/many", "".join(f"<a href=/book/{n}>x</a>" for n in range(250)).encode())
    shown = look(web, site_spider(site.url), f"{site.url}/many", fetch=True)
    assert "250 found: 189 to follow, 61 not" in shown
    assert "and 150 more" in shown


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/book/2", ["no answer", "refused by robots.txt", "Disallow: /book/2", "Closed by robots.txt"]),
        ("/nowhere", ["404 Not Found", "Pages that are gone"]),
    ],
)
def test_a_page_that_a_crawl_would_not_read_says_why(
    web: Client, site: SiteServer, path: str, words: list[str]
) -> None:
    shown = look(web, site_spider(site.url), site.url + path, fetch=True)
    for each in words:
        assert each in shown
    assert "to follow" not in shown


def test_of_a_start_page_that_robots_txt_closes_no_rule_for_links_is_the_remedy(web: Client, site: SiteServer) -> None:
    url = f"{site.url}/book/2"
    assert "Choose a start page that robots.txt allows" in look(
        web, site_spider(site.url, start_urls=[url]), url, fetch=True
    )
    assert "Deny them in" in look(web, site_spider(site.url), url, fetch=True)


def test_a_page_that_gives_nothing_says_why(web: Client, site: SiteServer) -> None:
    site.replace("/app", b"<div id=root></div><script>1</script><noscript>You need JavaScript</noscript>")
    shown = look(web, site_spider(site.url), f"{site.url}/app", fetch=True)
    assert "the page says that it needs JavaScript" in shown


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/stall", "no whole answer within 0.2 seconds"),
        ("/endless", "Pages that are too big"),
        ("/redirect-loop", "Redirects in a circle"),
        ("/reset", "no answer"),
        ("/closed", "nobody answers at 127.0.0.2, port 1: the connection is refused"),
        ("/bad-gzip", "no answer"),
    ],
)
def test_a_site_that_misbehaves_is_told_as_a_crawl_would(
    web: Client, path: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = samples.Samples(fetch_seconds=0.2 if path == "/stall" else 10)
    monkeypatch.setattr(previewing, "SAMPLES", kept)
    with serve_in_thread(MisbehavingServer()) as url:
        limits: dict[str, object] = {"max_bytes_per_page": 100_000}
        document = site_spider(url, limits=limits, manners={"obey_robots": False})
        asked = "http://127.0.0.2:1/" if path == "/closed" else url + path
        assert words in look(web, document | {"allowed_domains": ["127.0.0.1", "127.0.0.2"]}, asked, fetch=True)


def test_an_address_inside_is_refused(web: Client, site: SiteServer, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    shown = look(web, site_spider(site.url), f"{site.url}/book/1", fetch=True)
    assert "such as 127.0.0.1/32, into CRAWLER_ALLOWED_NETWORKS (in .env or the environment) and restart" in shown
    assert shown.count("CRAWLER_ALLOWED_NETWORKS") == 1
    assert site.connections == 0
    assert "no robots.txt" not in shown
    assert " fetched " not in shown, "nothing was"


def test_an_address_outside_of_the_spiders_domains_is_told_as_that(web: Client, site: SiteServer) -> None:
    shown = look(web, site_spider(site.url), "https://else.example/book/1", fetch=True)
    assert "allowed_domains (127.0.0.1) do not cover “else.example”" in shown
    assert "Links to other sites" not in shown


@pytest.mark.parametrize("host", ["192.168.7.1", "[::1]", "localhost"])
def test_a_private_address_is_told_as_that_whatever_the_domains(
    web: Client, site: SiteServer, settings: Settings, host: str
) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    shown = look(web, site_spider("https://shop.example"), f"http://{host}/", fetch=True)
    assert "Not an address of the public internet" in shown
    assert "CRAWLER_ALLOWED_NETWORKS" in shown


def test_a_port_that_there_is_not_is_named(web: Client, site: SiteServer) -> None:
    shown = look(web, site_spider(site.url), "http://a.example:99999/", fetch=True)
    assert "has no valid port: “99999”; write 1 to 65535" in shown


@pytest.mark.parametrize("url", ["nope", "ftp://a.example/", "javascript:alert(1)", "http://", HOSTILE])
def test_what_is_no_address_is_told(web: Client, site: SiteServer, url: str) -> None:
    assert "url:" in look(web, site_spider(site.url), url, fetch=True)


def test_a_secret_that_is_missing_is_named_and_one_that_is_there_is_not_shown(web: Client, site: SiteServer) -> None:
    document = site_spider(site.url, manners={"headers": {"X-Token": {"secret": "token"}}})
    url = f"{site.url}/book/1"
    look(web, site_spider(site.url), url, fetch=True)
    shown = look(web, document, url, fetch=True)
    assert "no secret is stored under “token”" in shown
    assert "not fetched anew" in shown
    assert "up to date" not in shown, "what is shown was fetched without the secret"
    set_secret("token", "abc123")
    shown = look(web, document, url, fetch=True)
    assert "abc123" not in shown
    assert "up to date" in shown
    assert site.log[-1].headers["x-token"] == "abc123"


def test_other_manners_ask_for_a_new_fetch_and_do_not_fetch(web: Client, site: SiteServer) -> None:
    url = f"{site.url}/book/1"
    look(web, site_spider(site.url), url, fetch=True)
    asked = site.targets()
    shown = look(web, site_spider(site.url, manners={"user_agent": "Else/1.0"}), url)
    assert "in another way than it was asked for" in shown
    assert "price 26.10" in shown
    assert site.targets() == asked


def test_when_too_many_pages_are_being_fetched_one_is_told_to_wait(
    web: Client, site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{site.url}/book/1"
    kept = samples.Samples(places=1)
    monkeypatch.setattr(previewing, "SAMPLES", kept)
    look(web, site_spider(site.url), url, fetch=True)
    with kept.places.one():
        shown = look(web, site_spider(site.url), url, fetch=True)
    assert "try again in a moment" in shown
    assert "price 26.10" in shown


def test_when_too_many_pages_are_being_read_one_is_told_to_wait(
    web: Client, site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, places = f"{site.url}/book/1", Places(1)
    monkeypatch.setattr(previewing, "READING", places)
    look(web, site_spider(site.url), url, fetch=True)
    with places.one():
        shown = look(web, site_spider(site.url), url)
    assert "try again in a moment" in shown
    assert "price 26.10" not in shown
    assert "price 26.10" in look(web, site_spider(site.url), url)


def test_nothing_is_stored(web: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))

    def rows() -> dict[str, int]:
        return {model._meta.label: model._default_manager.count() for model in apps.get_models()}

    before = rows()
    path = f"{PREVIEW}?spider={spider.pk}"
    look(web, site_spider(site.url, category="other"), f"{site.url}/book/1", fetch=True, path=path)
    look(web, "name: [", f"{site.url}/book/1", path=path)
    assert rows() == before
    assert Spider.objects.get().version == 1


def test_a_preview_takes_few_queries(
    web: Client, site: SiteServer, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    with django_assert_max_num_queries(6):
        look(web, site_spider(site.url), f"{site.url}/", fetch=True, path=f"{PREVIEW}?spider={spider.pk}")


def test_what_others_wrote_stays_text(web: Client, site: SiteServer) -> None:
    site.replace("/x", PRODUCT.format(title=HOSTILE.replace("<", "&lt;"), price=HOSTILE).encode())
    item = {"type": HOSTILE, "match": HOSTILE, "fields": {"title": {"css": "h1"}}}
    for document in (
        site_spider(site.url),
        site_spider(site.url, items=[item]),
        site_spider(site.url, follow=[{"css": HOSTILE}]),
        HOSTILE,
    ):
        body = form_of(document, f"{site.url}/x", _preview="fetch")
        assert HOSTILE not in web.post(PREVIEW, body).content.decode()


# --- who, and how -----------------------------------------------------------------------------------------------------
def test_a_preview_is_for_those_who_may_save(client: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    body = form_of(site_spider(site.url), f"{site.url}/book/1", _preview="fetch")
    own = f"{PREVIEW}?spider={spider.pk}"
    assert client.post(PREVIEW, body).status_code == 302
    for permission, new, stored in (("view", 403, 403), ("add", 200, 403), ("change", 403, 200)):
        client.force_login(make_user(permission, f"crawler.{permission}_spider"))
        assert client.post(PREVIEW, body).status_code == new
        assert client.post(own, body).status_code == stored
    assert Spider.objects.count() == 1


def test_a_preview_is_not_fetched_by_a_link(web: Client) -> None:
    assert web.get(PREVIEW).status_code == 405
    assert web.post(f"{PREVIEW}?spider=999", {"text": ""}).status_code == 404
    assert web.post(f"{PREVIEW}?spider=x", {"text": ""}).status_code == 404


def test_the_page_of_a_spider_has_its_preview_and_asks_the_site_nothing(web: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    page = web.get(f"/admin/crawler/spider/{spider.pk}/change/").content.decode()
    assert f'data-preview="{PREVIEW}?spider={spider.pk}"' in page
    assert "data-at-once" in page
    assert f'value="{site.url}/"' in page
    assert site.targets() == []
    new = web.get("/admin/crawler/spider/add/").content.decode()
    assert f'data-preview="{PREVIEW}"' in new
    assert "data-at-once" not in new


def test_what_another_view_has_begun_to_fetch_is_waited_for_and_not_asked_for_again(
    web: Client, root: User, site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    path, url = f"/admin/crawler/spider/{spider.pk}/change/", f"{site.url}/book/1"
    begun, gate, fetch = threading.Event(), threading.Event(), preview.fetch

    def held(definition: SpiderDefinition, url: str, *, seconds: float) -> FetchedPage:
        begun.set()
        gate.wait(20)
        return fetch(definition, url, seconds=seconds)

    def state(page: str) -> tuple[str, bool, bool]:
        [(key, coming)] = re.findall(r'data-sample="([^"]*)"( data-coming)?', page)
        return key, bool(coming), "data-at-once" in page

    monkeypatch.setattr(preview, "fetch", held)
    asking = threading.Thread(target=samples.SAMPLES.fetch, args=(root.pk, parse(spider.definition), url))
    asking.start()
    begun.wait(20)
    left = form_of(site_spider(site.url), url, _tab="form", _fetching="")
    assert state(web.post(path, left).content.decode()) == ("", True, False)
    shown = web.post(f"{PREVIEW}?spider={spider.pk}", form_of(site_spider(site.url), url, _preview="fetch"))
    assert state(shown.content.decode()) == ("", True, False)
    gate.set()
    asking.join(20)
    key, is_coming, is_asked_for = state(web.post(path, left).content.decode())
    assert (bool(key), is_coming, is_asked_for) == (True, False, False)
    assert site.targets().count("/book/1") == 1
    # What the view before had already is no answer to what it asked for.
    assert state(web.post(path, left | {"_fetching": key}).content.decode()) == (key, False, True)


def test_the_address_that_nobody_typed_goes_with_the_start_pages_of_a_new_spider(web: Client) -> None:
    document = site_spider("http://127.0.0.1:9")
    proposed = "http://127.0.0.1:9/"

    def address(url: str, assumed: str, draft: dict[str, object] | str = document) -> tuple[str, str]:
        answer = web.post("/admin/crawler/spider/add/", form_of(draft, url, _assumed=assumed, _tab="yaml"))
        page = answer.content.decode()
        [shown] = re.findall(r'name="url" value="([^"]*)"', page)
        [kept] = re.findall(r'name="_assumed" value="([^"]*)"', page)
        return shown, kept

    assert address("https://example.com/", "https://example.com/") == (proposed, proposed)
    assert address("", "") == (proposed, proposed)
    assert address("http://127.0.0.1:9/mine", "https://example.com/") == ("http://127.0.0.1:9/mine", "")
    assert address(proposed, proposed, "name: [") == (proposed, proposed)
    # A draft with a wrong name is no reason to ask the site of the example.
    misnamed = {**document, "name": "My books"}
    assert address("https://example.com/", "https://example.com/", misnamed) == (proposed, proposed)
    half_typed = {**misnamed, "start_urls": ["http://"]}
    assert address(proposed, proposed, half_typed) == (proposed, proposed)


def test_the_page_that_one_tried_last_is_there_again(web: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    look(web, site_spider(site.url), f"{site.url}/book/1", fetch=True, path=f"{PREVIEW}?spider={spider.pk}")
    page = web.get(f"/admin/crawler/spider/{spider.pk}/change/").content.decode()
    assert f'value="{site.url}/book/1"' in page
    assert "price 26.10" in plain(page)
    assert "data-at-once" not in page


def test_a_page_that_was_fetched_before_the_last_crawl_is_fetched_anew(web: Client, site: SiteServer) -> None:
    spider, url = definitions.save_spider(site_spider(site.url)), f"{site.url}/book/1"
    path, own = f"/admin/crawler/spider/{spider.pk}/change/", f"{PREVIEW}?spider={spider.pk}"
    Page.objects.create(spider=spider, url=url, url_hash=hash_url(url), state="failed")
    make_task(spider, status="failed", finished_at=timezone.now())
    assert "up to date" in look(web, site_spider(site.url), url, fetch=True, path=own)
    make_task(spider, status="running")
    make_task(spider, status="cancelled", started_at=None, finished_at=timezone.now())
    assert "up to date" in look(web, site_spider(site.url), url, path=own), "no crawl has ended since that asked"
    make_task(spider, status="failed", finished_at=timezone.now())
    asked = site.targets()
    opened = web.get(path, {"url": url}).content.decode()
    assert "data-at-once" in opened
    assert "up to date" not in plain(opened)
    assert "Fetched before the spider's last crawl" in look(web, site_spider(site.url), url, path=own)
    assert site.targets() == asked, "nobody has pressed anything, and no page was opened by a browser"
    assert "up to date" in look(web, site_spider(site.url), url, fetch=True, path=own)
    assert "data-at-once" not in web.get(path, {"url": url}).content.decode()


def test_an_address_that_a_link_brought_is_not_there_again(web: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    path = f"/admin/crawler/spider/{spider.pk}/change/"
    look(web, site_spider(site.url), f"{site.url}/book/1", fetch=True, path=f"{PREVIEW}?spider={spider.pk}")
    for strange in ("x" * 9_000, "http://127.0.0.1:9/", "nope"):
        assert strange in web.get(path, {"url": strange}).content.decode()
        assert f'value="{site.url}/book/1"' in web.get(path).content.decode()


def test_what_is_sent_by_post_is_not_sent_because_somebody_opens_the_page(web: Client, site: SiteServer) -> None:
    login = {"url": f"{site.url}/book/1", "form": {"user": "x"}}
    spider = definitions.save_spider(site_spider(site.url, start_urls=[login]))
    page = web.get(f"/admin/crawler/spider/{spider.pk}/change/").content.decode()
    assert f'value="{site.url}/book/1"' in page
    assert "data-at-once" not in page


def test_without_script_the_button_fetches_and_saves_nothing(web: Client, site: SiteServer) -> None:
    spider = definitions.save_spider(site_spider(site.url))
    body = form_of(site_spider(site.url, category="other"), f"{site.url}/book/1", _preview="fetch")
    answer = web.post(f"/admin/crawler/spider/{spider.pk}/change/", body)
    assert answer.status_code == 200
    assert "26.10" in plain(answer.content.decode())
    assert "category: other" in answer.content.decode()
    assert Spider.objects.get().category == ""


# --- which page -------------------------------------------------------------------------------------------------------
def test_the_page_to_begin_with_is_one_that_gives_items() -> None:
    spider = make_spider(start_urls=["https://shop.example/", "https://shop.example/second"])
    definition = parse(spider.definition)
    assert default_address(None, definition) == "https://shop.example/"
    assert default_address(spider, definition) == "https://shop.example/"
    make_item(spider, page=make_page(spider, "item/1"))
    assert default_address(spider, definition) == "https://shop.example/item/1"
    make_item(spider, page=make_page(spider, "item/2"))
    assert default_address(spider, definition) == "https://shop.example/item/2"
    make_item(spider, page=make_page(spider, "second"))
    make_item(spider, page=make_page(spider, "item/3"))
    assert default_address(spider, definition) == "https://shop.example/second"
    assert default_address(None, None) == ""
