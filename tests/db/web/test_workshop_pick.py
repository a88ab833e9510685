"""Pick by pointing: the page in its frame, candidates, and what the picker's buttons do to the draft."""

from __future__ import annotations

import html
import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from crawler import definitions
from crawler.engine.documents.definition import parse
from crawler.models import Spider
from crawler.workshop import pinned, pointing, previewing, samples
from crawler.workshop.draft import NEW, Draft
from scheduling.models import JobRun
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import make_user
from .workshop import look, plain

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
CANDIDATES = "/admin/crawler/spider/workshop/candidates/"
FETCHED = "/admin/crawler/spider/workshop/fetched/"
ADD = "/admin/crawler/spider/add/"
NUMBER = r"\d+(?:[.,'’]\d+)*"
LAMPS = """<!doctype html><html><head><title>Lamps</title><meta property="og:title" content="All lamps">
<link rel="alternate" type="application/rss+xml" title="News" href="/feed.xml">
<script type="application/ld+json">{"@type": "Product", "name": "Oil lamp", "offers": {"price": "12.50"}}</script>
</head><body><ul><li class="lamp"><h2>Oil lamp</h2><p class="price">€12.50</p><a href="/lamp/1">more</a></li>
<li class="lamp"><h2>Gas lamp</h2><p class="price">€99.00</p><a href="/lamp/2">more</a></li>
<li class="lamp"><h2>Street lamp</h2><a href="/lamp/3">more</a></li></ul>
<p><img src="/lamp.png"><a class="next" href="/?page=2">Next</a></p>
<table><tr><th>Shop</th><td>Lamplighter</td></tr></table>
</body></html>"""


@pytest.fixture(autouse=True)
def _nothing_kept(settings: Settings) -> Iterator[None]:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    yield
    samples.SAMPLES.clear()
    previewing.forget()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    server = SiteServer(tmp_path)
    server.replace("/", LAMPS.encode())
    server.replace("/data.json", b'{"a": 1}', content_type="application/json")
    server.replace("/robots.txt", b"Sitemap: http://127.0.0.1/map.xml\n", content_type="text/plain")
    with serve_in_thread(server):
        yield server


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


class Picker:
    """The picker as a browser has it: its inputs go from answer to answer."""

    def __init__(
        self, web: Client, site: SiteServer, document: Mapping[str, object] | None = None, path: str = CANDIDATES
    ) -> None:
        self.web = web
        self.path = path
        self.url = f"{site.url}/"
        self.inputs: dict[str, str] = {}
        self.text = definitions.to_yaml(dict(document or {"name": "lamps", "start_urls": [self.url]}))
        self.answer = ""

    def press(self, button: str, **inputs: str) -> str:
        """The text of the answer."""
        posted = {"_view": "pick", "text": self.text, "url": self.url, **self.inputs, **inputs, "_pick": button}
        answer = self.web.post(self.path, posted)
        assert answer.status_code == 200, answer.content
        self.answer = answer.content.decode()
        hidden = re.findall(r'<input type="hidden" name="(pick_(?:aim|pending|chosen))" value="([^"]*)"', self.answer)
        self.inputs = {name: html.unescape(value) for name, value in hidden}
        found = re.search(r"<textarea data-new-text>\n(.*?)</textarea>", self.answer, re.DOTALL)
        assert found is not None
        self.text = html.unescape(found[1])
        return plain(self.answer)

    def point(self, css: str, *more: str, **inputs: str) -> str:
        numbers = " ".join(str(self.number(one)) for one in (css, *more))
        return self.press("look", pick_chosen=numbers, **inputs)

    def use(self, place: int = 0) -> None:
        """The selector of the row."""
        buttons = re.findall(r'name="_pick" value="(use:[^"]*)"', self.answer)
        self.press(html.unescape(buttons[place]))

    def number(self, css: str) -> int:
        sample = samples.SAMPLES.find(User.objects.get(username="root").pk, None, self.url)
        assert sample is not None
        assert sample.answer is not None
        page = pointing.tree_of(sample.answer)
        found = page.document.select_one(css)
        assert found is not None
        return pointing.elements_of(page).index(found)

    @property
    def document(self) -> dict[str, object]:
        return dict(Draft.of_text(self.text).document)


