"""What goes over the wire: one request, whole, and its header lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from crawler.engine.errors import quoted
from crawler.engine.urls import Target

from .requests import Post
from .spool import Spool

MAX_BYTES = 10_485_760

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPE = re.compile(r"[!#$%&'+\-.^_`|~0-9a-z]+/[!#$%&'+\-.^_`|~0-9a-z]+")
_CHARSET = re.compile(r""";\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))""", re.IGNORECASE)
_UNSAFE_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"})
"""Lower-case names of the headers that are the transport's own."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` covers the name, TCP and TLS; `read` one silence; `total` everything, retries of a stale
    connection included."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 180.0


class Request(NamedTuple):
    """One request, whole. (A named tuple: there is one for each page, and a frozen dataclass takes eight times as long
    to make.)"""

    url: str
    """Normalised."""
    head: bytes = b""
    """Encoded header lines (`encode_headers`), without Host and what frames the message."""
    timeouts: Timeouts = Timeouts()
    max_bytes: int = MAX_BYTES
    """Of the body, compressed and decompressed."""
    post: Post | None = None
    """The body; its type is in `head`."""
    method: str = "GET"
    cookies: list[str] | None = None
    """Gets the answer's Set-Cookie lines; without it nobody reads them."""
    into: Spool | None = None
    """Gets the body as it came over the wire, with whatever coding it has; the answer's own is empty."""

    def encode(self, target: Target) -> bytes:
        """What is sent to `target`, which is the URL's own unless a proxy stands before it."""
        start = f"{self.method} {target.path_and_query} HTTP/1.1\r\nHost: {target.authority}\r\n"
        if self.post is None and self.method not in _TELLS_LENGTH:
            return b"%b%b\r\n" % (start.encode("ascii"), self.head)
        content = b"" if self.post is None else self.post.content
        return b"%bContent-Length: %d\r\n%b\r\n%b" % (start.encode("ascii"), len(content), self.head, content)


_TELLS_LENGTH = frozenset({"POST", "PUT", "PATCH"})
"""Methods of which a length is told though there is no body."""


@lru_cache(maxsize=1024)
def encode_headers(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header lines as they go over the wire.

    Raises `ValueError` (which names the header and never shows its value) for what is no header, for what could end
    one, and for those that frame the message: they are the transport's.
    """
    lines = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{quoted(name)} is not a header's name; use letters, digits and hyphens")
        if name.lower() in FRAMING:
            raise ValueError(f"header {name} is set by the transport; leave it out")
        if _UNSAFE_VALUE.search(value):
            raise ValueError(f"header {name} holds control characters; remove them")
        lines.append(f"{name}: {value.strip()}\r\n")
    # RFC 9110: bytes beyond ASCII are opaque; UTF-8 is what people mean who write them.
    return "".join(lines).encode()


@lru_cache(maxsize=256)
def read_content_type(value: str) -> tuple[str, str]:
    """(type in lower-case without parameters, charset or an empty string) of a Content-Type header.

    Of several, as a server and the program behind it write one each, the last one that is a type holds, and the charset
    that was named for it last: the Fetch standard's "extract a MIME type".
    """
    essence = charset = ""
    for part in value.split(","):
        named = part.partition(";")[0].strip().lower()
        if essence and not _TYPE.fullmatch(named):
            continue
        found = _CHARSET.search(part)
        if found or named != essence:
            charset = (found[1] or found[2] or "").strip() if found else ""
        essence = named
    return essence, charset
