"""Bodies: decompressed under a bound while they arrive."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import brotli
import zstandard

from crawler.engine.errors import BodyTooLarge, BodyTruncated, BodyUndecodable, quoted

ACCEPT_ENCODING = "gzip, deflate, br, zstd"

_STEP = 65_536
"""Bytes that a stage may give at once, so that a bomb is seen before it is big."""
_ZSTD_STEP = 64
"""Bytes of zstd fed at once: its decompressor has no bound of its own, and 4 bytes may stand for 128 KiB."""
_ZSTD_WINDOW = 8 * 1024 * 1024
"""What RFC 9659 allows a sender to ask of us."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED = b"\x2a\x4d\x18"
"""Behind a byte of 0x50 to 0x5f: a frame that says nothing of the text."""
_BROTLI_STEP = 16_384
"""Bytes of brotli fed at once."""
_BROTLI_AGAIN = 4 * 1024 * 1024
"""Bytes of brotli and of what they give that are undone once more to find the end: no more fit in a turn of the loop.
"""
_MOST_CODINGS = 5
_GZIP_MAGIC = b"\x1f\x8b"
_MEMBER_BYTES = 4096
"""What a further gzip member or zstd frame counts for beside its content: half a million empty ones are no body, and
each costs as much as some kilobytes of text."""
_NO_CODINGS = frozenset({"identity", "none", "binary", "utf-8", ""})
"""What servers write where they mean nothing."""