@pytest.fixture
def picker(web: Client, site: SiteServer) -> Picker:
    """With the page of lamps fetched."""
    made = Picker(web, site)
    look(web, {"name": "lamps", "start_urls": [made.url]}, made.url, fetch=True)
    return made


def test_a_spider_is_made_by_names_and_pointing(picker: Picker) -> None:
    picker.press("type:each", pick_type="lamp")
    assert "3 items" in picker.point("h2")
    picker.use()
    picker.press("field:0", pick_field_0="name")
    picker.point("h2")
    picker.use()
    picker.press("field:0", pick_field_0="price")
    shown = picker.point(".price")
    assert f"decimal {NUMBER} 12.50" in shown
    assert "in 2 of 3 items" in shown
    picker.use()
    picker.press('aim:["follow",0]')
    assert "All links like it" not in picker.point("a.next")
    picker.use()
    assert picker.document == {
        "name": "lamps",
        "start_urls": [picker.url],
        "items": [
            {
                "type": "lamp",
                "each": ".lamp",
                "key": ["name"],
                "fields": {"name": {"css": "h2"}, "price": {"css": ".price", "type": "decimal", "regex": NUMBER}},
            }
        ],
        "follow": [{"css": ".next"}],
    }
    definitions.save_spider(picker.document)


def new_draft(site: SiteServer, **changed: object) -> dict[str, object]:
    """What a new spider begins with, and a start page."""
    return {**Draft.of_text(NEW).document, "name": "lamps", "start_urls": [f"{site.url}/"], **changed}


@pytest.mark.parametrize("path", [CANDIDATES, f"{ADD}?tab=pick"])
def test_the_example_of_a_new_draft_goes_with_the_first_kind_of_ones_own(
    web: Client, site: SiteServer, path: str
) -> None:
    document = new_draft(site)
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press("type:page")
    assert picker.document["items"] == document["items"]  # nothing was begun without a name
    if path == CANDIDATES:
        picker.press("type:page", pick_type="shop")
        picker.press("field:0", pick_field_0="name")
        picker.point("th")
        picker.use()
        assert picker.document["items"] == [{"type": "shop", "fields": {"name": {"css": "th"}}}]
    else:
        posted = {"_view": "pick", "text": picker.text, "url": picker.url, "_pick": "type:page", "pick_type": "shop"}
        assert "type: page" not in web.post(ADD, posted).content.decode()


@pytest.mark.parametrize("button", ['aim:["items",0,"each"]', 'aim:["items",0,"fields","title"]'])
def test_who_aims_before_there_is_a_page_is_told_to_fetch_one(web: Client, site: SiteServer, button: str) -> None:
    picker = Picker(web, site, new_draft(site))
    assert "Fetch a page" in picker.press(button)
    assert 'role="alert"' in picker.answer


def test_the_example_goes_where_its_kind_becomes_several_on_a_page(web: Client, site: SiteServer) -> None:
    document = new_draft(site)
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press('aim:["items",0,"each"]')
    picker.point("h2")
    picker.use()
    assert "items" not in picker.document
    assert "page one for each .lamp" in plain(picker.answer)
    picker.press("field:0", pick_field_0="name")
    picker.point("h2")
    picker.use()
    fields = {"name": {"css": "h2"}}
    assert picker.document["items"] == [{"type": "page", "each": ".lamp", "key": ["name"], "fields": fields}]
    assert "not stored" not in look(web, picker.document, picker.url)
    picker.press('aim:["follow",1]')
    picker.point("a.next")
    picker.use()
    assert picker.document["follow"] == [{"css": ".next"}]


