"""JSON-LD, microdata and `<meta>` as sources of fields; judged by other people's pages and what they say of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import cast
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.documents.definition import dump, parse
from crawler.engine.errors import DefinitionError, Reason
from crawler.engine.pages.bounds import FULL
from crawler.engine.pages.extractor import Extractor
from crawler.engine.records import Extraction, Json
from tests.servers.corpora import Case, cases, corpus

URL = "https://shop.example/catalogue/a_1/index.html"


def make_extractor(**fields: dict[str, object]) -> Extractor:
    return Extractor(parse({"name": "a", "start_urls": [URL], "items": [{"type": "a", "fields": fields}]}))


def extract(html: str, **rule: object) -> Extraction:
    return make_extractor(value=rule).extract(URL, html.encode(), "utf-8", "text/html")


def read(html: str, **rule: object) -> Json:
    (item,) = extract(html, **rule).items
    return item.data["value"]


def script(*documents: str) -> str:
    return "".join(f'<script type="application/ld+json">{document}</script>' for document in documents)


PRODUCT = """{"@context": "https://schema.org", "@type": "Product", "name": " Emma ", "sku": 12,
  "offers": {"@type": "Offer", "price": 26.10, "availability": "https://schema.org/InStock"},
  "brand": {"@type": "Brand", "name": "Acme", "url": "/acme"},
  "image": ["/1.jpg", {"@type": "ImageObject", "url": "/2.jpg"}],
  "review": [{"author": {"name": "A"}}, {"author": "B"}]}"""

JSONLD: dict[str, tuple[str, dict[str, object], Json]] = {
    "a text": (script(PRODUCT), {"jsonld": "Product.name"}, "Emma"),
    "a number": (script(PRODUCT), {"jsonld": "Product.sku", "type": "integer"}, 12),
    "a decimal as it is written": (script(PRODUCT), {"jsonld": "Product.offers.price", "type": "decimal"}, "26.10"),
    "regex": (script(PRODUCT), {"jsonld": "Product.offers.availability", "regex": "[^/]+$"}, "InStock"),
    "an object's name stands for it": (script(PRODUCT), {"jsonld": "Product.brand"}, "Acme"),
    "an object's address": (script(PRODUCT), {"jsonld": "Product.brand", "type": "url"}, "https://shop.example/acme"),
    "a text is its own name": (
        script('{"@type": "Product", "brand": "Acme"}'),
        {"jsonld": "Product.brand.name"},
        "Acme",
    ),
    "lists are entered": (script(PRODUCT), {"jsonld": "Product.review.author.name", "many": True}, ["A", "B"]),
    "addresses of a mixed list": (
        script(PRODUCT),
        {"jsonld": "Product.image", "type": "url", "many": True},
        ["https://shop.example/1.jpg", "https://shop.example/2.jpg"],
    ),
    "an object as it is": (
        script(PRODUCT),
        {"jsonld": "Product.brand", "type": "json"},
        {"@type": "Brand", "name": "Acme", "url": "/acme"},
    ),
    "the whole of it": (
        script('{"@type": "A", "b": [1.50]}'),
        {"jsonld": "A", "type": "json"},
        {"@type": "A", "b": [1.5]},
    ),
    "a value with its language": (
        script('{"@type": "A", "b": {"@value": "x", "@language": "en"}}'),
        {"jsonld": "A.b"},
        "x",
    ),
    "a list with a name": (
        script('{"@type": "A", "b": {"@list": ["x", "y"]}}'),
        {"jsonld": "A.b", "many": True},
        ["x", "y"],
    ),
    "a boolean": (script('{"@type": "A", "b": true}'), {"jsonld": "A.b", "type": "boolean"}, True),
    "another type": (script(PRODUCT), {"jsonld": "Book.name"}, None),
    "another property": (script(PRODUCT), {"jsonld": "Product.gtin", "many": True}, []),
    "a graph": (script('{"@graph": [{"@type": "A"}, {"@type": "B", "c": "x"}]}'), {"jsonld": "B.c"}, "x"),
    "a graph of one": (script('{"@context": "x", "@graph": {"@type": "B", "c": "x"}}'), {"jsonld": "B.c"}, "x"),
    "a list of objects": (
        script('[{"@type": "A", "b": "x"}, {"@type": "A", "b": "y"}]'),
        {"jsonld": "A.b", "many": True},
        ["x", "y"],
    ),
    "several scripts": (script("null", '{"@type": "A"}', '{"@type": "B", "c": "x"}'), {"jsonld": "B.c"}, "x"),
    "an object inside of another": (
        script('{"@type": "Page", "mainEntity": {"@type": "A", "b": "x"}}'),
        {"jsonld": "A.b"},
        "x",
    ),
    "what stands on top goes before what stands inside": (
        script('{"@type": "A", "related": {"@type": "A", "b": "no"}}'),
        {"jsonld": "A.b"},
        None,
    ),
    "the first on top that has it": (script('{"@type": "A"}', '{"@type": "A", "b": "x"}'), {"jsonld": "A.b"}, "x"),
    "one of several types": (script('{"@type": ["A", "B"], "c": "x"}'), {"jsonld": "B.c"}, "x"),
    "a type with its vocabulary": (script('{"@type": "http://schema.org/A", "b": "x"}'), {"jsonld": "A.b"}, "x"),
    "a type with a prefix": (script('{"@type": "schema:A", "schema:b": "x"}'), {"jsonld": "A.b"}, "x"),
    "a type in other letters": (script('{"@type": "product", "b": "x"}'), {"jsonld": "Product.b"}, "x"),
    "a reference": (
        script('{"@graph": [{"@type": "A", "author": {"@id": "#1"}}, {"@type": "P", "@id": "#1", "name": "Jane"}]}'),
        {"jsonld": "A.author.name"},
        "Jane",
    ),
    "a reference to nothing": (script('{"@type": "A", "author": {"@id": "#1"}}'), {"jsonld": "A.author"}, "#1"),
    "references in a circle": (
        script(
            '[{"@type": "A", "@id": "1", "b": {"@id": "2"}}, {"@type": "B", "@id": "2", "b": {"@id": "1"}, "c": "x"}]'
        ),
        {"jsonld": "A.b.b.b.c"},
        "x",
    ),
    "within each the page's": (script(PRODUCT) + "<p>a</p>", {"jsonld": "Product.name"}, "Emma"),
    "the script's type with a parameter": (
        '<script type="Application/LD+JSON; charset=utf-8">{"@type": "A", "b": "x"}</script>',
        {"jsonld": "A.b"},
        "x",
    ),
    "line ends in a text": (script('{"@type": "A", "b": "x\ny"}'), {"jsonld": "A.b"}, "x y"),
    "a comment around it": (script('<!-- {"@type": "A", "b": "x"} -->'), {"jsonld": "A.b"}, "x"),
    "a comment before it": (script('<!-- it\'s "so --> {"@type": "A", "b": "x"}'), {"jsonld": "A.b"}, "x"),
    "a comment in a text": (
        script('/* a */{"@type": "A", "b": "<!-- x --> // y /* z */"}'),
        {"jsonld": "A.b"},
        "<!-- x --> // y /* z */",
    ),
    "a marked section": (script('/*<![CDATA[*/\n{"@type": "A", "b": "x"}\n/*]]>*/'), {"jsonld": "A.b"}, "x"),
    "a line's comment": (script('{"@type": "A", // no\n "b": "x // y"}'), {"jsonld": "A.b"}, "x // y"),
    "commas at the end": (
        script('{"@type": "A", "b": ["x", ",]" , ], }'),
        {"jsonld": "A.b", "many": True},
        ["x", ",]"],
    ),
    "a semicolon": (script('{"@type": "A", "b": "x"};'), {"jsonld": "A.b"}, "x"),
    "a broken script beside a whole one": (script('{"@type": ', '{"@type": "A", "b": "x"}'), {"jsonld": "A.b"}, "x"),
}


@pytest.mark.parametrize(("html", "rule", "value"), JSONLD.values(), ids=JSONLD.keys())
def test_jsonld(html: str, rule: dict[str, object], value: Json) -> None:
    assert read(html, **rule) == value


def test_an_object_without_an_address_is_no_url() -> None:
    extraction = extract(
        script('{"@type": "Product", "brand": {"name": "Acme Ltd"}}'), jsonld="Product.brand", type="url"
    )
    assert extraction.items[0].data == {"value": None}
    assert extraction.reasons == {Reason.UNREADABLE_VALUE: 1}


def test_a_script_that_cannot_be_read_is_told_where_its_value_is_missing() -> None:
    html = script('{"@type": "Product", "name": "x" "y"}')
    extraction = extract(html, jsonld="Product.name")
    assert extraction.reasons == {Reason.UNREADABLE_VALUE: 1}
    field = make_extractor(v={"jsonld": "Product.name"}).explain(URL, html.encode(), "", "text/html").items[0].fields[0]
    assert "structured data that cannot be read" in field.problems[0]
    assert "delimiter: line 1 column 34" in field.problems[0]
    assert extract(script("{"), css="p").reasons == {}


MICRODATA: dict[str, tuple[str, dict[str, object], Json]] = {
    "a text": (
        "<div itemscope itemtype=http://schema.org/A><b itemprop=b>x <i>y</i></b></div>",
        {"microdata": "A.b"},
        "x y",
    ),
    "an attribute": ("<div itemscope itemtype=x/A><b itemprop=b content=1.50>$ 1</b>", {"microdata": "A.b"}, "1.50"),
    "a time": (
        "<p itemscope itemtype=x/A><time itemprop=b datetime=2027-01-31>today",
        {"microdata": "A.b"},
        "2027-01-31",
    ),
    "a link": ("<p itemscope itemtype=x/A><a itemprop=b href=/x>y</a>", {"microdata": "A.b"}, "https://shop.example/x"),
    "a picture": ("<p itemscope itemtype=x/A><img itemprop=b src=/x>", {"microdata": "A.b"}, "https://shop.example/x"),
    "an empty meta": ("<p itemscope itemtype=x/A><meta itemprop=b content=''>", {"microdata": "A.b"}, None),
    "an item inside": (
        "<p itemscope itemtype=x/A><span itemprop=o itemscope itemtype=x/O><b itemprop=p>1</b></span>",
        {"microdata": "A.o.p"},
        "1",
    ),
    "what belongs to an item inside": (
        "<div itemscope itemtype=x/A><p itemprop=o itemscope><b itemprop=name>no</b></p><b itemprop=name>yes</b>",
        {"microdata": "A.name", "many": True},
        ["yes"],
    ),
    "many": (
        "<p itemscope itemtype=x/A><b itemprop='b c'>1</b><b itemprop=b>2",
        {"microdata": "A.b", "many": True},
        ["1", "2"],
    ),
    "of two types": ("<p itemscope itemtype='x/A x/B'><b itemprop=b>1", {"microdata": "B.b"}, "1"),
    "elsewhere on the page": (
        "<p itemscope itemtype=x/A itemref=r></p><p id=r><b itemprop=b>1",
        {"microdata": "A.b"},
        "1",
    ),
    "a property of nothing": ("<p itemprop=z itemscope itemtype=x/A><b itemprop=b>1", {"microdata": "A.b"}, "1"),
    "references in a circle": (
        "<p id=a itemscope itemtype=x/A itemref=b><b itemprop=n>1</b></p><p id=b itemprop=b itemscope itemref=a>",
        {"microdata": "A.n"},
        "1",
    ),
    "a reference to an item around": (
        "<div id=a itemscope itemtype=x/A><p itemprop=b itemscope itemref=a><b itemprop=n>1",
        {"microdata": "A.b.n"},
        "1",
    ),
    "no items": ("<p itemprop=b>1", {"microdata": "A.b"}, None),
}


@pytest.mark.parametrize(("html", "rule", "value"), MICRODATA.values(), ids=MICRODATA.keys())
def test_microdata(html: str, rule: dict[str, object], value: Json) -> None:
    assert read(html, **rule) == value


META: dict[str, tuple[str, dict[str, object], Json]] = {
    "property": ("<meta property=og:title content=' a  b '>", {"meta": "og:title"}, "a b"),
    "name": ("<meta name=description content=a>", {"meta": "description"}, "a"),
    "itemprop": ("<meta itemprop=price content=1.50>", {"meta": "price", "type": "decimal"}, "1.50"),
    "other letters": ("<meta NAME=Description content=a>", {"meta": "description"}, "a"),
    "one of several words": ("<meta property='og:title twitter:title' content=a>", {"meta": "twitter:title"}, "a"),
    "a name with a blank": ("<meta name='a b' content=c>", {"meta": "a b"}, "c"),
    "a name with quotes": ("<meta name='a\"\\b' content=c>", {"meta": 'a"\\b'}, "c"),
    "many": (
        "<meta property=og:image content=/1><meta property=og:image content=/2>",
        {"meta": "og:image", "many": True},
        ["/1", "/2"],
    ),
    "an address": (
        "<meta property=og:image content=/1>",
        {"meta": "og:image", "type": "url"},
        "https://shop.example/1",
    ),
    "in the body": ("<p><meta name=a content=b>", {"meta": "a"}, "b"),
    "without content": ("<meta name=a><meta name=a content=b>", {"meta": "a"}, "b"),
    "what is for servers": ("<meta http-equiv=refresh content=1>", {"meta": "refresh"}, None),
    "a part of a name": ("<meta name=og:title:x content=1>", {"meta": "og:title"}, None),
}


@pytest.mark.parametrize(("html", "rule", "value"), META.values(), ids=META.keys())
def test_meta(html: str, rule: dict[str, object], value: Json) -> None:
    assert read(html, **rule) == value


def test_within_each_what_the_page_says_of_itself_is_the_pages() -> None:
    item = {
        "type": "a",
        "each": "p",
        "key": ["name"],
        "fields": {"name": {"css": "b"}, "brand": {"jsonld": "A.b"}, "title": {"meta": "t"}, "c": {"microdata": "M.c"}},
    }
    html = (
        script('{"@type": "A", "b": "x"}')
        + "<meta name=t content=y><div itemscope itemtype=x/M><meta itemprop=c content=z></div><p><b>1</b><p><b>2"
    )
    extractor = Extractor(parse({"name": "a", "start_urls": [URL], "items": [item]}))
    extraction = extractor.extract(URL, html.encode(), "", "text/html")
    common = {"brand": "x", "title": "y", "c": "z"}
    assert [item.data for item in extraction.items] == [{"name": "1"} | common, {"name": "2"} | common]


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "a path without a type": ({"jsonld": ".name"}, 'jsonld: ".name": is no path; write a type and names'),
    "a path with blanks": ({"jsonld": "Product name"}, "is no path"),
    "a path that ends in a dot": ({"microdata": "Product."}, 'microdata: "Product.": is no path'),
    "a name with a line end": ({"meta": "a\nb"}, "is no name of a meta element"),
    "two sources": ({"meta": "a", "jsonld": "A.b"}, "has jsonld and meta; keep one"),
}


@pytest.mark.parametrize(("rule", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_honoured_is_refused_with_place_and_remedy(rule: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_extractor(price=rule)
    assert [message in str(problem) for problem in caught.value.problems] == [True]


def test_structured_data_is_no_source_of_json_answers() -> None:
    fields: dict[str, dict[str, object]] = {"a": {"json": "a"}, "b": {"jsonld": "A.b"}, "c": {"meta": "c"}}
    with pytest.raises(DefinitionError) as caught:
        make_extractor(**fields)
    assert [problem.place for problem in caught.value.problems] == [
        "items[0].fields.b.jsonld",
        "items[0].fields.c.meta",
    ]


def test_a_dumped_document_means_the_same() -> None:
    fields = {"a": {"jsonld": "A.b", "many": True}, "b": {"microdata": "A.b"}, "c": {"meta": "og:title"}}
    document = {"name": "a", "start_urls": [URL], "items": [{"type": "a", "fields": fields}]}
    assert dump(parse(document)) == document


HOSTILE: dict[str, str] = {
    "deep lists": script("[" * 50_000),
    "deep objects": script('{"@type":"A","b":' * 900 + "1" + "}" * 900),
    "wide graphs": script("[" + ",".join('{"@type":"A","b":{"@id":"1"}}' for _ in range(50_000)) + "]"),
    "comments without end": script("/*" * 200_000),
    "texts without end": script('"\\' * 200_000),
    "commas": script("[" + "," * 400_000 + "]"),
    "nested properties": "<div itemscope itemtype=x/A>" + "<div itemprop=b>" * 2_000 + "a" * 500_000,
    "nested items": "<div itemscope itemtype=x/A>" + "<div itemprop=b itemscope itemtype=x/A>" * 20_000,
    "references to the whole": f"<div id=r itemprop=b>{'a' * 100_000}</div>"
    + "<p itemscope itemtype=x/A itemref=r>" * 2_000,
    "references to nothing": f"<div itemscope itemtype=x/A itemref='{' '.join(map(str, range(50_000)))}'></div>"
    + "<p>x" * 20_000,
    "references to references": "".join(
        f"<p id=i{n} itemprop=b itemscope itemtype=x/A itemref='i{n + 1} i{n + 2}'></p>" for n in range(200)
    ),
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_page_ends_within_its_budget(html: str) -> None:
    fields: dict[str, dict[str, object]] = {
        "a": {"jsonld": "A.b.b.b", "many": True, "type": "json"},
        "b": {"microdata": "A.b.b.b", "many": True, "type": "json"},
        "c": {"microdata": "A.b.b", "many": True},
    }
    bounds = replace(FULL, seconds=0.5)
    began = time.thread_time()
    extraction = make_extractor(**fields).extract(URL, html.encode(), "", "text/html", bounds)
    assert time.thread_time() - began < 4
    assert sum(len(item.data_json) for item in extraction.items) < 40_000_000


_PIECE_TEXT = """{"@type":"A" {"@graph":[ "b": "x" 1.5 { } [ ] , null // /* */ <!-- --> " \\ ; "@id":"1" {"@id":"1"}"""
PIECES = [*_PIECE_TEXT.split(), "\n"]
ATTRIBUTES = ["itemscope", "itemprop=b", "itemtype=x/A", "itemref='a b'", "id=a", "id=b", "content=1", "itemid=q"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=25))
def test_whatever_a_script_holds_nothing_is_raised(pieces: list[str]) -> None:
    EVERY.extract(URL, script("".join(pieces)).encode(), "", "text/html")


@given(
    elements=st.lists(
        st.tuples(st.sampled_from(["<p", "<div", "</div"]), st.lists(st.sampled_from(ATTRIBUTES))), max_size=12
    )
)
def test_whatever_items_a_page_holds_nothing_is_raised(elements: list[tuple[str, list[str]]]) -> None:
    html = "".join(f"{tag} {' '.join(attributes)}>x" for tag, attributes in elements)
    EVERY.extract(URL, html.encode(), "", "text/html")


EVERY = make_extractor(
    a={"jsonld": "A.b"},
    b={"jsonld": "A.b.name", "type": "json", "many": True},
    c={"microdata": "A.b.b", "many": True},
    d={"microdata": "A", "type": "json"},
)

BASES = {
    "extruct_structured-0041": "http://blog.example.com/progress-report",
    "extruct_structured-0042": "http://www.example.com/microdata/index.html",
}
DIFFERENT = {
    "extruct_structured-0024": "extruct makes an object of an <input>'s own attributes, which no standard knows",
    "extruct_structured-0025": "what itemref brings comes after the item's own properties here, before them there",
    "extruct_structured-0039": "likewise",
}
NOT_READ = {
    "extruct_structured-0009": "microformats",
    "extruct_structured-0046": "RDFa",
    "extruct_structured-0049": "RDFa",
    "extruct_structured-0056": "RDFa",
}


def is_same(found: object, expected: object, base: str) -> bool:
    """`expected` as extruct has it: texts stripped, addresses as they stand there, items apart from properties."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return False
        properties = expected.get("properties", expected)
        properties = {
            key: value for key, value in properties.items() if key not in ("type", "id", "value", "@type", "@id")
        }
        return {key for key in found if not key.startswith("@")} >= set(properties) - {"@context"} and all(
            is_same(found.get(key), value, base) for key, value in properties.items()
        )
    if isinstance(expected, list):
        if len(expected) == 1 and not isinstance(found, list):
            found = [found]
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(is_same(ours, theirs, base) for ours, theirs in zip(found, expected, strict=True))
        )
    if isinstance(expected, str) and isinstance(found, str):
        folded = " ".join(expected.split())
        return " ".join(found.split()) in (folded, urljoin(base, folded))
    return found == expected


def types_of(expected: dict[str, object]) -> str:
    kind = expected.get("@type") or expected.get("type")
    return str(kind[0] if isinstance(kind, list) else kind or "")


@pytest.mark.corpora
@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases("extruct_structured")])
def test_structured_data_is_read_as_extruct_reads_it(case: Case) -> None:
    given_, expected = case["input"], case["expected"]
    assert isinstance(given_, dict)
    base = BASES.get(case["id"], "http://www.example.com/index.html")
    if case["id"] in NOT_READ:
        assert given_["syntax"] == "rdfa-expanded" or "microformat" in given_["file"]
        return
    source = {"json-ld": "jsonld", "microdata": "microdata"}.get(given_["syntax"])
    if source is None:
        agree_about_meta(given_["html"], expected)
        return
    assert isinstance(expected, list)
    agreed = []
    for thing in expected:
        if not (kind := types_of(thing)):
            continue  # an item without a type is no source of a field
        rule = {source: kind.rsplit("/", 1)[-1], "type": "json", "many": True}
        found = make_extractor(value=rule).extract(base, given_["html"].encode(), "utf-8", "text/html")
        values = found.items[0].data["value"]
        assert isinstance(values, list)
        agreed.append(any(is_same(value, thing, base) for value in values))
    assert all(agreed) is (case["id"] not in DIFFERENT or not agreed)


def agree_about_meta(html: str, expected: object) -> None:
    """OpenGraph and Dublin Core, which are `meta` here."""
    pairs: list[tuple[str, str]] = []
    if isinstance(expected, dict):
        for graph in expected["opengraph"]:
            pairs += [
                (name, value) for name, value in graph["properties"] if ":" in name and not name.startswith("test")
            ]
        for thing in expected["json-ld"]:
            found = read(html, jsonld=thing["@type"], type="json", many=True)
            assert isinstance(found, list)
            assert any(is_same(value, thing, URL) for value in found)
    else:
        assert isinstance(expected, list)
        pairs = [
            (entry["name"], entry["content"])
            for document in expected
            for entry in [*document["elements"], *document["terms"]]
            if "content" in entry
        ]
    assert len(pairs) > 5
    for name, value in pairs:
        values = read(html, meta=name, many=True)
        if name == "og:image" and "ns#image" in html:
            # extruct knows the name by the address of its vocabulary too; here names are as they are written.
            values = [
                *cast("list[str]", values),
                *cast("list[str]", read(html, meta="http://ogp.me/ns#image", many=True)),
            ]
        assert isinstance(values, list)
        assert " ".join(value.split()) in values


Truth = dict[str, list[str]]


def number(text: object) -> Decimal | None:
    try:
        return Decimal(str(text).strip())
    except InvalidOperation:
        return None


def test_every_difference_has_its_case() -> None:
    known = {case["id"] for case in cases("extruct_structured")}
    if not known:
        pytest.skip("corpus 'cases' is absent")
    assert known >= {*DIFFERENT, *NOT_READ, *BASES}


FIELDS: dict[str, dict[str, object]] = {
    "price": {"jsonld": "Product.offers.price", "type": "decimal"},
    "sku": {"jsonld": "Product.sku"},
    "brand": {"jsonld": "Product.brand.name"},
    "gtin": {"jsonld": "Product.gtin13"},
    "availability": {"jsonld": "Product.offers.availability", "regex": "[^/]+$"},
}
SAME: dict[str, Callable[[object, list[str]], bool]] = {
    "price": lambda found, truth: number(found) in map(number, truth),
    "sku": lambda found, truth: str(found) in truth,
    "brand": lambda found, truth: str(found).casefold() in [text.casefold() for text in truth],
    "gtin": lambda found, truth: str(found) in truth,
    "availability": lambda found, truth: str(found) in truth,
}


@pytest.mark.corpora
@pytest.mark.parametrize("source", ["jsonld", "microdata"])
def test_what_shops_say_of_their_products_is_what_people_read_on_the_page(source: str) -> None:
    """By field: pages with the value that people saw, with any where they saw one, and all where they saw one."""
    folder = corpus("products")
    truth: dict[str, Truth] = json.loads((folder / "truth" / "ground-truth.json").read_text(encoding="utf-8"))
    fields = {
        name: {source if key == "jsonld" else key: value for key, value in rule.items()}
        for name, rule in FIELDS.items()
    }
    extractor = make_extractor(**fields)
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for identity, expected in truth.items():
        body = (folder / "site" / f"{identity}.html").read_bytes()
        (item,) = extractor.extract(URL, body, "utf-8", "text/html").items
        for name, value in item.data.items():
            if value is not None and name in expected:
                found[name] += 1
                right[name] += SAME[name](value, expected[name])
    seen = Counter(name for expected in truth.values() for name in expected)
    assert {name: (right[name], found[name], seen[name]) for name in FIELDS} == MEASURED[source]


MEASURED = {
    # What differs: prices of the cheapest variant and thousands written 2.449; stock of the first of many variants; the
    # article number of a variant or of the shop's own system for the one that is printed; the series behind the brand.
    "jsonld": {
        "price": (28, 30, 65),
        "sku": (21, 28, 63),
        "brand": (27, 29, 47),
        "gtin": (2, 2, 4),
        "availability": (26, 32, 67),
    },
    "microdata": {
        "price": (9, 9, 65),
        "sku": (5, 5, 63),
        "brand": (3, 4, 47),
        "gtin": (0, 0, 4),
        "availability": (8, 9, 67),
    },
}
