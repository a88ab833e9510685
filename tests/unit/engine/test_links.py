"""Which links of a page are followed, and which rule decided."""

from __future__ import annotations

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.errors import Reason
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.links import Resolver, html_links
from crawler.engine.pages.page import PageTree
from crawler.engine.records import Extraction
from crawler.engine.spider import FollowRule
from crawler.engine.urls import resolve
from tests.spiders import saved_pages

URL = "https://shop.example/a/b.html?x=1"


def make_extractor(*follow: dict[str, object], **others: object) -> Extractor:
    return Extractor(parse({"name": "a", "start_urls": [URL], "follow": list(follow), **others}))


def extract(html: str, *follow: dict[str, object]) -> Extraction:
    return make_extractor(*follow).extract(URL, html.encode(), "utf-8", "text/html")


def links(html: str, *follow: dict[str, object]) -> list[str]:
    return extract(html, *follow).links


def test_no_rule_means_no_link() -> None:
    assert links("<a href=/x>") == []


FOUND = {
    "every link by default": ("<a href=/x>1</a><a href=/y>2</a>", {}, ["https://shop.example/x", "https://shop.example/y"]),
    "each once, in document order": (
        "<a href=/y><a href=/x><a href='/y#z'>",
        {},
        ["https://shop.example/y", "https://shop.example/x"],
    ),
    "normalised": (
        "<a href='HTTPS://Shop.Example:443/a/../c%7e?q=ü#f '>",
        {},
        ["https://shop.example/c%7e?q=%C3%BC"],
    ),
    "relative": ("<a href=c.html>", {}, ["https://shop.example/a/c.html"]),
    "query alone": ("<a href='?y=2'>", {}, ["https://shop.example/a/b.html?y=2"]),
    "fragment alone is the page itself": ("<a href='#top'>", {}, [URL]),
    "empty is the page itself": ("<a href=''>", {}, [URL]),
    "base element": ("<base href='/other/'><a href=c>", {}, ["https://shop.example/other/c"]),
    "base element in a template": ("<template><base href='/no/'></template><a href=c>", {}, ["https://shop.example/a/c"]),
    "other hosts": ("<a href='//other.example/x'>", {}, ["https://other.example/x"]),
    "in a template": ("<template><a href=/no></template><a href=/yes>", {}, ["https://shop.example/yes"]),
    "in SVG": ("<svg><a href=/x></a></svg>", {}, ["https://shop.example/x"]),
    "CSS": ("<a href=/x></a><nav><a href=/y></nav>", {"css": "nav a"}, ["https://shop.example/y"]),
    "elements other than a": ("<area href=/x><link href=/y>", {"css": "area, link"}, ["https://shop.example/x", "https://shop.example/y"]),
    "an element without href": ("<b>x</b><a href=/y>", {"css": "b, a"}, ["https://shop.example/y"]),
    "attribute": ("<b data-to=/x>", {"css": "b::attr(data-to)"}, ["https://shop.example/x"]),
    "XPath elements": ("<a href=/x>", {"xpath": "//a"}, ["https://shop.example/x"]),
    "XPath strings": ("<b>/x</b>", {"xpath": "//b/text()"}, ["https://shop.example/x"]),
    "XPath string": ("<b>/x</b>", {"xpath": "string(//b)"}, ["https://shop.example/x"]),
    "allow": ("<a href=/x/1><a href=/y/1>", {"allow": ["/x/", "/z/"]}, ["https://shop.example/x/1"]),
    "deny": ("<a href=/x/1><a href=/y/1>", {"deny": ["/x/"]}, ["https://shop.example/y/1"]),
    "deny wins": ("<a href=/x/1><a href=/x/2>", {"allow": ["/x/"], "deny": ["2$"]}, ["https://shop.example/x/1"]),
    "searched in the absolute URL": ("<a href=c><a href=/d>", {"allow": ["^https://shop[.]example/a/c$"]}, ["https://shop.example/a/c"]),
}  # fmt: skip


@pytest.mark.parametrize(("html", "rule", "found"), FOUND.values(), ids=FOUND.keys())
def test_links(html: str, rule: dict[str, object], found: list[str]) -> None:
    assert links(html, rule) == found


def test_css_for_every_link_finds_what_the_default_finds() -> None:
    for target, _, body in saved_pages("shop"):
        page = PageTree("http://site.test" + target, body, "utf-8")
        default = html_links([FollowRule()]).read(page).taken
        assert default
        assert html_links([FollowRule(css="a[href]")]).read(page).taken == default
        assert html_links([FollowRule(css="a[href]:not(zz)")]).read(page).taken == default


def test_what_is_no_link_to_fetch_is_counted_by_its_reason() -> None:
    extraction = extract("<a href='mailto:a@b'><a href='javascript:x()'><a href='http://['><a href=/x>", {})
    assert extraction.links == ["https://shop.example/x"]
    assert extraction.reasons == {Reason.SCHEME_REFUSED: 2, Reason.INVALID_URL: 1}


def test_links_that_no_rule_takes_are_not_counted() -> None:
    assert extract("<a href=/x>", {"deny": ["x"]}).reasons == {}


