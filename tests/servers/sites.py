"""Serves a site as it is: a recorded one by its manifest, or a tree of files.

    python -m tests.servers.sites --corpus shop --port 0

prints its URL and serves until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mimetypes
import signal
import ssl
import time
from collections.abc import Mapping
from email.utils import formatdate
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self, TextIO, TypedDict, cast
from urllib.parse import unquote, urlsplit

from .corpora import find
from .serving import LocalServer, Logged

_RECORDED_AT = 1_700_000_000
"""Last-Modified of what was never replaced."""
_CONTENT_TYPES = {".html": "text/html", ".htm": "text/html", ".css": "text/css", ".js": "text/javascript"}


class Entry(TypedDict):
    file: str
    status: int
    headers: dict[str, str]


class Page(NamedTuple):
    """An answer in its final form."""

    status: int
    whole: bytes
    head: bytes
    not_modified: bytes
    etag: bytes
    last_modified: bytes


class SiteServer(LocalServer):
    """`validators`: whether ETag and Last-Modified are sent and asked for (304). May be changed while it serves, as may
    `delay` and `delays` (seconds before an answer, for all and by target).
    """

    def __init__(
        self,
        folder: Path,
        *,
        validators: bool = True,
        delay: float = 0.0,
        keep_log: bool = True,
        charset: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`folder` holds ``manifest.json``, or is the tree itself. `charset` is announced for a tree's text files."""
        super().__init__(host=host, port=port, tls=tls)
        self.folder = folder
        self.validators = validators
        self.delay = delay
        self.delays: dict[str, float] = {}
        self.keep_log = keep_log
        self.log_file: TextIO | None = None
        self._charset = charset
        self._pages: dict[str, Page] = {}
        self._manifest: dict[str, Entry] | None = None
        self._open: set[_SiteProtocol] = set()
        manifest = folder / "manifest.json"
        if manifest.exists():
            self._manifest = cast("dict[str, Entry]", json.loads(manifest.read_text(encoding="utf-8")))
        self._missing = _page(404, {"content-type": "text/html; charset=utf-8"}, b"<h1>Not found</h1>", _RECORDED_AT)

    @classmethod
    def of_corpus(cls, name: str, *, validators: bool = True, delay: float = 0.0, port: int = 0) -> Self:
        """Raises `FileNotFoundError` where the corpus is absent."""
        return cls(find(name) / "site", validators=validators, delay=delay, port=port)

    async def open(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _SiteProtocol(self), host, port, ssl=self.tls, backlog=1024)

    async def drop_connections(self) -> None:
        for protocol in list(self._open):
            protocol.drop()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        for target, entry in (self._manifest or {}).items():
            if target not in self._pages:
                self._pages[target] = self._recorded(entry)
        return self

    def replace(
        self, target: str, body: bytes, *, content_type: str = "text/html; charset=utf-8", robots: str = ""
    ) -> None:
        """From now on `target` answers with `body`, newer than anything before; `robots` is its X-Robots-Tag."""
        headers = {"content-type": content_type} | ({"x-robots-tag": robots} if robots else {})
        self._pages[target] = _page(200, headers, body, int(time.time()))

    def redirect(self, target: str, location: str, *, status: int = 302) -> None:
        self._pages[target] = _page(status, {"location": location}, b"", int(time.time()))

    def remove(self, target: str) -> None:
        """From now on `target` is a 404."""
        self._pages[target] = self._missing

    def body_of(self, target: str) -> bytes:
        """What `target` answers with now."""
        page = self.page(target)
        return page.whole[len(page.head) :]

    def page(self, target: str) -> Page:
        """What answers `target`."""
        page = self._pages.get(target)
        if page is not None:
            return page
        if self._manifest is not None:
            return self._missing
        return self._from_tree(target)

    def _recorded(self, entry: Entry) -> Page:
        headers = dict(entry["headers"])
        if "location" in headers:
            location = urlsplit(headers["location"])
            headers["location"] = self.url + location._replace(scheme="", netloc="").geturl()
        return _page(entry["status"], headers, (self.folder / entry["file"]).read_bytes(), _RECORDED_AT)

    def _from_tree(self, target: str) -> Page:
        path = target.partition("?")[0]
        known = self._pages.get(path)
        if known is not None:
            return known
        file = (self.folder / unquote(path).lstrip("/")).resolve()
        if not file.is_relative_to(self.folder.resolve()):
            return self._missing
        if file.is_dir() and not path.endswith("/"):
            return _page(301, {"location": f"{self.url}{path}/"}, b"", _RECORDED_AT)
        if file.is_dir():
            file = file / "index.html"
        if not file.is_file():
            return self._missing
        kind = _CONTENT_TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if self._charset and kind.startswith("text/"):
            kind = f"{kind}; charset={self._charset}"
        page = _page(200, {"content-type": kind}, file.read_bytes(), _RECORDED_AT)
        self._pages[path] = page
        return page


