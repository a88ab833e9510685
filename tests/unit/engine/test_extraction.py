"""What a page gives under the rules of the definitions file: selecting, values, regex, types, items."""

from __future__ import annotations

import json

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.errors import Reason
from crawler.engine.pages.extractor import Extractor
from crawler.engine.records import Extraction, Json
from crawler.engine.urls import hash_url

URL = "https://shop.example/catalogue/a_1/index.html?x=1"


def make_extractor(*items: dict[str, object]) -> Extractor:
    return Extractor(parse({"name": "books", "start_urls": [URL], "items": list(items)}))


def extract(html: str | bytes, **item: object) -> Extraction:
    body = html.encode() if isinstance(html, str) else html
    return make_extractor({"type": "book"} | item).extract(URL, body, "utf-8", "text/html")


def read(html: str | bytes, **rule: object) -> Json:
    """The value of one field on a page that is one item."""
    (item,) = extract(html, fields={"value": rule}).items
    return item.data["value"]


SELECTED: dict[str, tuple[str, dict[str, object], Json]] = {
    "element": ("<h1>A</h1>", {"css": "h1"}, "A"),
    "first of several": ("<p>A<p>B", {"css": "p"}, "A"),
    "first with a value": ("<p><p> <p>B", {"css": "p"}, "B"),
    "document order, not the list's": ("<b>1</b><i>2</i>", {"css": "i, b", "many": True}, ["1", "2"]),
    "own text": ("<p>a <b>x</b> c</p>", {"css": "p::text"}, "a c"),
    "own text nodes joined by a blank": ("<p>a<b>x</b>c</p>", {"css": "p::text"}, "a c"),
    "own text skips those without": ("<p><b>x</b></p><p>y", {"css": "p::text"}, "y"),
    "attribute": ("<a href='/x'>y</a>", {"css": "a::attr(href)"}, "/x"),
    "attribute skips those without": ("<a>y</a><a href=z>", {"css": "a::attr(href)"}, "z"),
    "attribute's name in capitals": ("<a href=z>", {"css": "a::attr(HREF)"}, "z"),
    "attribute of foreign elements": ("<svg viewBox='0 0'>", {"css": "svg::attr(viewBox)"}, "0 0"),
    "attribute alone, without each": ("<html lang=de>", {"css": "::attr(lang)"}, "de"),
    "combinator before a pseudo-element": ("<p>a<b>c</b>", {"css": "p ::text"}, "c"),
    "string with colons": ("<a href='::text'>x", {"css": "a[href='::text']"}, "x"),
    "XPath element": ("<h1>A</h1>", {"xpath": "//h1"}, "A"),
    "XPath text nodes": ("<p>a<b>x</b>c</p>", {"xpath": "//p/text()", "many": True}, ["a", "c"]),
    "XPath attribute": ("<a href='/x'>", {"xpath": "//a/@href"}, "/x"),
    "XPath whole number": ("<p><p><p>", {"xpath": "count(//p)"}, "3"),
    "XPath fraction": ("<p><p><p>", {"xpath": "count(//p) div 2"}, "1.5"),
    "XPath small fraction": ("<p>", {"xpath": "1 div 10000000"}, "0.0000001"),
    "XPath zero below zero": ("<p>", {"xpath": "-0"}, "0"),
    "XPath no number": ("<p>", {"xpath": "number(//zz)"}, None),
    "XPath string": ("<p> a  b", {"xpath": "string(//p)"}, "a b"),
    "XPath truth": ("<p>", {"xpath": "boolean(//p)"}, "true"),
    "XPath truth as boolean": ("<p>", {"xpath": "boolean(//zz)", "type": "boolean"}, False),
    "XPath comment": ("<!-- a  b -->", {"xpath": "//comment()"}, "a b"),
    "XPath document": ("<p>a", {"xpath": "/"}, "a"),
    "page's URL": ("", {"from": "url", "regex": r"_(\d+)/", "type": "integer"}, 1),
    "nothing": ("<p>", {"css": "h1"}, None),
    "nothing of many": ("<p>", {"css": "h1", "many": True}, []),
    "empty texts of many": ("<p>a<p> <p>b", {"css": "p", "many": True}, ["a", "b"]),
    "inside a template, counted": ("<template><p>no</p></template><p>yes", {"xpath": "count(//p)"}, "1"),
    "inside a template, as a condition": ("<div><template><p></template>x</div>", {"css": "div:has(p)"}, None),
    "inside a template, by XPath": ("<template><a href=n></a></template><a href=y>", {"xpath": "//a/@href"}, "y"),
    "inside a shadow root": (
        "<div><template shadowrootmode=open><p>no</p></template></div><p>yes",
        {"css": "p"},
        "yes",
    ),
    "inside a template": ("<template><p>no</p></template><p>yes", {"css": "p"}, "yes"),
    "noscript": ("<noscript><img src=a></noscript>", {"css": "img::attr(src)"}, "a"),
}