class Decoder:
    """Undoes a Content-Encoding, piece by piece; at no time more than `limit` decompressed bytes are kept.

    `feed` and `finish` raise `BodyTooLarge`, `BodyUndecodable`, and `finish` `BodyTruncated`.
    """

    __slots__ = ("_chunks", "_fed", "_limit", "_stages")

    def __init__(self, content_encoding: str, limit: int) -> None:
        self._stages = [_STAGES[coding]() for coding in reversed(codings(content_encoding))]
        self._limit = limit
        self._chunks: list[bytes] = []
        self._fed = False

    def feed(self, data: bytes) -> None:
        self._fed = True
        self._chunks.extend(self._through(0, data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """As `feed`, but what comes out is handed over, not kept."""
        self._fed = True
        yield from self._through(0, data)

    def finish(self) -> bytes:
        """The whole body. Nothing at all counts as an empty one: many servers send that with the header."""
        if self._fed:
            for stage in self._stages:
                stage.close()
        return b"".join(self._chunks)

    def _through(self, depth: int, data: bytes) -> Iterator[bytes]:
        if depth == len(self._stages):
            yield data
            return
        stage = self._stages[depth]
        for chunk in stage.feed(data):
            # Every stage is bounded: what it gives may be gigabytes that the next one turns into nothing.
            stage.given += len(chunk)
            if stage.given > self._limit:
                self._chunks.clear()
                raise BodyTooLarge(f"more than {self._limit} bytes when decompressed")
            if chunk:
                yield from self._through(depth + 1, chunk)


def codings(content_encoding: str) -> list[str]:
    """The codings of a Content-Encoding header in the order in which they were applied.

    Raises `BodyUndecodable` for one that we do not know, and for more than five.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    found = [_ALIASES.get(name, name) for name in names if name not in _NO_CODINGS]
    if len(found) > _MOST_CODINGS:
        raise BodyUndecodable(f"{len(found)} content codings on top of each other; at most {_MOST_CODINGS} are undone")
    for name in found:
        if name not in _STAGES:
            raise BodyUndecodable(f"content coding {quoted(name, 40)} is unknown; we asked for {ACCEPT_ENCODING}")
    return found


class _Stage(ABC):
    __slots__ = ("given",)
    name: str
    given: int
    """Bytes so far."""

    def __init__(self) -> None:
        self.given = 0

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompressed pieces of bounded size. Raises `BodyUndecodable`."""

    @abstractmethod
    def close(self) -> None:
        """Raises `BodyTruncated` where the stream has not come to its end."""

    def _corrupt(self, error: Exception) -> BodyUndecodable:
        return BodyUndecodable(f"{self.name} cannot be decompressed: {error}")

    def _truncated(self) -> BodyTruncated:
        return BodyTruncated(f"{self.name} ends before its end mark")


class _Gzip(_Stage):
    """RFC 1952, several members after each other; rubbish behind the last is ignored, as browsers do. What begins as a
    member does is one."""

    __slots__ = ("_first", "_inflate", "_is_over")
    name = "gzip"

    def __init__(self) -> None:
        super().__init__()
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._first = b""
        """Behind a member: the byte that is too few to tell another one."""
        self._is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        chunk = b""
        # A full piece may leave output inside zlib though all input is taken.
        while (data or len(chunk) == _STEP) and not self._is_over:
            if self._inflate.eof:
                data, self._first = self._first + data, b""
                if len(data) < 2:
                    self._first = data
                    return
                if not data.startswith(_GZIP_MAGIC):
                    self._is_over = True
                    return
                self.given += _MEMBER_BYTES
                yield b""  # so that the limit is looked at
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                chunk = self._inflate.decompress(data, _STEP)
            except zlib.error as error:
                raise self._corrupt(error) from error
            if chunk:
                yield chunk
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def close(self) -> None:
        if not self._inflate.eof:
            raise self._truncated()


class _Deflate(_Stage):
    """zlib's format as the standard says, or the bare stream that some servers send."""

    __slots__ = ("_first", "_inflate")
    name = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._first = b""
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            data = self._first + data
            if len(data) < 2:
                self._first = data
                return
            is_zlib = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        chunk = b""
        # A full piece may leave output inside zlib though all input is taken.
        while (data or len(chunk) == _STEP) and not self._inflate.eof:
            try:
                chunk = self._inflate.decompress(data, _STEP)
            except zlib.error as error:
                raise self._corrupt(error) from error
            if chunk:
                yield chunk
            data = self._inflate.unconsumed_tail

    def close(self) -> None:
        if self._inflate is None or not self._inflate.eof:
            raise self._truncated()


class _Brotli(_Stage):
    """RFC 7932: one stream; rubbish behind it is ignored, as browsers do.

    The decompressor refuses input that goes on behind the end, and what it held of the text is lost with that. So the
    input is kept, and where it is refused another decompressor is given all of it once more, the last of it byte by
    byte.
    """

    __slots__ = ("_decompressor", "_fed", "_fed_bytes")
    name = "br"

    def __init__(self) -> None:
        super().__init__()
        self._decompressor = brotli.Decompressor()
        self._fed: list[bytes] = []
        self._fed_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _BROTLI_STEP):
            if self._decompressor.is_finished():
                return
            piece = data[start : start + _BROTLI_STEP]
            try:
                yield from _undone(self._decompressor, piece)
            except brotli.error as error:
                yield from self._up_to_its_end(piece, error)
                return
            self._fed_bytes += len(piece)
            if self._may_go_again:
                self._fed.append(piece)
            else:
                self._fed.clear()

    def close(self) -> None:
        if not self._decompressor.is_finished():
            raise self._truncated()

    @property
    def _may_go_again(self) -> bool:
        return self._fed_bytes + self.given <= _BROTLI_AGAIN

    def _up_to_its_end(self, piece: bytes, error: brotli.error) -> Iterator[bytes]:
        """What has not been given yet, if the end is within `piece`, which was refused. Raises `BodyUndecodable`."""
        if not self._may_go_again:
            raise self._corrupt(error) from error
        again = self._decompressor = brotli.Decompressor()
        known = self.given
        try:
            for part in (*self._fed, *(piece[at : at + 1] for at in range(len(piece)))):
                for chunk in _undone(again, part):
                    yield chunk[known:]
                    known = max(0, known - len(chunk))
                if again.is_finished():
                    return
        except brotli.error as bad:
            raise self._corrupt(bad) from bad


def _undone(decompressor: brotli.Decompressor, data: bytes) -> Iterator[bytes]:
    """What `data` gives, in pieces of bounded size. Raises `brotli.error`."""
    chunk = decompressor.process(data, output_buffer_limit=_STEP)
    while chunk:
        yield chunk
        # `can_accept_more_data` says yes while output is still inside: only an empty piece is the end.
        chunk = decompressor.process(b"", output_buffer_limit=_STEP)


class _Zstd(_Stage):
    """RFC 8878: frames after each other; rubbish behind the last is ignored, as browsers do. What begins as a frame
    does is one."""

    __slots__ = ("_context", "_first", "_frame", "_is_over")
    name = "zstd"

    def __init__(self) -> None:
        super().__init__()
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._context.decompressobj(read_across_frames=False)
        self._first = b""
        """Behind a frame: the bytes that are too few to tell another one."""
        self._is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_STEP):
            piece = data[start : start + _ZSTD_STEP]
            while piece and not self._is_over:
                if self._frame.eof:
                    piece, self._first = self._first + piece, b""
                    if len(piece) < 4:
                        self._first = piece
                        break
                    if not _begins_frame(piece):
                        self._is_over = True
                        return
                    self.given += _MEMBER_BYTES
                    yield b""  # so that the limit is looked at
                    self._frame = self._context.decompressobj(read_across_frames=False)
                try:
                    chunk = self._frame.decompress(piece)
                except zstandard.ZstdError as error:
                    raise self._corrupt(error) from error
                if chunk:
                    yield chunk
                piece = self._frame.unused_data if self._frame.eof else b""

    def close(self) -> None:
        if not self._frame.eof:
            raise self._truncated()


def _begins_frame(data: bytes) -> bool:
    """Whether the first four bytes are those of a frame, of one that is to be skipped too."""
    return data.startswith(_ZSTD_MAGIC) or (data[0] & 0xF0 == 0x50 and data[1:4] == _ZSTD_SKIPPED)


_STAGES: dict[str, Callable[[], _Stage]] = {"gzip": _Gzip, "deflate": _Deflate, "br": _Brotli, "zstd": _Zstd}
_ALIASES = {"x-gzip": "gzip"}
