"""What a spider's session adds to its requests: cookies, proxy, TLS.

Only spiders that have such a section fetch through this: the requests of others know nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from crawler.engine.errors import FetchError, Reason, UrlError
from crawler.engine.records import REDIRECTS, Answer
from crawler.engine.spider import SpiderDefinition, StartPost
from crawler.engine.urls import origin_of, resolve

from .client import CrawlClient
from .cookies import CookieJar, header
from .fetcher import FetchClient, Fetcher
from .guard import Guard
from .proxy import Proxy
from .proxy_transport import ProxyTransport
from .requests import KEEPS_METHOD, Post
from .transport import CrawlTransport, unverified_context
from .wire import Request, Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionValues:
    """What the section's secrets stand for. Never shown."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Authorization, where there is a user or a token."""
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: Proxy | None = None
    bodies: Mapping[Post, Post] = field(default_factory=dict, repr=False)
    """Bodies with secrets, by those with the secrets' names in their place."""


class BodyIsPrivate(FetchError):
    """A redirect asks for a body that holds a secret, at an origin that it is not meant for."""

    reason = Reason.REDIRECT_INVALID
    retriable = False


MAX_CHECKS = 3
"""How often a page is asked for that sends us to itself with a new cookie."""


class CookieCheck(FetchError):
    """A page that sends us to itself, to see whether its cookie comes back: worth asking again."""

    reason = Reason.REDIRECT_LOOP


class CookieClient:
    """A client whose requests carry cookies: those of the definition to the start pages' origins, and those that
    servers set to where RFC 6265bis says they belong."""

    def __init__(
        self, client: CrawlClient, *, jar: CookieJar | None, given: Mapping[str, str], origins: Collection[str]
    ) -> None:
        """`jar` is None where what servers set is not kept; `origins` are those that `given` cookies are sent to."""
        self._client = client
        self._jar = jar
        self._given = {origin: dict(given) for origin in origins} if given else {}

    async def fetch(self, request: Request) -> Answer:
        """As `CrawlClient.fetch`. Raises `CookieCheck` too, where there is a jar."""
        url = request.url
        jar = self._jar
        given = self._given.get(origin_of(url), {})
        pairs = [*given.items(), *(jar.matching(url) if jar is not None else ())]
        lines: list[str] | None = None if jar is None else []
        answer = await self._client.fetch(request._replace(head=header(pairs) + request.head, cookies=lines))
        if jar is not None and lines:
            before = jar.changes
            for name in jar.receive(url, lines):
                given.pop(name, None)  # the server has taken it over
            if jar.changes != before and _leads_to_itself(answer, is_get=request.post is None):
                raise CookieCheck("redirects to itself with a cookie, each time")
        return answer


class FormClient:
    """A client that puts secrets into the forms that name them, at their own origin alone."""

    def __init__(self, client: FetchClient, starts: Iterable[StartPost], bodies: Mapping[Post, Post]) -> None:
        self._client = client
        self._bodies = bodies
        self._at_home = {(Post.of(start), origin_of(start.url)) for start in starts}

    async def fetch(self, request: Request) -> Answer:
        """As `CrawlClient.fetch`. Raises `BodyIsPrivate` too."""
        post = request.post
        if post is not None and post in self._bodies:
            if (post, origin_of(request.url)) not in self._at_home:
                raise BodyIsPrivate("the form holds a secret, which goes to no other origin than its start page's")
            request = request._replace(post=self._bodies[post])
        return await self._client.fetch(request)


def make_fetcher(
    client: CrawlClient,
    definition: SpiderDefinition,
    *,
    user_agent: str,
    headers: Mapping[str, str],
    session: SessionValues,
    timeouts: Timeouts | None = None,
) -> Fetcher:
    """What fetches for one crawl of a spider: with a jar of its own where cookies are kept."""
    jar = CookieJar() if definition.session.cookies else None
    inner: FetchClient = client
    if jar is not None or session.cookies:
        origins = frozenset(map(origin_of, definition.start_pages))
        inner = CookieClient(client, jar=jar, given=session.cookies, origins=origins)
    if session.bodies:
        inner = FormClient(inner, definition.start_posts, session.bodies)
    fetcher = Fetcher(
        inner,
        user_agent=user_agent,
        headers={**headers, **session.headers},
        timeouts=timeouts,
        max_bytes=definition.limits.max_bytes_per_page,
    )
    fetcher.jar = jar
    return fetcher


def open_client(guard: Guard, *, proxy: Proxy | None, verify_tls: bool) -> CrawlClient:
    """A client of its own for a spider that goes through a proxy, or does not check certificates: its connections
    serve nobody else. Whoever opens it closes it."""
    context = None if verify_tls else unverified_context()
    if proxy is None:
        return CrawlClient(CrawlTransport(guard, ssl_context=context))
    return CrawlClient(ProxyTransport(guard, proxy, ssl_context=context))


def _leads_to_itself(answer: Answer, *, is_get: bool) -> bool:
    location = answer.headers.get("location", "")
    if answer.status_code not in REDIRECTS or not location:
        return False
    try:
        return resolve(location, answer.url) == answer.url and (is_get or answer.status_code in KEEPS_METHOD)
    except UrlError:
        return False
