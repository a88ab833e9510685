"""Pages are read in the encoding that a browser would read them in: byte-order mark, header, declaration, guess."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import cast

import pytest
import turbohtml.detect  # noqa: F401 - registers the whatwg-* codecs
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.fetching.wire import read_content_type
from crawler.engine.pages.charsets import codec_of
from crawler.engine.pages.page import PageTree
from tests.servers.corpora import cases, corpus


def tree_of(body: bytes, charset: str = "") -> PageTree:
    return PageTree("http://a.example/", body, charset)


def encoding_of(body: bytes, charset: str = "") -> str:
    return tree_of(body, charset).document.encoding or ""


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("ä€".encode(), "utf-8", "ä€"),
        ("ä€".encode(), "", "ä€"),
        (b"\xe4\x80", "latin1", "ä€"),
        (b"\xe4", "", "ä"),
        (b"\xef\xbb\xbf\xc3\xa4", "iso-8859-2", "ä"),
        ("ä".encode("utf-16"), "", "ä"),
        (b"<meta charset=gbk>\xc4\xe3", "", "你"),
        (b"<meta charset=utf-16><p>\xc3\xa4", "", "ä"),
        ("你".encode("gb18030"), "GB2312", "你"),
        (b"\xff", "utf-8", "\ufffd"),
        (b"a\0b", "utf-8", "ab"),
        (b"+ADw-", "utf-7", "+ADw-"),
        (b"plain", "no-such-charset", "plain"),
        (b"", "", ""),
    ],
)
def test_text_is_read_as_browsers_read_it(body: bytes, charset: str, text: str) -> None:
    page = tree_of(body, charset)
    assert page.text_of(page.document).strip() == text


@given(
    st.binary(max_size=200), st.sampled_from(["", "utf-8", "utf-16", "shift_jis", "gb18030", "euc-kr", "iso-2022-jp"])
)
def test_text_can_always_be_stored(body: bytes, charset: str) -> None:
    page = tree_of(body, charset)
    text = page.text_of(page.document)

    assert "\0" not in text
    assert text.encode().decode() == text


def test_encoding_labels_are_those_of_the_standard() -> None:
    corpus("cases")
    wrong = [
        case["input"]
        for case in cases("encoding_labels")
        if encoding_of(b"a", str(case["input"])).lower() != str(case["expected"]).lower()
        # A page in a "replacement" encoding is read as nothing, whatever it holds; webencodings knows them not.
        and encoding_of(b"a", str(case["input"])) != "replacement"
    ]
    assert wrong == []


def test_html5lib_pages_are_read_in_the_encoding_that_they_declare() -> None:
    corpus("cases")
    judged = 0
    for case in cases("html5lib_encoding"):
        page = base64.b64decode(cast("dict[str, str]", case["input"])["html_b64"])
        assert encoding_of(page).lower() == str(case["expected"]).lower(), case["id"]
        judged += 1
    assert judged >= 40


def test_pages_of_the_w3c_suite_are_read_by_header_mark_and_declaration() -> None:
    root = corpus("legacy-encodings")
    judged = 0
    for entry in cast("list[dict[str, str]]", json.loads((root / "truth/w3c_charset.json").read_text())):
        page = (root / "site" / entry["path"]).read_bytes()
        assert (
            encoding_of(page, read_content_type(entry["http_content_type"])[1]).lower() == entry["expected"].lower()
        ), entry["path"]
        judged += 1
    assert judged > 5


def test_legacy_files_give_the_text_that_iconv_gives() -> None:
    """The label of each file is what a server would announce."""
    root = corpus("legacy-encodings")
    equal, mapped = 0, 0
    different: dict[str, str] = {}
    files = cast("list[dict[str, str]]", json.loads((root / "truth/files.json").read_text()))
    for entry in files:
        body, label = (root / "site" / entry["path"]).read_bytes(), entry["encoding"]
        text = text_by(body, label)
        assert tree_of(body, label).document.html == tree_of(text.encode(), "utf-8").document.html, entry["path"]
        if sha256(text.encode()).hexdigest() == entry["utf8_sha256"]:
            equal += 1
        elif sha256(text.translate(ICONV_SIGNS.get(label, {})).encode()).hexdigest() == entry["utf8_sha256"]:
            mapped += 1
        else:
            different[entry["path"]] = label
    assert set(different.values()) == {"iso-2022-kr"}, "the standard reads nothing there: it hides scripts from filters"
    assert len(different) <= len(files) * 0.01
    assert (equal, mapped) == (198, 11)


ICONV_SIGNS = {"EUC-JP": {0xFF5E: 0x301C, 0xFF0D: 0x2212}, "Johab": {0x5C: 0x20A9}}
"""Signs that iconv reads as the old national standards say; browsers and Windows read them otherwise, and so do we."""


def text_by(body: bytes, label: str) -> str:
    """The text that a page of this label is parsed from."""
    mark = next((codec for start, codec in MARKS if body.startswith(start)), "")
    codec = mark or codec_of(label) or f"whatwg-{encoding_of(b'a', label).lower()}"
    return body.decode(codec, "replace").removeprefix("\ufeff")


MARKS = [(b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be")]
