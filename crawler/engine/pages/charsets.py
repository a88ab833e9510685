"""Charset labels beyond those of the WHATWG, which real servers send and a browser would answer with rubbish.

Python's own codecs read them. UTF-7 is not among them: nobody means it but those who hide something.

And the other way: queries of links, which the servers of such pages expect in the page's own encoding.
"""

from __future__ import annotations

import re

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")

_CODECS = {
    "maccyrillic": "mac_cyrillic",
    "mac-cyrillic": "mac_cyrillic",
    "macintosh-cyrillic": "mac_cyrillic",
    "cp855": "cp855",
    "ibm855": "cp855",
    "cp437": "cp437",
    "ibm437": "cp437",
    "cp850": "cp850",
    "ibm850": "cp850",
    "cp852": "cp852",
    "ibm852": "cp852",
    "cp932": "cp932",
    "cp936": "gb18030",
    "cp949": "cp949",
    "uhc": "cp949",
    "cp950": "cp950",
    "johab": "johab",
    "utf-32": "utf_32",
    "utf-32le": "utf_32_le",
    "utf-32be": "utf_32_be",
    "tis620": "cp874",
}


def codec_of(label: str) -> str | None:
    """The Python codec that reads what `label` names, where the WHATWG knows no such label."""
    return _CODECS.get(label.strip().lower().replace("_", "-"))


def decoded(body: bytes, codec: str) -> str:
    """The text of `body`; what cannot be read is U+FFFD."""
    return body.decode(codec, "replace").removeprefix("\ufeff")


_ENCODERS = {
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "iso-8859-8-i": "iso8859_8",
    "macintosh": "mac_roman",
    "shift_jis": "cp932",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
}
"""Python's name where it is not the WHATWG's."""
UNICODE = frozenset({"utf-8", "utf-16le", "utf-16be", "replacement", "x-user-defined"})
"""Encodings of pages whose links are written in UTF-8."""


def with_query_in(encoding: str, href: str) -> str:
    """`href` with what its query holds beyond ASCII escaped in the page's encoding (WHATWG URL, "query state").

    `encoding` is the WHATWG's name of one that is not in `UNICODE`. A character that it lacks becomes a numeric
    reference, as forms and browsers write it.
    """
    start = href.find("?")
    if start < 0 or href.isascii():
        return href
    query, mark, fragment = href[start:].partition("#")
    codec = _ENCODERS.get(encoding, encoding)
    return href[:start] + _BEYOND_ASCII.sub(lambda run: _escaped(run[0], codec), query) + mark + fragment


def _escaped(text: str, codec: str) -> str:
    try:
        return _percent(text.encode(codec))
    except UnicodeEncodeError:
        if len(text) == 1:
            return f"%26%23{ord(text)}%3B"
        return "".join(_escaped(character, codec) for character in text)
    except LookupError:
        return text


def _percent(raw: bytes) -> str:
    return "".join(chr(byte) if 0x20 < byte < 0x7F and byte not in b'"#<>' else f"%{byte:02X}" for byte in raw)