def test_the_example_goes_and_what_somebody_pointed_at_before_stays(web: Client, site: SiteServer) -> None:
    document = new_draft(site)
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press("field:0", pick_field_0="name")
    picker.point("h2")
    picker.use()
    picker.press('aim:["items",0,"each"]')
    picker.point("h2")
    picker.use()
    fields = {"name": {"css": "h2"}}
    assert picker.document["items"] == [{"type": "page", "fields": fields, "each": ".lamp", "key": ["name"]}]


def test_no_kind_is_lost_where_another_one_waits(web: Client, site: SiteServer) -> None:
    kept = [{"type": "lamp", "fields": {"title": {"css": "title", "required": True}}}]
    look(web, new_draft(site), f"{site.url}/", fetch=True)
    picker = Picker(web, site, new_draft(site, items=kept))
    picker.press("type:page", pick_type="shop")
    picker.press('aim:["items",0,"each"]')
    picker.point("h2")
    picker.use()
    assert picker.document["items"] == [{**kept[0], "each": ".lamp", "key": ["title"]}]
    assert "shop" in picker.inputs["pick_pending"]


def test_a_key_that_finds_nothing_is_told_with_what_to_do(web: Client, site: SiteServer) -> None:
    fields = {"title": {"css": "title"}, "name": {"css": "h2"}}
    item = {"type": "lamp", "each": ".lamp", "key": ["title"], "fields": fields}
    remedy = "No item is stored: “title” is in the key and has no value in any of them. Point at it anew"
    assert remedy in look(web, new_draft(site, items=[item]), f"{site.url}/", fetch=True)
    assert remedy not in look(web, new_draft(site, items=[{**item, "key": ["name"]}]), f"{site.url}/")


def test_an_example_that_somebody_changed_stays(web: Client, site: SiteServer) -> None:
    changed = [{"type": "page", "fields": {"title": {"css": "h2", "required": True}}}]
    picker = Picker(web, site, new_draft(site, items=changed))
    picker.press("type:page", pick_type="shop")
    assert picker.document["items"] == changed


def test_a_stored_spider_keeps_what_looks_like_the_example(web: Client, site: SiteServer) -> None:
    document = new_draft(site)
    spider = definitions.save_spider(document)
    picker = Picker(web, site, document, path=f"{CANDIDATES}?spider={spider.pk}")
    picker.press("type:page", pick_type="shop")
    assert picker.document["items"] == document["items"]


def test_a_kind_without_fields_is_not_lost_silently(web: Client, site: SiteServer) -> None:
    document: dict[str, object] = new_draft(site, items=[{"type": "shop", "fields": {"name": {"css": "th"}}}])
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press("type:page", pick_type="lamp")
    posted = {"_view": "pick", "text": picker.text, "url": picker.url, **picker.inputs}
    why = "“lamp” has no field yet: point at a field of it first, or take the kind away."

    kept = web.post(ADD, {**posted, "_save": "1"})
    assert kept.status_code == 200
    assert f"Not saved. {why}" in plain(kept.content.decode())
    assert html.escape(picker.inputs["pick_pending"], quote=True) in kept.content.decode()
    assert not Spider.objects.exists()

    assert "“lamp” had no field yet" in plain(web.post(ADD, {**posted, "_tab": "form"}).content.decode())
    assert "had no field" not in web.post(ADD, {**posted, "_tab": "pick"}).content.decode()
    assert why in picker.press("type:each", pick_type="wick")
    assert "lamp" in picker.inputs["pick_pending"]
    assert "Take “lamp” away" in plain(picker.answer)

    assert "Take “lamp” away" not in picker.press("drop")
    assert picker.inputs["pick_pending"] == ""
    saved = {"_view": "pick", "text": picker.text, "url": picker.url, **picker.inputs, "_save": "1"}
    assert web.post(ADD, saved).status_code == 302
    assert Spider.objects.get().name == "lamps"


