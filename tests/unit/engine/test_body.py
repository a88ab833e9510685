from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from hashlib import sha256
from typing import TypedDict, cast

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.errors import BodyTooLarge, BodyTruncated, BodyUndecodable
from crawler.engine.fetching.body import Decoder, codings
from tests.servers.answer_faults import CODINGS
from tests.servers.corpora import corpus

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


def test_zstd_frames_after_each_other_are_one_body_and_some_are_to_be_skipped() -> None:
    """RFC 8878, 3.1: frames are independent of each other, and decode to what they hold one after the other."""
    frame = CODINGS["zstd"]
    skipped = b"\x5f\x2a\x4d\x18\x03\x00\x00\x00xyz"
    assert undo("zstd", skipped + frame(b"one ") + skipped + frame(b"two") + skipped, step=3) == b"one two"


RUBBISH = [
    b"\0",
    b"\x1f",
    b"\x28\xb5\x2f",
    b"\0\0 rubbish",
    b"\x1f rubbish",
    b"rubb\x1fish",
    b"\0" * 99,
    b"<!-- cached -->" * 999,
    brotli.compress(b"another stream"),
]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("step", [0, 1, 4])
def test_rubbish_behind_a_body_is_ignored(coding: str, rubbish: bytes, step: int) -> None:
    assert undo(coding, CODINGS[coding](b"one") + rubbish, step=step) == b"one"


@given(st.binary(max_size=9000), st.integers(1, 200), st.integers(1, 99), st.integers(1, 9000))
def test_nothing_of_a_long_brotli_stream_is_lost_or_doubled_where_rubbish_ends_it(
    data: bytes, times: int, behind: int, step: int
) -> None:
    assert undo("br", CODINGS["br"](data * times) + b"!" * behind, step=step, limit=2 * LIMIT) == data * times


def test_a_brotli_stream_is_not_undone_twice_where_that_takes_long() -> None:
    body = CODINGS["br"](bytes(6 * LIMIT))
    assert len(undo("br", body, limit=6 * LIMIT)) == 6 * LIMIT
    with pytest.raises(BodyUndecodable, match="br"):
        undo("br", body + b"!", limit=6 * LIMIT)


@pytest.mark.parametrize("coding", ["br", "br,br", "br,gzip,br"])
def test_a_bomb_with_rubbish_behind_is_a_bomb(coding: str) -> None:
    body = bytes(2 * LIMIT)
    for name in coding.split(","):
        body = CODINGS[name](body) + b"!"

    with pytest.raises(BodyTooLarge):
        undo(coding, body)


@pytest.mark.parametrize("cut", [1, 5, 12, 500])
def test_a_cut_or_corrupt_member_is_no_rubbish(cut: int) -> None:
    first, second = gzip.compress(b"one"), gzip.compress(bytes(range(256)) * 4, compresslevel=0)
    with pytest.raises(BodyTruncated, match="gzip"):
        undo("gzip", first + second[:-cut], step=100)
    corrupt = bytearray(second)
    corrupt[-cut] ^= 1
    with pytest.raises(BodyUndecodable, match="gzip"):
        undo("gzip", first + corrupt, step=100)


def test_a_cut_or_corrupt_frame_is_no_rubbish() -> None:
    first, second = CODINGS["zstd"](b"one"), CODINGS["zstd"](bytes(range(256)) * 4)
    with pytest.raises(BodyTruncated, match="zstd"):
        undo("zstd", first + second[:-5], step=100)
    with pytest.raises(BodyUndecodable, match="zstd"):
        undo("zstd", first + second[:6] + b"\xff" * 99, step=100)


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


@pytest.mark.parametrize("names", ["gzip", "zstd", "gzip,gzip", "zstd,gzip"])
def test_empty_members_without_number_are_a_bomb(names: str) -> None:
    """Each costs as much work as kilobytes of text: half a million in a body of 30 KB would hold up the loop."""
    first, *outer = names.split(",")
    body = CODINGS[first](b"") * 500_000
    for coding in outer:
        body = CODINGS[coding](body)

    with pytest.raises(BodyTooLarge):
        undo(names, body)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_some_hundred_members_is_whole(coding: str) -> None:
    assert undo(coding, CODINGS[coding](b"line\n") * 200, step=999) == b"line\n" * 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("cut", [1, 5, 12])
def test_cut_stream_is_never_a_whole_body(coding: str, cut: int) -> None:
    with pytest.raises(BodyTruncated, match=coding):
        undo(coding, CODINGS[coding](b"abcdefghij" * 50 + bytes(range(256)))[:-cut])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_corrupt_stream_is_undecodable(coding: str) -> None:
    with pytest.raises((BodyUndecodable, BodyTruncated)):
        undo(coding, b"<!doctype html><p>plain text, whatever the header says</p>" * 20)


def test_a_greater_window_than_the_standard_allows_is_no_memory_of_ours() -> None:
    """RFC 9659: 8 MiB. A frame of a few bytes could else ask for two gigabytes."""
    text = bytes(LIMIT)

    def with_window(log: int) -> bytes:
        parameters = zstandard.ZstdCompressionParameters(window_log=log)
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return stream.compress(text) + stream.flush()

    assert undo("zstd", with_window(23)) == text
    with pytest.raises(BodyUndecodable, match="zstd"):
        undo("zstd", with_window(24))


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
