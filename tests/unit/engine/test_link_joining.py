"""Most links are joined without the URL library: they must mean what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.errors import UrlError
from crawler.engine.pages.links import Resolver
from crawler.engine.urls import resolve

BASES = st.sampled_from(
    [
        "http://h.example/",
        "http://h.example/a/b/c.html?x=1/2",
        "https://h.example:8080/a/",
        "http://[::1]/x/y",
        "http://h.example/a//b/c",
        "http://h.example//",
    ]
)
PARTS = ["..", "/", "//", "a", "b.html", "?", "x=1&y=2", ".", "./", "../", "#f", "%20", "~u", "-", "é", " ", "\t", "c:"]
PARTS += ["http:", "https:"]
HREFS = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)


@given(BASES, st.lists(HREFS, max_size=5))
def test_links_mean_what_the_standard_says(base: str, hrefs: list[str]) -> None:
    expected: dict[str, None] = {}
    for href in hrefs:
        try:
            expected[resolve(href.partition("#")[0], base)] = None
        except UrlError:
            continue
    resolver = Resolver()
    refused: dict[str, int] = {}
    assert list(resolver.resolve(base, hrefs, refused)) == list(expected)
    # Out of its memory too, and nothing of one page is left for another one.
    assert list(resolver.resolve(base, hrefs, refused)) == list(expected)
    assert list(resolver.resolve(base.partition("?")[0], ["", "#x"], refused)) == [base.partition("?")[0]]


@pytest.mark.parametrize(
    ("base", "href", "expected"),
    [
        ("http://h.example/a//b/", "../x", "http://h.example/a//x"),
        ("http://h.example/a//b/c", "../../x", "http://h.example/a/x"),
        ("http://h.example//b/", "../x", "http://h.example//x"),
        ("http://h.example//", "../../x", "http://h.example/x"),
    ],
)
def test_an_empty_folder_is_a_folder(base: str, href: str, expected: str) -> None:
    assert list(Resolver().resolve(base, [href], {})) == [expected]


@pytest.mark.parametrize("href", ["?page=2", "http:?page=2", "HTTP:", "http:#top"])
def test_what_depends_on_the_page_is_not_remembered_for_its_folder(href: str) -> None:
    resolver = Resolver()
    for base in ("http://h.example/a/one", "http://h.example/a/two"):
        assert list(resolver.resolve(base, [href], {})) == [resolve(href.partition("#")[0], base)]


def test_each_link_that_is_no_url_is_counted_once() -> None:
    refused: dict[str, int] = {}
    hrefs = ["mailto:a@b.example", "mailto:a@b.example", "javascript:void(0)", "http://[", "ok"]
    assert list(Resolver().resolve("http://h.example/", hrefs, refused)) == ["http://h.example/ok"]
    assert refused == {"scheme_refused": 2, "invalid_url": 1}
