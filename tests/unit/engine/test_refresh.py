from __future__ import annotations

import pytest

from crawler.engine.memory import MemoryStorage
from crawler.engine.pages.directives import Directives
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.page import PageTree
from crawler.engine.records import Ending
from crawler.engine.spider import Manners

from .crawling import crawl_once, make_definition
from .site import Reply, Site, page

URL = "https://shop.example/a/"
NEXT = "https://shop.example/next"


def target(head: str) -> str:
    page = PageTree(URL, f"<!doctype html><title>x</title>{head}<p>text".encode(), "utf-8")
    return Directives(Manners(), "").of_page(page).refresh


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("0;url=/next", NEXT),
        ("5; URL = '/next' and more", NEXT),
        ('0;url="/next"', NEXT),
        ("0, /next", NEXT),
        ("1.5;/next", NEXT),
        (".5 /next", NEXT),
        (" 0 ; url=https://shop.example/next#part ", NEXT),
        ("0;url=\n/ne\txt", NEXT),
        ("6;url=/next", ""),
        ("99999999999999999999;url=/next", ""),
        ("0", ""),
        ("0;", ""),
        ("0;url=", ""),
        ("0;url=#top", ""),
        ("0;url=/a/", ""),
        ("url=/next", ""),
        ("-1;url=/next", ""),
        ("0;url=javascript:alert(1)", ""),
        ("0;url=file:///etc/passwd", ""),
        ("0;url=http://user:pw@shop.example/", ""),
        ("", ""),
    ],
)
def test_a_refresh_is_read_as_the_standard_says(content: str, found: str) -> None:
    quote = "'" if '"' in content else '"'
    assert target(f"<meta http-equiv=REFRESH content={quote}{content}{quote}>") == found


def test_the_first_one_counts_and_none_for_readers_without_scripts() -> None:
    refresh = '<meta http-equiv="refresh" content="0;url={}">'
    assert target(f"<noscript>{refresh.format('/no')}</noscript>{refresh.format('/next')}") == NEXT
    assert target(refresh.format("/next") + refresh.format("/other")) == NEXT
    assert target(f"<script>'{refresh.format('/next')}'</script><!-- {refresh.format('/next')} -->") == ""
    assert target(f"<base href='/b/'>{refresh.format('next')}") == "https://shop.example/b/next"


def refreshing(url: str, text: str = "") -> Reply:
    return page().__class__(
        f'<meta http-equiv="refresh" content="0; url={url}"><p>{text}</p>', headers={"Content-Type": "text/html"}
    )


async def test_where_a_page_sends_its_readers_is_fetched_whatever_the_rules_say_each_time() -> None:
    storage = MemoryStorage(max_depth=0)
    async with Site({"/": refreshing("/en/"), "/en/": page("/en/x", text="home")}) as site:
        rule = {"type": "home", "match": "/en/$", "fields": {"text": {"css": "p"}}}
        definition = make_definition(site.url + "/", follow=[], items=[rule], limits={"max_depth": 0})
        for _ in range(2):
            outcome = await crawl_once(definition, storage)
            assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, 2)
            storage.begin()
        assert site.asked == {"/": 2, "/en/": 2}
    assert [item.data["text"] for item in storage.items.values()] == ["home"]


async def test_pages_that_send_their_readers_round_are_each_read_once() -> None:
    async with Site({"/": refreshing("/b"), "/b": refreshing("/")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert site.asked == {"/": 1, "/b": 1}
    assert outcome.ending is Ending.COMPLETED


async def test_an_endless_chain_of_such_pages_ends() -> None:
    async with Site({f"/{n}": refreshing(f"/{n + 1}") for n in range(30)}) as site:
        await crawl_once(make_definition(site.url + "/0"), MemoryStorage())
        assert len(site.asked) == 11


async def test_out_of_scope_is_out_of_scope() -> None:
    async with Site({"/": refreshing("http://127.0.0.2/")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.reasons == {"out_of_scope": 1}


def test_a_preview_shows_it_as_a_link() -> None:
    extractor = Extractor(make_definition(URL, follow=[]))
    body = b'<meta http-equiv="refresh" content="0;url=/next">'
    (link,) = extractor.explain(URL, body, "", "text/html").links
    assert (link.url, link.followed, link.verdict) == (NEXT, True, "followed: the page sends its readers there")