def test_rules_are_tried_in_order_and_the_first_that_takes_a_link_decides() -> None:
    html = "<nav><a href=/n/1><a href=/x/2></nav><a href=/x/3><a href=/y/4><a href=//other.example/x/>"
    explanation = make_extractor({"css": "nav a", "deny": ["/x/"]}, {"allow": ["/x/"], "deny": ["q", "3$"]}).explain(
        URL, html.encode(), "", "text/html"
    )
    assert {link.url: (link.followed, link.verdict) for link in explanation.links} == {
        "https://shop.example/n/1": (True, "followed by follow[0]"),
        "https://shop.example/x/2": (True, "followed by follow[1]"),
        "https://shop.example/x/3": (False, "denied by follow[1].deny[1]"),
        "https://shop.example/y/4": (False, "not in follow[1].allow"),
        "https://other.example/x/": (False, "outside allowed_domains"),
    }


def test_extract_and_explain_agree() -> None:
    rules: tuple[dict[str, object], ...] = ({"css": "h2 a"}, {"allow": [r"page=\d"]}, {"deny": ["/product/"]})
    extractor = Extractor(parse({"name": "a", "start_urls": ["http://site.test/"], "follow": list(rules)}))
    for target, _, body in saved_pages("shop"):
        arguments = ("http://site.test" + target, body, "utf-8", "text/html")
        followed = [link.url for link in extractor.explain(*arguments).links if link.followed]
        assert extractor.extract(*arguments).links == followed


HREFS = [
    "",
    "#a",
    "?q",
    "c",
    "./c",
    "../c",
    "/c",
    "//h/c",
    "http://h/c",
    "http:c",
    " c",
    "\tc",
    "?\nq",
    "\n?q2",
    "c\n",
    "/c\t/d",
    "c d",
    "mailto:x",
    "http://[",
]


@pytest.mark.parametrize("page", ["", "?q=/x/", "b.html", "d/", "d/b.html?q"])
def test_remembered_links_mean_the_same_on_every_page_of_a_folder(page: str) -> None:
    resolver = Resolver()
    for other in ("", "z.html", "d/z.html", "?z"):
        resolver.resolve(f"http://site.test/{other}", HREFS, {})
    base = f"http://site.test/{page}"
    refused: dict[str, int] = {}
    expected: dict[str, None] = {}
    for href in HREFS[:-2]:
        expected[resolve(href, base)] = None
    assert list(resolver.resolve(base, HREFS, refused)) == list(expected)
    assert refused == {"scheme_refused": 1, "invalid_url": 1}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.engine.pages.links._REMEMBERED", 10)
    reader = html_links([FollowRule(allow=("/1",))])
    for number in range(50):
        html = "".join(f"<a href=/{number}{link}>" for link in range(10))
        page = PageTree(f"http://site.test/{number}", html.encode(), "")
        assert len(reader.read(page).taken) == (10 if str(number).startswith("1") else 0)
        assert len(reader._verdicts) <= 10
        assert reader._resolver._count <= 20


def test_long_links_are_followed_and_not_remembered() -> None:
    reader = html_links([FollowRule(allow=("/a",))])
    long = "/a" + "b" * 1_000
    page = PageTree("http://site.test/", f"<a href={long}><a href=/a>".encode(), "")
    for _ in range(2):
        assert list(reader.read(page).taken) == ["http://site.test" + long, "http://site.test/a"]
    assert list(reader._verdicts) == [(0, "http://site.test/a")]
    assert reader._resolver._count == 1


def test_urls_that_a_long_base_makes_are_not_remembered() -> None:
    reader = html_links([FollowRule()])
    page = PageTree("http://site.test/", f"<base href=/{'b' * 400}/><a href=1><a href=2>".encode(), "")
    assert len(reader.read(page).taken) == 2
    assert reader._resolver._count == 0


def test_queries_are_written_in_the_encoding_of_their_page() -> None:
    body = '<meta charset=shift_jis><a href="/s?q=日本&x=é#日">x</a><a href="/日?a=b">y</a>'.encode(
        "cp932", "xmlcharrefreplace"
    )
    found = make_extractor({}).extract("http://a.example/", body, "", "text/html").links

    assert found == ["http://a.example/s?q=%93%FA%96{&x=%26%23233%3B", "http://a.example/%E6%97%A5?a=b"]


def test_whatever_reads_a_url_writes_its_query_as_the_links_do() -> None:
    """Else a page would give its place to a canonical that is no other page, and nofollow not be heard."""
    url = "http://a.example/s?q=%CF%F0"
    body = """
        <meta charset=windows-1251><link rel=canonical href="/s?q=Пр"><meta http-equiv=refresh content="0;url=/r?q=Пр">
        <a rel=nofollow href="/n?q=Пр">x</a><a href="/y?q=Пр">y</a>
        <div itemscope itemtype="https://schema.org/Product"><link itemprop=url href="/p?q=Пр"></div>
    """.encode("windows-1251")
    fields = {
        "link": {"css": "a::attr(href)", "type": "url"},
        "property": {"microdata": "Product.url", "type": "url"},
    }
    items = [{"type": "a", "fields": fields}]

    extraction = make_extractor({}, items=items, manners={"canonical": "follow"}).extract(url, body, "", "text/html")

    assert extraction.canonical == ""
    assert extraction.refresh == "http://a.example/r?q=%CF%F0"
    assert extraction.links == ["http://a.example/y?q=%CF%F0"]
    assert extraction.reasons == {Reason.NOFOLLOW: 1}
    assert extraction.items[0].data == {
        "link": "http://a.example/n?q=%CF%F0",
        "property": "http://a.example/p?q=%CF%F0",
    }
