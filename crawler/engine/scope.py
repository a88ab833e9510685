"""May this URL be fetched, and is this link followed? Pure decisions over values."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from .errors import Reason
from .pages.patterns import Patterns
from .spider import FollowRule, SpiderDefinition
from .urls import host_of

_SCHEMES = ("http://", "https://")


def covers(domains: Collection[str], host: str) -> bool:
    """Whether `host` is among `domains` or a subdomain of one. An address has no subdomains."""
    if host in domains:
        return True
    if is_address(host):
        return False
    return any(host.endswith("." + domain) for domain in domains)


def is_address(host: str) -> bool:
    """Whether a normalised host is a literal IPv4 or IPv6 address."""
    if ":" not in host and not host[-1:].isdigit():
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Scope:
    """What a spider may fetch."""

    def __init__(self, definition: SpiderDefinition) -> None:
        self._domains = frozenset(definition.allowed_domains)
        self._max_depth = definition.limits.max_depth
        self._hosts: dict[str, bool] = {}

    def judge(self, url: str, depth: int = 0) -> Reason | None:
        """Why a normalised URL may not be fetched at this depth; None if it may."""
        if not url.startswith(_SCHEMES):
            return Reason.SCHEME_REFUSED
        if not self.covers_host(host_of(url)):
            return Reason.OUT_OF_SCOPE
        if self._max_depth is not None and depth > self._max_depth:
            return Reason.DEPTH_LIMIT
        return None

    def covers_host(self, host: str) -> bool:
        """Whether `allowed_domains` cover a normalised host; remembered for the few hosts that a crawl meets often."""
        known = self._hosts.get(host)
        if known is None:
            known = covers(self._domains, host)
            if len(self._hosts) < _REMEMBERED_HOSTS:
                self._hosts[host] = known
        return known


_REMEMBERED_HOSTS = 10_000


class LinkRule:
    """One follow rule's regular expressions, searched in the normalised URL; `deny` wins."""

    __slots__ = ("_allow", "_deny", "_has_allow", "takes_all")

    def __init__(self, rule: FollowRule) -> None:
        self._allow = Patterns(rule.allow)
        self._deny = Patterns(rule.deny)
        self._has_allow = bool(rule.allow)
        self.takes_all = not rule.allow and not rule.deny

    def objection(self, url: str) -> str | None:
        """Why the rule does not take `url`: ``deny[1]``, or ``allow`` where none of these is found. None: it does."""
        denied = self._deny.first_in(url)
        if denied is not None:
            return f"deny[{denied}]"
        if self._has_allow and self._allow.first_in(url) is None:
            return "allow"
        return None
