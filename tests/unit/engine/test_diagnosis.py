"""A page that gives nothing says why: empty, a shell for scripts, a login, a test for robots. Others say nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from turbohtml import Node

from crawler.engine.memory import MemoryStorage
from crawler.engine.pages import diagnosis
from crawler.engine.pages.diagnosis import challenge, diagnose, wall_behind
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.page import PageTree
from crawler.engine.records import CrawlOutcome, Ending, PageState
from tests.servers.corpora import corpus
from tests.servers.sites import SiteServer

from .crawling import crawl_once, finish, make_crawler, make_definition, page_of
from .site import Reply, Site, page, redirect

SCRIPT = "<script>" + "var quotes = [];" * 100 + "</script>"
PARAGRAPHS = "<p>" + "A sentence that a person has written. " * 60 + "</p>"
LAMP = {"type": "lamp", "match": "/lamp/", "fields": {"name": {"css": ".name"}, "price": {"css": ".price"}}}


def html(body: str, head: str = "") -> bytes:
    return f"<!doctype html><html><head><title>Lamps</title>{head}</head><body>{body}</body></html>".encode()


def found(body: bytes) -> str | None:
    finding = diagnose(PageTree("http://shop.example/", body, ""), body)
    return None if finding is None else finding.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b" \r\n\t", "empty_body"),
        (html(""), "empty_body"),
        (html("<table><tr><td> </table><!-- nothing -->"), "empty_body"),
        (html("<noscript>You need to enable JavaScript to run this app.</noscript><div id=root></div>" + SCRIPT),
         "needs_javascript"),
        (html("<div id=app><div class=spinner></div></div><script src=/app.js></script>"), "needs_javascript"),
        (html("<nav>Home Login</nav><div id=__next></div><script src=/n.js defer></script>"), "needs_javascript"),
        (html("<app-root></app-root><script type=module src=/main.js></script>"), "needs_javascript"),
        (html("<nav>Home Next</nav>" + SCRIPT), "needs_javascript"),
        (html("<div class=list></div><script src=/list.js></script>"), "needs_javascript"),
        (html("<p>Loading ...</p><script src=/list.js></script>"), "needs_javascript"),
        (html("<h1>Welcome back</h1><form><input name=u><input type=PASSWORD name=p></form>"), "login_wall"),
        (html("<h1>Just a moment...</h1><script>window._cf_chl_opt={cvId:'3'};</script>"), "bot_wall"),
        (html("<p>Access denied</p><div id=px-captcha></div>"), "bot_wall"),
        (html("<p>Are you a person?</p><form><div class=h-captcha></div></form>"), "bot_wall"),
        (html("<form><input type=password><div class=g-recaptcha></div></form>"), "login_wall"),
    ],
)  # fmt: skip
def test_what_stands_in_a_pages_place_is_named(body: bytes, reason: str) -> None:
    assert found(body) == reason


@pytest.mark.parametrize(
    "body",
    [
        html("<h1>Lamp</h1>"),
        html("<img src=lamp.jpg>" + '<script src="/count.js"></script>'),
        html("<a href=/lamps></a>"),
        html("<iframe src=/catalogue></iframe><script src=/a.js></script>"),
        html("", head='<meta http-equiv="Refresh" content="0; url=/lamps">'),
        html("<h1>Lamp</h1><p>12.50</p><script>count('lamp', 1)</script>"),
        html("<h1>Lamp</h1><script type='application/ld+json'>{" + '"@type":"Product",' * 200 + "}</script>"),
        html(PARAGRAPHS + SCRIPT * 10),
        html(PARAGRAPHS + "<form><input type=password></form>"),
        html(PARAGRAPHS + "<noscript>Please enable JavaScript to view the comments.</noscript>" + SCRIPT),
        html(PARAGRAPHS + "<form><div class=g-recaptcha></div></form>"),
        html("<p>ok</p><script src=/cdn-cgi/challenge-platform/scripts/jsd/main.js></script>"),
    ],
)
def test_an_ordinary_page_is_none_of_these(body: bytes) -> None:
    assert found(body) is None


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 300_000,
        "<noscript>" * 100_000,
        "<i></i>" * 250_000,
        "<script></script>" * 100_000,
        "<div id=app>" * 100_000 + "<script src=/a.js></script>",
        "<a>" * 300_000 + "<input type=password>",
    ],
    ids=["deep", "noscript", "wide", "scripts", "roots", "links"],
)
def test_of_a_hostile_page_little_is_walked(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    walk, walked = diagnosis._texts, 0

    def count(root: Node) -> Iterator[str]:
        nonlocal walked
        for text in walk(root):
            walked += 1
            yield text

    monkeypatch.setattr(diagnosis, "_texts", count)
    found(html(body))
    assert walked <= 2 * (diagnosis.MAX_NODES + 2)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://shop.example/login?next=/lamp/1", "login_wall"),
        ("http://shop.example/account/Sign-In/", "login_wall"),
        ("http://shop.example/wp-login.php", "login_wall"),
        ("http://shop.example/index.php?do=login", "login_wall"),
        ("http://shop.example/index.php?route=account/login&next=/", "login_wall"),
        ("http://shop.example/w/index.php?title=Special:UserLogin&returnto=Lamp", "login_wall"),
        ("http://shop.example/?option=users&task=user.Login", "login_wall"),
        ("http://shop.example/search?q=login", None),
        ("http://shop.example/w/index.php?title=Login", None),
        ("http://shop.example/lamp/2?next=/login", None),
        ("http://shop.example/index.php?do=login-pages", None),
        ("https://accounts.example/v3/identify", "login_wall"),
        ("https://consent.shop.example/m?continue=/lamp/1", "consent_wall"),
        ("http://shop.example/lamp/2", None),
        ("http://shop.example/blog/login-pages", None),
        ("http://www.shop.example/", None),
    ],
)
def test_a_redirect_to_a_login_is_a_wall(target: str, reason: str | None) -> None:
    assert wall_behind(target, "http://shop.example/lamp/1") == reason


def test_a_login_page_that_moves_is_no_wall() -> None:
    assert wall_behind("http://shop.example/user/login", "http://shop.example/login") is None
    assert wall_behind("http://shop.example/?page=login", "http://shop.example/index.php?page=sign-in") is None


def test_an_error_that_shows_a_test_is_told_from_another() -> None:
    assert challenge(403, {"cf-mitigated": "challenge"}, b"") == "Cloudflare"
    assert challenge(403, {}, b"<script src=https://geo.captcha-delivery.com/c.js>") == "DataDome"
    assert challenge(403, {}, b"<h1>Forbidden</h1>") == ""
    assert challenge(404, {"cf-mitigated": "challenge"}, b"") == ""


# --- real pages ---------------------------------------------------------------------------------------------------


def pages_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    manifest = folder / "site" / "manifest.json"
    if not manifest.exists():
        for file in sorted((folder / "site").rglob("*.html")):
            yield file.name, file.read_bytes()
        return
    for target, entry in json.loads(manifest.read_text(encoding="utf-8")).items():
        if entry["status"] == 200 and "html" in entry["headers"].get("content-type", ""):
            yield target, (folder / "site" / entry["file"]).read_bytes()


@pytest.mark.corpora
@pytest.mark.parametrize(
    "name", ["products", "articles", "trafilatura-pages", "books-lists", "shop", "debian-multilang", "sqlite-doc"]
)
def test_no_real_page_is_taken_for_a_wall_or_a_shell(name: str) -> None:
    assert {target: why for target, body in pages_of(corpus(name)) if (why := found(body))} == {}


@pytest.mark.corpora
def test_djangos_search_page_alone_needs_javascript() -> None:
    wrong = {target: why for target, body in pages_of(corpus("django-doc")) if (why := found(body))}
    assert wrong == {"search.html": "needs_javascript"}


@pytest.mark.corpora
def test_pages_whose_quotes_a_script_writes_need_javascript_and_no_others() -> None:
    for target, body in pages_of(corpus("quotes")):
        is_scripted = target.startswith("/js") or target == "/scroll"
        assert found(body) == ("needs_javascript" if is_scripted else None), target


@pytest.mark.corpora
@pytest.mark.parametrize("match", [None, "/js/"])
async def test_a_crawl_of_scripted_pages_says_so(match: str | None) -> None:
    storage = MemoryStorage()
    quote = {"type": "quote", "each": ".quote", "key": ["text"], "fields": {"text": {"css": ".text"}}}
    async with SiteServer.of_corpus("quotes") as server, make_crawler() as crawler:
        definition = make_definition(
            server.url + "/js/",
            follow=[{"css": ".next a"}],
            items=[quote if match is None else {**quote, "match": match}],
        )
        outcome = await finish(crawler.crawl(definition, storage))
    assert outcome.counts.reasons == {"needs_javascript": 10}
    assert (outcome.counts.pages, outcome.counts.pages_failed, outcome.counts.items) == (10, 10, 0)


@pytest.mark.corpora
async def test_a_crawl_of_ordinary_pages_accuses_none() -> None:
    storage = MemoryStorage()
    quote = {"type": "quote", "each": ".quote", "key": ["text"], "fields": {"text": {"css": ".text"}}}
    async with SiteServer.of_corpus("quotes") as server, make_crawler() as crawler:
        follow = [{"deny": ["/js", "/scroll", "/login"], "allow": [f"^{server.url}/"]}]
        outcome = await finish(crawler.crawl(make_definition(server.url + "/", follow=follow, items=[quote]), storage))
    findings = {"empty_body", "needs_javascript", "login_wall", "bot_wall", "consent_wall", "nothing_matched"}
    assert findings.isdisjoint(outcome.counts.reasons)
    assert len(storage.items) == 100


# --- in a crawl ---------------------------------------------------------------------------------------------------


async def crawled(pages: dict[str, Reply], *, items: object = (LAMP,)) -> tuple[CrawlOutcome, MemoryStorage, str]:
    storage = MemoryStorage()
    async with Site(pages) as site:
        outcome = await crawl_once(make_definition(site.url + "/", items=list(items)), storage)  # type: ignore[call-overload]
        return outcome, storage, site.url


LOGIN = Reply(html("<h1>Log in</h1><form><input type=password></form>"), headers={"Content-Type": "text/html"})


async def test_a_page_behind_a_login_fails_and_replaces_nothing() -> None:
    lamp = Reply(html("<h1 class=name>Lamp</h1><b class=price>5</b>"), headers={"Content-Type": "text/html"})
    storage = MemoryStorage()
    async with Site({"/": page("/lamp/1", "/lamp/2"), "/lamp/1": lamp, "/lamp/2": lamp}) as site:
        definition = make_definition(site.url + "/", items=[LAMP])
        await crawl_once(definition, storage)
        site.pages |= {"/lamp/1": redirect("/login?next=/lamp/1"), "/lamp/2": LOGIN}
        storage.begin()
        outcome = await crawl_once(definition, storage)
        assert page_of(storage, site.url + "/lamp/1").reason == "login_wall"
        assert page_of(storage, site.url + "/lamp/2").state is PageState.FAILED
        assert not site.asked["/login?next=/lamp/1"]
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.reasons == {"login_wall": 2}
    assert outcome.counts.items_unchanged == outcome.counts.items == 0
    assert {item.data["name"] for item in storage.items.values()} == {"Lamp"}


async def test_a_login_page_that_the_site_links_to_is_no_wall() -> None:
    lamps = {**LAMP}
    del lamps["match"]
    outcome, storage, url = await crawled({"/": page("/login", text="Lamps"), "/login": LOGIN}, items=[lamps])
    assert outcome.counts.reasons == {}
    assert page_of(storage, url + "/login").state is PageState.DONE


async def test_a_start_page_that_is_a_login_is_one() -> None:
    outcome, _, _ = await crawled({"/": LOGIN})
    assert outcome.counts.reasons == {"login_wall": 1}


async def test_a_refusal_with_a_test_for_robots_is_counted_as_such() -> None:
    tested = Reply(html("Wait"), status=403, headers={"cf-mitigated": "challenge"})
    plain = Reply(html("No"), status=403)
    outcome, storage, url = await crawled({"/": page("/lamp/1", "/lamp/2"), "/lamp/1": tested, "/lamp/2": plain})
    assert outcome.counts.reasons == {"bot_wall": 1, "http_403": 1}
    assert page_of(storage, url + "/lamp/1").status_code == 403


async def test_a_rule_that_finds_nothing_where_its_match_took_the_page_is_counted() -> None:
    pages = {f"/lamp/{number}": page("/", text="Not this one") for number in range(3)}
    outcome, _, _ = await crawled({"/": page(*pages), **pages})
    assert outcome.counts.reasons == {"nothing_matched": 3}
    assert (outcome.counts.pages_failed, outcome.counts.items) == (0, 3)


async def test_a_rule_for_every_page_may_find_nothing_on_some() -> None:
    rule = {"type": "lamp", "each": ".lamp", "key": ["name"], "fields": {"name": {"css": "b"}}}
    lamp = Reply(html("<div class=lamp><b>One</b></div>"), headers={"Content-Type": "text/html"})
    outcome, _, _ = await crawled({"/": page("/a", text="Lamps"), "/a": lamp}, items=[rule])
    assert outcome.counts.reasons == {}
    assert outcome.counts.items == 1


async def test_a_shell_that_gives_an_item_without_a_value_is_told_of_and_read() -> None:
    rule = {"type": "page", "fields": {"heading": {"css": "h1"}}}
    shell = Reply(html("<div id=app></div><script src=/a.js></script>"), headers={"Content-Type": "text/html"})
    outcome, storage, url = await crawled({"/": shell}, items=[rule])
    assert outcome.counts.reasons == {"needs_javascript": 1}
    assert (outcome.counts.items, outcome.counts.pages_done) == (1, 1)
    assert page_of(storage, url + "/").detail == "the element that scripts fill is empty"


async def test_what_is_missing_on_a_shell_is_not_counted_beside_it() -> None:
    rule = {"type": "lamp", "fields": {"name": {"css": "h1", "required": True}}}
    shell = Reply(html("<div id=app></div><script src=/a.js></script>"), headers={"Content-Type": "text/html"})
    outcome, _, _ = await crawled({"/": page("/a", text="Lamps"), "/a": shell}, items=[rule])
    assert outcome.counts.reasons == Counter(missing_required=1, needs_javascript=1)
    assert outcome.counts.items_rejected == 1


async def test_an_empty_answer_is_a_failure() -> None:
    empty = Reply("", headers={"Content-Type": "text/html"})
    outcome, storage, url = await crawled({"/": page("/lamp/1"), "/lamp/1": empty})
    assert outcome.counts.reasons == {"empty_body": 1}
    assert page_of(storage, url + "/lamp/1").detail == "the body is empty"


async def test_a_page_that_sends_its_readers_to_a_login_is_behind_one() -> None:
    sends = Reply(
        html("", head='<meta http-equiv="refresh" content="0; url=/login?next=1">'),
        headers={"Content-Type": "text/html"},
    )
    outcome, storage, url = await crawled({"/": page("/lamp/1"), "/lamp/1": sends, "/login?next=1": LOGIN})
    assert outcome.counts.reasons == {"login_wall": 1}
    assert page_of(storage, url + "/lamp/1").detail == f"sends on to {url}/login?next=1"


def test_a_preview_says_why_a_page_gives_nothing() -> None:
    extractor = Extractor(make_definition("http://shop.example/", items=[LAMP]))
    shell = html("<div id=app></div><script src=/a.js></script>")
    notice = extractor.explain("http://shop.example/lamp/1", shell, "", "text/html").notice
    assert notice == "the element that scripts fill is empty"


@pytest.mark.parametrize(("links", "reasons"), [(3, {"login_wall": 1}), (30, {})])
async def test_a_start_page_with_a_box_to_log_in_is_no_wall_where_it_leads_on(
    links: int, reasons: dict[str, int]
) -> None:
    rule = {"type": "lamp", "each": ".lamp", "key": ["name"], "fields": {"name": {"css": "b"}}}
    targets = {f"/{number}": page(text="One") for number in range(links)}
    anchors = "".join(f"<a href={target}>lamp</a>" for target in targets)
    start = Reply(html(f"<form><input type=password></form>{anchors}"), headers={"Content-Type": "text/html"})
    outcome, _, _ = await crawled({"/": start, **targets}, items=[rule])
    assert outcome.counts.reasons == reasons
    assert outcome.counts.pages == links + 1


@pytest.mark.parametrize("address", ["/login?next=/lamp/1", "/index.php?do=login&next=/lamp/1"])
async def test_a_login_in_a_start_pages_place_is_one_wall_and_no_item(address: str) -> None:
    rule = {"type": "form", "match": "lamp", "fields": {"title": {"css": "h1", "required": True}}}
    for login in (LOGIN, Reply(html("<h1>Log in</h1><a href=/lamp/2>2</a>"), headers=LOGIN.headers)):
        pages = {"/": redirect(address), address: login, "/lamp/2": page(text="no heading")}
        outcome, storage, _ = await crawled(pages, items=[rule])
        assert outcome.counts.reasons["login_wall"] == 1
        assert not storage.items
    assert outcome.counts.pages == 2, "what the login links to is followed"


async def test_a_page_in_the_place_of_json_is_told_of() -> None:
    rule = {
        "type": "lamp",
        "match": "/api/",
        "each_json": "lamps[]",
        "key": ["name"],
        "fields": {"name": {"json": "name"}},
    }
    json = Reply('{"lamps": [{"name": "One"}]}', headers={"Content-Type": "application/json"})
    pages = {"/": page("/api/1", "/api/2", "/api/3"), "/api/1": json, "/api/2": LOGIN, "/api/3": page(text="Gone")}
    outcome, _, _ = await crawled(pages, items=[rule])
    assert outcome.counts.reasons == {"login_wall": 1, "nothing_matched": 1}
    assert outcome.counts.items == 1
