"""One page, asked for as a crawl asks: guard, scope and robots.txt at each hop of a redirect; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .engine.errors import AddressRefused, FetchError, Reason, UrlError, http_reason
from .engine.fetching.fetcher import Fetcher
from .engine.fetching.redirects import MAX_HOPS
from .engine.fetching.requests import KEEPS_METHOD, post_at
from .engine.fetching.session import MAX_CHECKS, CookieCheck
from .engine.manners.robots import Robots, RobotsRules, product_token
from .engine.records import REDIRECTS, Answer
from .engine.scope import Scope
from .engine.spider import SpiderDefinition
from .engine.urls import origin_of, resolve
from .engine.visit import Fetchers


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """What one page answered, its redirects followed."""

    answer: Answer | None = None
    """The last answer; None where there is none."""
    redirects: list[str] = field(default_factory=list)
    """The URLs that led on, the first one first."""
    reason: str = ""
    """A `Reason` where the page was refused or gave no usable answer."""
    detail: str = ""
    url: str = ""
    """The one that was asked for, or would have been asked for, last."""
    robots: Mapping[str, RobotsRules] = field(default_factory=dict)
    """By origin, what its robots.txt says; those alone that were asked."""
    agent: str = ""
    """The name under which robots.txt was read."""
    refused_proxy: str = ""
    """The host of the spider's proxy, where it is the proxy whose address was refused."""

    @property
    def why_unread(self) -> str:
        """The `Reason` for which a crawl would not read the page; empty where it would. It reads good answers alone."""
        if self.reason or self.answer is None:
            return str(self.reason)
        status = self.answer.status_code
        return "" if 200 <= status < 300 else http_reason(status)


class OnePage:
    """One fetch. Holds what it learns on the way."""

    def __init__(self, definition: SpiderDefinition, *, fetcher: Fetcher, robots: Robots) -> None:
        self._definition = definition
        self._scope = Scope(definition)
        self._robots = robots
        self._jar = fetcher.jar
        self._fetchers = Fetchers(definition, fetcher)
        self._redirects: list[str] = []
        self._rules: dict[str, RobotsRules] = {}
        self._agent = ""
        self._url = ""

    async def fetch(self, url: str) -> FetchedPage:
        """What a normalised URL answers. Raises nothing that a site can cause."""
        self._url = url
        post = post_at(self._definition, url)
        redirects = self._redirects
        checks = changes = 0
        while True:
            refusal = await self._refusal(self._url)
            if refusal is not None:
                return self._end(None, *refusal)
            try:
                answer = await self._fetchers.for_origin(origin_of(self._url)).fetch(self._url, post=post)
            except CookieCheck as error:
                checks += 1
                if checks < MAX_CHECKS:
                    continue
                return self._end(None, error.reason, str(error))
            except AddressRefused as error:
                return self._end(None, error.reason, str(error), refused_proxy=error.proxy)
            except (FetchError, UrlError) as error:
                return self._end(None, error.reason, str(error))
            location = answer.headers.get("location", "")
            if answer.status_code not in REDIRECTS or not location:
                return self._end(answer)
            redirects.append(self._url)
            was_post, post = post is not None, post if answer.status_code in KEEPS_METHOD else None
            try:
                self._url = resolve(location, self._url)
            except UrlError as error:
                return self._end(answer, error.reason, str(error))
            is_back = self._url in redirects
            if is_back and self._jar is not None and self._jar.changes > changes and checks < MAX_CHECKS:
                changes, checks = self._jar.changes, checks + 1
                continue
            if (is_back and was_post is (post is not None)) or len(redirects) > MAX_HOPS:
                return self._end(answer, Reason.REDIRECT_LOOP, self._url)

    def give_up(self, reason: str, detail: str) -> FetchedPage:
        """What is known of a fetch that its caller ended before its time."""
        return self._end(None, reason, detail)

    def _end(
        self, answer: Answer | None, reason: str = "", detail: str = "", *, refused_proxy: str = ""
    ) -> FetchedPage:
        return FetchedPage(
            answer=answer,
            redirects=list(self._redirects),
            reason=reason,
            detail=detail,
            url=self._url,
            robots=dict(self._rules),
            agent=self._agent,
            refused_proxy=refused_proxy,
        )

    async def _refusal(self, url: str) -> tuple[str, str] | None:
        reason = self._scope.judge(url)
        if reason is not None:
            return reason, url
        if not self._definition.manners.obey_robots:
            return None
        origin = origin_of(url)
        self._agent = product_token(self._fetchers.for_origin(origin).user_agent)
        rules = self._rules[origin] = await self._robots.rules(origin, self._fetchers.for_origin)
        if rules.allows(url, self._agent):
            return None
        if rules.problem:
            return rules.reason, rules.problem
        return Reason.ROBOTS_DISALLOWED, url
