"""A spider as frozen values: what `definition.parse` makes of a document, and what the crawl reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """How one field of an item is read: exactly one of `css`, `xpath`, `source`."""

    name: str
    css: str | None = None
    xpath: str | None = None
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
    key: tuple[str, ...] = ()
    fields: tuple[FieldRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRule:
    css: str | None = None
    xpath: str | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """``{secret: name}``: a header's value that is kept encrypted, and read only when the crawl begins."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    obey_robots: bool = True
    concurrency_per_host: int = 5
    delay: float = 0.0
    """Seconds between the starts of two requests to one host."""
    adaptive_throttle: bool = False
    user_agent: str | None = None
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    max_pages: int | None = None
    max_depth: int | None = None
    max_seconds: float | None = None
    max_bytes_per_page: int = 10_485_760


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
    manners: Manners = field(default_factory=Manners)
    limits: Limits = field(default_factory=Limits)
