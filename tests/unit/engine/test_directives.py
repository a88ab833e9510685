"""What pages and answers ask of crawlers: nofollow, noindex, canonical; read, and obeyed in real crawls."""

from __future__ import annotations

from collections import Counter

import pytest

from crawler.engine.documents.definition import dump, parse
from crawler.engine.errors import Reason
from crawler.engine.memory import MemoryStorage
from crawler.engine.pages.directives import Asked, Directives
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.page import PageTree
from crawler.engine.records import Ending, Extraction, PageState
from crawler.engine.spider import Manners
from crawler.engine.visit import MANY_LINKS

from .crawling import USER_AGENT, crawl_once, finish, make_crawler, make_definition, page_of
from .site import Handler, Reply, Site, page, redirect

URL = "https://site.example/dir/page"
EAR = Directives(Manners(obey_noindex=True, canonical="follow"), USER_AGENT)
ITEM = {"type": "page", "fields": {"text": {"css": "p", "required": True}}}


def html(head: str = "", body: str = "", **headers: str) -> Reply:
    fields = {"Content-Type": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(f"<!doctype html><head>{head}</head><body><p>text</p>{body}</body>", headers=fields)


def asked_by(head: str) -> Asked:
    return EAR.of_page(PageTree(URL, f"<head>{head}</head>".encode(), ""))


@pytest.mark.parametrize(
    ("head", "asked"),
    [
        ("<meta name=robots content=nofollow>", Asked(nofollow=True)),
        ("<META NAME='ROBOTS' CONTENT='NoIndex, NOFOLLOW'>", Asked(nofollow=True, noindex=True)),
        ("<meta name=robots content=none>", Asked(nofollow=True, noindex=True)),
        ("<meta name=robots content='index, follow, noarchive'>", Asked()),
        ("<meta name=robots content='noindex;nofollow'>", Asked(nofollow=True, noindex=True)),
        ("<meta name=lamplighter content=noindex>", Asked(noindex=True)),
        ("<meta name=googlebot content=none>", Asked()),
        ("<meta name=robots content=all><meta name=Lamplighter content=nofollow>", Asked(nofollow=True)),
        ("<meta property=robots content=none><meta content=none>", Asked()),
        ("<link rel=canonical href=other>", Asked(canonical="https://site.example/dir/other")),
        ("<base href=/root/><link rel='x Canonical' href=other>", Asked(canonical="https://site.example/root/other")),
        ("<link rel=canonical href=page#part>", Asked()),
        ("<link rel=canonical href=''>", Asked()),
        ("<link rel=canonical href='javascript:x'>", Asked()),
        ("<link rel=canonicals href=other>", Asked()),
    ],
)
def test_elements_of_a_page_are_read(head: str, asked: Asked) -> None:
    assert asked_by(head) == asked


@pytest.mark.parametrize(
    ("value", "nofollow", "noindex"),
    [
        ("nofollow", True, False),
        ("NoIndex", False, True),
        ("none", True, True),
        ("noarchive, max-snippet: 5, noindex", False, True),
        ("googlebot: none", False, False),
        ("googlebot: nofollow, lamplighter: noindex", False, True),
        ("lamplighter: noindex, nofollow, otherbot: none", True, True),
        ("robots: noindex", False, True),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST", False, False),
        ("unavailable_after: Fri, 25 Jun 2010 15:00:00 PST, noindex", False, True),
        ("", False, False),
        (":,:,x:", False, False),
    ],
)
def test_x_robots_tag_is_read_for_all_and_for_us(value: str, nofollow: bool, noindex: bool) -> None:
    assert EAR.of_headers({"x-robots-tag": value}, URL) == Asked(nofollow=nofollow, noindex=noindex)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ('<https://site.example/a>; rel="canonical"', "https://site.example/a"),
        ("</b>; rel=canonical", "https://site.example/b"),
        (
            "<style.css>; rel=preload; as=style, <other>; rel='x'; rel=\"up canonical\"",
            "https://site.example/dir/other",
        ),
        ('<a>; rel="next"', ""),
        ("<page>; rel=canonical", ""),
        ("<<<>>>;;;rel=canonical", ""),
    ],
)
def test_the_link_header_names_the_canonical_page(value: str, canonical: str) -> None:
    assert EAR.of_headers({"link": value}, URL).canonical == canonical


def test_what_a_spider_does_not_obey_is_not_heard() -> None:
    deaf = Directives(Manners(obey_nofollow=False), USER_AGENT)
    tree = PageTree(URL, b"<meta name=robots content=none><link rel=canonical href=x>", "")
    headers = {"x-robots-tag": "none", "link": "<x>; rel=canonical"}
    assert deaf.of_page(tree) == deaf.of_headers(headers, URL) == Asked()
    assert deaf.fingerprint(headers) == b""


