from __future__ import annotations

import re
from typing import TypedDict, cast
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.errors import Reason, UrlError
from crawler.engine.pages.charsets import UNICODE, with_query_in
from crawler.engine.urls import MAX_URL_LENGTH, hash_url, host_of, normalise, origin_of, resolve, split
from tests.servers.corpora import cases, corpus

OTHER_CONTROLS = {chr(code) for code in (*range(32), 127)} - set("\t\r\n")
BASE = "http://shop.example/books/list.html?page=2"


class WptInput(TypedDict):
    input: str
    base: str | None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Shop.Example", "http://shop.example/"),
        ("http://shop.example:80/a", "http://shop.example/a"),
        ("https://shop.example:443/", "https://shop.example/"),
        ("http://shop.example:443/", "http://shop.example:443/"),
        ("http://shop.example/a/../b/./c", "http://shop.example/b/c"),
        ("http://shop.example/a#part", "http://shop.example/a"),
        ("http://shop.example/a?b#c#d", "http://shop.example/a?b"),
        ("http://bücher.example/ä?ö=ü", "http://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC"),
        ("http://shop.example/a b", "http://shop.example/a%20b"),
        ("\n  http://shop.example/ \t", "http://shop.example/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0177.0.0.1/", "http://127.0.0.1/"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("http://shop.example./", "http://shop.example./"),
        ("http://shop.example/?a=1@b", "http://shop.example/?a=1@b"),
        ("http://shop.example/\ud800", "http://shop.example/%EF%BF%BD"),
    ],
)
def test_url_is_written_in_one_way(url: str, expected: str) -> None:
    assert normalise(url) == expected


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("", BASE),
        ("#top", BASE),
        ("item.html", "http://shop.example/books/item.html"),
        ("?page=3", "http://shop.example/books/list.html?page=3"),
        ("/a/b.html?x=1&y=2", "http://shop.example/a/b.html?x=1&y=2"),
        ("/a/../b", "http://shop.example/b"),
        ("/.", "http://shop.example/"),
        ("/a/..", "http://shop.example/"),
        ("/a//b", "http://shop.example/a//b"),
        ("//other.example/x", "http://other.example/x"),
        ("\\\\other.example\\x", "http://other.example/x"),
        ("https:/other.example", "https://other.example/"),
        ("http:item.html", "http://shop.example/books/item.html"),
        ("/ä", "http://shop.example/%C3%A4"),
    ],
)
def test_link_is_resolved_against_its_page(href: str, expected: str) -> None:
    assert normalise(href, BASE) == expected
    assert resolve(href, BASE) == expected


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/a\r\n  b", "http://shop.example/a%20%20b"),
        ("ht\ttp://other\n.example/x", "http://other.example/x"),
        ("\n\t#top\n", BASE),
        ("/a\r\nHost: evil", "http://shop.example/aHost:%20evil"),
    ],
)
def test_line_ends_inside_a_link_mean_nothing(href: str, expected: str) -> None:
    assert resolve(href, BASE) == expected


@pytest.mark.parametrize("href", ["/a\0b", "/a\x1bb", "/a\x7fb", "http://a\0b/", "java\nscript:alert(1)"])
def test_a_link_with_other_control_characters_is_refused(href: str) -> None:
    with pytest.raises(UrlError):
        resolve(href, BASE)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", Reason.INVALID_URL),
        ("shop.example/a", Reason.INVALID_URL),
        ("http://", Reason.INVALID_URL),
        ("http://shop.example:99999/", Reason.INVALID_URL),
        ("http://shop example/", Reason.INVALID_URL),
        ("http://[::1", Reason.INVALID_URL),
        ("http://[fe80::1%25eth0]/", Reason.INVALID_URL),
        ("http://1.2.3.256/", Reason.INVALID_URL),
        ("http://ok@127.0.0.1/", Reason.INVALID_URL),
        ("http://user:secret@shop.example/", Reason.INVALID_URL),
        ("http://shop.example/\r\nHost: evil", Reason.INVALID_URL),
        ("http://shop.example:6379/\r\nSET a 1", Reason.INVALID_URL),
        ("http://shop.example/a\nb", Reason.INVALID_URL),
        ("http://shop.example/a\tb", Reason.INVALID_URL),
        ("http://shop.example/\x00", Reason.INVALID_URL),
        ("http://shop.example/\x7f", Reason.INVALID_URL),
        ("http://shop.example/" + "a" * MAX_URL_LENGTH, Reason.INVALID_URL),
        ("ftp://shop.example/", Reason.SCHEME_REFUSED),
        ("file:///etc/passwd", Reason.SCHEME_REFUSED),
        ("gopher://shop.example/", Reason.SCHEME_REFUSED),
        ("javascript:alert(1)", Reason.SCHEME_REFUSED),
        ("JavaScript:alert(1)", Reason.SCHEME_REFUSED),
        ("data:text/html,x", Reason.SCHEME_REFUSED),
        ("mailto:a@shop.example", Reason.SCHEME_REFUSED),
        ("ws://shop.example/", Reason.SCHEME_REFUSED),
        ("ftp://[bad", Reason.SCHEME_REFUSED),
    ],
)
def test_url_is_refused_with_its_reason(url: str, reason: Reason) -> None:
    with pytest.raises(UrlError) as caught:
        normalise(url)

    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://a.example:99999/", "99999"),
        ("https://[::1]:65536", "65536"),
        ("http://me:secret@a.example:8o/x", "8o"),
        ("HTTP://a.example:123456789012345678901234567890?x", "12345678901234567..."),
    ],
)
def test_a_port_that_there_is_not_is_named(url: str, port: str) -> None:
    with pytest.raises(UrlError, match=re.escape(f'has no valid port: "{port}"; write 1 to 65535')) as caught:
        normalise(url)
    assert "secret" not in str(caught.value)


