"""The page for the frame: the same elements as the engine's, by number, and nothing that acts or loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from crawler.engine.records import Answer
from crawler.workshop.pointing import CannotPoint, elements_of, tree_of, written
from tests.servers.corpora import corpus
from tests.servers.hostile_html import PAGES
from tests.spiders import saved_pages

TOO_LARGE = {
    *("nested divs", "nested spans with a block at the bottom", "nested templates", "nested lists", "nested SVG"),
    *(
        "one line",
        "one line without a tag",
        "one attribute",
        "adoption",
        "a line of 9 MB",
        "elements blown up",
        "elements blown up to millions",
        "attributes of one body",
    ),
}


def make_answer(body: bytes, content_type: str = "text/html") -> Answer:
    return Answer("http://shop.example/a/b", 200, {}, body, len(body), 0.1, "utf-8", content_type)


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(written(tree_of(make_answer(html.encode()))))


def check_numbers(body: bytes) -> int:
    """Each element that is written bears the number of the tree's element of that name; how many there are."""
    tree = tree_of(make_answer(body))
    elements = elements_of(tree)
    numbers: list[int] = []
    for element in ElementTree.fromstring(written(tree)).iter():
        number = element.get("data-ll")
        if number is None:
            assert element.tag.endswith("}style")
            continue
        numbers.append(int(number))
        name = element.get("data-tag") or element.tag.rpartition("}")[2]
        assert name == elements[int(number)].tag[:60]
    assert numbers == sorted(set(numbers))
    return len(numbers)


def real_pages() -> Iterator[bytes]:
    for name in ("products", "articles", "trafilatura-pages", "legacy-encodings"):
        yield from (path.read_bytes() for path in some_of(corpus(name)))
    for name in ("shop", "quotes"):
        yield from (body for _target, _saved, body in list(saved_pages(name))[::60])


def some_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))[::20]


@pytest.mark.corpora
def test_real_pages_keep_the_numbers_of_their_elements() -> None:
    assert sum(check_numbers(body) for body in real_pages()) > 10_000


@pytest.mark.parametrize("name", sorted(PAGES))
def test_hostile_pages_keep_the_numbers_of_their_elements_or_are_refused(name: str) -> None:
    if name in TOO_LARGE:
        with pytest.raises(CannotPoint):
            check_numbers(PAGES[name]())
    else:
        assert check_numbers(PAGES[name]()) >= 3


def test_what_is_mended_by_browsers_keeps_its_numbers() -> None:
    """Nested links and forms, tables with strangers inside, formatting that crosses blocks."""
    odd = b"<a>1<table><tr><a>2<td>3</a></table><b>4<p>5</b>6<form><form>7</form><p><div>8</p><select><div>9<li>x<li>y"
    assert check_numbers(odd) > 12


ACTING = """<!doctype html><html><head><base href="http://evil.example/">
<meta http-equiv="refresh" content="0;url=//evil">
<link rel="stylesheet" href="//evil/a.css"><link rel="prefetch" href="//evil"><script src="//evil/x.js"></script>
<style>@import url(//evil/i.css); body{background:url("//evil/b.png")} p{color:red}</style></head>
<body onload="a()" background="//evil/c.png"><p style="background:url('//evil/d.png');color:blue" onclick="b()">x</p>
<img src="//evil/e.png" srcset="//evil/f.png 2x" alt="picture" onerror="c()"><img src="data:image/gif;base64,R0lGOD">
<a href="javascript:alert(1)" target="_top" ping="//evil">y</a><form action="//evil"><input type="password" autofocus>
<button formaction="//evil">z</button></form><iframe src="//evil" srcdoc="<script>d()</script>"></iframe>
<object data="//evil"></object><embed src="//evil"><video src="//evil/g.mp4" poster="//evil/h.png" autoplay></video>
<svg><script>e()</script><image href="//evil/i.png"/><use href="//evil#a"/>
<a href="//evil"><path d="M0 0" fill="url(//evil)"/></a>
<foreignObject><p>in</p></foreignObject></svg><math><mtext href="//evil">m</mtext></math>
<template><img src=//evil></template>
<x-card onmouseover="f()">own</x-card><bad"name x=1>odd</body></html>"""


def test_nothing_acts_and_nothing_is_named_that_could_be_loaded() -> None:
    page = written(tree_of(make_answer(ACTING.encode())))
    assert "evil" not in page
    assert not re.search(r"<(?:script|link|meta|base|iframe|object|embed|video|form|template)\b", page)
    attributes = {name for element in ElementTree.fromstring(page).iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on")]
    assert not attributes & {
        "href",
        "srcset",
        "action",
        "formaction",
        "ping",
        "target",
        "srcdoc",
        "poster",
        "data",
        "autofocus",
    }
    assert 'src="data:image/gif;base64,R0lGOD"' in page
    assert "password" not in page


def test_what_is_seen_stays() -> None:
    page = parsed(ACTING)
    said = " ".join("".join(page.itertext()).split())
    assert all(word in said for word in ("x", "y", "in", "own", "odd"))
    tags = {element.get("data-tag") for element in page.iter()}
    assert {"iframe", "object", "video", "form"} <= tags
    assert "color:blue" in ElementTree.tostring(page).decode()


@pytest.mark.parametrize(
    "text", ["\x00", "\x0b", "\ufffe", "]]>", "&amp;&lt;", "\r\n", "\U0001f600", "a\x1b[31m", '"\'<>&'],
    ids=["NUL", "VT", "no character", "CDATA", "entities", "line ends", "emoji", "escape", "quotes"],
)  # fmt: skip
def test_any_text_makes_a_page_that_can_be_read(text: str) -> None:
    parsed(f"<p title='{text}'>{text}<b>after</b>")


def test_deep_elements_join_what_is_around_them() -> None:
    page = parsed("<div>" * 300 + "<b>deep</b>")
    assert "deep" in "".join(page.itertext())
    assert sum(1 for element in page.iter() if element.tag.endswith("}div")) < 230


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (make_answer(b'{"a": 1}', "application/json"), "kind"),
        (make_answer(b"%PDF", "application/pdf"), "kind"),
        (make_answer(b"<p>" + b"x" * 4_000_001), "size"),
    ],
    ids=["JSON", "PDF", "large"],
)
def test_what_is_no_page_is_refused(answer: Answer, why: str) -> None:
    with pytest.raises(CannotPoint, match=why):
        tree_of(answer)
