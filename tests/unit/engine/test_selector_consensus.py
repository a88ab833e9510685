"""CSS and XPath on real pages, as independent implementations agree on them; encodings as html5lib's tests say."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TypedDict, cast

import pytest
from turbohtml import Element

from crawler.engine.pages.page import PageTree
from crawler.engine.pages.selectors import compile_css, compile_xpath
from crawler.engine.pages.values import fold
from tests.servers.corpora import Case, cases, corpus

COMPARED = 60
"""Characters of a text that are compared: the truth holds no more than a beginning."""


class Consensus(TypedDict):
    documents: dict[str, str]
    cases: list[Case]


@cache
def consensus(name: str) -> Consensus:
    return cast("Consensus", json.loads((corpus("cases") / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["css_consensus", "selectors"])
def test_selectors_find_what_three_implementations_agree_on(name: str) -> None:
    material = consensus(name)
    pages = {key: PageTree("http://site.test/", text.encode(), "utf-8") for key, text in material["documents"].items()}
    wrong = []
    judged = 0
    for case in material["cases"]:
        if case["expected"] is None:
            continue
        given = cast("dict[str, str]", case["input"])
        judged += 1
        found = found_by(given["selector"], given.get("type", "css"), pages[given["document"]])
        if found != agreed(case["expected"]):
            wrong.append((case["id"], given["selector"], found, agreed(case["expected"])))
    assert wrong == []
    assert judged > 200


def found_by(selector: str, language: str, page: PageTree) -> list[tuple[str, str]]:
    compiled = compile_css(selector) if language == "css" else compile_xpath(selector)
    return [
        (match.tag, fold(match.text)[:COMPARED])
        if isinstance(match, Element)
        else ("", fold(compiled.read(match, page) or "")[:COMPARED])
        for match in compiled.find(page.document, page)
    ]


def agreed(expected: object) -> list[tuple[str, str]]:
    """The truth in the form of `found_by`: strings of any kind have no tag, a scalar is one string."""
    if not isinstance(expected, list):
        text = str(expected).lower() if isinstance(expected, bool) else str(expected)
        return [("", fold(text)[:COMPARED])]
    return [("" if kind in ("@", "#text", "#comment") else kind, fold(str(text))[:COMPARED]) for kind, text in expected]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases("html5lib_encoding")])
def test_pages_are_decoded_as_html5lib_says(case: Case) -> None:
    given = cast("dict[str, str]", case["input"])
    page = PageTree("http://site.test/", base64.b64decode(given["html_b64"]), "")
    assert (page.document.encoding or "").lower() == str(case["expected"]).lower()
