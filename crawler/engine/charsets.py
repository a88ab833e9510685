"""Charset labels beyond those of the WHATWG, which real servers send and a browser would answer with rubbish.

Python's own codecs read them. UTF-7 is not among them: nobody means it but those who hide something.
"""

from __future__ import annotations

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
