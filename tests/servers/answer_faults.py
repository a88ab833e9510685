"""Faults of bodies; statuses, redirects and validators to ask for."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from html import escape
from urllib.parse import parse_qsl, unquote, urlsplit

import brotli
import zstandard

from .bombs import bomb as pieces_of_bomb
from .exchange import PAGE, Exchange, fault
from .hostile_html import PAGES

BOMB_BYTES = 64 * 1024 * 1024


# the body


@fault("short-body")
async def short_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + PAGE)


@fault("chunk-error")
async def chunk_error(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZZ\r\n")


@fault("chunk-cut")
async def chunk_cut(exchange: Exchange) -> None:
    """Chunks without the last one."""
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


@fault("chunked")
async def chunked(exchange: Exchange) -> bool:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(PAGE), 20):
        piece = PAGE[start : start + 20]
        exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await exchange.writer.drain()
    exchange.send(b"0\r\n\r\n")
    return True


@fault("until-close")
async def until_close(exchange: Exchange) -> None:
    """No length: the body ends with the connection."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE)


@fault("huge-length")
async def huge_length(exchange: Exchange) -> None:
    """Announces ten gigabytes."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
    await _pour(exchange, b"x" * 65_536)


@fault("endless")
async def endless(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    await _pour(exchange, b"<p>more</p>" * 1000)


@fault("endless-chunks")
async def endless_chunks(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _pour(exchange, b"5\r\nhello\r\n" * 1000)


@fault("trailer")
async def trailer(exchange: Exchange) -> bool:
    """Headers behind the body, which would change its type."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
    exchange.send(b"%x\r\n%b\r\n0\r\nContent-Type: image/png\r\nX-Evil: 1\r\n\r\n" % (len(PAGE), PAGE))
    return True


