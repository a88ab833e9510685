"""What a page, or the answer that brought it, asks of crawlers: nofollow, noindex, and which page stands for it.

| written as                                                    | says                                    |
|---------------------------------------------------------------|-----------------------------------------|
| ``<a rel="nofollow">``, also ``ugc`` and ``sponsored``        | this link is not followed               |
| ``<meta name="robots" content="nofollow">``, or our own name  | no link of the page is followed         |
| ``<meta name="robots" content="noindex">``                    | nothing of the page is kept             |
| ``X-Robots-Tag: nofollow``, ``X-Robots-Tag: ourname: noindex``| the same                                |
| ``<link rel="canonical" href>``, ``Link: <…>; rel=canonical`` | that page stands for this one           |
| ``<meta http-equiv="refresh" content="0; url=…">``            | readers are sent there: see `refresh`   |

``none`` is both. What is said to all crawlers and what is said to us add up; what is said to others is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crawler.engine.errors import UrlError
from crawler.engine.manners.robots import product_token
from crawler.engine.spider import Manners
from crawler.engine.urls import resolve

from .page import PageTree
from .refresh import refresh_target

MAX_HEADER = 4_096
"""Characters of an ``X-Robots-Tag`` or ``Link`` that are read."""

_WORDS = re.compile(r"[\s,;]+")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives that carry a value behind a colon: what stands before it is no crawler's name."""
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_CANONICAL = re.compile(r""";\s*rel\s*=\s*(?:"[^"]*\bcanonical\b[^"]*"|canonical\b)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, as far as the spider wants to hear it."""

    nofollow: bool = False
    noindex: bool = False
    canonical: str = ""
    """The normalised URL of the page that stands for this one; empty where it is the page itself, or nothing is said.
    """
    refresh: str = ""
    """The normalised URL that a page sends its readers to; empty where it sends nobody."""


NOTHING = Asked()


class Directives:
    """Reads them for one spider. `manners` say which of them it obeys; the others are not even looked for."""

    def __init__(self, manners: Manners, user_agent: str) -> None:
        self.obeys_links = manners.obey_nofollow
        """Whether a single link's ``rel`` counts."""
        self._nofollow = manners.obey_nofollow
        self._noindex = manners.obey_noindex
        self._canonical = manners.canonical == "follow"
        token = product_token(user_agent)
        self._agent = token.lower() if _TOKEN.fullmatch(token) else "robots"
        hears = self._nofollow or self._noindex
        self._names = frozenset({"robots", self._agent}) if hears else frozenset()
        forms = [f'[name="{name}" i]' for name in sorted(self._names)]
        # With one tag in front the tree's index answers; a list of selectors walks the whole tree.
        self._meta = "meta:is({})[content]".format(", ".join([*forms, '[http-equiv="refresh" i]']))

    def of_page(self, page: PageTree) -> Asked:
        """What the page's own elements ask. (The tree keeps an index of its tags: this costs less than a look at the
        bytes.)"""
        nofollow = noindex = False
        canonical = refresh = ""
        found = page.document.select(self._meta)
        if found:
            named = [element for element in found if (element.attr("name") or "").lower() in self._names]
            nofollow, noindex = _read_words(element.attr("content") or "" for element in named)
            refresh = refresh_target(page, found)
        if self._canonical:
            link = page.document.select_one('link[rel~="canonical" i][href]')
            if link is not None:
                canonical = _resolve(page.encoded(link.attr("href") or ""), page.base, page.url)
        return self._heard(nofollow, noindex, canonical, refresh)

    def of_headers(self, headers: Mapping[str, str], url: str) -> Asked:
        """What the answer's headers ask of the page at `url`."""
        nofollow = noindex = False
        canonical = ""
        if "x-robots-tag" in headers and (self._nofollow or self._noindex):
            nofollow, noindex = _read_words(_meant_for(self._agent, headers["x-robots-tag"][:MAX_HEADER]))
        if self._canonical and "link" in headers:
            for target, parameters in _LINK.findall(headers["link"][:MAX_HEADER]):
                if _CANONICAL.search(parameters):
                    canonical = _resolve(target, url, url)
                    break
        return self._heard(nofollow, noindex, canonical)

    def fingerprint(self, headers: Mapping[str, str]) -> bytes:
        """What belongs to the page's content though it stands in its headers: where it changes, the page does."""
        said = b""
        if "x-robots-tag" in headers and (self._nofollow or self._noindex):
            said = headers["x-robots-tag"].encode("utf-8", "replace")
        if self._canonical and "link" in headers:
            said += b"\0" + headers["link"].encode("utf-8", "replace")
        return said

    def _heard(self, nofollow: bool, noindex: bool, canonical: str, refresh: str = "") -> Asked:
        nofollow, noindex = nofollow and self._nofollow, noindex and self._noindex
        if nofollow or noindex or canonical or refresh:
            return Asked(nofollow, noindex, canonical, refresh)
        return NOTHING


def _read_words(contents: Iterable[str]) -> tuple[bool, bool]:
    """(nofollow, noindex)."""
    words = {word for content in contents for word in _WORDS.split(content.lower())}
    return "nofollow" in words or "none" in words, "noindex" in words or "none" in words


def _meant_for(agent: str, value: str) -> Iterable[str]:
    """The parts of an ``X-Robots-Tag`` that are said to all or to `agent`: a name holds until the next name.

    (Repeated headers come joined by commas. What is said to all in a second header is then taken for a part of the
    first one's; who means all crawlers says so first.)
    """
    is_ours = True
    for part in value.split(","):
        name, colon, rest = part.partition(":")
        name = name.strip().lower()
        if not colon or name in _VALUED or not _TOKEN.fullmatch(name):
            rest = part
        else:
            is_ours = name in ("robots", agent)
        if is_ours:
            yield rest


def _resolve(href: str, base: str, own: str) -> str:
    """The canonical URL, or an empty text where it is the page's own or none that can be requested."""
    try:
        url = resolve(href, base) if href.strip() else own
    except UrlError:
        return ""
    return "" if url == own else url