@pytest.mark.parametrize(("html", "rule", "value"), SELECTED.values(), ids=SELECTED.keys())
def test_selecting(html: str, rule: dict[str, object], value: Json) -> None:
    assert read(html, **rule) == value


TEXTS = {
    "white space of all kinds": ("<p>\n a \t b&nbsp;&#x2003;c\u3000d\f</p>", "a b c d"),
    "inline elements do not part": ("<p>a<b>b</b>c<span>d</span></p>", "abcd"),
    "line breaks part": ("<p>a<br>b<br/>c", "a b c"),
    "blocks part before and behind": ("<main><span>a<div>b</div>c</span></main>", "a b c"),
    "cells and rows part": ("<table><tr><td>a<td>b<tr><td>c</table>", "a b c"),
    "list entries part": ("<ol><li>a<li>b</ol>", "a b"),
    "options part": ("<select><option>a<option>b</select>", "a b"),
    "no script, style, template": (
        "<div>a<script>x</script><style>y</style><template>z<p>w</p></template>b</div>",
        "ab",
    ),
    "no markup for browsers without frames": (
        "<div>a<iframe><p>x</p></iframe><noembed><b>y</b></noembed><noframes><i>z</i></noframes>b</div>",
        "ab",
    ),
    "entities": ("<p>&amp;&lt;&eacute;&#128512;", "&<é😀"),
    "NUL": ("<p>a\0b</p>", "ab"),
    "NUL by number": ("<p>a&#0;b</p>", "a\ufffdb"),
    "half a surrogate pair by number": ("<p>a&#xd800;b</p>", "a\ufffdb"),
    "bidirectional marks stay": ("<p>a\u202eb", "a\u202eb"),
}


@pytest.mark.parametrize(("html", "value"), TEXTS.values(), ids=TEXTS.keys())
def test_text_of_an_element(html: str, value: str) -> None:
    assert read(html, xpath="//body/*[1]") == value
    assert read(html, css="body") == value


@pytest.mark.parametrize("tag", ["script", "style", "iframe"])
def test_what_is_left_out_of_others_can_be_read_itself(tag: str) -> None:
    assert read(f"<{tag}>a b</{tag}>", css=tag) == "a b"


REGEX: dict[str, tuple[str, dict[str, object], Json]] = {
    "whole match": ("<p>Price: £26.10", {"regex": r"[\d.]+"}, "26.10"),
    "first group": ("<p>In stock (3 available)", {"regex": r"\((\d+) (av)"}, "3"),
    "first match": ("<p>1 2", {"regex": r"\d"}, "1"),
    "no match is no value": ("<p>a", {"regex": "b"}, None),
    "first that matches": ("<p>a<p>b2<p>b3", {"regex": r"b\d"}, "b2"),
    "many leave out those that do not": ("<p>a1<p>b<p>a2", {"regex": r"a(\d)", "many": True}, ["1", "2"]),
    "a group that took no part": ("<p>ab", {"regex": "a|(b)"}, None),
    "a group that is empty": ("<p>ab", {"regex": "a(x*)"}, None),
    "an empty match": ("<p>ab", {"regex": "x*"}, None),
    "blanks at its ends": ("<p>Price:  7  EUR", {"regex": "Price:(.*)EUR"}, "7"),
    "case counts": ("<p>ABC", {"regex": "abc"}, None),
    "case does not count": ("<p>ABC", {"regex": "(?i)abc"}, "ABC"),
    "in the folded text": ("<p>a\n\n b", {"regex": "a b"}, "a b"),
    "html as it is": ("<p>a\n\n b", {"regex": "a\\n+ b", "type": "html"}, "a\n\n b"),
    "anchors mean the whole text": ("<p>a<br>b", {"regex": "^b"}, None),
    "characters beyond ASCII": ("<p>价格：¥３００元", {"regex": "价格：(.)"}, "¥"),
    "boolean: found": ("<p>In stock", {"regex": "^In", "type": "boolean"}, True),
    "boolean: not found": ("<p>Sold out", {"regex": "^In", "type": "boolean"}, False),
    "boolean: nothing there": ("", {"regex": "^In", "type": "boolean"}, False),
    "boolean: in any": ("<p>a<p>In", {"regex": "^In", "type": "boolean"}, True),
    "boolean: each of many": ("<p>a<p>In", {"regex": "^In", "type": "boolean", "many": True}, [False, True]),
}


