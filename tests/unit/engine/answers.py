"""Answers as nobody should send them, for hypothesis: what goes over the wire, byte for byte."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import brotli
import zstandard
from hypothesis import strategies as st


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server writes, in these pieces, and whether it closes the connection behind it."""

    pieces: tuple[bytes, ...]
    closes: bool


_ODD_TEXT = st.text(st.characters(max_codepoint=255), max_size=40).map(lambda text: text.encode("latin-1"))
_ODD_BYTES = st.binary(max_size=60)
_NUMBERS = st.sampled_from([b"0", b"-1", b"5", b"99999999999999999999", b"1e9", b"0x10", b" 7 ", b"NaN", b"+3", b""])

TOKENS = st.sampled_from(
    [
        *(b"<p>", b"</p>", b"<div>", b"<a href='/%d'>", b'<a href="', b"<table><tr><td>", b"<b a=1>", b"</b>", b"<!--"),
        *(b"-->", b"<script>", b"</script>", b"<template>", b"<svg><g>", b"<math>", b"<select>", b"<option>", b"<li>"),
        *(b"<base href='http://127.0.0.1:1/'>", b"<base href=x>", b"<meta charset=utf-16>", b"<meta charset='"),
        *(b"<meta http-equiv=refresh content='0;url=/r'>", b"<meta name=robots content=nofollow>", b"<title>"),
        *(b"<link rel=canonical href=/c>", b"<form action=/login><input type=password>", b"<textarea>", b"<plaintext>"),
        *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"&#0;", b"&#xd800;", b"&#x110000;", b"&amp", b"\x1b$B", b"+ADw-"),
        *(b"{", b"}", b"[", b"]", b'"a":', b"1e999", b"\\ud800", b'"', b",", b"null", b"]]>", b"<?xml version='1.0'?>"),
        *(b"<script type='application/ld+json'>", b"<rss><channel><item><link>", b"<feed><entry><link href=/f>"),
        *(b"2027-01-31", b"1.234,56", b"\xe2\x80\xae", b"=cmd|' /C calc'!A0", b"x" * 300, b" " * 50, b"\r\n", b"\t"),
    ]
)
BODIES = st.lists(st.one_of(TOKENS, TOKENS, TOKENS, _ODD_BYTES), min_size=1, max_size=60).map(b"".join)

_COUNTED = {
    "plain": lambda body: body,
    "gzip": lambda body: gzip.compress(body, mtime=0),  # the same body each time, as hypothesis wants it
    "deflate": zlib.compress,
    "br": lambda body: bytes(brotli.compress(body, quality=1)),
    "zstd": zstandard.ZstdCompressor().compress,
}
CODINGS: dict[str, Callable[[bytes], bytes]] = _COUNTED

