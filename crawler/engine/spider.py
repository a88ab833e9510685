"""A spider as frozen values: what `definition.parse` makes of a document, and what the crawl reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class FieldType(StrEnum):
    TEXT = "text"
    HTML = "html"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    URL = "url"
    JSON = "json"
    ARTICLE = "article"
    """The page's main text; no selector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """How one field of an item is read: exactly one of the sources, `css` to `source`."""

    name: str
    css: str | None = None
    xpath: str | None = None
    json: str | None = None
    """A JMESPath expression, for JSON answers."""
    jsonld: str | None = None
    """A type and the names of properties, ``Product.offers.price``, in the page's JSON-LD."""
    microdata: str | None = None
    """The same in its microdata."""
    meta: str | None = None
    """The name of `<meta>` elements, ``og:title``."""
    source: str | None = None
    """``url``: the page's final URL (``from: url`` in the document)."""
    regex: str | None = None
    type: FieldType = FieldType.TEXT
    required: bool = False
    many: bool = False
    format: str | None = None
    decimal_mark: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRule:
    type: str
    match: str | None = None
    each: str | None = None
    """A CSS selector, or an XPath where it begins with ``/``, ``./``, ``../`` or ``(``."""
    each_json: str | None = None
    """A JMESPath expression: the rule reads JSON answers, and each value that it gives is an item."""
    key: tuple[str, ...] = ()
    may_be_empty: bool = False
    """Whether a crawl that reads no such item at all is believed: those that there were are gone then."""
    fields: tuple[FieldRule, ...]

    @property
    def reads_json(self) -> bool:
        """Whether the rule is for JSON answers; else it is for HTML and XML pages."""
        return self.each_json is not None or any(field.json is not None for field in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRule:
    css: str | None = None
    xpath: str | None = None
    json: str | None = None
    """A JMESPath expression: the rule reads JSON answers."""
    template: str | None = None
    """A URL with ``{}`` for the value that `json` gives."""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """``{secret: name}``: a value that is kept encrypted, and read only when the crawl begins."""

    name: str


FormValue: TypeAlias = "str | SecretRef | tuple[str | SecretRef, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPost:
    """A start page that is asked for by POST; at most one of `form` and `json`."""

    url: str
    """Normalised."""
    form: Mapping[str, FormValue] | None = None
    """Several values of one name are sent one after the other."""
    json: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    username: str | SecretRef
    password: SecretRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Exactly one of them."""

    basic: BasicAuth | None = None
    bearer: SecretRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What ties the requests of one crawl together, and how they travel."""

    cookies: bool = False
    """Whether cookies are kept and sent, in a jar of this crawl."""
    set_cookies: Mapping[str, str | SecretRef] = field(default_factory=dict)
    auth: Auth | None = None
    proxy: str | SecretRef | None = None
    verify_tls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    obey_robots: bool = True
    concurrency_per_host: int = 5
    delay: float = 0.0
    """Seconds between the starts of two requests to one host."""
    adaptive_throttle: bool = False
    """Begin with one request at a time, and find out what the host takes well."""
    pages_per_day: int | None = None
    """Requests for pages of one host on one day, from all spiders of the installation."""
    quiet_hours: tuple[str, ...] = ()
    """``HH:MM-HH:MM`` in the installation's zone: nothing is fetched then."""
    obey_nofollow: bool = True
    """Of links, of pages, of ``X-Robots-Tag``."""
    obey_noindex: bool = False
    trust_lastmod: bool = True
    """Whether a page rests where its sitemap says that it has not changed: see `sitemap_walk`."""
    canonical: str = "ignore"
    """``follow``: a page whose canonical is another page in scope gives its place to that."""
    user_agent: str | None = None
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    max_pages: int | None = None
    max_depth: int | None = None
    max_seconds: float | None = None
    max_bytes_per_page: int = 10_485_760
    max_pages_per_host: int | None = None
    max_pages_per_pattern: int | None = None
    """Pages whose URLs have one shape: see `traps.shape_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiderDefinition:
    name: str
    start_urls: tuple[str, ...]
    """Normalised."""
    enabled: bool = True
    category: str = ""
    sitemaps: tuple[str, ...] = ()
    """URLs, or the single word ``robots``."""
    allowed_domains: tuple[str, ...] = ()
    """Never empty once parsed: the start URLs' hosts by default."""
    follow: tuple[FollowRule, ...] = ()
    items: tuple[ItemRule, ...] = ()
    session: Session = field(default_factory=Session)
    manners: Manners = field(default_factory=Manners)
    limits: Limits = field(default_factory=Limits)
    start_posts: tuple[StartPost, ...] = ()
    """Those of the document's `start_urls` that are asked for by POST; `start_urls` holds the others."""
    given_urls: tuple[str, ...] | None = None
    """What one crawl reads in place of the start pages. No part of the document; what is private still goes to the
    origins of the start pages alone."""

    @property
    def start_pages(self) -> tuple[str, ...]:
        """The URLs of all start pages, those of POSTs included."""
        return (*self.start_urls, *(post.url for post in self.start_posts))