@pytest.mark.parametrize(("html", "rule", "value"), REGEX.values(), ids=REGEX.keys())
def test_regex(html: str, rule: dict[str, object], value: Json) -> None:
    assert read(html, css="p", **rule) == value


UNREADABLE = object()
TYPES: list[tuple[str, dict[str, object], object]] = [
    ("12", {"type": "integer"}, 12),
    ("-12", {"type": "integer"}, -12),
    ("+007", {"type": "integer"}, 7),
    ("1,234,567", {"type": "integer"}, 1_234_567),
    ("1 234", {"type": "integer"}, 1_234),
    ("1&nbsp;234", {"type": "integer"}, 1_234),
    ("1'234", {"type": "integer"}, 1_234),
    ("1.234", {"type": "integer", "decimal_mark": ","}, 1_234),
    ("12,34", {"type": "integer"}, UNREADABLE),
    ("1234,567", {"type": "integer"}, UNREADABLE),
    ("1,234'567", {"type": "integer"}, UNREADABLE),
    ("1,2345", {"type": "integer"}, UNREADABLE),
    ("12.0", {"type": "integer"}, UNREADABLE),
    ("12 pcs", {"type": "integer"}, UNREADABLE),
    ("£12", {"type": "integer"}, UNREADABLE),
    ("٣", {"type": "integer"}, UNREADABLE),
    ("12_3", {"type": "integer"}, UNREADABLE),
    ("0x12", {"type": "integer"}, UNREADABLE),
    ("9" * 5_000, {"type": "integer"}, UNREADABLE),
    ("26.10", {"type": "decimal"}, "26.10"),
    ("1,026.10", {"type": "decimal"}, "1026.10"),
    ("1.026,10", {"type": "decimal", "decimal_mark": ","}, "1026.10"),
    (".5", {"type": "decimal"}, "0.5"),
    ("0.0000001", {"type": "decimal"}, "0.0000001"),
    ("-3", {"type": "decimal"}, "-3"),
    ("5.", {"type": "decimal"}, UNREADABLE),
    ("1e5", {"type": "decimal"}, UNREADABLE),
    ("26,10", {"type": "decimal"}, UNREADABLE),
    ("26.10", {"type": "decimal", "decimal_mark": ","}, UNREADABLE),
    ("NaN", {"type": "decimal"}, UNREADABLE),
    ("2.50", {"type": "float"}, 2.5),
    ("3", {"type": "float"}, 3.0),
    ("1.5e3", {"type": "float"}, 1500.0),
    ("1e999", {"type": "float"}, UNREADABLE),
    ("inf", {"type": "float"}, UNREADABLE),
    ("nan", {"type": "float"}, UNREADABLE),
    ("true", {"type": "boolean"}, True),
    ("Yes", {"type": "boolean"}, True),
    ("1", {"type": "boolean"}, True),
    ("ON", {"type": "boolean"}, True),
    ("false", {"type": "boolean"}, False),
    ("no", {"type": "boolean"}, False),
    ("0", {"type": "boolean"}, False),
    ("off", {"type": "boolean"}, False),
    ("perhaps", {"type": "boolean"}, UNREADABLE),
    ("2027-01-31", {"type": "date"}, "2027-01-31"),
    ("2027-01-31T10:00:00+02:00", {"type": "date"}, "2027-01-31"),
    ("31 January 2027", {"type": "date", "format": "%d %B %Y"}, "2027-01-31"),
    ("2027-02-30", {"type": "date"}, UNREADABLE),
    ("31/01/2027", {"type": "date"}, UNREADABLE),
    ("31 Januar 2027", {"type": "date", "format": "%d %B %Y"}, UNREADABLE),
    ("2027-01-31T10:00", {"type": "datetime"}, "2027-01-31T10:00:00"),
    ("2027-01-31 10:00:00.5", {"type": "datetime"}, "2027-01-31T10:00:00.500000"),
    ("2027-01-31T10:00:00Z", {"type": "datetime"}, "2027-01-31T10:00:00+00:00"),
    ("2027-01-31T10:00:00+05:30", {"type": "datetime"}, "2027-01-31T10:00:00+05:30"),
    ("31.1.2027 10:05", {"type": "datetime", "format": "%d.%m.%Y %H:%M"}, "2027-01-31T10:05:00"),
    ("2027-01-31x10:00", {"type": "datetime"}, UNREADABLE),
    ("/x y?z#top", {"type": "url"}, "https://shop.example/x%20y?z#top"),
    ("//cdn.example/a.png", {"type": "url"}, "https://cdn.example/a.png"),
    ("img.png", {"type": "url"}, "https://shop.example/catalogue/a_1/img.png"),
    ("http://[", {"type": "url"}, UNREADABLE),
    ('{"b": [1, 2.5, null], "a": "x  y"}', {"type": "json"}, {"b": [1, 2.5, None], "a": "x  y"}),
    ('"a\\u0000\\ud800"', {"type": "json"}, "a\ufffd"),
    ("{'a': 1}", {"type": "json"}, UNREADABLE),
    ("NaN", {"type": "json"}, UNREADABLE),
    ("[1e999]", {"type": "json"}, UNREADABLE),
    ("[" * 100_000, {"type": "json"}, UNREADABLE),
    ("[" * 500 + "]" * 500, {"type": "json"}, UNREADABLE),
    ("9" * 5_000, {"type": "json"}, UNREADABLE),
]


