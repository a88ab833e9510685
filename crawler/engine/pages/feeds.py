"""The links of a feed: RSS 0.9x and 2.0, RSS 1.0 (RDF), Atom, JSON Feed.

A follow rule without a selector takes the entries' links of a feed as it takes every ``a[href]`` of a page: what each
entry is about, and the feed's next page (RFC 5005, `next_url`). Links inside of an entry's text are the text's.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping

from crawler.engine.errors import UrlError
from crawler.engine.urls import resolve

from .xmlstream import XmlBroken, XmlRefused, XmlStream

MAX_LINKS = 100_000
MAX_LINK = 8_192
"""Characters."""

_XML_TYPES = frozenset(
    {"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/xml", "text/xml"}
)
_JSON_TYPES = frozenset({"application/feed+json", "application/json"})
_ROOT = re.compile(rb"<!--.*?(?:-->|\Z)|<(?P<name>[a-z_][\w.:-]*)", re.DOTALL)
"""The first one that is no comment is the root: declarations, instructions and DTDs begin otherwise."""
_FEED_ROOTS = frozenset({b"rss", b"rdf:rdf", b"feed"})
_SNIFFED = 2_048
_JSON_MARK = b"jsonfeed.org/version/"
_BETWEEN_LOOKS = 1_000
"""Links of a JSON Feed between two looks at the clock."""
_STEP = 16_384
"""Bytes that are read at once: at worst in some 10 ms."""
_LINK_PREFIXES = ("", "atom", "atom10", "a10", "rss")
"""Others (``media:link``) mean something else, but for the entry's own."""


def is_json_feed(content_type: str, body: bytes) -> bool:
    """Whether an answer is a JSON Feed, which says so in its first key."""
    return content_type in _JSON_TYPES and _JSON_MARK in body[:_SNIFFED].replace(b"\\/", b"/")


def is_xml_feed(content_type: str, body: bytes) -> bool:
    """Whether an answer is a feed in XML, whatever its type says."""
    if content_type not in _XML_TYPES:
        if body.startswith((b"<!", b"<html")):
            return False  # the usual page
        begin = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower()
        if not begin.startswith((b"<?xml", b"<rss", b"<feed", b"<rdf:")):
            return False
    head = body[:_SNIFFED].replace(b"\0", b"").lower()
    name = next((found["name"] for found in _ROOT.finditer(head) if found["name"]), b"")
    return name in _FEED_ROOTS or name.endswith(b":feed")


def feed_links(
    url: str, body: bytes, charset: str, content_type: str, check_time: Callable[[], None] = lambda: None
) -> list[str] | None:
    """Absolute URLs, as written otherwise; None where the answer is no feed. A broken feed gives what came before.

    `check_time` is called now and then, and may raise.
    """
    if is_json_feed(content_type, body):
        return _json_links(url, body, check_time)
    if is_xml_feed(content_type, body):
        return _xml_links(url, body, charset, check_time)
    return None


def _json_links(url: str, body: bytes, check_time: Callable[[], None]) -> list[str]:
    try:
        feed = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return []
    if not isinstance(feed, dict):
        return []
    items = feed.get("items")
    found: list[object] = []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            found.append(item.get("url") or item.get("external_url"))
    found.append(feed.get("next_url"))
    links: list[str] = []
    for number, link in enumerate(found[: MAX_LINKS + 1]):
        if not number % _BETWEEN_LOOKS:
            check_time()
        if isinstance(link, str) and link.strip():
            links.append(_absolute(link, url))
    return links


def _xml_links(url: str, body: bytes, charset: str, check_time: Callable[[], None]) -> list[str]:
    feed = FeedStream(url, charset)
    links: list[str] = []
    # Half of a feed is better than none, and its text is read as a page's anyway.
    with contextlib.suppress(XmlBroken, XmlRefused):
        for start in range(0, len(body), _STEP):
            if start:
                check_time()
            feed.feed(body[start : start + _STEP])
            links += feed.take()
            if len(links) > MAX_LINKS:
                return links[:MAX_LINKS]
        feed.close()
    return links + feed.take()