def test_run_now_keeps_the_kind_that_waits_in_the_picker(web: Client, site: SiteServer) -> None:
    document = new_draft(site)
    spider = definitions.save_spider(document)
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document, path=f"{CANDIDATES}?spider={spider.pk}")
    picker.press("type:page", pick_type="lamp")
    posted = {"_view": "pick", "text": picker.text, "url": picker.url, **picker.inputs, "_run": "1"}
    kept = web.post(f"/admin/crawler/spider/{spider.pk}/change/", posted)
    assert kept.status_code == 200, "nothing is thrown away"
    assert "Take “lamp” away" in plain(kept.content.decode())
    assert "Your draft is not saved" in kept.content.decode()
    assert JobRun.objects.count() == 1


def test_all_of_a_kind_are_taken_as_a_list(picker: Picker) -> None:
    picker.press("type:page", pick_type="shop")
    picker.press("field:0", pick_field_0="names")
    assert "Oil lamp · Gas lamp · Street lamp" in picker.point("h2", pick_shown="1", pick_many="on")
    picker.use()
    assert picker.document["items"] == [{"type": "shop", "fields": {"names": {"css": "h2", "many": True}}}]


def test_a_field_keeps_what_pointing_says_nothing_about(web: Client, site: SiteServer) -> None:
    field = {"css": "h3", "required": True, "type": "integer"}
    document: dict[str, object] = {
        "name": "lamps",
        "start_urls": [f"{site.url}/"],
        "items": [{"type": "lamp", "fields": {"title": field}}],
    }
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press('aim:["items",0,"fields","title"]')
    picker.point("h2")
    picker.use()
    assert picker.document["items"] == [{"type": "lamp", "fields": {"title": {"css": "h2", "required": True}}}]


def test_an_attribute_is_taken_in_place_of_the_text(picker: Picker) -> None:
    picker.press("type:page", pick_type="shop")
    picker.press("field:0", pick_field_0="picture")
    shown = picker.point("img")
    assert "url http://127.0.0.1" in shown, "of a picture the address"
    picker.use()
    fields = picker.document["items"][0]["fields"]  # type: ignore[index]
    assert fields == {"picture": {"css": "img::attr(src)", "type": "url"}}


def test_a_field_that_becomes_an_address_is_read_as_one_and_a_text_as_a_text_again(picker: Picker) -> None:
    def reading() -> str:
        return html.unescape(re.findall(r'name="pick_way" value="([^"]*)" checked', picker.answer)[0])

    picker.press("type:page", pick_type="shop")
    picker.press("field:0", pick_field_0="first")
    picker.point("li a")
    picker.use()
    assert picker.document["items"][0]["fields"]["first"].get("type") is None  # type: ignore[index]
    picker.press('aim:["items",0,"fields","first"]')
    assert "until now" not in picker.point("li a")
    as_text = reading()
    shown = picker.point("li a", pick_shown="1", pick_what="href", pick_way=as_text)
    assert "until now: text" in shown
    as_address = reading()
    picker.use()
    assert picker.document["items"][0]["fields"]["first"]["type"] == "url"  # type: ignore[index]
    picker.press('aim:["items",0,"fields","first"]')
    assert "until now: url" in picker.point("li a", pick_shown="1", pick_what="", pick_way=as_address)
    assert reading() == as_text


def test_a_value_that_one_knows_is_found(picker: Picker) -> None:
    picker.press("type:page", pick_type="shop")
    picker.press("field:0", pick_field_0="shop")
    assert "Lamplighter" in picker.press("example", pick_example="Lamplighter")
    picker.use()
    xpath = "//th[normalize-space()='Shop']/following-sibling::td[1]"
    assert picker.document["items"] == [{"type": "shop", "fields": {"shop": {"xpath": xpath}}}]
    picker.press("field:0", pick_field_0="lost")
    assert "does not stand on the page" in picker.press("example", pick_example="Candle")