def links_of(body: str, **manners: object) -> Extraction:
    definition = parse({"name": "a", "start_urls": [URL], "follow": [{}], "manners": manners})
    return Extractor(definition, USER_AGENT).extract(URL, body.encode(), "", "text/html")


@pytest.mark.parametrize("rel", ["nofollow", "NOFOLLOW", "noopener  NoFollow", "ugc", "sponsored"])
def test_a_link_that_says_nofollow_is_not_followed_and_counted(rel: str) -> None:
    found = links_of(f"<a href=/a>a</a><a href=/b rel='{rel}'>b</a>")
    assert (found.links, found.reasons) == (["https://site.example/a"], {"nofollow": 1})


def test_a_page_that_is_also_linked_without_nofollow_is_followed() -> None:
    found = links_of("<a href=/a rel=nofollow>a</a><p><a href='../a#x'>again</a>")
    assert (found.links, found.reasons) == (["https://site.example/a"], {})


def test_nofollow_is_heard_by_every_kind_of_rule() -> None:
    rules = [{"css": "li a::attr(href)"}, {"xpath": "//div//a"}]
    definition = parse({"name": "a", "start_urls": [URL], "follow": rules})
    body = "<li><a href=/a rel=nofollow>a</a></li><div><a href=/b rel=ugc>b</a><a href=/c rel=next>c</a></div>"
    found = Extractor(definition, USER_AGENT).extract(URL, body.encode(), "", "text/html")
    assert (found.links, found.reasons) == (["https://site.example/c"], {"nofollow": 2})


def test_nofollow_can_be_disobeyed() -> None:
    found = links_of("<meta name=robots content=nofollow><a href=/a rel=nofollow>a</a>", obey_nofollow=False)
    assert (found.links, found.reasons) == (["https://site.example/a"], {})


def test_the_preview_says_which_links_are_marked() -> None:
    definition = parse({"name": "a", "start_urls": [URL], "follow": [{}]})
    seen = Extractor(definition).explain(URL, b"<a href=/a rel=nofollow>a</a>", "", "text/html").links
    assert [(link.followed, link.verdict) for link in seen] == [(False, "the link says nofollow")]
    whole = (
        Extractor(definition).explain(URL, b"<meta name=robots content=none><a href=/a>a</a>", "", "text/html").links
    )
    assert [(link.followed, link.verdict) for link in whole] == [(False, "the page says nofollow")]


def test_the_preview_says_what_a_page_gives_up() -> None:
    document = {"name": "a", "start_urls": [URL], "manners": {"obey_noindex": True, "canonical": "follow"}}
    extractor = Extractor(parse(document))
    notice = extractor.explain(URL, b"<meta name=robots content=noindex>", "", "text/html").notice
    assert notice == "the page says noindex: its items are not kept"
    assert "/dir/x" in extractor.explain(URL, b"<link rel=canonical href=x>", "", "text/html").notice


def test_the_preview_hears_what_the_headers_ask() -> None:
    definition = parse({"name": "a", "start_urls": [URL], "follow": [{"deny": ["/no"]}]})
    body = b"<meta http-equiv=refresh content='0;url=/next'><a href=/a>a</a><a href=/no>b</a>"
    seen = Extractor(definition).explain(URL, body, "", "text/html")
    assert [link.followed for link in seen.links] == [True, True, False]
    assert seen.heard(Asked()) == seen

    heard = seen.heard(EAR.of_headers({"x-robots-tag": "none"}, URL))
    assert [link.verdict for link in heard.links] == ["the page says nofollow"] * 2 + ["denied by follow[0].deny[0]"]
    assert (heard.reason, heard.notice) == (Reason.NOINDEX, "the page says noindex: its items are not kept")
    assert not any(link.followed for link in heard.links)


async def test_nofollow_of_a_page_and_of_an_answer_end_the_walk_there() -> None:
    pages = {
        "/": page("/meta", "/header", "/other"),
        "/other": html("", "<a href=/z>z</a>", X_Robots_Tag="otherbot: nofollow"),
        "/z": page(),
    }
    refresh = "<meta http-equiv=refresh content='0; url=/sent'>"
    pages["/meta"] = html("<meta name=robots content=nofollow>" + refresh, "<a href=/x>x</a>")
    pages["/header"] = html(refresh, "<a href=/y>y</a>", X_Robots_Tag="nofollow")
    storage = MemoryStorage()
    async with Site(pages) as site:
        outcome = await crawl_once(make_definition(site.url + "/", items=[ITEM]), storage)
    assert sorted(site.asked) == ["/", "/header", "/meta", "/other", "/z"]
    assert outcome.counts.reasons["nofollow"] == 2
    assert outcome.ending is Ending.COMPLETED
    assert len(storage.items) == 3


