"""Feeds: the links of their entries, whatever their format, encoding and faults."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from crawler.engine.errors import Reason
from crawler.engine.memory import MemoryStorage
from crawler.engine.pages.bounds import FULL, Outgrown
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.feeds import feed_links
from crawler.engine.pages.steepness import hasty_bounds
from tests.servers.corpora import corpus

from .crawling import crawl_once, make_definition
from .site import Reply, Site, page

URL = "https://site.example/feeds/all.xml"
ATOM = 'xmlns="http://www.w3.org/2005/Atom"'


def links(feed: str | bytes, content_type: str = "application/rss+xml", charset: str = "") -> list[str] | None:
    body = feed.encode() if isinstance(feed, str) else feed
    found = feed_links(URL, body, charset, content_type)
    return None if found is None else [link.removeprefix("https://site.example") for link in found]


def rss(*items: str, head: str = "", root: str = "") -> str:
    inside = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?><rss version="2.0"{root}><channel><link>/home</link>{head}{inside}</channel></rss>'


READ: dict[str, tuple[str, list[str]]] = {
    "RSS": (rss("<link>/a</link>", "<title>b</title><link>https://b.example/</link>"), ["/a", "https://b.example/"]),
    "blanks around": (rss("<link>\n  /a\n</link>"), ["/a"]),
    "CDATA": (rss("<link><![CDATA[/a?x=1&y=2]]></link>"), ["/a?x=1&y=2"]),
    "escaped": (rss("<link>/a?x=1&amp;y=2</link>"), ["/a?x=1&y=2"]),
    "bare ampersand": (rss("<link>/a?x=1&y=2&copy=3</link>"), ["/a?x=1&y=2&copy=3"]),
    "names of HTML": (rss("<title>Caf&eacute;&nbsp;</title><link>/a</link>"), ["/a"]),
    "relative to the feed": (rss("<link>a</link>"), ["/feeds/a"]),
    "xml:base": (rss("<link>a</link>", root=' xml:base="/deep/er/"'), ["/deep/er/a"]),
    "no link but a permanent guid": (rss("<guid>https://site.example/g</guid>"), ["/g"]),
    "guid beside a link": (rss("<guid>https://site.example/g</guid><link>/a</link>"), ["/a"]),
    "guid that is no link": (rss('<guid isPermaLink="false">https://site.example/g</guid>', "<guid>17</guid>"), []),
    "Atom link in RSS": (rss(f'<atom:link xmlns:atom="{ATOM[7:-1]}" href="/a"/>'), ["/a"]),
    "other links in RSS": (rss("<media:link>/m</media:link><source><link>/s</link></source><link>/a</link>"), ["/a"]),
    "links inside a text": (rss("<description>&lt;a href=/x&gt;</description><link>/a</link>"), ["/a"]),
    "next page": (
        rss("<link>/a</link>", head='<atom:link rel="next" href="?page=2"/>'),
        ["/feeds/all.xml?page=2", "/a"],
    ),
    "RSS 1.0": (
        '<rdf:RDF xmlns="http://purl.org/rss/1.0/"><channel rdf:about="/c"><link>/home</link></channel>'
        '<item rdf:about="https://site.example/b"></item><item rdf:about="x"><link>/a</link></item></rdf:RDF>',
        ["/b", "/a"],
    ),
    "RSS 0.91 with its DTD": (
        '<?xml version="1.0"?><!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://127.0.0.1:9/x.dtd">'
        '<rss version="0.91"><channel><item><link>/a</link></item></channel></rss>',
        ["/a"],
    ),
    "Atom": (
        f'<feed {ATOM} xml:base="/z/"><link rel="self" href="me"/><link rel="next" href="2"/>'
        '<entry xml:base="deep/"><link rel="enclosure" href="e.mp3"/><link href="one"/></entry>'
        '<entry><link rel="alternate" href="two"/><source><link href="other"/></source></entry></feed>',
        ["/z/2", "/z/deep/one", "/z/two"],
    ),
    "Atom with prefixes": (
        f'<a:feed xmlns:a="{ATOM[7:-1]}"><a:entry><a:link href="/a"/></a:entry></a:feed>',
        ["/a"],
    ),
    "cut off": (rss("<link>/a</link>", "<link>/b</link>")[:-40], ["/a"]),
    "wrongly nested": (rss("<link>/a</link>", "<b><i></b></i>", "<link>/c</link>"), ["/a"]),
    "characters that XML forbids": (rss("<title>\x0b\x01\ufffe</title><link>/a</link>"), ["/a"]),
    "blanks in front": ("\n\n " + rss("<link>/a</link>"), ["/a"]),
    "a comment in front": ("<!-- made by <a> -->" + rss("<link>/a</link>").partition("?>")[2], ["/a"]),
    "no entries": (rss(), []),
}


@pytest.mark.parametrize(("feed", "expected"), READ.values(), ids=READ.keys())
def test_links_of_entries_are_found(feed: str, expected: list[str]) -> None:
    assert links(feed) == expected


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "text/html", "text/plain", ""])
def test_a_feed_is_known_by_what_it_is(content_type: str) -> None:
    assert links(rss("<link>/a</link>"), content_type) == ["/a"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<!doctype html><p>&lt;rss", "text/html"),
        ('<?xml version="1.0"?><html><a href="/a">x</a></html>', "application/xhtml+xml"),
        ('<?xml version="1.0"?><html><link rel="alternate" href="/wiki/Special:Feed"/><a href="/a">', "text/html"),
        ('<?xml version="1.0"?><!DOCTYPE html><!-- no <rss> --><html><a href="/a">', "application/xhtml+xml"),
        ("<feedback><a href='/a'>x</a></feedback>", "application/xml"),
        ("<urlset><url><loc>/a</loc></url></urlset>", "application/xml"),
        ('{"version": "https://api.example/1"}', "application/json"),
        ("", "application/rss+xml"),
    ],
)
def test_other_documents_are_no_feeds(body: str, content_type: str) -> None:
    assert links(body, content_type) is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1251", "gb18030", "shift_jis", "koi8-r"])
def test_encodings_are_read_as_declared(encoding: str) -> None:
    name = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    body = f'<?xml version="1.0" encoding="{name}"?><rss><item><link>/я</link></item></rss>'.encode(encoding)
    assert links(body) == ["/%D1%8F"]


def test_the_charset_of_the_answer_wins_over_the_declaration() -> None:
    body = '<?xml version="1.0" encoding="utf-8"?><rss><item><link>/я</link></item></rss>'.encode("koi8-r")
    assert links(body, charset="koi8-r") == ["/%D1%8F"]


JSON_FEED = {
    "version": "https://jsonfeed.org/version/1.1",
    "home_page_url": "/home",
    "next_url": "?page=2",
    "items": [{"url": "/a", "external_url": "/x"}, {"external_url": "b"}, {"id": "/c"}, {"url": 5}, "d"],
}


@pytest.mark.parametrize("content_type", ["application/feed+json", "application/json"])
def test_json_feed(content_type: str) -> None:
    assert links(json.dumps(JSON_FEED), content_type) == ["/a", "/feeds/b", "/feeds/all.xml?page=2"]


@pytest.mark.parametrize("body", ["", "[" * 100_000, "[]", '{"items": 5}', '{"items": [{"url": "' + "9" * 5000])
def test_a_json_feed_that_is_broken_gives_nothing(body: str) -> None:
    mark = '{"version": "https://jsonfeed.org/version/1"}'
    assert links(f"{body}{mark}", "application/json") in ([], None)


HIDDEN = b"<rss><title>" + b"<item><link>a</link></item>" * 25_000
"""To a parser of HTML all of it is text of one title."""


def test_a_feed_of_very_many_elements_does_not_hold_up_the_loop() -> None:
    entries = ",".join(f'{{"url": "{number}"}}' for number in range(60_000))
    listed = f'{{"version": "https://jsonfeed.org/version/1", "items": [{entries}]}}'.encode()
    definition = make_definition(URL)
    for body, content_type in ((HIDDEN, "text/xml"), (listed, "application/feed+json")):
        before = time.thread_time()
        with pytest.raises(Outgrown):
            Extractor(definition).extract(URL, body, "", content_type, hasty_bounds(definition))
        assert time.thread_time() - before < 0.25


def test_entries_are_counted_as_links_are() -> None:
    definition = make_definition(URL)
    body = rss(*(f"<link>/{number}</link>" for number in range(4))).encode()
    with pytest.raises(Outgrown):
        Extractor(definition).extract(URL, body, "", "text/xml", replace(hasty_bounds(definition), links=3))


def test_a_feed_that_takes_too_long_fails_its_page() -> None:
    extractor, bounds = Extractor(make_definition(URL)), replace(FULL, seconds=0.01)
    extraction = extractor.extract(URL, HIDDEN, "", "text/xml", bounds)
    assert extraction.reasons == {Reason.EXTRACTION_ERROR: 1}
    assert "longer than 0.01 s" in extractor.explain(URL, HIDDEN, "", "text/xml", bounds).notice


async def test_a_feed_is_a_start_page_and_its_entries_are_followed_by_rule() -> None:
    feed = Reply(rss("<link>/a</link>", "<link>/b</link>", "<link>/c/</link>"), headers={"Content-Type": "text/xml"})
    jsons = Reply(json.dumps({**JSON_FEED, "next_url": None}), headers={"Content-Type": "application/feed+json"})
    pages = {"/feed": feed, "/a": page("/x"), "/b": page(), "/x": page(), "/feed.json": jsons}
    async with Site(pages) as site:
        definition = make_definition(site.url + "/feed", follow=[{"deny": ["/c/$"]}])
        outcome = await crawl_once(definition, MemoryStorage())
        assert sorted(site.asked) == ["/a", "/b", "/feed", "/x"]
        assert "not_html" not in outcome.counts.reasons
        site.seen.clear()
        await crawl_once(make_definition(site.url + "/feed.json", follow=[{"allow": ["/[ab]$"]}]), MemoryStorage())
        assert sorted(site.asked) == ["/a", "/b", "/feed.json"]


async def test_rules_with_a_selector_read_a_feed_as_they_did() -> None:
    feed = Reply(rss("<link>/a</link>"), headers={"Content-Type": "text/xml"})
    async with Site({"/feed": feed}) as site:
        await crawl_once(make_definition(site.url + "/feed", follow=[{"css": "p a"}]), MemoryStorage())
        assert sorted(site.asked) == ["/feed"]


@pytest.mark.corpora
def test_real_feeds_in_their_encodings_give_the_links_that_a_strict_parser_finds() -> None:
    """What ElementTree makes of the same text in UTF-8, for those that are well-formed."""
    compared = given = 0
    folder = corpus("legacy-encodings") / "site"
    for file in sorted(folder.rglob("*.xml")):
        body = file.read_bytes()
        found = feed_links(URL, body, "", "text/xml")
        assert found is not None, file
        given += bool(found)
        try:
            root = ET.fromstring(body)
        except (ET.ParseError, ValueError, LookupError):
            continue
        items = [entry for entry in root.iter() if entry.tag.rpartition("}")[2] in ("item", "entry")]
        expected = 0
        for item in items:
            plain = [child for child in item if child.tag in ("link", "{http://purl.org/rss/1.0/}link")]
            atom = [child for child in item.findall("{http://www.w3.org/2005/Atom}link") if _is_alternate(child)]
            expected += len([link for link in plain if (link.text or "").strip()]) + len(atom)
        assert len(found) >= expected, file
        compared += 1
    assert compared >= 50
    assert given >= 160


def _is_alternate(link: ET.Element) -> bool:
    return link.get("rel", "alternate") == "alternate"


def test_a_dtd_gives_no_element_an_attribute() -> None:
    """One default of 200 kB at each of 40,000 elements would be eight gigabytes to copy."""
    feed = (
        '<?xml version="1.0"?><!DOCTYPE feed [<!ATTLIST link href CDATA "http://default.example/">]>'
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><link/></entry><entry><link href="/a"/></entry></feed>'
    )
    assert feed_links("http://site.example/", feed.encode(), "", "application/atom+xml") == ["http://site.example/a"]