def test_what_the_page_offers_is_added_by_one_button(picker: Picker) -> None:
    shown = picker.press("refresh")
    assert "Product.offers.price" in shown
    assert "og:title" in shown
    offers = [html.unescape(one) for one in re.findall(r'value="(offer:[^"]*)"', picker.answer)]
    picker.press(next(one for one in offers if "offers.price" in one))
    picker.press(
        next(
            one
            for one in [html.unescape(o) for o in re.findall(r'value="(offer:[^"]*)"', picker.answer)]
            if "og:title" in one
        )
    )
    picker.press(f"feed:{picker.url}feed.xml")
    picker.press("sitemap:robots")
    assert picker.document == {
        "name": "lamps",
        "start_urls": [picker.url, f"{picker.url}feed.xml"],
        "follow": [{}],
        "sitemaps": "robots",
        "items": [
            {
                "type": "page",
                "fields": {
                    "price": {"jsonld": "Product.offers.price", "type": "decimal"},
                    "title": {"meta": "og:title"},
                },
            }
        ],
    }
    definitions.save_spider(picker.document)


def test_what_the_page_offers_goes_to_the_kind_that_waits_for_a_field(picker: Picker) -> None:
    def add(path: str) -> None:
        offers = [html.unescape(one) for one in re.findall(r'value="(offer:[^"]*)"', picker.answer)]
        picker.press(next(one for one in offers if path in one))

    picker.press("refresh")
    add("og:title")
    picker.press("type:page", pick_type="lamp")
    add("offers.price")
    price = {"jsonld": "Product.offers.price", "type": "decimal"}
    assert picker.document["items"] == [
        {"type": "page", "fields": {"title": {"meta": "og:title"}}},
        {"type": "lamp", "fields": {"price": price}},
    ]


def test_beginning_anew_names_the_spider_and_fetches_its_page(web: Client, site: SiteServer) -> None:
    page = web.get(f"{ADD}?tab=pick").content.decode()
    assert 'name="pick_name" value="" placeholder="my-spider"' in page, "an example need not be taken out first"
    assert "aim:" not in page, "there is nothing to point at yet"
    draft = html.unescape(re.findall(r'<textarea name="text" hidden>\n(.*?)</textarea>', page, re.DOTALL)[0])
    posted = {"_view": "pick", "text": draft, "pick_is_new": "1", "pick_name": "lamps", "pick_start": f"{site.url}/"}
    answer = web.post(ADD, {**posted, "url": "https://example.com/", "_pick": "start"}).content.decode()
    assert "200 OK" in answer
    assert re.search(r'<iframe[^>]* src="/admin/crawler/spider/workshop/fetched/\?sample=', answer)
    draft = html.unescape(re.findall(r'<textarea name="text" hidden>\n(.*?)</textarea>', answer, re.DOTALL)[0])
    assert Draft.of_text(draft).document == {"name": "lamps", "start_urls": [f"{site.url}/"]}
    wrong = web.post(ADD, {**posted, "pick_start": "lamps", "_pick": "start"}).content.decode()
    assert "“lamps” is no address" in plain(wrong)
    assert re.findall(r'name="pick_(name|start)" value="(\w+)"', wrong) == [("name", "lamps"), ("start", "lamps")]


# --- the page in its frame --------------------------------------------------------------------------------------------
def test_the_page_is_served_under_its_own_policy(web: Client, picker: Picker, site: SiteServer) -> None:
    asked = site.targets()
    answer = web.get(frame_of(picker))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/xhtml+xml; charset=utf-8"
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-same-origin; default-src 'none'")
    assert "script-src" not in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"Street lamp" in answer.content
    assert site.targets() == asked, "the site is asked nothing"


def test_a_page_is_its_owners_alone(client: Client, picker: Picker) -> None:
    address = frame_of(picker)
    client.force_login(make_user("eve", "crawler.change_spider", "crawler.view_spider"))
    assert client.get(address).status_code == 404
    assert client.get(FETCHED).status_code == 404


@pytest.mark.parametrize("permissions", [("crawler.view_spider",), ()], ids=["who may see", "nobody"])
def test_who_may_not_change_spiders_picks_nothing(client: Client, picker: Picker, permissions: tuple[str, ...]) -> None:
    address = frame_of(picker)
    client.force_login(make_user("eve", *permissions))
    assert client.get(address).status_code == 403
    assert client.post(CANDIDATES, {"text": "name: x", "_pick": "look"}).status_code == 403