class FeedStream:
    """Reads one feed in XML, piece by piece.

    An entry's links are children of it, no deeper: an Atom ``source`` names another feed's.
    """

    def __init__(self, url: str, charset: str) -> None:
        self._links: list[str] = []
        self._bases = [url]
        self._path: list[str] = []
        self._entry_depth = 0
        """Of the entry that is open; 0: none is."""
        self._entry_prefix = ""
        self._text: list[str] | None = None
        self._text_length = 0
        self._is_permalink = False
        self._entry_has_link = False
        self._spare = ""
        """What an entry is called by, where it has no link: a permanent ``guid``, ``rdf:about``."""
        self._xml = XmlStream(
            start=self._start, end=self._end, text=self._add_text, charset=charset, allow_doctype=True
        )

    def feed(self, data: bytes) -> None:
        """Raises `XmlBroken`, `XmlRefused`."""
        self._xml.feed(data)

    def close(self) -> None:
        """Raises `XmlBroken`, `XmlRefused`."""
        self._xml.close()

    def take(self) -> list[str]:
        """The links that were found since the last call."""
        links, self._links = self._links, []
        return links

    def _start(self, written: str, attributes: Mapping[str, str]) -> None:
        prefix, _, name = written.rpartition(":")
        name = name.lower()
        base = attributes.get("xml:base")
        self._bases.append(self._bases[-1] if base is None else _absolute(base, self._bases[-1]))
        self._path.append(name)
        self._text = None
        if name in ("item", "entry") and not self._entry_depth:
            self._entry_depth = len(self._path)
            self._entry_has_link = False
            self._entry_prefix = prefix
            self._spare = attributes.get("rdf:about", "")
        elif self._is_child_of_entry and name == "link" and prefix in (self._entry_prefix, *_LINK_PREFIXES):
            self._begin_link(attributes)
        elif self._is_child_of_entry and written == "guid":
            self._is_permalink = attributes.get("isPermaLink", "true").strip().lower() == "true"
            self._listen()
        elif name == "link" and len(self._path) <= 3 and not self._entry_depth and _relation(attributes) == "next":
            self._take(attributes.get("href", ""))

    def _end(self, written: str) -> None:
        text = None if self._text is None else "".join(self._text).strip()
        self._text = None
        name = self._path[-1]
        if text and self._is_child_of_entry:
            if name == "link":
                self._take(text)
                self._entry_has_link = True
            elif self._is_permalink:
                self._spare = text
        if len(self._path) == self._entry_depth:
            self._entry_depth = 0
            if not self._entry_has_link and self._spare.lower().startswith(("http://", "https://")):
                self._take(self._spare)
        self._path.pop()
        self._bases.pop()

    @property
    def _is_child_of_entry(self) -> bool:
        return self._entry_depth > 0 and len(self._path) == self._entry_depth + 1

    def _begin_link(self, attributes: Mapping[str, str]) -> None:
        href = attributes.get("href")
        if href is None:
            self._listen()
        elif _relation(attributes) == "alternate":
            self._take(href)
            self._entry_has_link = True

    def _listen(self) -> None:
        self._text, self._text_length = [], 0

    def _add_text(self, text: str) -> None:
        if self._text is not None and self._text_length <= MAX_LINK:
            self._text.append(text)
            self._text_length += len(text)

    def _take(self, href: str) -> None:
        if href.strip():
            self._links.append(_absolute(href, self._bases[-1]))


def _relation(attributes: Mapping[str, str]) -> str:
    """``alternate`` where nothing is said; the registry's long names mean the short ones."""
    return attributes.get("rel", "alternate").strip().lower().rpartition("/")[2]


def _absolute(href: str, base: str) -> str:
    try:
        return resolve(href, base)
    except UrlError:
        return href  # refused, and counted by its reason, where links are