@pytest.mark.parametrize(
    ("text", "rule", "value"), TYPES, ids=[f"{rule['type']}-{text[:25]}" for text, rule, _ in TYPES]
)
def test_types(text: str, rule: dict[str, object], value: object) -> None:
    extraction = extract(f"<p>{text}</p>", fields={"value": {"css": "p"} | rule})
    (item,) = extraction.items
    if value is UNREADABLE:
        assert item.data["value"] is None
        assert not item.complete
        assert [(problem.field, problem.reason) for problem in item.problems] == [("value", Reason.UNREADABLE_VALUE)]
        assert extraction.reasons == {Reason.UNREADABLE_VALUE: 1}
        assert 0 < len(item.problems[0].value) <= 200
    else:
        assert (type(item.data["value"]), item.data["value"]) == (type(value), value)
        assert item.complete


def test_html_is_the_outer_html() -> None:
    assert read("<p class=a>x <b>y</b>\n</p>", css="p", type="html") == '<p class="a">x <b>y</b>\n</p>'


def test_html_holds_what_templates_hold_each_time_it_is_read() -> None:
    html = "<div>a<template><p>b</p><template>c</template></template></div>"
    fields = {"one": {"css": "div", "type": "html"}, "two": {"css": "template", "type": "html"}, "p": {"css": "p"}}
    (item,) = extract(html, fields=fields).items
    assert item.data == {"one": html, "two": html[6:-6], "p": None}


def test_a_url_is_resolved_against_the_base_element() -> None:
    html = "<base href='/other/'><img src='a.png'>"
    assert read(html, css="img::attr(src)", type="url") == "https://shop.example/other/a.png"


@pytest.mark.parametrize("href", ["/Annual  Report.pdf", "/a\n/b", " \n/c\u00a0\u00a0d\t", "/e ?f  g"])
def test_a_url_is_read_as_a_link_is(href: str) -> None:
    items = [{"type": "a", "fields": {"value": {"css": "a::attr(href)", "type": "url"}}}]
    extractor = Extractor(parse({"name": "a", "start_urls": [URL], "follow": [{}], "items": items}))
    found = extractor.extract(URL, f'<a href="{href}">'.encode(), "utf-8", "text/html")
    assert [found.items[0].data["value"]] == found.links