class _SiteProtocol(asyncio.Protocol):
    """Answers one request after the other from prepared bytes."""

    __slots__ = ("_buffer", "_site", "_transport")

    def __init__(self, site: SiteServer) -> None:
        self._site = site
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._site.connections += 1
        self._site._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._site._open.discard(self)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2]
            self._buffer = self._buffer[end + 4 :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        site = self._site
        method, target, version = head[: head.index(b"\r\n")].decode("latin-1").split(" ", 2)
        page = site.page(target)
        lower = head.lower()
        status, answer = page.status, page.whole
        if site.validators:
            if b"\r\nif-" in lower and _matches(page, head, lower):
                status, answer = 304, page.not_modified
        else:
            answer = answer.replace(page.etag + page.last_modified, b"", 1)
        if method == "HEAD":
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        now = time.time()
        if site.keep_log:
            site.log.append(Logged(now, method, target, status, head))
        if site.log_file is not None:
            site.log_file.write(f"{now:.6f} {method} {target} {status}\n")
        close = version == "HTTP/1.0" or b"\r\nconnection: close" in lower
        delay = site.delays.get(target, site.delay)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._send, answer, close)
        else:
            self._send(answer, close)

    def _send(self, answer: bytes, close: bool) -> None:
        if self._transport is not None:
            self._transport.write(answer)
            if close:
                self._transport.close()


def _page(status: int, headers: Mapping[str, str], body: bytes, modified: int) -> Page:
    etag = last_modified = b""
    if status == 200:
        etag = b'ETag: "%s"\r\n' % blake2b(body, digest_size=8).hexdigest().encode()
        last_modified = f"Last-Modified: {formatdate(modified, usegmt=True)}\r\n".encode()
    start = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    lines = "".join(f"{name.title()}: {value}\r\n" for name, value in headers.items())
    head = f"{start}{lines}Content-Length: {len(body)}\r\n".encode("latin-1") + etag + last_modified + b"\r\n"
    not_modified = b"HTTP/1.1 304 Not Modified\r\n" + etag + last_modified + b"\r\n"
    return Page(status, head + body, head, not_modified, etag, last_modified)


def _matches(page: Page, head: bytes, lower: bytes) -> bool:
    """Whether the request's validators say that the client has this very page."""
    if not page.etag:
        return False
    asked = _header(head, lower, b"if-none-match")
    if asked is not None:
        return page.etag[len(b"ETag: ") : -2] in asked or asked == b"*"
    return _header(head, lower, b"if-modified-since") == page.last_modified[len(b"Last-Modified: ") : -2]


def _header(head: bytes, lower: bytes, name: bytes) -> bytes | None:
    start = lower.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


async def _serve(server: SiteServer) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    async with server:
        print(server.url, flush=True)
        await end.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a recorded site or a tree of files on 127.0.0.1.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--corpus", help="name of a corpus, for example shop")
    source.add_argument("--folder", type=Path, help="a folder with manifest.json, or a tree of files")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--no-validators", action="store_true", help="no ETag, no Last-Modified, no 304")
    parser.add_argument("--log", type=Path, help="file for a line a request: time, method, target, status")
    options = parser.parse_args()
    folder = find(options.corpus) / "site" if options.corpus else options.folder
    server = SiteServer(
        folder,
        host=options.host,
        port=options.port,
        delay=options.delay,
        validators=not options.no_validators,
        keep_log=False,
    )
    if options.log:
        with options.log.open("a", buffering=1, encoding="utf-8") as server.log_file:
            asyncio.run(_serve(server))
    else:
        asyncio.run(_serve(server))


if __name__ == "__main__":
    main()