_NAMES = st.sampled_from(
    [
        *(b"Content-Type", b"Content-Encoding", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Location"),
        *(b"Retry-After", b"Set-Cookie", b"ETag", b"Last-Modified", b"Link", b"X-Robots-Tag", b"Refresh", b"Upgrade"),
        *(b"content-TYPE", b"X-Odd", b"", b"X Odd", b"Date", b"Keep-Alive", b"Trailer", b"Content-Location"),
    ]
)
_VALUES = st.one_of(
    _ODD_TEXT,
    _NUMBERS,
    st.sampled_from(
        [
            *(b"text/html", b"text/html; charset=utf-16", b'text/html; charset="', b"application/json", b"image/png"),
            *(b"application/rss+xml; charset=koi8-r", b"text/html; charset=x-user-defined", b"text/xml", b"a/b/c;;;=="),
            *(b"gzip", b"br, gzip", b"zstd", b"deflate,deflate,deflate,deflate,deflate,deflate", b"lzma", b"identity"),
            *(
                b"chunked",
                b"gzip, chunked",
                b"close",
                b"keep-alive",
                b"upgrade",
                b"/next",
                b"//127.0.0.2/x",
                b"http://",
            ),
            *(b"file:///etc/passwd", b"?", b"#", b"javascript:1", b"\xff\xfe", b"Wed, 21 Oct 2099 07:28:00 GMT"),
            *(
                b"a=b; domain=.com; path=/",
                b"=; expires=x",
                b"nofollow, noindex",
                b"<http://x/>; rel=canonical",
                b'W/"x"',
            ),
            *(b"0; url=/refreshed", b"h2c", b"a" * 5000),
        ]
    ),
)
_HEADERS = st.lists(st.tuples(_NAMES, _VALUES), max_size=8)
_STATUS = st.one_of(
    st.sampled_from(
        [b"200 OK"] * 6 + [b"301 Moved", b"302 Found", b"304 Not Modified", b"404 Gone", b"429 Slow", b"503 No"]
    ),
    st.sampled_from(
        [b"100 Go on", b"101 Switch", b"103 Hints", b"204 None", b"206 Part", b"999 Odd", b"20 x", b"", b"-200 x"]
    ),
    st.integers(100, 999).map(lambda number: b"%d \xc3\xa4" % number),
    _ODD_TEXT,
)
_VERSIONS = st.sampled_from([b"HTTP/1.1 "] * 8 + [b"HTTP/1.0 ", b"HTTP/2 ", b"HTTP/0.9 ", b"http/1.1 ", b"", b"ICY "])


_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"upgrade", b""})
_GOOD_STATUS = st.sampled_from([b"200 OK"] * 12 + [b"302 Found", b"404 Gone", b"503 No", b"203 Other"])


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Three of four are HTTP, whatever they say in it; the others are that at most by chance."""
    is_wild = draw(st.integers(0, 3)) == 3
    body = draw(BODIES)
    headers = draw(_HEADERS)
    if not is_wild:
        headers = [
            (name, value)
            for name, value in headers
            if name.lower() not in _FRAMING and b" " not in name and not set(value) & {0, 10, 13}
        ]
    for coding in draw(st.lists(st.sampled_from(sorted(CODINGS)), max_size=2)):
        body = CODINGS[coding](body)
        if coding != "plain":
            headers.append((b"Content-Encoding", coding.encode()))
    if is_wild:
        body = body[: draw(st.integers(0, len(body)))]
    framing = draw(st.sampled_from(["length", "chunks", "none", *(["wrong"] if is_wild else [])]))
    if framing == "length":
        headers.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "wrong":
        headers.append((b"Content-Length", draw(_NUMBERS)))
    elif framing == "chunks":
        headers.append((b"Transfer-Encoding", b"chunked"))
        body = draw(_chunked(body, is_wild=is_wild))
    if draw(st.booleans()):
        headers.append(
            (b"Content-Type", draw(st.sampled_from([b"text/html"] * 3 + [b"application/json", b"text/xml"])))
        )
    newline = draw(st.sampled_from([b"\r\n", b"\n", b"\r"])) if is_wild else b"\r\n"
    start = draw(_VERSIONS) + draw(_STATUS) if is_wild else b"HTTP/1.1 " + draw(_GOOD_STATUS)
    colons = st.sampled_from([b": "] * 9 + [b""]) if is_wild else st.just(b": ")
    head = start + newline + b"".join(name + draw(colons) + value + newline for name, value in headers)
    whole = head + newline + body
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = tuple(whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    return Answer(pieces, closes=framing in ("none", "wrong") or draw(st.integers(0, 3)) == 3)


@st.composite
def _chunked(draw: st.DrawFn, body: bytes, *, is_wild: bool) -> bytes:
    chunked = b""
    while body:
        size = draw(st.integers(1, len(body)))
        piece, body = body[:size], body[size:]
        lengths = [b"%x" % size] * 6 + [b'%X;ext="x"' % size, b"0%x" % size]
        ends = [b"\r\n"]
        if is_wild:
            lengths += [b"-1", b"ffffffffffffffff1", b"zz"]
            ends += [b"\n", b"", b"xx"]
        chunked += draw(st.sampled_from(lengths)) + b"\r\n" + piece + draw(st.sampled_from(ends))
    last = [b"0\r\n\r\n", b"00\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"]
    return chunked + draw(st.sampled_from([*last, b"0\r\n", b""] if is_wild else last))