@pytest.mark.parametrize("base", ["http://[", "data:text/plain,x", "javascript:1", ""])
def test_a_base_that_is_no_page_is_passed_over(base: str) -> None:
    value = read(f"<base href='{base}'><img src='a.png'>", css="img::attr(src)", type="url")
    assert value == "https://shop.example/catalogue/a_1/a.png"


def test_one_unreadable_value_of_many_is_null_in_its_place() -> None:
    extraction = extract("<p>1<p>x<p>3", fields={"value": {"css": "p", "type": "integer", "many": True}})
    assert extraction.items[0].data["value"] == [1, None, 3]
    assert extraction.reasons == {Reason.UNREADABLE_VALUE: 1}


# -- items --------------------------------------------------------------------------------------------------------

CARDS = """
<h2>All</h2>
<article id=a><h3>One</h3><p class=price>1.50</p><i>x</i></article>
<article id=b><h3>Two</h3><p class=price>free</p></article>
<article id=c><p class=price>3.00</p></article>
<article id=a><h3>One again</h3></article>
"""
CARD = {
    "each": "article",
    "key": ["id"],
    "fields": {
        "id": {"css": "::attr(id)"},
        "name": {"css": "h3::text", "required": True},
        "price": {"css": ".price", "type": "decimal"},
        "heading": {"xpath": "//h2"},
        "inner": {"xpath": "i/text()"},
    },
}


@pytest.mark.parametrize("each", ["article", "//article", "(//article)", "./html/body/article"])
def test_each_match_is_an_item(each: str) -> None:
    extraction = extract(CARDS, **(CARD | {"each": each}))
    assert [item.data for item in extraction.items] == [
        {"id": "a", "name": "One", "price": "1.50", "heading": "All", "inner": "x"},
        {"id": "b", "name": "Two", "price": None, "heading": "All", "inner": None},
    ]
    assert extraction.reasons == {
        Reason.UNREADABLE_VALUE: 1,
        Reason.MISSING_REQUIRED: 1,
        Reason.DUPLICATE_KEY: 1,
    }
    assert extraction.rejected == 1
    assert [(problem.type, problem.field, problem.reason) for problem in extraction.problems] == [
        ("book", "name", Reason.MISSING_REQUIRED)
    ]


def test_css_within_each_matches_inside_with_the_whole_page_as_context() -> None:
    html = "<main><div id=x><p>a</p></div></main>"
    fields = {"p": {"css": "main p"}, "self": {"css": "div", "many": True}, "id": {"css": "::attr(id)"}}
    (item,) = extract(html, each="div", key=["id"], fields=fields).items
    assert item.data == {"p": "a", "self": [], "id": "x"}


def test_an_item_is_canonical() -> None:
    fields = {"z": {"css": "p", "type": "decimal"}, "a": {"css": "b", "many": True}}
    (item,) = extract("<p>2.50</p><b>ü</b>", key=["z"], fields=fields).items
    assert item.data_json == '{"a":["ü"],"z":"2.50"}'
    assert (item.key, item.key_hash) == ('["2.50"]', hash_url('["2.50"]'))
    assert json.loads(item.data_json) == item.data
    assert len(item.data_hash) == 16


def test_equal_data_has_an_equal_hash_whatever_the_order_of_the_rules() -> None:
    one, other = {"a": {"css": "p"}, "b": {"css": "i"}}, {"b": {"css": "i"}, "a": {"css": "p"}}
    html = "<p>x</p><i>y</i>"
    assert extract(html, fields=one).items[0].data_hash == extract(html, fields=other).items[0].data_hash


def test_the_key_is_the_page_where_none_is_given() -> None:
    (item,) = extract("<p>x", fields={"a": {"css": "p"}}).items
    assert item.key == f'["{URL}"]'


