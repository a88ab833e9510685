from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
import zlib
from hashlib import sha256
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.body import Decoder, codings, decode, encoding_of
from crawler.engine.client import read_content_type
from crawler.engine.errors import BodyTooLarge, BodyTruncated, BodyUndecodable
from tests.servers.answer_faults import CODINGS
from tests.servers.corpora import cases, corpus

LIMIT = 1_000_000


class Sample(TypedDict):
    file: str
    content_encoding: str
    decoded_bytes: int
    sha256: str


def undo(content_encoding: str, data: bytes, *, step: int = 0, limit: int = LIMIT) -> bytes:
    """`data` through a decoder, in pieces of `step` bytes, or at once."""
    decoder = Decoder(content_encoding, limit)
    for start in range(0, len(data), step or max(len(data), 1)):
        decoder.feed(data[start : start + (step or len(data))])
    return decoder.finish()


@pytest.mark.parametrize("coding", list(CODINGS))
@pytest.mark.parametrize("step", [0, 1, 777])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_001])
def test_what_was_coded_comes_back(coding: str, step: int, size: int) -> None:
    data = (b"abcdefgh\n" * (size // 9 + 1))[:size]

    assert undo(coding.removeprefix("raw-"), CODINGS[coding](data), step=step) == data


@given(st.binary(max_size=3000), st.lists(st.sampled_from(sorted(CODINGS)), min_size=1, max_size=5), st.integers(1, 99))
def test_stacked_codings_come_back(data: bytes, names: list[str], step: int) -> None:
    coded = data
    for name in names:
        coded = CODINGS[name](coded)

    assert undo(", ".join(names).replace("raw-", ""), coded, step=step) == data


def test_gzip_members_after_each_other_are_one_body() -> None:
    assert undo("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), step=3) == b"one two"


def test_rubbish_behind_gzip_is_ignored() -> None:
    assert undo("gzip", gzip.compress(b"one") + b"\0\0 rubbish") == b"one"


@pytest.mark.parametrize("value", ["", "identity", "none", "utf-8", "Identity, , none"])
def test_codings_that_mean_nothing_change_nothing(value: str) -> None:
    assert undo(value, b"plain") == b"plain"


@pytest.mark.parametrize(("value", "expected"), [("X-GZIP", ["gzip"]), (" br ,gzip", ["br", "gzip"])])
def test_codings_are_read_as_servers_write_them(value: str, expected: list[str]) -> None:
    assert codings(value) == expected


@pytest.mark.parametrize("value", ["lzma", "compress", "gzip, bogus", ", ".join(["gzip"] * 6)])
def test_codings_that_cannot_be_undone_are_named(value: str) -> None:
    with pytest.raises(BodyUndecodable, match="coding"):
        Decoder(value, LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_limit_is_on_decompressed_bytes_and_exact(coding: str) -> None:
    body = CODINGS[coding](b"x" * 100_000)

    assert len(undo(coding, body, limit=100_000)) == 100_000
    with pytest.raises(BodyTooLarge):
        undo(coding, body, limit=99_999)


@pytest.mark.parametrize("names", ["gzip", "deflate", "br", "zstd", "gzip,gzip", "br,zstd", "zstd,gzip,br"])
def test_bomb_never_holds_much_more_than_the_limit(names: str) -> None:
    body = bytes(64 * 1024 * 1024)
    for coding in names.split(","):
        body = CODINGS[coding](body)

    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            undo(names, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * LIMIT


def test_bomb_that_comes_to_nothing_is_a_bomb_nevertheless() -> None:
    """Empty gzip members inside gzip: the outer stage gives megabytes, the inner one not a byte."""
    empty = gzip.compress(gzip.compress(b"") * 200_000)

    with pytest.raises(BodyTooLarge):
        undo("gzip, gzip", empty)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("cut", [1, 5, 12])
def test_cut_stream_is_never_a_whole_body(coding: str, cut: int) -> None:
    with pytest.raises(BodyTruncated, match=coding):
        undo(coding, CODINGS[coding](b"abcdefghij" * 50 + bytes(range(256)))[:-cut])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_corrupt_stream_is_undecodable(coding: str) -> None:
    with pytest.raises((BodyUndecodable, BodyTruncated)):
        undo(coding, b"<!doctype html><p>plain text, whatever the header says</p>" * 20)


def test_wrong_checksum_is_undecodable() -> None:
    body = bytearray(zlib.compress(b"hello" * 100))
    body[-1] ^= 1

    with pytest.raises(BodyUndecodable, match="deflate"):
        undo("deflate", bytes(body))


def test_nothing_at_all_is_an_empty_body() -> None:
    assert undo("gzip", b"") == b""


def test_samples_of_the_corpus_are_undone() -> None:
    root = corpus("compressed")
    judged = 0
    for sample in cast("list[Sample]", json.loads((root / "truth/files.json").read_text())):
        data = (root / "site" / sample["file"]).read_bytes()
        if sample["file"].startswith("html-"):
            body = undo(sample["content_encoding"], data, step=500)
            assert (len(body), sha256(body).hexdigest()) == (sample["decoded_bytes"], sample["sha256"])
            judged += 1
        elif sample["file"].startswith("bomb-"):
            with pytest.raises(BodyTooLarge):
                undo(sample["content_encoding"], data)
            judged += 1
        elif sample["file"].startswith(("truncated", "unexpected")) and sample["file"].endswith(".gz"):
            with pytest.raises(BodyTruncated):
                undo("gzip", data)
            judged += 1
    assert judged == 16


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("ä€".encode(), "utf-8", "ä€"),
        ("ä€".encode(), "", "ä€"),
        (b"\xe4\x80", "latin1", "ä€"),
        (b"\xe4", "", "ä"),
        (b"\xef\xbb\xbf\xc3\xa4", "iso-8859-2", "ä"),
        ("ä".encode("utf-16"), "", "ä"),
        (b"<meta charset=gbk>\xc4\xe3", "", "<meta charset=gbk>你"),
        (b"<meta charset=utf-16><p>\xc3\xa4", "", "<meta charset=utf-16><p>ä"),
        ("你".encode("gb18030"), "GB2312", "你"),
        (b"\xff", "utf-8", "\ufffd"),
        (b"a\0b", "utf-8", "ab"),
        (b"+ADw-", "utf-7", "+ADw-"),
        (b"plain", "no-such-charset", "plain"),
        (b"", "", ""),
    ],
)
def test_text_is_read_as_browsers_read_it(body: bytes, charset: str, text: str) -> None:
    assert decode(body, charset) == text


@given(
    st.binary(max_size=200), st.sampled_from(["", "utf-8", "utf-16", "shift_jis", "gb18030", "euc-kr", "iso-2022-jp"])
)
def test_text_can_always_be_stored(body: bytes, charset: str) -> None:
    text = decode(body, charset)

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
    root = corpus("legacy-encodings")
    judged = 0
    different: list[str] = []
    for entry in cast("list[dict[str, str]]", json.loads((root / "truth/files.json").read_text())):
        label = encoding_of(b"a", entry["encoding"]).lower()
        if label != entry["encoding"].lower():
            continue  # not an encoding of the standard, or another one under this name
        text = decode((root / "site" / entry["path"]).read_bytes(), entry["encoding"])
        if label == "euc-jp":  # the standard reads two signs as Windows does, iconv as JIS does
            text = text.translate({0xFF5E: 0x301C, 0xFF0D: 0x2212})
        judged += 1
        if sha256(text.encode()).hexdigest() != entry["utf8_sha256"]:
            different.append(entry["path"])
    assert judged > 150
    assert different == []
