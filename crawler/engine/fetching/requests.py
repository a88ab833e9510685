"""Requests that are more than the GET of a URL: the bodies of POST start pages, and how their pages are told apart.

A page that is asked for by POST has the URL in its row and a hash of its own: of method, URL, type and body. The body
stands in the definition alone and is found again by that hash; after a redirect that keeps the method (307, 308) by
the hash of the start page, which is the first of the redirect's chain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from urllib.parse import quote_plus

from crawler.engine.errors import ConnectFailed, DnsError, EngineError, FetchError, ProxyFailed, Reason, TimedOut
from crawler.engine.records import Link, PendingPage
from crawler.engine.spider import FormValue, SecretRef, SpiderDefinition, StartPost
from crawler.engine.urls import hash_url

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
KEEPS_METHOD = frozenset({307, 308})
"""Redirects that repeat the request at the other place; after 301, 302 and 303 a POST becomes a GET (Fetch, 4.4)."""

TURNED_AWAY = frozenset({408, 429, 503})
"""Statuses that say that a request was not acted on: after them a POST may be sent again."""

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent in the body of a POST."""

    content: bytes = field(repr=False)
    content_type: str

    @classmethod
    def of(cls, start: StartPost, secrets: Mapping[str, str] | None = None) -> Post:
        """The body of a start page. Without `secrets` (values by name) it holds their names instead: that one is the
        page's identity, and never goes out."""
        if start.form is not None:
            return cls(encode_form(start.form, secrets), FORM)
        if start.json is not None:
            return cls(encode_json(start.json), JSON)
        return cls(b"", "")

    def hash_at(self, url: str) -> int:
        """The `url_hash` of the page that this body gets at a normalised URL."""
        digest = blake2b(b"\0".join((b"POST", url.encode(), self.content_type.encode(), self.content)))
        return int.from_bytes(digest.digest()[:8], "little", signed=True)


class BodyForgotten(EngineError):
    """A POST whose body no start page has any more: the definition was edited since the page joined the crawl."""


class Posts:
    """The bodies of one spider's start pages."""

    def __init__(self, starts: Iterable[StartPost]) -> None:
        self.first: dict[int, tuple[str, Post]] = {}
        """URL and body of each start page, by the page's hash."""
        for start in starts:
            post = Post.of(start)
            self.first[post.hash_at(start.url)] = (start.url, post)

    def of(self, page: PendingPage) -> Post | None:
        """The body that belongs to `page`; None where it is a GET. Raises `BodyForgotten`."""
        if page.url_hash == hash_url(page.url):
            return None
        known = self.first.get(page.chain[0] if page.chain else page.url_hash)
        if known is None or known[1].hash_at(page.url) != page.url_hash:
            raise BodyForgotten("the spider was edited since, and no start page of it has this body")
        return known[1]


def start_links(definition: SpiderDefinition) -> list[Link]:
    """What a crawl begins with."""
    if definition.given_urls is not None:
        return [Link(url, hash_url(url), 0) for url in dict.fromkeys(definition.given_urls)]
    links = [Link(url, hash_url(url), 0) for url in dict.fromkeys(definition.start_urls)]
    posts = Posts(definition.start_posts).first
    return links + [Link(url, url_hash, 0) for url_hash, (url, _) in posts.items()]


def post_at(definition: SpiderDefinition, url: str) -> Post | None:
    """The body with which a start page is asked for at `url`, the first of several; None where a GET is one too."""
    if url in definition.start_urls:
        return None
    return next((Post.of(start) for start in definition.start_posts if start.url == url), None)


def was_never_sent(error: FetchError) -> bool:
    """Whether no byte of the request can have reached its server: RFC 9110, 9.2.2 forbids to repeat a POST else."""
    if isinstance(error, TimedOut):
        return error.reason is Reason.CONNECT_TIMEOUT
    return isinstance(error, DnsError | ConnectFailed | ProxyFailed)


def form_secrets(start: StartPost) -> dict[str, str]:
    """The names of the secrets in a start page's form, by their places in it."""
    found: dict[str, str | SecretRef] = {}
    for name, value in (start.form or {}).items():
        if isinstance(value, tuple):
            found |= {f"{name}[{index}]": each for index, each in enumerate(value)}
        else:
            found[name] = value
    return {place: value.name for place, value in found.items() if isinstance(value, SecretRef)}


def encode_form(form: Mapping[str, FormValue], secrets: Mapping[str, str] | None = None) -> bytes:
    """`application/x-www-form-urlencoded` as browsers write it: UTF-8, blanks as ``+``, line ends as CR LF."""

    def clear(value: str | SecretRef) -> str:
        if isinstance(value, str):
            return value
        return f"{{secret: {value.name}}}" if secrets is None else secrets[value.name]

    pairs: list[tuple[str, str]] = []
    for name, value in form.items():
        pairs.extend((name, clear(each)) for each in (value if isinstance(value, tuple) else (value,)))
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs).encode("ascii")


def encode_json(value: object) -> bytes:
    """UTF-8 without blanks, keys sorted: databases do not keep their order, and the page's hash must stay."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _encode(text: str) -> str:
    # quote_plus leaves "~" alone, which the WHATWG's set does not, and encodes "*", which is in it.
    return quote_plus(_LINE_END.sub("\r\n", text), safe="*").replace("~", "%7E")