def test_keys_are_typed() -> None:
    html = "<p><b>1</b><i>1</i></p><p><b>1</b><i>01</i></p>"
    fields = {"n": {"css": "b", "type": "integer"}, "t": {"css": "i"}}
    items = extract(html, each="p", key=["n", "t"], fields=fields).items
    assert [item.key for item in items] == ['[1,"1"]', '[1,"01"]']


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        pytest.param("", {"css": "b"}, id="null"),
        pytest.param("", {"css": "b", "many": True}, id="empty list"),
        pytest.param("<b>x</b>", {"css": "b", "type": "integer"}, id="unreadable"),
        pytest.param("<b>1</b><b>x</b>", {"css": "b", "type": "integer", "many": True}, id="one unreadable"),
    ],
)
@pytest.mark.parametrize(
    ("item", "reason"),
    [
        pytest.param({"key": ["value"]}, Reason.MISSING_KEY, id="key"),
        pytest.param({}, Reason.MISSING_REQUIRED, id="required"),
    ],
)
def test_an_item_without_what_it_needs_is_not_stored(
    html: str, rule: dict[str, object], item: dict[str, object], reason: Reason
) -> None:
    extraction = extract(html, fields={"value": rule | {"required": not item}}, **item)
    assert extraction.items == []
    assert extraction.rejected == extraction.reasons[reason] == 1
    assert reason in [problem.reason for problem in extraction.problems]


def test_false_and_zero_are_values_of_a_key() -> None:
    fields = {"a": {"css": "p", "type": "integer"}, "b": {"css": "zz", "type": "boolean", "regex": "x"}}
    assert extract("<p>0", key=["a", "b"], fields=fields).items[0].key == "[0,false]"


@pytest.mark.parametrize(("match", "count"), [(r"/catalogue/.*_\d+/index\.html\?", 1), ("^/catalogue", 0), ("x=1$", 1)])
def test_match_is_searched_in_the_final_url(match: str, count: int) -> None:
    assert len(extract("<p>x", match=match, fields={"a": {"css": "p"}}).items) == count


def test_several_rules_read_one_page() -> None:
    rule: dict[str, object] = {"fields": {"a": {"css": "p"}}}
    extraction = make_extractor({"type": "one"} | rule, {"type": "two"} | rule).extract(URL, b"<p>x", "", "text/html")
    assert [(item.type, item.key) for item in extraction.items] == [("one", f'["{URL}"]'), ("two", f'["{URL}"]')]


# -- encodings ------------------------------------------------------------------------------------------------------

ENCODED = {
    "header": ("<p>é".encode("latin-1"), "iso-8859-1", "é"),
    "header wins over meta": ("<meta charset=gbk><p>é".encode(), "utf-8", "é"),
    "byte-order mark wins over header": (b"\xef\xbb\xbf" + "<p>é".encode(), "shift_jis", "é"),
    "meta": ("<meta charset=gb18030><p>价格".encode("gb18030"), "", "价格"),
    "unknown header": ("<meta charset=euc-kr><p>가격".encode("euc-kr"), "utf-7", "가격"),
    "nothing declared, UTF-8": ("<p>é价".encode(), "", "é价"),
    "nothing declared, not UTF-8": (b"<p>\xe9 \x80", "", "é €"),
    "broken UTF-8": (b"<p>a\xffb\xed\xa0\x80", "utf-8", "a\ufffdb\ufffd\ufffd\ufffd"),
    "UTF-16 with half a pair": ("<p>a".encode("utf-16-le") + b"\x00\xd8b\x00", "utf-16le", "a\ufffdb"),
    "Shift_JIS": ("<p>価格".encode("shift_jis"), "Shift_JIS", "価格"),
}


@pytest.mark.parametrize(("body", "charset", "value"), ENCODED.values(), ids=ENCODED.keys())
def test_pages_are_decoded_by_the_rules_of_the_web(body: bytes, charset: str, value: str) -> None:
    extractor = make_extractor({"type": "a", "fields": {"value": {"css": "p"}}})
    assert extractor.extract(URL, body, charset, "text/html").items[0].data["value"] == value


@pytest.mark.parametrize("content_type", ["application/json", "image/png", "text/css"])
def test_what_is_no_page_gives_nothing(content_type: str) -> None:
    extractor = make_extractor({"type": "a", "fields": {"value": {"css": "p"}}})
    extraction = extractor.extract(URL, b"<p>x", "", content_type)
    assert (extraction.items, extraction.reasons) == ([], {Reason.NOT_HTML: 1})
    assert content_type in extractor.explain(URL, b"<p>x", "", content_type).notice
