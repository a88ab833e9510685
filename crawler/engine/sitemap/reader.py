"""One sitemap, read piece by piece: what it names, without fetching anything.

| form                                   | gives                                                   |
|----------------------------------------|---------------------------------------------------------|
| ``<urlset>`` of ``<url>``              | pages, with ``lastmod``                                 |
| ``<sitemapindex>`` of ``<sitemap>``    | sitemaps                                                |
| RSS or Atom, as the protocol allows    | pages                                                   |
| text, an address a line                | pages                                                   |

Each of them may be compressed with gzip, whatever its name says, and come with a content coding besides. The namespace
may be wrong or missing. What is broken or too big gives what came before it, and says so in `problem`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from crawler.engine.errors import BodyTooLarge, BodyTruncated, BodyUndecodable, Reason, quoted
from crawler.engine.fetching.body import Decoder
from crawler.engine.pages.feeds import FeedStream, is_xml_feed
from crawler.engine.pages.xmlstream import XmlBroken, XmlRefused, XmlStream, encoding_of

MAX_BYTES = 52_428_800
"""Of one sitemap, decompressed: the protocol's own limit."""
MAX_WIRE_BYTES = MAX_BYTES
MAX_ADDRESS = 8_192
"""Characters."""
_SNIFFED = 2_048
_GZIP = b"\x1f\x8b"
_BLANKS = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_PART = 16_384
"""Bytes that are read in one step: a hundred addresses."""
_FARTHEST = timedelta(hours=12)
"""West of Greenwich: a date without an offset ends last there."""


class Entry(NamedTuple):
    """What a sitemap names, as written."""

    address: str
    is_sitemap: bool = False
    lastmod: float | None = None
    """Seconds since 1970 of the last moment that the written date may mean; None where there is none to be read."""


class SitemapReader:
    """`feed` the body as it came over the wire, then `close`; both give the entries as they come, in lists.

    A list may be empty: each stands for a step of milliseconds, after which other work should have its turn.
    """

    def __init__(self, url: str, *, content_encoding: str = "", charset: str = "") -> None:
        """`charset` is the one of Content-Type."""
        self._url = url
        self._charset = charset
        self._form: _Form | None = None
        self._head = b""
        self._fed = 0
        self._unzip: Decoder | None = None
        self._is_sniffed = False
        self.problem: tuple[Reason, str] | None = None
        """Why the rest of it was not read."""
        try:
            self._decoder = Decoder(content_encoding, MAX_BYTES)
        except BodyUndecodable as error:
            self._fail(error.reason, str(error))

    def feed(self, data: bytes) -> Iterator[list[Entry]]:
        """Entries as far as they are complete."""
        if self.problem is not None:
            return
        try:
            for piece in self._decoder.pieces(data):
                yield from self._feed_plain(piece)
        except (BodyTooLarge, BodyUndecodable) as error:
            self._refuse_body(error)

    def close(self) -> Iterator[list[Entry]]:
        """What is left at the end."""
        if self.problem is not None:
            return
        try:
            if not self._is_sniffed:
                yield from self._sniff()
            if self._form is None:
                yield from self._begin()
            self._decoder.finish()
            if self._unzip is not None:
                self._unzip.finish()
        except (BodyTruncated, BodyTooLarge, BodyUndecodable) as error:
            self._refuse_body(error)
        yield from self._read(None)

    def _feed_plain(self, data: bytes) -> Iterator[list[Entry]]:
        """Bytes without their content coding; perhaps still a gzip file."""
        if self._is_sniffed:
            yield from self._unzipped(data)
            return
        self._head += data
        if len(self._head) >= len(_GZIP):
            yield from self._sniff()

    def _sniff(self) -> Iterator[list[Entry]]:
        self._is_sniffed = True
        if self._head.startswith(_GZIP):
            self._unzip = Decoder("gzip", MAX_BYTES)
        head, self._head = self._head, b""
        yield from self._unzipped(head)

    def _unzipped(self, data: bytes) -> Iterator[list[Entry]]:
        for piece in (data,) if self._unzip is None else self._unzip.pieces(data):
            if self.problem is not None:
                return
            self._fed += len(piece)
            if self._fed > MAX_BYTES:
                raise BodyTooLarge(f"more than {MAX_BYTES:,} bytes")
            if self._form is not None:
                yield from self._in_parts(piece)
                continue
            self._head += piece
            if len(self._head) >= _SNIFFED:
                yield from self._begin()

    def _begin(self) -> Iterator[list[Entry]]:
        """Enough is here to tell the form."""
        head, self._head = self._head, b""
        begin = head.lstrip(_BLANKS)
        if begin[:14].lower().startswith((b"<!doctype html", b"<html")):
            self._fail(Reason.SITEMAP_INVALID, "it is an HTML page")
            return
        if is_xml_feed("text/xml", head):
            self._form = _Feed(self._url, self._charset)
        elif begin.startswith(b"<"):
            self._form = _Xml(self._charset)
        else:
            self._form = _Text(head, self._charset)
        yield from self._in_parts(head)

    def _in_parts(self, data: bytes) -> Iterator[list[Entry]]:
        for start in range(0, len(data), _PART):
            yield from self._read(data[start : start + _PART])

    def _read(self, data: bytes | None) -> Iterator[list[Entry]]:
        """Let the form read on; None: what it holds at the end."""
        form = self._form
        if form is None:
            return
        try:
            if data is not None:
                form.feed(data)
            elif self.problem is None or not isinstance(form, _Text):  # a line that is cut off is a wrong address
                form.close()
        except (XmlBroken, XmlRefused, _NoSitemap) as error:
            self._fail(Reason.SITEMAP_INVALID, str(error))
        yield form.take()
        if data is None:
            self._form = None

    def _refuse_body(self, error: BodyTooLarge | BodyTruncated | BodyUndecodable) -> None:
        self._fail(Reason.SITEMAP_LIMIT if isinstance(error, BodyTooLarge) else error.reason, str(error))

    def _fail(self, reason: Reason, detail: str) -> None:
        if self.problem is None:
            self.problem = (reason, detail)


