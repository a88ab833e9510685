"""What a page offers without any pointing: data for machines, feeds, sitemaps.

Values are those that the engine's own readers give for the paths offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from crawler.engine.errors import UrlError
from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.jmes import JsonValue
from crawler.engine.pages.page import PageTree, ReadingFailed
from crawler.engine.pages.structured import StructuredData, StructuredReader, structured_data
from crawler.engine.urls import resolve
from crawler.shortening import shortened

from .features import attribute
from .picks import MAX_TEXT, Choice
from .readings import TEXT, Way, ways

MAX_OFFERS = 40
"""Of one kind that are shown."""
MAX_SHOWN = 200
"""Characters of a value."""
_MAX_DEPTH = 3
"""Names in a path: ``Product.offers.price`` has two."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
_FURNITURE_TYPES = """
    breadcrumblist listitem organization website webpage searchaction imageobject sitenavigationelement entrypoint
    corporation localbusiness store wpheader wpfooter wpsidebar readaction viewaction
"""
_FURNITURE = frozenset(_FURNITURE_TYPES.split())
"""Types of what stands around a page's subject."""
_DULL_META = re.compile(
    r"viewport|generator|theme-color|msapplication.*|robots|googlebot|referrer|format-detection|apple-.*|mobile-.*"
    r"|.*verification.*|csrf.*|twitter:(?:card|site|creator)|fb:.*|og:(?:type|locale|site_name|image:.*)|color-scheme"
    r"|application-name|handheldfriendly|rating|al:.*|next-head-count"
)
"""Said for browsers and networks, not of what the page is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOffer:
    """A field that can be had at once."""

    kind: str
    """The key of its source: ``jsonld``, ``microdata``, ``meta``; ``css`` of the title."""
    path: str
    name: str
    """That the field could be called."""
    value: str
    """The beginning of it."""
    way: Way

    @property
    def choice(self) -> str:
        """As a button carries it."""
        return Choice(kind=self.kind, selector=self.path, reading=self.way.values()).as_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOffer:
    url: str
    title: str


def field_offers(page: PageTree) -> list[FieldOffer]:
    """The title, and fields in JSON-LD, microdata and meta elements, those about the page's subject first."""
    offers = list(_title(page))
    counts: dict[str, int] = {}
    for kind, path, value in machine_values(page):
        if counts.get(kind, 0) >= MAX_OFFERS or (kind == "meta" and _DULL_META.fullmatch(path.lower())):
            continue
        counts[kind] = counts.get(kind, 0) + 1
        name = field_name(path)
        shown = shortened(value, MAX_SHOWN)
        offers.append(FieldOffer(kind=kind, path=path, name=name, value=shown, way=_way(value, name)))
    return offers


def feed_offers(page: PageTree) -> list[FeedOffer]:
    """Feeds that the page names in its head."""
    found: dict[str, FeedOffer] = {}
    for link in page.document.select("link[rel~=alternate][type][href]"):
        if (attribute(link, "type") or "").partition(";")[0].strip().lower() not in _FEED_TYPES:
            continue
        try:
            url = resolve(attribute(link, "href") or "", page.base)
        except UrlError:
            continue
        found.setdefault(
            url, FeedOffer(url=url, title=shortened(" ".join((attribute(link, "title") or "").split()), 80))
        )
        if len(found) >= MAX_OFFERS:
            break
    return list(found.values())


def machine_values(page: PageTree) -> Iterator[tuple[str, str, str]]:
    """Kind of source, path, and the text that a field of it gives."""
    for kind in ("jsonld", "microdata"):
        # Broken scripts take long to be mended: they are read in crawls, and offered nowhere.
        with suppress(Outgrown, ReadingFailed):
            yield from _structured_values(page, kind)
    seen: set[str] = set()
    for element in page.document.select("meta[content]"):
        name = attribute(element, "property") or attribute(element, "name") or ""
        value = " ".join((attribute(element, "content") or "").split())
        is_name = 0 < len(name) <= MAX_TEXT and name.isprintable() and name == name.strip()
        if value and is_name and name.lower() not in seen:
            seen.add(name.lower())
            yield "meta", name, value


def _structured_values(page: PageTree, kind: str) -> Iterator[tuple[str, str, str]]:
    for path in _paths(structured_data(page, is_jsonld=kind == "jsonld")):
        try:
            value = StructuredReader(TEXT.rule(kind, path)).read(page.document, page).value
        except ValueError:
            continue
        if isinstance(value, str) and value and not value.startswith(("{", "[")):
            yield kind, path, value


def field_name(path: str) -> str:
    """``price`` of ``Product.offers.price`` and ``product:price``, as fields are called."""
    last = re.split(r"[.:]", path)[-1]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).lower()
    name = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    return name if name and not name[0].isdigit() else f"field_{name}".rstrip("_")


def _title(page: PageTree) -> Iterator[FieldOffer]:
    """The page's title, which stands where nobody can point."""
    title = page.document.select_one("head title")
    text = "" if title is None else " ".join(title.text.split())
    if text:
        yield FieldOffer(kind="css", path="title", name="title", value=shortened(text, MAX_SHOWN), way=TEXT)


def _way(value: str, name: str) -> Way:
    return ways(value, name=name)[0]


def _paths(data: StructuredData) -> Iterator[str]:
    """Those of each type, breadth first: what is said of a thing itself before what is said of its parts."""
    number = 0
    for _kind, objects in sorted(data.objects.items(), key=lambda pair: pair[0] in _FURNITURE):
        for path in _paths_of(objects[0]):
            yield path
            number += 1
            if number >= 4 * MAX_OFFERS:
                return


def _paths_of(root: Mapping[str, JsonValue]) -> Iterator[str]:
    kind = root.get("@type")
    first = kind[0] if isinstance(kind, list) and kind else kind
    if not isinstance(first, str):
        return
    begin = re.split(r"[/#:]", first.rstrip("/"))[-1]
    if not _NAME.fullmatch(begin):
        return
    level: list[tuple[str, JsonValue]] = [(begin, dict(root))]
    for _ in range(_MAX_DEPTH):
        below: list[tuple[str, JsonValue]] = []
        for path, value in level:
            entry = value[0] if isinstance(value, list) and value else value
            if not isinstance(entry, dict):
                continue
            for name, inner in entry.items():
                bare = name.removeprefix("schema:").rpartition("/")[2]
                if _NAME.fullmatch(bare):
                    yield f"{path}.{bare}"
                    below.append((f"{path}.{bare}", inner))
        level = below[:64]