@fault("endless-trailer")
async def endless_trailer(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Huge: ")
    await _pour(exchange, b"a" * 65_536)


@fault("endless-extension")
async def endless_extension(exchange: Exchange) -> None:
    """What may stand behind a chunk's length, without an end."""
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=")
    await _pour(exchange, b"a" * 65_536)


@fault("bytes")
async def some_bytes(exchange: Exchange) -> bool:
    """``/bytes/N``: a body of N bytes."""
    exchange.answer(b"x" * int(exchange.argument))
    return True


@fault("bad-gzip")
async def bad_gzip(exchange: Exchange) -> bool:
    exchange.answer(b"this is not gzip at all", content_encoding="gzip")
    return True


@fault("truncated-gzip")
async def truncated_gzip(exchange: Exchange) -> bool:
    """The stream lacks its end, though the length is right."""
    exchange.answer(gzip.compress(PAGE * 20)[:-10], content_encoding="gzip")
    return True


@fault("unknown-coding")
async def unknown_coding(exchange: Exchange) -> bool:
    exchange.answer(content_encoding="lzma")
    return True


@fault("encoded")
async def encoded(exchange: Exchange) -> bool:
    """``/encoded/gzip,br?behind=9``: the page in these codings, applied in this order, and so many bytes of rubbish."""
    body = PAGE
    for coding in exchange.argument.split(","):
        body = CODINGS[coding](body)
    body += b"!" * int(exchange.number("behind", 0))
    exchange.answer(body, content_encoding=exchange.argument.replace("raw-", ""))
    return True


@fault("bomb")
async def bomb(exchange: Exchange) -> bool:
    """``/bomb/gzip``: 64 MiB of zeros in a small body. Several codings may be stacked: ``/bomb/gzip,br``."""
    names = exchange.argument or "gzip"
    body = bytes(BOMB_BYTES)
    for coding in names.split(","):
        body = CODINGS[coding](body)
    exchange.answer(body, content_encoding=names.replace("raw-", ""))
    return True


@fault("great-bomb")
async def great_bomb(exchange: Exchange) -> None:
    """``/great-bomb/gzip,br?bytes=10737418240``: so many zeros, coded in this order, without a length."""
    exchange.send(f"HTTP/1.1 200 OK\r\nContent-Encoding: {exchange.argument}\r\n\r\n".encode())
    for piece in pieces_of_bomb(exchange.argument.split(","), int(exchange.number("bytes", 10 << 30))):
        exchange.send(piece)
        await exchange.writer.drain()


@fault("html")
async def html(exchange: Exchange) -> bool:
    """``/html/NAME``: one of `hostile_html.PAGES`."""
    page = PAGES.get(unquote(exchange.argument))
    if page is None:
        exchange.answer(status=404)
    else:
        exchange.answer(page())
    return True


@fault("links")
async def links(exchange: Exchange) -> bool:
    """``/links?to=/a&to=…``: a page that leads to each."""
    targets = [value for name, value in parse_qsl(urlsplit(exchange.target).query) if name == "to"]
    exchange.answer("".join(f"<p><a href='{escape(target)}'>x</a>" for target in targets).encode())
    return True


@fault("endless-bomb")
async def endless_bomb(exchange: Exchange) -> None:
    """A gzip stream of zeros that never ends."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    stream = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    while True:
        exchange.send(stream.compress(bytes(1_000_000)))
        await exchange.writer.drain()
        await asyncio.sleep(0)


@fault("endless-nothing")
async def endless_nothing(exchange: Exchange) -> None:
    """``/endless-nothing/gzip`` or ``zstd``: what comes before the text (a name, a frame to be skipped) never ends."""
    begin = {"gzip": b"\x1f\x8b\x08\x08" + bytes(6), "zstd": b"\x50\x2a\x4d\x18\xff\xff\xff\xff"}
    exchange.send(f"HTTP/1.1 200 OK\r\nContent-Encoding: {exchange.argument}\r\n\r\n".encode())
    exchange.send(begin[exchange.argument])
    await _pour(exchange, b"a" * 65_536)


# statuses, redirects, validators


@fault("status")
async def status(exchange: Exchange) -> bool:
    number = int(exchange.argument)
    exchange.answer(b"" if number in (204, 304) else PAGE, status=number)
    return True


@fault("failing")
async def failing(exchange: Exchange) -> bool:
    """``/failing/NNN/TIMES``: the status so many times, then the page."""
    number, _, times = exchange.argument.partition("/")
    is_over = exchange.counts[exchange.path] > int(times or 1)
    exchange.answer(status=200 if is_over else int(number))
    return True


@fault("retry-after")
async def retry_after(exchange: Exchange) -> bool:
    """``/retry-after/NNN?seconds=S[&date=1][&times=N]``: the header in seconds or as a date; the page after N times."""
    seconds = exchange.number("seconds", 1)
    value = formatdate(time.time() + seconds, usegmt=True) if exchange.query.get("date") else f"{seconds:g}"
    if exchange.counts[exchange.path] > exchange.number("times", float("inf")):
        exchange.answer()
    else:
        exchange.answer(status=int(exchange.argument or 429), retry_after=value)
    return True


@fault("redirect")
async def redirect(exchange: Exchange) -> bool:
    """``/redirect/N``: N hops, then the page."""
    left = int(exchange.argument)
    if left:
        exchange.answer(b"", status=302, location=f"/redirect/{left - 1}")
    else:
        exchange.answer()
    return True


@fault("redirect-loop")
async def redirect_loop(exchange: Exchange) -> bool:
    """Two pages that point at each other."""
    other = "/redirect-loop" if exchange.argument else "/redirect-loop/back"
    exchange.answer(b"", status=302, location=other)
    return True


@fault("redirect-to")
async def redirect_to(exchange: Exchange) -> bool:
    """``/redirect-to?url=…[&status=NNN]``; an empty URL sends no Location at all."""
    number = int(exchange.number("status", 302))
    if exchange.query["url"]:
        exchange.answer(b"", status=number, location=exchange.query["url"])
    else:
        exchange.answer(b"", status=number)
    return True


@fault("echo-headers")
async def echo_headers(exchange: Exchange) -> bool:
    exchange.answer(json.dumps(exchange.headers).encode(), content_type="application/json")
    return True


@fault("etag")
async def etag(exchange: Exchange) -> bool:
    """``/etag/VALUE``: 304 for whoever sends it back."""
    value = f'"{exchange.argument or "v1"}"'
    if exchange.headers.get("if-none-match") == value:
        exchange.send(f"HTTP/1.1 304 Not Modified\r\nETag: {value}\r\n\r\n".encode())
    else:
        exchange.answer(etag=value)
    return True


@fault("bodiless")
async def bodiless(exchange: Exchange) -> bool:
    """``/bodiless/304``: no body, though a length speaks of the one that another answer would have."""
    exchange.send(f"HTTP/1.1 {exchange.argument} Words\r\nContent-Length: 999999999\r\n\r\n".encode())
    return True


@fault("last-modified")
async def last_modified(exchange: Exchange) -> bool:
    value = "Tue, 14 Nov 2023 22:13:20 GMT"
    if exchange.headers.get("if-modified-since") == value:
        exchange.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    else:
        exchange.answer(last_modified=value)
    return True


@fault("content-type")
async def content_type(exchange: Exchange) -> bool:
    """``/content-type?value=…``"""
    exchange.answer(content_type=exchange.query.get("value", ""))
    return True


async def _pour(exchange: Exchange, piece: bytes) -> None:
    """As much as the client takes."""
    while True:
        exchange.send(piece)
        await exchange.writer.drain()
        await asyncio.sleep(0)


def _bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def _brotli(data: bytes) -> bytes:
    return bytes(brotli.compress(data, quality=3))


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw-deflate": _bare_deflate,
    "br": _brotli,
    "zstd": zstandard.ZstdCompressor().compress,
}
