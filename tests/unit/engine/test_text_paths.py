"""XPaths that look for an element by its text find what the engine finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from turbohtml import XPath, parse

from crawler.engine.pages.page import PageTree
from crawler.engine.pages.selectors import compile_xpath
from crawler.engine.pages.textpaths import text_path

PAGE = """
<h2>Facts</h2><dl><dt>UPC<dd>1<dd>2<dt> UPC <dd class=x>3<dt>U<b>P</b>C<!-- no --><dd><span>4</span>
<dt>In  stock<dd>5<dt>In&nbsp;stock<dd>6<dt>
 In
\tstock </dt><dd>7</dl><div>UPC<div>UPC<span>UPC</span> one</div> two</div><p>It's: <b>UPC</b><p></p>
<table><tr><th>UPC<td>8<td>9<tr><th><th>UPC <td>10</table><svg><a>UPC</a><title>UPC</title></svg><a>UPC</a>
<template><dt>UPC<dd>11</template><script>var UPC</script><div><script>UPC</script></div><span>É</span>
"""
DOCUMENT = PageTree("http://shop.example/", PAGE.encode(), "").document

TAGS = st.sampled_from(["dt", "dd", "div", "span", "p", "th", "td", "b", "a", "title", "h2"])
SUBJECTS = st.sampled_from([".", "text()", "normalize-space()", "normalize-space(.)"])
LITERALS = st.sampled_from(["'UPC'", '"UPC"', "'In stock'", "'In  stock'", "' UPC '", "''", "' '", '"It\'s: "', "'É'"])
EQUAL = st.builds("{}{}{}".format, SUBJECTS, st.sampled_from(["=", " = "]), LITERALS)
CONTAINS = st.builds("contains({}, {})".format, SUBJECTS.filter(lambda subject: subject != "text()"), LITERALS)
STEPS = """
    /following-sibling::dd[1] /following-sibling::dd /following-sibling::*[2] /text() //text() /@class //span /.. /b
    /parent::*/dd[2] /preceding::dd[1] //b/text() /following-sibling::td/text()
"""
RESTS = st.lists(st.sampled_from(STEPS.split()), max_size=2).map("".join)


@given(st.sampled_from(["//", ".//"]), TAGS, EQUAL | CONTAINS, RESTS)
def test_the_same_is_found_in_the_same_order(start: str, tag: str, condition: str, rest: str) -> None:
    xpath = f"{start}{tag}[{condition}]{rest}"
    quick = text_path(xpath)
    assert quick is not None

    found = quick.find(DOCUMENT, DOCUMENT)

    assert found is None or found == XPath(xpath)(DOCUMENT)


@given(TAGS, EQUAL | CONTAINS, RESTS)
def test_a_path_that_begins_at_an_element_stays_within_it(tag: str, condition: str, rest: str) -> None:
    xpath = f".//{tag}[{condition}]{rest}"
    quick = text_path(xpath)
    assert quick is not None
    for element in DOCUMENT.select("dl, div, tr, svg"):
        found = quick.find(element, DOCUMENT)
        assert found is None or found == XPath(xpath)(element)


def test_what_follows_several_elements_is_the_engines_affair() -> None:
    xpath = "//th[normalize-space()='UPC']/following-sibling::td"
    quick = text_path(xpath)
    assert quick is not None
    assert quick.find(DOCUMENT, DOCUMENT) is None

    page = PageTree("http://shop.example/", PAGE.encode(), "")
    selector = compile_xpath(xpath)

    assert [selector.read(found, page) for found in selector.find(page.document, page)] == ["8", "9", "10"]


def test_a_page_is_not_walked_through_for_one_element() -> None:
    quick = text_path("//dt[.='In stock']/following-sibling::dd[1]")
    assert quick is not None
    document = parse("<dl><dt>In stock<dd>5<dt>Other<dd>6</dl>", positions=False)

    found = quick.find(document, document)

    assert found is not None
    assert [element.text for element in found] == ["5"]


@pytest.mark.parametrize(
    "xpath",
    [
        "//dt",
        "//dt[1]",
        "//dt[.='UPC'][1]",
        "//dt[1][.='UPC']",
        "//dt[.!='UPC']",
        "//dt[.=1]",
        "//dt[.='a' or .='b']",
        "//dt[contains(text(), 'UPC')]",  # of the first text alone
        "//dt[contains(., 'a') and contains(., 'b')]",
        "//dt[.='UPC'] | //th[.='UPC']",
        "//dt[.='UPC']/following-sibling::dd[last()]",
        "//dt[.='UPC']/dd[@class='x']",
        "//DT[.='UPC']",
        "//rect[.='UPC']",
        "//*[.='UPC']",
        "dt[.='UPC']",
        "/html//dt[.='UPC']",
        "count(//dt[.='UPC'])",
        "string(//dt[.='UPC'])",
    ],
)
def test_other_paths_are_left_to_the_engine(xpath: str) -> None:
    assert text_path(xpath) is None