def test_candidates_are_asked_for_by_post(web: Client) -> None:
    assert web.get(CANDIDATES).status_code == 405


def test_a_step_takes_few_queries(picker: Picker, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    picker.press("type:page", pick_type="shop")
    picker.press("field:0", pick_field_0="name")
    with django_assert_max_num_queries(6):
        picker.point("h2")


# --- what nobody sends ------------------------------------------------------------------------------------------------
def test_buttons_that_no_page_has_change_nothing(picker: Picker) -> None:
    for button in (
        *("use:", "use:{}", "use:" + "[" * 100_000, "field:x", "field:9999999999", "offer:0:a", "offer:-1:a:{}"),
        'use:{"kind":"eval","selector":"x","reading":{}}',
        'use:{"kind":"css","selector":"x","reading":{"required":"x"}}',
        'use:{"kind":"css","selector":7,"reading":{}}',
        *("nonsense:1", "aim:[]", 'aim:["items",-1,"each"]', 'aim:["items",true,"fields",{}]'),
    ):
        picker.press('aim:["items",0,"fields","x"]')
        before = picker.document
        picker.press(button)
        assert picker.document == before, button


def test_no_input_breaks_the_picker(picker: Picker) -> None:
    for inputs in (
        {"pick_chosen": "999999"},
        {"pick_chosen": "-1 x 1e9 " + "7" * 500},
        {"pick_aim": "[" * 10_000},
        {"pick_pending": '{"type": 1}'},
        {"pick_example": "x" * 100_000, "pick_chosen": ""},
        {"pick_what": "x" * 10_000},
        {"url": "x" * 10_000},
        {"url": "http://["},
        {"text": "a: ["},
        {"text": "items: 3\nfollow: x\nstart_urls: {}\n"},
        {"text": "items: [1, {fields: [1], each: 7}]\nfollow: [1, {css: 3}]\n"},
    ):
        for button in ("look", "example", "type:page", "field:0", "use:{}", "feed:x", "sitemap:", "cancel"):
            picker.inputs = {"pick_aim": '["items",0,"fields","x"]', "pick_chosen": "5", **inputs}
            picker.press(button)


def test_a_broken_each_is_told(web: Client, site: SiteServer) -> None:
    document: dict[str, object] = {
        "name": "x",
        "start_urls": [f"{site.url}/"],
        "items": [{"type": "lamp", "each": "li[[", "fields": {}}],
    }
    look(web, {"name": "x", "start_urls": [f"{site.url}/"]}, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press("field:0", pick_field_0="name")
    assert "selector of the items cannot be read" in picker.point("h2")


def test_pointing_outside_of_the_items_is_told(web: Client, site: SiteServer) -> None:
    item = {"type": "lamp", "each": ".lamp", "key": ["name"], "fields": {"name": {"css": "h2"}}}
    document: dict[str, object] = {"name": "x", "start_urls": [f"{site.url}/"], "items": [item]}
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press("field:0", pick_field_0="shop")
    assert "lies in none of the items, “.lamp”" in picker.point("td")


def test_an_answer_that_is_no_page_is_told(web: Client, site: SiteServer) -> None:
    url = f"{site.url}/data.json"
    document: dict[str, object] = {
        "name": "x",
        "start_urls": [url],
        "items": [{"type": "a", "each_json": "@", "key": ["a"], "fields": {"a": {"json": "a"}}}],
    }
    look(web, document, url, fetch=True)
    picker = Picker(web, site, document)
    picker.url = url
    assert "Only HTML and XML pages" in picker.press("refresh")
    assert 'data-new-frame=""' in picker.answer


def frame_of(picker: Picker) -> str:
    picker.press("refresh")
    [address] = re.findall(r'data-new-frame="([^"]*)"', picker.answer)
    assert address.startswith(FETCHED)
    return html.unescape(address)


def test_candidates_are_tried_on_pinned_pages(web: Client, site: SiteServer, root: User) -> None:
    item = {"type": "lamp", "fields": {"name": {"css": "h2"}}}
    document: dict[str, object] = {"name": "lamps", "start_urls": [f"{site.url}/"], "items": [item]}
    site.replace("/other", b"<h2>Torch</h2><table><tr><th>Shop</th><td>Torches</td></tr></table>")
    spider = definitions.save_spider(document)
    definition = parse(document)
    pinned.pin(spider, definition, samples.SAMPLES.fetch(root.pk, definition, f"{site.url}/other"))
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document, path=f"{CANDIDATES}?spider={spider.pk}")
    picker.press("field:0", pick_field_0="shop")
    assert re.search(r"On 1 pinned page .*?following-sibling::td\[1\] .*? 1 / 1 Use", picker.point("td"))
    picker.press("field:0", pick_field_0="price")
    assert re.search(r"\.price .*? 0 / 1 Use", picker.point(".price"))
    assert re.search(r"On 1 pinned page .*? 1 / 1 Use", picker.press("example", pick_example="Lamplighter"))


def test_pages_are_told_apart_by_their_addresses(web: Client, site: SiteServer) -> None:
    item = {"type": "lamp", "fields": {"name": {"css": "h2"}}}
    document: dict[str, object] = {
        "name": "lamps", "start_urls": [f"{site.url}/lamp/1"], "items": [item], "follow": [{"css": "a"}],
    }  # fmt: skip
    site.replace("/lamp/1", LAMPS.encode())
    look(web, document, f"{site.url}/lamp/1", fetch=True)
    picker = Picker(web, site, document)
    picker.url = f"{site.url}/lamp/1"
    assert r"Only where the address has /lamp/\d+$" in picker.press("refresh")
    picker.press("match:0")
    assert picker.document["items"] == [{**item, "match": r"/lamp/\d+$"}]


def test_beginning_anew_keeps_what_somebody_has_written(web: Client, site: SiteServer) -> None:
    item = {"type": "lamp", "fields": {"name": {"css": "h2"}}}
    text = definitions.to_yaml({"name": "x", "start_urls": ["https://example.com/"], "items": [item]})
    posted = {"_view": "pick", "text": text, "pick_is_new": "1", "pick_name": "lamps", "pick_start": f"{site.url}/"}
    answer = web.post(ADD, {**posted, "_assumed": f"{site.url}/", "_pick": "start"}).content.decode()
    draft = html.unescape(re.findall(r'<textarea name="text" hidden>\n(.*?)</textarea>', answer, re.DOTALL)[0])
    assert Draft.of_text(draft).document == {"name": "lamps", "start_urls": [f"{site.url}/"], "items": [item]}
    assert "200 OK" in answer
    assert "Another kind of item" in answer


def test_where_nothing_is_read_yet_a_kind_of_item_is_asked_for_first(web: Client, site: SiteServer) -> None:
    posted = {"_view": "pick", "text": NEW, "pick_is_new": "1", "pick_name": "lamps", "pick_start": f"{site.url}/"}
    answer = web.post(ADD, {**posted, "_pick": "start"}).content.decode()
    assert "Another kind of item" not in answer
    assert 'data-enter="pick-type-each" autofocus' in answer


def test_what_others_wrote_stays_text(web: Client, site: SiteServer) -> None:
    mark = "<script>alert(1)</script>"
    escaped = html.escape(mark)
    site.replace("/", f'<title>{escaped}</title><p class="a&lt;b" title="{escaped}">{escaped}</p>'.encode())
    document: dict[str, object] = {"name": "x", "start_urls": [f"{site.url}/"]}
    look(web, document, f"{site.url}/", fetch=True)
    picker = Picker(web, site, document)
    picker.press("type:page", pick_type=mark)
    picker.press("field:0", pick_field_0=mark)
    shown = picker.point("p")
    assert shown.count(mark) > 5, "the kind, the field, the value, the title, the attribute"
    assert mark not in picker.answer
    picker.use()
    assert picker.document["items"] == [{"type": mark, "fields": {mark: {"css": "p"}}}]
    assert mark not in web.get(frame_of(picker)).content.decode()
