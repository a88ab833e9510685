"""Cookies as RFC 6265bis has them: one jar for one crawl, bounded, never shared.

Header values are handled as latin-1, which maps every byte to one character: what a server set is what it gets back,
whatever the bytes mean. Left out on purpose: SameSite (a crawl has no other site's page that asks), and cookies
without a name (RFC 6265 drops them too; servers disagree about what they mean).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from crawler.engine.scope import is_address
from crawler.engine.urls import split

from .cookie_dates import parse_date

MAX_COOKIE = 4_096
"""Bytes of name and value together; a bigger cookie is dropped."""
MAX_ATTRIBUTE = 1_024
MAX_PER_SITE = 50
MAX_SITE_BYTES = 32_768
"""Of the cookies of one registrable domain, which is what several hosts can fill together."""
MAX_COOKIES = 3_000
MAX_BYTES = 4 * 1_048_576
MAX_SENT = 8_000
"""Bytes of one Cookie header: many servers refuse more, and so would a bomb lock us out of the whole site."""
LONGEST_LIFE = 400 * 86_400.0
"""Seconds."""

_BLANKS = " \t"
_CONTROL = frozenset(map(chr, [*range(9), *range(10, 32), 127]))


@dataclass(slots=True)
class Cookie:
    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_at: float | None
    """Seconds since 1970; None: with the crawl."""
    created: int
    """Counts the jar's cookies; kept where a newer one takes the place."""
    used: int

    @property
    def size(self) -> int:
        return len(self.name) + len(self.value)


class CookieJar:
    """What servers set in one crawl. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._sites: OrderedDict[str, dict[tuple[str, str, bool, str], Cookie]] = OrderedDict()
        """By registrable domain, the one that was used longest ago first."""
        self._site_bytes: dict[str, int] = {}
        self._count = self._bytes = self._ticks = 0
        self.changes = 0
        """How often a cookie was added, changed or taken away."""

    def __len__(self) -> int:
        return self._count

    def receive(self, url: str, lines: Iterable[str]) -> set[str]:
        """Take over the Set-Cookie lines of an answer for `url` (normalised).

        Gives the names of those that this server had a right to set, or to end."""
        scheme, host, _, _, target = split(url)
        names: set[str] = set()
        for line in lines:
            parsed = _parse(line)
            if parsed is not None and self._store(parsed, host, target.partition("?")[0], is_secure=scheme == "https"):
                names.add(parsed[0])
        return names

    def matching(self, url: str) -> list[tuple[str, str]]:
        """Names and values that belong to a request for `url`, in the order in which they are sent."""
        scheme, host, _, _, target = split(url)
        key = site_of(host)
        site = self._sites.get(key)
        if site is None:
            return []
        self._sites.move_to_end(key)
        self._ticks += 1
        now = self._clock()
        path = target.partition("?")[0]
        found: list[Cookie] = []
        for cookie in list(site.values()):
            if cookie.expires_at is not None and cookie.expires_at <= now:
                self._drop(key, cookie)
            elif (
                (host == cookie.domain if cookie.host_only else _domain_matches(host, cookie.domain))
                and (not cookie.secure or scheme == "https")
                and _path_matches(path, cookie.path)
            ):
                cookie.used = self._ticks
                found.append(cookie)
        found.sort(key=lambda cookie: (-len(cookie.path), cookie.created))
        return [(cookie.name, cookie.value) for cookie in found]

    # storing

    def _store(self, parsed: _Parsed, host: str, path: str, *, is_secure: bool) -> bool:
        """Keep a cookie, or end one; False where it is not for this server to set, or not in this way."""
        name, value, attributes = parsed
        domain = _cookie_domain(attributes.get("domain", ""), host)
        given_path = attributes.get("path", "")
        secure = "secure" in attributes
        if domain is None or (secure and not is_secure):
            return False
        cookie = Cookie(
            name=name,
            value=value,
            domain=domain or host,
            host_only=not domain,
            path=given_path if given_path.startswith("/") else _default_path(path),
            secure=secure,
            expires_at=self._expires_at(attributes),
            created=self._ticks,
            used=self._ticks,
        )
        if not _keeps_prefix(cookie, given_path):
            return False
        key = site_of(host)
        if not is_secure and self._is_laid_over(key, cookie):
            return False
        self._put(key, cookie)
        return True

    def _put(self, key: str, cookie: Cookie) -> None:
        self._ticks += 1
        cookie.created = cookie.used = self._ticks
        site = self._sites.get(key, {})
        identity = (cookie.name, cookie.domain, cookie.host_only, cookie.path)
        old = site.get(identity)
        is_over = cookie.expires_at is not None and cookie.expires_at <= self._clock()
        if old is not None:
            cookie.created = old.created
            self.changes += is_over or (old.value, old.secure) != (cookie.value, cookie.secure)
            self._drop(key, old)
        if is_over:
            return
        self.changes += old is None
        site = self._sites.setdefault(key, {})
        self._sites.move_to_end(key)
        site[identity] = cookie
        self._count += 1
        self._bytes += cookie.size
        self._site_bytes[key] = self._site_bytes.get(key, 0) + cookie.size
        self._make_room(key, site)

    def _make_room(self, key: str, site: dict[tuple[str, str, bool, str], Cookie]) -> None:
        if len(site) > MAX_PER_SITE or self._site_bytes[key] > MAX_SITE_BYTES:
            now = self._clock()
            order = sorted(
                site.values(),
                key=lambda c: (c.expires_at is None or c.expires_at > now, c.secure, c.used),
            )
            for cookie in order:
                if len(site) <= MAX_PER_SITE and self._site_bytes[key] <= MAX_SITE_BYTES:
                    break
                self._drop(key, cookie)
        while self._count > MAX_COOKIES or self._bytes > MAX_BYTES:
            # A whole site at once: to look for the oldest of all cookies at each new one is what a bomb would want.
            oldest = next(iter(self._sites))
            for cookie in list(self._sites[oldest].values()):
                self._drop(oldest, cookie)

    def _drop(self, key: str, cookie: Cookie) -> None:
        site = self._sites[key]
        del site[cookie.name, cookie.domain, cookie.host_only, cookie.path]
        self._count -= 1
        self._bytes -= cookie.size
        self._site_bytes[key] -= cookie.size
        if not site:
            del self._sites[key], self._site_bytes[key]

    def _is_laid_over(self, key: str, new: Cookie) -> bool:
        """Whether a cookie from an insecure answer would take the place of a secure one."""
        return any(
            old.secure
            and old.name == new.name
            and (_domain_matches(old.domain, new.domain) or _domain_matches(new.domain, old.domain))
            and _path_matches(new.path, old.path)
            for old in self._sites.get(key, {}).values()
        )

    def _expires_at(self, attributes: dict[str, str]) -> float | None:
        now = self._clock()
        age = attributes.get("max-age", "")
        if age.isascii() and age.removeprefix("-").isdecimal():
            seconds = -1.0 if age.startswith("-") else min(float(age[:12]), LONGEST_LIFE)
            return now + seconds
        moment = parse_date(attributes["expires"]) if "expires" in attributes else None
        return None if moment is None else min(moment, now + LONGEST_LIFE)


def header(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The line of a Cookie header with its end, cut before the first cookie that would make it too long; empty where
    there is none."""
    parts: list[str] = []
    length = 0
    for name, value in pairs:
        length += len(name) + len(value) + 3
        if length > MAX_SENT:
            break
        parts.append(f"{name}={value}")
    return f"Cookie: {'; '.join(parts)}\r\n".encode("latin-1") if parts else b""


