"""XML from strangers, read piece by piece: no entities, no DTD, no network, bounded memory.

The parser is expat: it reads any piece at once, keeps no tree, and nests without recursion. What it cannot do is done
here: the encodings of the web, bare ampersands and characters that XML forbids and feeds contain, and refusing what
nobody needs. Names come without regard to namespaces: half of the web's feeds and sitemaps write a wrong one, or none.

No entity but XML's own five is ever expanded: every other reference becomes plain text before the parser sees it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from xml.parsers import expat

MAX_DEPTH = 256
MAX_TOKEN = 1_048_576
"""Bytes of one tag, comment or attribute."""
_SNIFFED = 1_024
"""Bytes in which an XML declaration stands."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_BOM = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_AS_BROWSERS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
}
"""What browsers, and so servers, mean by these names."""
_TEXT_CODEC = re.compile(r"(?:utf-(?:8|16|32)|iso8859|cp\d|windows|gb|hz|big5|euc_|shift|koi8|mac|iso2022|johab|ascii)")
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML may hold."""
_BARE = re.compile(r"&(?!(?:#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);)")
_LONGEST = 12
"""Characters that may have to be seen together: a reference, ``<![CDATA[``."""
_BEGIN, _END = "<![CDATA[", "]]>"


class XmlRefused(Exception):
    """The document asks for what is not given: a DTD, entities, nesting or tokens without measure."""


class XmlBroken(Exception):
    """The document is not well-formed; what came before was reported."""


class XmlStream:
    """Calls `start` (name, attributes), `end` (name) and `text` while bytes are fed.

    Names are as written, with their prefix. `charset` is the one of Content-Type; a byte order mark wins over it, and
    it wins over the XML declaration. Whatever a callback raises comes out of `feed`.
    """

    def __init__(
        self,
        *,
        start: Callable[[str, Mapping[str, str]], None],
        end: Callable[[str], None],
        text: Callable[[str], None],
        charset: str = "",
        allow_doctype: bool = False,
    ) -> None:
        """`allow_doctype`: a DTD is passed over, unread, and not refused."""
        self._start = start
        self._end = end
        self._charset = charset
        self._allow_doctype = allow_doctype
        self._head = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._depth = 0
        self._has_begun = False
        self._in_cdata = False
        self._held = ""
        self._fed = 0
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        # Else a DTD may give each of a hundred thousand elements an attribute of half a megabyte.
        parser.specified_attributes = True
        parser.buffer_size = 16_384
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes) -> None:
        """Raises `XmlRefused`, `XmlBroken`."""
        decoder = self._decoder
        if decoder is None:
            self._head += data
            if len(self._head) < _SNIFFED:
                return
            decoder, data = self._sniff()
        # One piece of the wire may hold much that was compressed; the parser must not keep more than one token of it.
        for start in range(0, len(data), MAX_TOKEN):
            self._parse(decoder.decode(data[start : start + MAX_TOKEN]), is_last=False)

    def close(self) -> None:
        """The document is at its end. Raises `XmlRefused`, `XmlBroken`: also where it was cut off."""
        decoder, data = (self._decoder, b"") if self._decoder is not None else self._sniff()
        self._parse(decoder.decode(data, True), is_last=True)

    def _sniff(self) -> tuple[codecs.IncrementalDecoder, bytes]:
        head, self._head = self._head, b""
        encoding, marked = encoding_of(head, self._charset)
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        return self._decoder, head[marked:]

    def _parse(self, text: str, *, is_last: bool) -> None:
        text = _FORBIDDEN.sub("", text)
        if not self._has_begun:
            text = text.lstrip("\ufeff \t\r\n")
            self._has_begun = bool(text)
        text = self._mended(text, is_last)
        self._fed += len(text) if text.isascii() else len(text.encode("utf-8"))
        try:
            self._parser.Parse(text, is_last)
        except expat.ExpatError as error:
            raise XmlBroken(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
        if self._fed - self._parser.CurrentByteIndex > MAX_TOKEN:
            raise XmlRefused(f"one tag or comment of more than {MAX_TOKEN:,} bytes")

    def _mended(self, text: str, is_last: bool) -> str:
        """`text` with its bare ampersands, and references to what a DTD might declare, turned into plain text."""
        text = self._held + text
        self._held = ""
        if not is_last:
            cut = max(len(text) - _LONGEST, 0)
            special = min((at for at in (text.find(mark, cut) for mark in "&<]") if at >= 0), default=len(text))
            text, self._held = text[:special], text[special:]
        if not self._in_cdata and _BEGIN not in text:
            return _BARE.sub("&amp;", text) if "&" in text else text
        pieces = []
        while text:
            piece, mark, text = text.partition(_END if self._in_cdata else _BEGIN)
            pieces += [piece if self._in_cdata else _BARE.sub("&amp;", piece), mark]
            self._in_cdata = self._in_cdata != bool(mark)
        return "".join(pieces)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise XmlRefused(f"elements nested more than {MAX_DEPTH} deep")
        self._start(name, attributes)

    def _close(self, name: str) -> None:
        self._depth -= 1
        self._end(name)

    def _doctype(self, name: str, system_id: str | None, public_id: str | None, has_subset: bool) -> None:
        if not self._allow_doctype:
            raise XmlRefused("it has a DTD, which is never read: entities could make it expand or fetch other files")


def encoding_of(head: bytes, charset: str = "") -> tuple[str, int]:
    """Python's name for the encoding of a document that begins so, and the length of its byte order mark."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    for start, encoding in _WITHOUT_BOM:
        if head.startswith(start):
            return encoding, 0
    declared = _DECLARED.match(head)
    for label in (charset, declared[1].decode("ascii") if declared else ""):
        found = _codec(label) if label else None
        if found is not None:
            # Whoever wrote the name in single bytes does not use an encoding of two.
            return ("utf-8" if found.startswith(("utf-16", "utf-32")) else found), 0
    return "utf-8", 0


def _codec(label: str) -> str | None:
    try:
        name = codecs.lookup(label.strip().lower()).name
    except (LookupError, ValueError):
        return None
    name = _AS_BROWSERS.get(name, name)
    return name if _TEXT_CODEC.match(name) else None