async def test_a_header_holds_for_pages_of_very_many_links_too() -> None:
    links = "".join(f"<a href=/{number}>x</a>" for number in range(MANY_LINKS + 500))
    async with Site({"/": html("", links, X_Robots_Tag="nofollow")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert site.asked == {"/": 1}
    assert outcome.counts.reasons["nofollow"] == MANY_LINKS + 500


async def test_pages_that_say_noindex_give_no_items_where_that_is_obeyed() -> None:
    pages = {
        "/": html("", "<a href=/meta>m</a><a href=/header>h</a>"),
        "/meta": html("<meta name=robots content=noindex>", "<a href=/x>x</a>"),
        "/header": html("", "<a href=/y>y</a>", X_Robots_Tag="noindex"),
        "/x": html(),
        "/y": html(),
    }
    storage = MemoryStorage()
    async with Site(pages) as site:
        manners = {"obey_noindex": True}
        outcome = await crawl_once(make_definition(site.url + "/", items=[ITEM], manners=manners), storage)
        assert sorted(item.key for item in storage.items.values()) == [f'["{site.url}/{x}"]' for x in ("", "x", "y")]
        assert outcome.counts.reasons["noindex"] == 2
        await crawl_once(make_definition(site.url + "/", items=[ITEM]), everything := MemoryStorage())
    assert len(everything.items) == 5


async def test_a_header_that_changes_alone_is_a_change_of_the_page() -> None:
    pages = {"/": html("", X_Robots_Tag="all")}
    storage = MemoryStorage()
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", items=[ITEM], manners={"obey_noindex": True})
        await crawl_once(definition, storage)
        storage.begin()
        assert (await crawl_once(definition, storage)).counts.pages_unchanged == 1
        site.pages["/"] = html("", X_Robots_Tag="noindex")
        storage.begin()
        outcome = await crawl_once(definition, storage)
    assert (outcome.counts.pages_done, outcome.counts.reasons["noindex"]) == (1, 1)
    assert [item.gone for item in storage.items.values()] == [True]


def canonical(target: str, *links: str) -> Reply:
    return html(f"<link rel=canonical href='{target}'>", "".join(f"<a href='{link}'>x</a>" for link in links))


async def test_a_page_gives_its_place_to_its_canonical_page() -> None:
    pages = {
        "/": html("", "<a href='/list?sort=a'>a</a><a href='/list?sort=b'>b</a><a href='/away'>away</a>"),
        "/list?sort=a": canonical("/list", "/one"),
        "/list?sort=b": canonical("/list", "/two"),
        "/list": html(),
        "/away": canonical("https://elsewhere.example/"),
        "/one": html(),
        "/two": html("", "", Link="</list>; rel=canonical"),
    }
    storage = MemoryStorage()
    async with Site(pages) as site:
        manners = {"canonical": "follow"}
        outcome = await crawl_once(make_definition(site.url + "/", items=[ITEM], manners=manners), storage)
        assert site.asked == dict.fromkeys(pages, 1)
        taken = sorted(item.key for item in storage.items.values())
        assert taken == [f'["{site.url}/{path}"]' for path in ("", "away", "list", "one")]
        sorted_page = page_of(storage, site.url + "/list?sort=a")
        assert (sorted_page.state, sorted_page.redirected_to) == (PageState.REDIRECTED, site.url + "/list")
        await crawl_once(make_definition(site.url + "/", items=[ITEM]), ignoring := MemoryStorage())
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.reasons["canonical"] == outcome.counts.pages_redirected == 3
    assert len(ignoring.items) == 6


@pytest.mark.parametrize("robots", ["Disallow: /private", "Disallow: /private/book$"])
async def test_a_canonical_page_that_may_not_be_asked_for_takes_no_items_away(robots: str) -> None:
    pages = {
        "/": canonical("/private/book", "/page", "/other"),
        "/page": html("", "", Link="</private/book>; rel=canonical"),
        "/robots.txt": Reply(f"User-agent: *\n{robots}"),
    }
    storage = MemoryStorage()
    async with Site(pages) as site, Site({"/": html()}) as other:
        site.pages["/other"] = canonical(other.url + "/")
        document: dict[str, object] = {"items": [ITEM], "allowed_domains": ["127.0.0.1"]}
        await crawl_once(make_definition(site.url + "/", **document), storage)
        assert len(storage.items) == 3
        storage.begin(version=2)
        manners = {"canonical": "follow"}
        outcome = await crawl_once(make_definition(site.url + "/", **document, manners=manners), storage)
        assert outcome.ending is Ending.COMPLETED
        assert not any(item.gone for item in storage.items.values()), "of the other host no rules are known"
        assert other.asked == {"/": 1}
        assert "robots_disallowed" not in outcome.counts.reasons
        storage.begin(version=3)
        careless = {**manners, "obey_robots": False}
        site.pages["/private/book"] = html()
        await crawl_once(make_definition(site.url + "/", **document, manners=careless), storage)
        for path in ("/", "/other"):
            assert page_of(storage, site.url + path).state is PageState.REDIRECTED


@pytest.mark.parametrize(
    "away",
    [
        Reply(status=404),
        Reply(status=410),
        Reply(status=500),
        redirect("/gone"),
        redirect("/1"),
        redirect("http://x.y/"),
    ],
    ids=["404", "410", "500", "to nothing", "back", "out of scope"],
)
async def test_pages_whose_canonical_page_fails_keep_their_items(away: Reply) -> None:
    manners = {"canonical": "follow"}
    storage = MemoryStorage()
    variants = ("/1", "/2", "/late")
    async with Site({"/": html("", "<a href='/1'>1</a><a href='/2'>2</a>"), "/1": canonical("/c")}) as site:
        site.pages |= {"/2": canonical("/c", "/next"), "/next": html("", "<a href='/late'>l</a>")}
        site.pages |= {"/late": html("", "", Link="</c>; rel=canonical"), "/c": away}
        definition = make_definition(site.url + "/", items=[ITEM], manners=manners)
        for _ in range(2):
            async with make_crawler() as crawler:
                outcome = await finish(crawler.crawl(definition, storage, checkpoint_pages=1))
            assert outcome.ending is Ending.COMPLETED
            kept = {item.key for item in storage.items.values() if not item.gone}
            assert kept == {f'["{site.url}{path}"]' for path in ("/", "/next", *variants)}
            assert outcome.counts.reasons["canonical_failed"] == 3
            assert max(site.asked[path] for path in variants) == 2
            storage.begin()
            site.seen.clear()
        site.pages["/c"] = html()
        await crawl_once(definition, storage)
        assert {page_of(storage, site.url + path).state for path in variants} == {PageState.REDIRECTED}


async def test_what_waits_for_a_canonical_page_waits_for_what_that_gives_its_place_to() -> None:
    pages = {"/": canonical("/a"), "/a": canonical("/b"), "/b": Reply(status=404)}
    storage = MemoryStorage()
    async with Site(pages) as site:
        definition = make_definition(site.url + "/", items=[ITEM], manners={"canonical": "follow"})
        await crawl_once(definition, storage)
        assert [item.key for item in storage.items.values()] == [f'["{site.url}/a"]']
        assert site.asked == {"/": 1, "/a": 2, "/b": 1}


async def test_what_pages_ask_for_is_named_with_a_few_examples_each() -> None:
    pages: dict[str, Reply | Handler] = {"/": html("", "".join(f"<a href=/{n}>{n}</a>" for n in range(8)))}
    pages |= {f"/{n}": html("<meta name=robots content=noindex>", "<a rel=nofollow href=/no>n</a>") for n in range(4)}
    pages |= {f"/{n}": canonical("/there") for n in (4, 5)} | {f"/{n}": canonical("/away") for n in (6, 7)}
    pages["/there"] = html()
    manners = {"canonical": "follow", "obey_noindex": True}
    storage = MemoryStorage()
    async with Site(pages) as site:
        outcome = await crawl_once(make_definition(site.url + "/", items=[ITEM], manners=manners), storage)
        notices = [notice for batch in storage.checkpoints for notice in batch.notices]
        assert Counter(notice.reason for notice in notices) == {
            "noindex": 3,
            "nofollow": 3,
            "canonical": 3,
            "canonical_failed": 2,
        }
        assert {notice.url for notice in notices if notice.reason == "canonical_failed"} == {
            f"{site.url}/{n}" for n in (6, 7)
        }
        detail = next(notice.detail for notice in notices if notice.url == site.url + "/4")
        assert detail == f"its canonical page is {site.url}/there"
    assert (outcome.counts.reasons["noindex"], outcome.counts.reasons["canonical"]) == (4, 4)


async def test_canonicals_in_a_circle_mean_nothing() -> None:
    pages = {
        "/": canonical("/a"),
        "/a": canonical("/b"),
        "/b": canonical("/"),
        "/slash/": canonical("/slash"),
        "/old": redirect("/new"),
        "/new": canonical("/old"),
    }
    storage = MemoryStorage()
    async with Site(pages) as site:
        starts = [site.url + path for path in ("/", "/slash/", "/old")]
        definition = make_definition(*starts, items=[ITEM], manners={"canonical": "follow"})
        outcome = await crawl_once(definition, storage)
        assert sorted(item.key for item in storage.items.values()) == [
            f'["{site.url}/{path}"]' for path in ("b", "new", "slash/")
        ]
    assert "redirect_loop" not in outcome.counts.reasons


def test_manners_are_read_and_written() -> None:
    manners = {"obey_nofollow": False, "obey_noindex": True, "canonical": "follow"}
    document = {"name": "a", "start_urls": [URL], "manners": manners}
    assert dump(parse(document)) == document
