"""Pages that are made to break a reader: nothing is raised, nothing is quadratic, what is stored can be stored."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError, Reason
from crawler.engine.pages.bounds import FULL, Bounds
from crawler.engine.pages.extractor import Extractor
from crawler.engine.records import Extraction
from tests.servers.corpora import Case, cases
from tests.servers.hostile_html import PAGES
from tests.spiders import saved_pages

URL = "http://shop.example/a"
SPIDER: dict[str, object] = {
    "name": "greedy",
    "start_urls": [URL],
    "follow": [{"css": "a"}, {"xpath": "//@href"}, {"css": "*::attr(src)"}],
    "items": [
        {
            "type": "page",
            "fields": {
                "text": {"css": "body"},
                "own": {"css": "*::text", "many": True},
                "html": {"css": "p", "type": "html"},
                "all": {"xpath": "//text()", "many": True},
                "comments": {"xpath": "//comment()", "many": True},
                "attributes": {"xpath": "//@*", "many": True},
                "data": {"css": "script", "type": "json"},
                "url": {"css": "a::attr(href)", "type": "url"},
                "count": {"xpath": "count(//*)", "type": "integer"},
                "match": {"css": "body", "regex": "(a+)+$"},
            },
        },
        {
            "type": "part",
            "each": "p, div, td",
            "key": ["text"],
            "fields": {"text": {"xpath": "string(.)"}, "n": {"xpath": "count(ancestor::*)", "type": "integer"}},
        },
    ],
}


def extract(body: bytes, charset: str = "utf-8", bounds: Bounds = FULL) -> Extraction:
    return Extractor(parse(SPIDER)).extract(URL, body, charset, "text/html", bounds)


def assert_storable(extraction: Extraction) -> None:
    """Valid UTF-8 without NUL, and JSON that reads back as it was."""
    for item in extraction.items:
        assert b"\0" not in item.data_json.encode()
        assert "\\u0000" not in item.data_json.replace("\\\\", "")
        assert json.loads(item.data_json) == item.data
        item.key.encode()
    for problem in extraction.problems:
        problem.value.encode()


UNREAD = ("elements blown up", "elements blown up to millions", "attributes of one body", "a line of 9 MB")
"""They take up to gigabytes: read by `test_parsing.py` and `test_hostile_servers.py`, in processes that may end."""
READ = {name: make for name, make in PAGES.items() if name not in UNREAD}


@pytest.mark.parametrize("make_page", READ.values(), ids=READ.keys())
def test_hostile_pages_are_read_in_time(make_page: Callable[[], bytes]) -> None:
    body = make_page()
    before = time.thread_time()
    extraction = extract(body, bounds=replace(FULL, seconds=0.3))
    # Between two looks at the clock stands at most one search of the whole page.
    assert time.thread_time() - before < 4
    assert_storable(extraction)


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-16be", "gb18030", "shift_jis", "iso-2022-jp", "replacement", "utf-7"]
)
def test_bytes_of_any_kind_are_text_that_can_be_stored(charset: str) -> None:
    chance = random.Random(charset)
    for _ in range(20):
        assert_storable(extract(b"<p>" + chance.randbytes(2_000), charset))


def test_mutilated_pages_are_read() -> None:
    chance = random.Random(3)
    for _, _, body in list(saved_pages("shop"))[:200]:
        mutilated = bytearray(body)
        for _ in range(30):
            place = chance.randrange(len(mutilated))
            length = chance.randrange(20)
            mutilated[place : place + length] = chance.choice(
                [b"", b"\0", b"<", b">", b"'", b"&#", b"\xff", b"<!--", b"]]>", b"<template>", b"<script>", b"</div>"]
            )
        assert_storable(extract(bytes(mutilated)))


def test_a_page_that_asks_for_too_much_keeps_its_links_and_says_so() -> None:
    bounds = replace(FULL, characters=1_000_000)
    body = b"<a href=x></a>" + b"<div>" * 3_000 + b"x" * 1_000
    spider = SPIDER | {
        "follow": [{}],
        "items": [
            {"type": "page", "fields": {"title": {"css": "a::attr(href)"}}},
            {"type": "div", "fields": {"all": {"css": "div", "many": True}}},
        ],
    }
    extractor = Extractor(parse(spider))
    extraction = extractor.extract(URL, body, "", "text/html", bounds)
    assert extraction.links == ["http://shop.example/x"]
    assert [item.type for item in extraction.items] == ["page"]
    assert extraction.reasons == {Reason.EXTRACTION_ERROR: 1}
    assert "1,000,000 characters" in extraction.problems[0].value
    assert "1,000,000 characters" in extractor.explain(URL, body, "", "text/html", bounds).notice


@pytest.mark.parametrize(
    ("follow", "rule"),
    [
        ([{}], {"css": "p"}),
        ([{"css": "a"}], {"css": "p"}),
        ([], {"css": "a::attr(href)", "type": "url", "many": True}),
        ([], {"jsonld": "A.b", "type": "url", "many": True}),
    ],
    ids=["every link", "links of a selector", "a field", "a field of JSON-LD"],
)
def test_a_long_base_does_not_make_a_gigabyte_of_a_small_page(
    follow: list[dict[str, object]], rule: dict[str, object]
) -> None:
    bounds = replace(FULL, characters=1_000_000)
    listed = f'<script type="application/ld+json">{{"@type": "A", "b": {json.dumps(["x"] * 300)}}}</script>'
    body = f"<base href='/{'b' * 8_000}/'>{listed}{''.join(f'<a href={n}>x</a>' for n in range(300))}".encode()
    spider = SPIDER | {"follow": follow, "items": [{"type": "page", "fields": {"a": rule}}]}

    extraction = Extractor(parse(spider)).extract(URL, body, "", "text/html", bounds)

    assert extraction.reasons == {Reason.EXTRACTION_ERROR: 1}
    assert "1,000,000 characters" in extraction.problems[0].value


def test_an_xpath_that_only_fails_on_a_page_is_told_with_its_text() -> None:
    xpath = "//zz[count('x') > 1]"
    rule = {"type": "page", "fields": {"a": {"xpath": xpath}}}
    extraction = Extractor(parse(SPIDER | {"items": [rule]})).extract(URL, b"<zz>", "", "text/html")
    assert extraction.reasons == {Reason.EXTRACTION_ERROR: 1}
    assert xpath in extraction.problems[0].value


def _redos_cases() -> list[Case]:
    return [case for case in cases("redos") if isinstance(case["input"], dict)]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in _redos_cases()])
def test_expressions_that_explode_elsewhere_take_linear_time_or_are_refused(case: Case) -> None:
    given = case["input"]
    assert isinstance(given, dict)
    document = SPIDER | {"items": [{"type": "a", "fields": {"v": {"css": "p", "regex": given["pattern"]}}}]}
    try:
        extractor = Extractor(parse(document))
    except DefinitionError as refusal:
        assert "regex" in refusal.problems[0].place  # noqa: PT017 - refused or linear: either is right
        return
    attack = str(given["attack"])
    body = ("<p>" + (attack[: len(attack) // 2] * 2_000)[:50_000] + attack).encode("utf-8", "replace")
    before = time.thread_time()
    extractor.extract(URL, body, "utf-8", "text/html")
    assert time.thread_time() - before < 1
