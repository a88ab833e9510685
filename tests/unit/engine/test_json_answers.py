"""JSON answers: items, values and links by JMESPath, and what servers do to JSON."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.documents.definition import dump, parse
from crawler.engine.errors import DefinitionError, Reason
from crawler.engine.memory import MemoryStorage
from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.steepness import hasty_bounds
from crawler.engine.records import Ending, Extraction, Json, PageState
from tests.servers.corpora import corpus
from tests.servers.sites import SiteServer

from .crawling import crawl_once, make_definition, page_of
from .site import Reply, Site

URL = "https://shop.example/api/list?page=1"
QUOTES: dict[str, object] = {
    "type": "quote",
    "each_json": "quotes",
    "key": ["text"],
    "fields": {
        "text": {"json": "text", "required": True},
        "author": {"json": "author.name"},
        "about": {"json": "author.goodreads_link", "type": "url"},
        "tags": {"json": "tags", "many": True},
    },
}


def make_extractor(*items: dict[str, object], follow: list[dict[str, object]] | None = None) -> Extractor:
    return Extractor(parse({"name": "a", "start_urls": [URL], "items": list(items), "follow": follow or []}))


def extract(
    body: str | bytes, rule: dict[str, object], content_type: str = "application/json", charset: str = ""
) -> Extraction:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return make_extractor({"type": "book"} | rule).extract(URL, raw, charset, content_type)


def read(value: object, **rule: object) -> Extraction:
    text = value if isinstance(value, str) else json.dumps(value)
    return extract(f'{{"v": {text}}}', {"fields": {"value": {"json": "v"} | rule}})


VALUES: dict[str, tuple[str, dict[str, object], Json]] = {
    "text": ('"a  b\\n"', {}, "a b"),
    "number as text": ("26.10", {}, "26.10"),
    "whole number as text": ("12", {}, "12"),
    "truth as text": ("true", {}, "true"),
    "null": ("null", {}, None),
    "empty text": ('" "', {}, None),
    "object as text": ('{"b": 1, "a": [1.50, "ü"]}', {}, '{"a":[1.5,"ü"],"b":1}'),
    "first of a list": ('[null, "", "b", "c"]', {}, "b"),
    "all of a list": ('["a", null, "", 2]', {"many": True}, ["a", "2"]),
    "many of one": ('"a"', {"many": True}, ["a"]),
    "many of nothing": ("null", {"many": True}, []),
    "regex": ('"£26.10 each"', {"regex": "[\\d.]+", "type": "decimal"}, "26.10"),
    "regex on a number": ("26.10", {"regex": "^\\d+", "type": "integer"}, 26),
    "integer": ("12", {"type": "integer"}, 12),
    "integer below zero": ("-12", {"type": "integer"}, -12),
    "integer as a text": ('"1,234"', {"type": "integer"}, 1234),
    "integer with a fraction of zero": ("12.0", {"type": "integer"}, 12),
    "integer beyond floats": (str(2**70), {"type": "integer"}, 2**70),
    "float": ("1.5e3", {"type": "float"}, 1500.0),
    "float of a whole number": ("2", {"type": "float"}, 2.0),
    "decimal keeps its digits": ("26.10", {"type": "decimal"}, "26.10"),
    "decimal beyond floats": ("0.12345678901234567890", {"type": "decimal"}, "0.12345678901234567890"),
    "decimal with an exponent": ("1.5e3", {"type": "decimal"}, "1500"),
    "decimal of a whole number": ("7", {"type": "decimal"}, "7"),
    "decimal as a text": ('"26,10"', {"type": "decimal", "decimal_mark": ","}, "26.10"),
    "decimal mark of texts only": ("26.10", {"type": "decimal", "decimal_mark": ","}, "26.10"),
    "boolean": ("false", {"type": "boolean"}, False),
    "boolean as a number": ("1", {"type": "boolean"}, True),
    "boolean as a text": ('"yes"', {"type": "boolean"}, True),
    "boolean by regex": ('"In stock"', {"type": "boolean", "regex": "^In"}, True),
    "boolean by regex of nothing": ("null", {"type": "boolean", "regex": "^In"}, False),
    "date": ('"2027-01-31"', {"type": "date"}, "2027-01-31"),
    "url": ('"/a?b#c"', {"type": "url"}, "https://shop.example/a?b#c"),
    "url of nothing": ("null", {"type": "url"}, None),
    "url in an object": ('{"href": "/a"}', {"type": "url", "regex": "/[a-z]+"}, "https://shop.example/a"),
    "html": ('"<b>a</b>  "', {"type": "html"}, "<b>a</b>  "),
    "json": ('{"b": [1.5, null, "x"]}', {"type": "json"}, {"b": [1.5, None, "x"]}),
    "json of a list": ("[1, [2]]", {"type": "json"}, [1, [2]]),
    "json of many": ("[1, [2], null]", {"type": "json", "many": True}, [1, [2]]),
    "json of a text": ('"a"', {"type": "json"}, "a"),
    "json in a text": ('"x = {\\"a\\": 1};"', {"type": "json", "regex": "\\{.*\\}"}, {"a": 1}),
    "half a surrogate pair": ('"a\\ud800b\\u0000c"', {}, "a\ufffdbc"),
    "half a surrogate pair in an object": ('{"\\ud800": "\\udc00"}', {"type": "json"}, {"\ufffd": "\ufffd"}),
    "half a surrogate pair in a URL": ('"/\\ud800"', {"type": "url"}, "https://shop.example/%EF%BF%BD"),
}


@pytest.mark.parametrize(("text", "rule", "value"), VALUES.values(), ids=VALUES.keys())
def test_values_are_typed(text: str, rule: dict[str, object], value: Json) -> None:
    extraction = read(text, **rule)
    (item,) = extraction.items
    assert item.data == {"value": value}
    assert type(item.data["value"]) is type(value)
    assert item.problems == []


UNREADABLE: dict[str, tuple[str, dict[str, object]]] = {
    "text as a number": ('"many"', {"type": "integer"}),
    "fraction as an integer": ("12.5", {"type": "integer"}),
    "truth as a number": ("true", {"type": "integer"}),
    "object as a number": ('{"a": 1}', {"type": "decimal"}),
    "integer beyond use": ("9" * 401, {"type": "integer"}),
    "float beyond floats": ("1e999", {"type": "float"}),
    "whole number beyond floats": ("9" * 400, {"type": "float"}),
    "decimal of a gigabyte": ("1e999999999", {"type": "decimal"}),
    "decimal without end": ("0." + "1" * 500, {"type": "decimal"}),
    "number as a URL": ("5", {"type": "url"}),
    "truth as a URL": ("false", {"type": "url"}),
    "object as a URL": ('{"href": "/a"}', {"type": "url"}),
    "number as a date": ("1700000000", {"type": "date"}),
    "number beyond floats in json": ('{"a": 1e999}', {"type": "json"}),
    "deep json": ("[" * 150 + "]" * 150, {"type": "json"}),
    "deep json as text": ('{"a":' * 150 + "1" + "}" * 150, {}),
    "deep json, asked": ('{"a":' * 150 + "1" + "}" * 150, {"type": "boolean", "regex": "a"}),
    "an expression that does not fit": ('"a"', {"json": "sum(v)"}),
}


@pytest.mark.parametrize(("text", "rule"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_not_of_the_type_is_null_and_counted(text: str, rule: dict[str, object]) -> None:
    extraction = read(text, **rule)
    (item,) = extraction.items
    assert item.data["value"] in (None, False)
    assert [(problem.field, problem.reason) for problem in item.problems] == [("value", Reason.UNREADABLE_VALUE)]
    assert extraction.reasons == {Reason.UNREADABLE_VALUE: 1}


def test_each_value_of_each_json_is_an_item() -> None:
    body = {"quotes": [{"text": "a", "author": {"name": "A", "goodreads_link": "/a"}, "tags": ["x", "y"]}, None, {}]}
    extraction = extract(json.dumps(body), QUOTES)
    (item,) = extraction.items
    assert item.data == {"text": "a", "author": "A", "about": "https://shop.example/a", "tags": ["x", "y"]}
    assert (extraction.rejected, extraction.reasons) == (1, {Reason.MISSING_KEY: 1})


def test_one_object_is_one_item_and_plain_values_are_items_too() -> None:
    rule: dict[str, object] = {"key": ["value"], "fields": {"value": {"json": "@"}, "page": {"from": "url"}}}
    assert [item.data["value"] for item in extract('{"a": "x"}', rule | {"each_json": "a"}).items] == ["x"]
    assert [item.data["value"] for item in extract('["x", 2, "x"]', rule | {"each_json": "@"}).items] == ["x", "2"]
    assert extract('["x"]', rule | {"each_json": "@"}).items[0].data["page"] == URL


def test_an_each_json_that_does_not_fit_fails_the_page_and_names_the_expression() -> None:
    extraction = extract("{}", {"each_json": "sort(a)", "key": ["v"], "fields": {"v": {"json": "v"}}})
    assert extraction.reasons == {Reason.EXTRACTION_ERROR: 1}
    assert extraction.problems[0].value.startswith("JMESPath sort(a): ")


READ_AS_JSON: dict[str, tuple[bytes, str, str]] = {
    "its own type": (b'{"v": "\xc3\xbc"}', "application/json", ""),
    "a type that ends in +json": (b'{"v": "\xc3\xbc"}', "application/vnd.api+json", ""),
    "the old type": (b'{"v": "\xc3\xbc"}', "text/json", ""),
    "plain text": (b' \n{"v": "\xc3\xbc"}', "text/plain", ""),
    "HTML": (b'{"v": "\xc3\xbc"}', "text/html", "utf-8"),
    "a script": (b'{"v": "\xc3\xbc"}', "text/javascript", ""),
    "no type": (b'{"v": "\xc3\xbc"}', "", ""),
    "a byte order mark": (b'\xef\xbb\xbf{"v": "\xc3\xbc"}', "application/json", ""),
    "a byte order mark before text": (b'\xef\xbb\xbf{"v": "\xc3\xbc"}', "text/plain", ""),
    "UTF-16 with a mark": ('\ufeff{"v": "ü"}'.encode("utf-16-le"), "application/json", ""),
    "UTF-16 without": ('{"v": "ü"}'.encode("utf-16-be"), "application/json", "utf-8"),
    "UTF-32": ('{"v": "ü"}'.encode("utf-32-le"), "application/json", ""),
    "UTF-8, whatever the header": (b'{"v": "\xc3\xbc"}', "application/json", "iso-8859-1"),
    "ISO-2022, which looks like UTF-8": ('{"v": "ü"}'.encode("iso2022_jp_2"), "application/json", "iso-2022-jp-2"),
    "Latin-1 by the header": (b'{"v": "\xfc"}', "application/json", "iso-8859-1"),
    "a charset that is none": (b'{"v": "\xc3\xbc"}', "application/json", "utf-0"),
    "a charset with NUL": (b'{"v": "\xc3\xbc"}', "application/json", "a\0b"),
    "a charset that is no charset": (b'{"v": "\xc3\xbc"}', "application/json", "base64"),
    "a wrong header": (b'{"v": "\xc3\xbc"}', "application/json", "utf-16"),
    "a key that stands twice": (b'{"v": "a", "v": "\xc3\xbc"}', "application/json", ""),
    "NaN elsewhere": (b'{"a": NaN, "b": -Infinity, "v": "\xc3\xbc"}', "application/json", ""),
}


@pytest.mark.parametrize(("body", "content_type", "charset"), READ_AS_JSON.values(), ids=READ_AS_JSON.keys())
def test_what_is_read_as_json(body: bytes, content_type: str, charset: str) -> None:
    extraction = extract(body, {"fields": {"value": {"json": "v"}}}, content_type, charset)
    assert [item.data for item in extraction.items] == [{"value": "ü"}]


def test_bytes_that_are_wrong_in_their_encoding_become_replacement_characters() -> None:
    extraction = extract(b'{"v": "a\xffb"}', {"fields": {"value": {"json": "v"}}})
    assert extraction.items[0].data["value"] == "a\ufffdb"


def test_numbers_that_json_does_not_have_are_null() -> None:
    assert read("NaN", type="float").items[0].data["value"] is None
    assert read("[1, Infinity]", type="json").items[0].data["value"] == [1, None]


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "Expecting value at line 1, column 1"),
    "HTML": (b"<h1>503</h1>", "Expecting value at line 1, column 1"),
    "half of it": (b'{"a": [1,\n2', "Expecting ',' delimiter at line 2, column 2"),
    "more after it": (b'{"a": 1}\n{"a": 2}', "Extra data at line 2, column 1"),
    "a trailing comma": (b'{"a": 1,}', "line 1, column 9"),
    "100,000 levels": (b"[" * 100_000, "nested too deep"),
    "a number of 100,000 digits": (b"[" + b"9" * 100_000 + b"]", "thousands of digits"),
}


@pytest.mark.parametrize(("body", "detail"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_json_is_a_reason_with_its_place(body: bytes, detail: str) -> None:
    extraction = extract(body, {"fields": {"value": {"json": "v"}}})
    assert extraction.items == []
    assert extraction.reasons == {Reason.JSON_INVALID: 1}
    assert detail in extraction.problems[0].value
    explanation = make_extractor({"type": "a", "fields": {"v": {"json": "v"}}}).explain(
        URL, body, "", "application/json"
    )
    assert explanation.notice.startswith("not JSON: ")


def test_json_is_no_page_for_a_spider_without_rules_for_it() -> None:
    extractor = make_extractor({"type": "a", "fields": {"v": {"css": "p"}}})
    assert extractor.extract(URL, b"{}", "", "application/json").reasons == {Reason.NOT_HTML: 1}
    assert "each_json" in extractor.explain(URL, b"{}", "", "application/json").notice


def test_html_rules_and_json_rules_keep_to_their_kind_of_answer() -> None:
    page: dict[str, object] = {"type": "page", "fields": {"title": {"css": "h1"}}}
    answer: dict[str, object] = {"type": "answer", "fields": {"title": {"json": "title"}}}
    extractor = make_extractor(page, answer, follow=[{}, {"json": "next"}])
    html = extractor.extract(URL, b"<h1>A</h1><a href=/b>", "", "text/html")
    assert ([(item.type, item.data) for item in html.items], html.links) == (
        [("page", {"title": "A"})],
        ["https://shop.example/b"],
    )
    data = extractor.extract(URL, b'{"title": "A", "next": "/c"}', "", "application/json")
    assert ([(item.type, item.data) for item in data.items], data.links) == (
        [("answer", {"title": "A"})],
        ["https://shop.example/c"],
    )
    # Begins like JSON and is none: a page.
    template = extractor.extract(URL, b"{% x %}<h1>A</h1>", "", "text/html")
    assert [item.type for item in template.items] == ["page"]


LINKS: dict[str, tuple[str, dict[str, object], list[str], int]] = {
    "a path": ('{"next": "/api?page=2"}', {"json": "next"}, ["/api?page=2"], 0),
    "a list": ('{"a": [{"u": "/1"}, {"u": "/2"}, {"u": null}]}', {"json": "a[].u"}, ["/1", "/2"], 0),
    "nothing": ('{"next": null}', {"json": "next"}, [], 0),
    "an empty text": ('{"next": ""}', {"json": "next"}, [], 0),
    "no": ('{"next": false}', {"json": "next"}, [], 0),
    "a number is no URL": ('{"next": 2}', {"json": "next"}, [], 1),
    "another scheme": ('{"next": "mailto:a@b"}', {"json": "next"}, [], 1),
    "a number in a template": ('{"next": 2}', {"json": "next", "template": "/api?page={}"}, ["/api?page=2"], 0),
    "a counted number": (
        '{"more": true, "page": 2}',
        {"json": "more && sum([page, `1`])", "template": "?page={}"},
        ["/api/list?page=3"],
        0,
    ),
    "no more": (
        '{"more": false, "page": 2}',
        {"json": "more && sum([page, `1`])", "template": "?page={}"},
        [],
        0,
    ),
    "a token in a template": (
        '{"cursor": "a/b==&c ü"}',
        {"json": "cursor", "template": "/api?cursor={}&n=10"},
        ["/api?cursor=a%2Fb%3D%3D%26c%20%C3%BC&n=10"],
        0,
    ),
    "a whole number that is a fraction": ('{"n": 2.0}', {"json": "n", "template": "/{}"}, ["/2"], 0),
    "an infinite sum in a template": ('{"n": [1e308, 1e308]}', {"json": "sum(n)", "template": "/{}"}, [], 1),
    "a number of too many digits in a template": (
        f'{{"n": [{"9" * 4_300}, 1]}}',
        {"json": "sum(n)", "template": "/{}"},
        [],
        1,
    ),
    "an object in a template": ('{"n": {}}', {"json": "n", "template": "/{}"}, [], 1),
    "denied": ('{"next": "/b"}', {"json": "next", "deny": ["/b$"]}, [], 0),
}


@pytest.mark.parametrize(("body", "rule", "paths", "refused"), LINKS.values(), ids=LINKS.keys())
def test_links(body: str, rule: dict[str, object], paths: list[str], refused: int) -> None:
    extraction = make_extractor(follow=[rule]).extract(URL, body.encode(), "", "application/json")
    assert extraction.links == [f"https://shop.example{path}" for path in paths]
    assert sum(extraction.reasons.values()) == refused


def test_a_preview_counts_matches_and_names_the_rule_that_decided() -> None:
    body = json.dumps(
        {"quotes": [{"text": "a", "tags": ["x", None, "y"]}], "next": "/b", "other": "http://else.example/"}
    )
    extractor = make_extractor(
        QUOTES, {"type": "page", "fields": {"a": {"css": "a"}}}, follow=[{"css": "a"}, {"json": "[next, other]"}]
    )
    explanation = extractor.explain(URL, body.encode(), "", "application/json")
    (item,) = explanation.items
    assert [(field.name, field.matches) for field in item.fields] == [
        ("text", 1),
        ("author", 0),
        ("about", 0),
        ("tags", 3),
    ]
    assert [(link.url, link.verdict) for link in explanation.links] == [
        ("https://shop.example/b", "followed by follow[1]"),
        ("http://else.example/", "outside allowed_domains"),
    ]
    assert explanation.notice == "this is a JSON answer; page would be read from HTML pages"
    html = extractor.explain(URL, b"<p>", "", "text/html")
    assert html.notice == "this is no JSON answer; quote would be read from one"


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "an expression that is none": (
        {"items": [{"type": "a", "fields": {"v": {"json": "a["}}}]},
        'items[0].fields.v.json: "a[": is no JMESPath expression: it ends too early',
    ),
    "an each_json that is none": (
        {"items": [{"type": "a", "each_json": "a[", "key": ["v"], "fields": {"v": {"json": "v"}}}]},
        "items[0].each_json: ",
    ),
    "each_json without key": (
        {"items": [{"type": "a", "each_json": "a", "fields": {"v": {"json": "v"}}}]},
        "items[0].key: is missing; with each_json",
    ),
    "css among json": (
        {"items": [{"type": "a", "fields": {"v": {"json": "v"}, "w": {"css": "p"}}}]},
        "items[0].fields.w.css: reads HTML",
    ),
    "each among json": (
        {"items": [{"type": "a", "each": "p", "key": ["v"], "fields": {"v": {"json": "v"}}}]},
        "items[0].each: finds elements of HTML",
    ),
    "css and json": (
        {"items": [{"type": "a", "fields": {"v": {"json": "v", "from": "url"}}}]},
        "items[0].fields.v: has json and from; keep one",
    ),
    "two selectors in follow": ({"follow": [{"json": "a", "css": "a"}]}, "follow[0]: has both css and json"),
    "an expression in follow": ({"follow": [{"json": "foo(a)"}]}, 'follow[0].json: "foo(a)": "foo()" is no function'),
    "a template alone": ({"follow": [{"template": "/a?{}"}]}, "follow[0].template: belongs to json"),
    "a template without a place": ({"follow": [{"json": "a", "template": "/a"}]}, "must hold {} once"),
    "a template with two": ({"follow": [{"json": "a", "template": "/{}/{}"}]}, "must hold {} once"),
    "a template that is no URL": ({"follow": [{"json": "a", "template": "http://[{}"}]}, "follow[0].template: "),
}


@pytest.mark.parametrize(("part", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_honoured_is_refused_with_place_and_remedy(part: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse({"name": "a", "start_urls": [URL]} | part)
    assert [message in str(problem) for problem in caught.value.problems] == [True]


def test_a_dumped_document_means_the_same() -> None:
    document = {
        "name": "a",
        "start_urls": [URL],
        "follow": [{"json": "next", "template": "/api?page={}", "allow": ["/api"]}],
        "items": [QUOTES],
    }
    assert dump(parse(document)) == document


@pytest.mark.corpora
async def test_an_api_in_pages_gives_all_that_its_database_holds() -> None:
    folder = corpus("quotes")
    truth = json.loads((folder / "truth" / "quotes.json").read_text(encoding="utf-8"))
    storage = MemoryStorage()
    async with SiteServer(folder / "site") as server:
        follow = [{"json": "has_next && sum([page, `1`])", "template": "/api/quotes?page={}"}]
        items = [QUOTES | {"key": ["text", "author"]}]
        definition = make_definition(f"{server.url}/api/quotes?page=1", follow=follow, items=items)
        outcome = await crawl_once(definition, storage)
    assert (outcome.ending, outcome.counts.pages, outcome.counts.items) == (Ending.COMPLETED, 10, 100)
    found = {item.data["text"]: item.data for item in storage.items.values()}
    assert len(found) == len(truth) == 100
    for quote in truth:
        data = found[" ".join(quote["text"].split())]
        assert (data["author"], data["tags"]) == (quote["author"]["name"], quote["tags"])
        assert data["about"] == server.url + quote["author"]["goodreads_link"]


async def test_an_answer_that_is_not_json_fails_its_page_and_replaces_nothing() -> None:
    rule = {"type": "a", "each_json": "@", "key": ["v"], "fields": {"v": {"json": "v"}}}
    headers = {"Content-Type": "application/json; charset=utf-8"}
    storage = MemoryStorage()
    async with Site({"/": Reply('[{"v": 1}]', headers=headers)}) as site:
        definition = make_definition(site.url + "/", items=[rule])
        await crawl_once(definition, storage)
        site.pages["/"] = Reply('[{"v": 2}', headers=headers)
        storage.begin()
        outcome = await crawl_once(definition, storage)
        page = page_of(storage, site.url + "/")
    assert outcome.counts.reasons == {Reason.JSON_INVALID: 1}
    assert page.state is PageState.FAILED
    assert [(item.data, item.versions) for item in storage.items.values()] == [({"v": "1"}, [])]


@pytest.mark.parametrize("header", [("X-Robots-Tag", "noindex"), ("Link", "</b>; rel=canonical")])
async def test_whatever_the_header_of_a_broken_answer_asks_where_it_breaks_is_told(header: tuple[str, str]) -> None:
    rule = {"type": "a", "each_json": "@", "key": ["v"], "fields": {"v": {"json": "v"}}}
    headers = {"Content-Type": "application/json"} | dict([header])
    storage = MemoryStorage()
    async with Site({"/": Reply('[{"v": 2}', headers=headers)}) as site:
        manners = {"obey_noindex": True, "canonical": "follow"}
        await crawl_once(make_definition(site.url + "/", items=[rule], manners=manners), storage)
        page = page_of(storage, site.url + "/")
    assert (page.state, page.reason) == (PageState.FAILED, Reason.JSON_INVALID)
    assert "line 1, column 10" in page.detail
    assert len(storage.pages) == 1, "its canonical page is not asked for"


MANY = {
    "fractions": (f"[{'1.5,' * 500_000}0]".encode(), "application/json"),
    "fractions of a page": (
        f'<script type="application/ld+json">[{"1.5," * 500_000}0]</script>'.encode(),
        "text/html",
    ),
    "texts of a script that is no JSON": (
        b'<script type="application/ld+json">' + b'"",' * 400_000 + b"</script>",
        "text/html",
    ),
    "links": (f'{{"next": {json.dumps([str(number) for number in range(100_000)])}}}'.encode(), "application/json"),
}


@pytest.mark.parametrize(("body", "content_type"), MANY.values(), ids=MANY.keys())
def test_what_takes_long_to_read_is_not_read_in_the_loop(body: bytes, content_type: str) -> None:
    page: dict[str, object] = {"type": "page", "fields": {"v": {"jsonld": "A.v"}}}
    answer: dict[str, object] = {"type": "answer", "fields": {"v": {"json": "v"}}}
    document = {"name": "a", "start_urls": [URL], "items": [page, answer], "follow": [{"json": "next"}]}
    definition = parse(document)
    before = time.thread_time()
    with pytest.raises(Outgrown):
        Extractor(definition).extract(URL, body, "", content_type, hasty_bounds(definition))
    assert time.thread_time() - before < 0.25


async def test_an_answer_of_ten_megabytes_is_read_whole() -> None:
    text = "Long enough that it is worth its place in the list, and plain enough that nobody minds. " * 2
    books = [{"id": number, "title": text, "author": {"name": "Jane"}, "price": 26.10} for number in range(40_000)]
    body = json.dumps({"books": books, "next": "/end"}).encode()
    assert 9_000_000 < len(body) < 10_485_760
    fields = {
        "id": {"json": "id", "type": "integer"},
        "author": {"json": "author.name"},
        "price": {"json": "price", "type": "decimal"},
    }
    rule = {"type": "book", "each_json": "books", "key": ["id"], "fields": fields}
    headers = {"Content-Type": "application/json"}
    storage = MemoryStorage()
    async with Site({"/": Reply(body, headers=headers), "/end": Reply("{}", headers=headers)}) as site:
        definition = make_definition(site.url + "/", items=[rule], follow=[{"json": "next"}])
        outcome = await crawl_once(definition, storage)
    assert (outcome.counts.pages, outcome.counts.items, outcome.counts.reasons) == (2, 40_000, {})
    assert max(item.data["id"] for item in storage.items.values()) == 39_999  # type: ignore[type-var]
    assert {item.data["price"] for item in storage.items.values()} == {"26.1"}


async def test_json_without_rules_for_it_is_counted_as_no_page() -> None:
    storage = MemoryStorage()
    async with Site({"/": Reply("{}", headers={"Content-Type": "application/json"})}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
    assert outcome.counts.reasons == {Reason.NOT_HTML: 1}


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abcd") | st.text(), inner, max_size=5),
    max_leaves=30,
)
EVERY_TYPE = make_extractor(
    {
        "type": "each",
        "each_json": "a || @",
        "key": ["text"],
        "fields": {
            name + ("s" if many else ""): {"json": path, "type": name, "many": many}
            for name, path in {
                "text": "@",
                "html": "b",
                "integer": "b",
                "float": "b.c",
                "decimal": "c[0]",
                "boolean": "d",
                "date": "b",
                "datetime": "c",
                "url": "b",
                "json": "@",
            }.items()
            for many in (False, True)
        },
    },
    follow=[{"json": "b"}, {"json": "a[].b", "template": "/{}"}],
)


@given(document=DOCUMENTS)
def test_whatever_a_document_holds_extraction_ends_in_values_that_can_be_stored(document: object) -> None:
    extraction = EVERY_TYPE.extract(URL, json.dumps(document).encode(), "", "application/json")
    for item in extraction.items:
        assert json.loads(item.data_json) == item.data
        item.data_json.encode()


@given(body=st.binary(max_size=200), charset=st.sampled_from(["", "utf-8", "utf-16", "shift_jis", "x"]))
def test_whatever_the_bytes_nothing_is_raised(body: bytes, charset: str) -> None:
    for content_type in ("application/json", "text/plain", "text/html"):
        EVERY_TYPE.extract(URL, body, charset, content_type)
        EVERY_TYPE.explain(URL, body, charset, content_type)