def test_refusal_never_shows_a_password() -> None:
    with pytest.raises(UrlError) as caught:
        normalise("https://user:secret@shop.example/?q=@")

    assert "secret" not in str(caught.value)
    assert "https://shop.example/?q=@" in str(caught.value)


@given(st.text(max_size=40))
def test_normal_form_is_stable_and_safe_to_send(text: str) -> None:
    try:
        url = resolve(text, BASE)
    except UrlError:
        return

    assert normalise(url) == url
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://a.example/", ("http", "a.example", 80, "a.example", "/")),
        ("https://a.example/x?y=/z", ("https", "a.example", 443, "a.example", "/x?y=/z")),
        ("http://a.example:8080/x:1", ("http", "a.example", 8080, "a.example:8080", "/x:1")),
        ("http://[::1]/", ("http", "::1", 80, "[::1]", "/")),
        ("http://[::1]:81/", ("http", "::1", 81, "[::1]:81", "/")),
    ],
)
def test_url_is_split_into_what_a_request_needs(url: str, target: tuple[str, str, int, str, str]) -> None:
    assert split(url) == target
    assert host_of(url) == target[1]
    assert origin_of(url) == f"{target[0]}://{target[3]}"


def test_hash_is_the_first_eight_bytes_of_blake2b_signed() -> None:
    assert hash_url("http://a.example/") == 2671027717857839239
    assert -(2**63) <= hash_url(BASE) < 2**63


def test_wpt_cases_agree_where_the_crawl_may_go() -> None:
    corpus("cases")
    judged = 0
    for case in cases("wpt_url"):
        given_ = cast("WptInput", case["input"])
        expected = cast("dict[str, str]", case["expected"])
        if given_["base"] == "about:blank":
            given_["base"] = None
        judged += _agrees(given_, expected)
    assert judged > 200


def _agrees(given_: WptInput, expected: dict[str, str]) -> bool:
    """Whether the case says something about what we fetch; asserts that we then say the same."""
    url, base = given_["input"], given_["base"]
    with_credentials = expected.get("username") or expected.get("password")
    if expected.get("protocol") not in ("http:", "https:") or with_credentials:
        with pytest.raises(UrlError):
            normalise(url, base)
        return True
    if set(url) & OTHER_CONTROLS:
        with pytest.raises(UrlError):
            resolve(url, base or BASE)
        return False
    is_broken = not url.strip().isprintable()
    read = resolve(url, base or BASE) if base or is_broken else normalise(url)
    assert read == expected["href"].partition("#")[0], url
    return True


def test_url_normalize_cases_keep_their_origin() -> None:
    """That library's policy (sorting, dropping parameters) is not ours; where a request goes must be the same."""
    corpus("cases")
    judged = 0
    for case in cases("url_normalize"):
        question = cast("dict[str, object]", case["input"])
        answer = cast("dict[str, object]", case["expected"]).get("value")
        args = cast("list[object]", question["args"])
        if question["func"] != "url_normalize.url_normalize.url_normalize" or question["kwargs"] or len(args) != 1:
            continue
        if not isinstance(args[0], str) or not isinstance(answer, str):
            continue
        if not args[0].lower().startswith(("http://", "https://")):
            continue
        try:
            url = normalise(args[0])
        except UrlError:
            continue
        judged += 1
        assert host_of(url).rstrip(".") == urlsplit(answer).hostname, args[0]
    assert judged > 20


def test_wpt_hosts_are_read_as_the_standard_reads_them() -> None:
    """Also the hosts that it refuses: what no browser asks for is not asked for."""
    corpus("cases")
    wrong, judged = [], 0
    for name in ("wpt_idna", "wpt_toascii"):
        for case in cases(name):
            judged += 1
            domain = cast("dict[str, str]", case["input"])["domain"]
            try:
                host: str | None = host_of(normalise(f"https://{domain}/x"))
            except UrlError:
                host = None
            if host != case["expected"]:
                wrong.append((case["id"], domain, host, case["expected"]))
    assert wrong == []
    assert judged > 1_300


def test_wpt_queries_are_written_in_the_encoding_of_their_page() -> None:
    corpus("cases")
    wrong = []
    for case in cases("wpt_percent_encoding"):
        given_ = cast("dict[str, str]", case["input"])
        text, encoding = given_["text"], given_["encoding"]
        if not text.isprintable():
            continue  # a control character in a URL is refused, whatever its encoding
        query = f"?{text}" if encoding in UNICODE else with_query_in(encoding, f"?{text}")
        if normalise(f"http://a.example/{query}") != f"http://a.example/?{case['expected']}":
            wrong.append((case["id"], text, encoding, query, case["expected"]))
    assert wrong == []