class _NoSitemap(Exception):
    """The document is something else."""


class _Form(Protocol):
    def feed(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def take(self) -> list[Entry]: ...


class _Xml:
    """A ``urlset`` or a ``sitemapindex``. An entry is known by its own name: some files mix them up."""

    def __init__(self, charset: str) -> None:
        self._entries: list[Entry] = []
        self._depth = 0
        self._is_sitemap = False
        self._in_entry = False
        self._address = ""
        self._lastmod = ""
        self._text: list[str] | None = None
        self._length = 0
        self._xml = XmlStream(start=self._start, end=self._end, text=self._add_text, charset=charset)

    def feed(self, data: bytes) -> None:
        self._xml.feed(data)

    def close(self) -> None:
        self._xml.close()

    def take(self) -> list[Entry]:
        entries, self._entries = self._entries, []
        return entries

    def _start(self, written: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._text = None
        depth = self._depth
        if depth == 3:
            if self._in_entry:
                self._text, self._length = [], 0
            return
        if depth > 3:
            return
        name = written.rpartition(":")[2].lower()
        if depth == 1 and name not in ("urlset", "sitemapindex"):
            raise _NoSitemap(f"its root is <{written[:40]}>, not <urlset> or <sitemapindex>")
        if depth == 2:
            self._in_entry = name in ("url", "sitemap")
            self._is_sitemap = name == "sitemap"
            self._address = self._lastmod = ""

    def _end(self, written: str) -> None:
        depth = self._depth
        self._depth = depth - 1
        if depth == 3 and self._text is not None:
            name = written.rpartition(":")[2].lower()
            if name == "loc":
                self._address = "".join(self._text).strip()
            elif name == "lastmod":
                self._lastmod = "".join(self._text).strip()
        elif depth == 2 and self._in_entry:
            self._in_entry = False
            if 0 < len(self._address) <= MAX_ADDRESS:
                lastmod = read_lastmod(self._lastmod) if self._lastmod else None
                self._entries.append(Entry(self._address, self._is_sitemap, lastmod))
        self._text = None

    def _add_text(self, text: str) -> None:
        if self._text is not None and self._length <= MAX_ADDRESS:
            self._text.append(text)
            self._length += len(text)


class _Feed:
    """An RSS or Atom feed in a sitemap's place."""

    def __init__(self, url: str, charset: str) -> None:
        self._stream = FeedStream(url, charset)
        self.feed = self._stream.feed
        self.close = self._stream.close

    def take(self) -> list[Entry]:
        return [Entry(address) for address in self._stream.take()]


class _Text:
    """An address a line."""

    def __init__(self, head: bytes, charset: str) -> None:
        encoding, marked = encoding_of(head, charset)
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._skip = marked
        self._line = ""
        self._entries: list[Entry] = []
        self._has_address = False

    def feed(self, data: bytes) -> None:
        data, self._skip = data[self._skip :], 0
        self._read(self._decoder.decode(data))

    def close(self) -> None:
        self._read(self._decoder.decode(b"", True) + "\n")
        if not self._has_address:
            raise _NoSitemap("it is empty: no address, and no XML")

    def take(self) -> list[Entry]:
        entries, self._entries = self._entries, []
        return entries

    def _read(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            address = line.strip()
            if not address or len(address) > MAX_ADDRESS:
                continue
            if address.lower().startswith(("http://", "https://")):
                self._has_address = True
                self._entries.append(Entry(address))
            elif not self._has_address:
                raise _NoSitemap(f"it is neither XML nor a list of addresses: {quoted(address, 60)}")
        if len(self._line) > MAX_ADDRESS:
            if not self._has_address:
                raise _NoSitemap("it is neither XML nor a list of addresses: its first line does not end")
            self._line = "\0"  # no address is so long, and what follows until the line's end is none either


@lru_cache(maxsize=4096)
def read_lastmod(written: str) -> float | None:
    """The last moment that a W3C date may mean, in seconds since 1970: ``2027-01-31`` ends where the day ends last.

    None for what is less exact than a day, and for what is no such date.
    """
    try:
        if len(written) == 10:
            moment = datetime.fromordinal(date.fromisoformat(written).toordinal() + 1).replace(tzinfo=UTC)
            return (moment + _FARTHEST).timestamp()
        if len(written) < 16:
            return None
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is None:
            return (moment.replace(tzinfo=UTC) + _FARTHEST).timestamp()
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None