def load_suffixes() -> None:
    """Read the public suffix list, if that has not happened: 30 ms and 5 MB, which no event loop should wait for."""
    _suffixes()


@lru_cache(maxsize=4_096)
def site_of(host: str) -> str:
    """The registrable domain of a normalised host: what lies below one public suffix; the host itself where it is an
    address or a suffix."""
    if is_address(host):
        return host
    return _suffixes().privatesuffix(host.rstrip(".")) or host


def is_public_suffix(domain: str) -> bool:
    """Whether under this name anybody can have one of their own: ``com``, ``co.uk``, ``github.io``."""
    return not is_address(domain) and _suffixes().privatesuffix(domain) is None


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


_Parsed = tuple[str, str, dict[str, str]]


def _parse(line: str) -> _Parsed | None:
    """Name, value and the last attribute of each name; None for what is no cookie, or too big a one."""
    if not _CONTROL.isdisjoint(line):
        return None
    pair, *rest = line.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(_BLANKS), value.strip(_BLANKS)
    if not equals or not name or len(name) + len(value) > MAX_COOKIE:
        return None
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, content = part.partition("=")
        key, content = key.strip(_BLANKS).lower(), content.strip(_BLANKS)
        if len(content) > MAX_ATTRIBUTE or _is_ignored(key, content):
            continue
        attributes[key] = content
    return name, value, attributes


def _is_ignored(key: str, content: str) -> bool:
    """An attribute that says nothing must not take the place of an earlier one that says something."""
    if key == "expires":
        return parse_date(content) is None
    return key == "max-age" and not (content.isascii() and content.removeprefix("-").isdecimal())


def _cookie_domain(attribute: str, host: str) -> str | None:
    """What the Domain attribute means for a cookie from `host`: a domain, an empty text for the host alone, or None
    where the cookie is not for this server to set."""
    domain = attribute.removeprefix(".")
    if not domain:
        return ""
    if not domain.isascii():
        return None
    domain = domain.lower()
    if not _domain_matches(host, domain):
        return None
    if is_public_suffix(domain):
        return "" if domain == host else None
    return domain


def _domain_matches(host: str, domain: str) -> bool:
    return host == domain or (host.endswith("." + domain) and not is_address(host))


def _path_matches(path: str, cookie_path: str) -> bool:
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path.endswith("/") or path[len(cookie_path)] == "/"


def _default_path(path: str) -> str:
    return path[: path.rfind("/")] or "/"


def _keeps_prefix(cookie: Cookie, given_path: str) -> bool:
    """Names that begin so promise how the cookie was set; who does not keep the promise sets nothing."""
    name = cookie.name.lower()
    if name.startswith("__secure-"):
        return cookie.secure
    if name.startswith("__host-"):
        return cookie.secure and cookie.host_only and given_path == "/"
    return True
