"""Where a crawl may connect: judged on the very address that is connected to, never on the name.

A name is resolved once for a connection, every answer is checked, and the transport connects to a checked one: a
resolver that changes its mind in between gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple, TypeAlias

from crawler.engine.errors import AddressRefused, DnsError, quoted
from crawler.engine.urls import host_of

from .names import ThreadedResolver

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) → literal addresses, the preferred first. Raises OSError where there are none."""

# IANA's special-purpose registries, and one public address that clouds answer on from inside (Azure's wire server).
_REFUSED_V4 = {
    IPv4Network("0.0.0.0/8"): "unspecified",
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("100.64.0.0/10"): "carrier-grade NAT",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("168.63.129.16/32"): "cloud platform",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.0.0.0/24"): "protocol assignments",
    IPv4Network("192.0.2.0/24"): "documentation",
    IPv4Network("192.88.99.0/24"): "6to4 relay",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("198.18.0.0/15"): "benchmarking",
    IPv4Network("198.51.100.0/24"): "documentation",
    IPv4Network("203.0.113.0/24"): "documentation",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("255.255.255.255/32"): "broadcast",
    IPv4Network("240.0.0.0/4"): "reserved",
}
_REFUSED_V6 = {
    IPv6Network("::/128"): "unspecified",
    IPv6Network("::1/128"): "loopback",
    IPv6Network("::/96"): "IPv4-compatible",
    IPv6Network("64:ff9b:1::/48"): "local NAT64",
    IPv6Network("100::/64"): "discard",
    IPv6Network("2001::/32"): "Teredo",
    IPv6Network("2001::/23"): "protocol assignments",
    IPv6Network("2001:db8::/32"): "documentation",
    IPv6Network("2002::/16"): "6to4",
    IPv6Network("3fff::/20"): "documentation",
    IPv6Network("fc00::/7"): "private",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("fec0::/10"): "site-local",
    IPv6Network("ff00::/8"): "multicast",
}
ALLOW = ". Put its network into CRAWLER_ALLOWED_NETWORKS to allow it"
"""The remedy at the end of a refusal."""
STALE = 20.0
"""Times an answer's life for which it may be used, once that is over, while nobody confirms it: RFC 8767. Whatever it
says is checked anew."""
STALE_WAIT = 0.2
"""Seconds that are waited for the new answer."""
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""What `getaddrinfo` says where the name's own servers know of no address. All else is a failure to ask them."""
MAX_ANSWERS = 10_000
"""Names whose addresses are remembered; the oldest answers go first."""
MAX_NAME = 253
"""Characters of a name."""
MAX_LABEL = 63
"""Characters between two dots."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class NoName(DnsError):
    """A host for which DNS, TLS and SOCKS have no form: nobody can be asked for it, and no proxy is."""

    retriable = False


class _Known(NamedTuple):
    """What is known of a name. Moments of the loop's clock."""

    until: float
    """It is not asked for before."""
    addresses: Sequence[str]
    """None: the name has failed."""
    why: str
    """It has."""
    stale_until: float
    """The addresses may be used, while nobody confirms them."""


_NOTHING = _Known(0.0, (), "", 0.0)


class Guard:
    """Resolves names and lets only those addresses through that the public can reach, or that are allowed by name.

    `timeout` bounds one look-up in seconds. Answers are kept for `ttl` seconds, failures for a sixth of that, and each
    name is looked up once at a time. A name that was known keeps its addresses for `STALE` times as long while its
    servers fail; that there is no such name is an answer like any other, and holds at once. An answer is checked at
    each connection, however old it is.
    """

    def __init__(
        self,
        allowed_networks: Sequence[Network] = (),
        resolver: Resolver | None = None,
        *,
        timeout: float = 10.0,
        ttl: float = 30.0,
    ) -> None:
        self._allowed = tuple(allowed_networks)
        self._own_resolver = ThreadedResolver() if resolver is None else None
        self._resolver: Resolver = resolver or self._own_resolver or ThreadedResolver()
        self._timeout = timeout
        self._ttl = ttl
        self._answers: dict[str, _Known] = {}
        self._running: dict[str, asyncio.Task[Sequence[str]]] = {}

    def check(self, address: str) -> None:
        """Raises `AddressRefused` for an address that may not be connected to."""
        refusal = self._refusal(address)
        if refusal:
            raise AddressRefused(f"{refusal}{ALLOW}")

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of `host` that may be connected to, the preferred first; never empty.

        Raises `DnsError` where there is none, its `NoName` where there can be none, `AddressRefused` where every one is
        refused.
        """
        if _is_literal(host):
            self.check(host)
            return [host]
        if not _is_name(host):
            raise NoName(
                f"{quoted(host)} cannot be resolved: no name has an empty part, or one of more than {MAX_LABEL} "
                f"characters, or more than {MAX_NAME} of them"
            )
        refusals: list[str] = []
        usable: list[str] = []
        for address in await self._addresses(host, port):
            refusal = self._refusal(address)
            if refusal:
                refusals.append(refusal)
            else:
                usable.append(address)
        if not usable:
            raise AddressRefused(f"{host} leads to {'; '.join(refusals)}{ALLOW}")
        return usable

    async def prepare(self, origin: str) -> None:
        """Look the host of `origin` up, so that who connects to it next need not wait. Raises nothing."""
        host = host_of(f"{origin}/")
        if not _is_literal(host):
            with suppress(DnsError):  # it is kept, and told to who connects
                await self._addresses(host, 0)

    def close(self) -> None:
        for task in self._running.values():
            task.cancel()
        if self._own_resolver:
            self._own_resolver.close()

    def _refusal(self, address: str) -> str:
        return why_refused(address, self._allowed)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        now = asyncio.get_running_loop().time()
        known = self._answers.get(host, _NOTHING)
        if known.until > now:
            if not known.addresses:
                raise DnsError(known.why)
            return known.addresses
        task = self._running.get(host)
        if task is None:
            task = asyncio.create_task(self._look_up(host, port))
            self._running[host] = task
            task.add_done_callback(lambda done: self._forget(host, done))
        if known.stale_until > now:
            await asyncio.wait({task}, timeout=STALE_WAIT)
            if not task.done():
                return known.addresses
        # Shielded: the one look-up serves all who ask for this host, and outlives whoever gives up first.
        return await asyncio.shield(task)

    def _forget(self, host: str, task: asyncio.Task[Sequence[str]]) -> None:
        self._running.pop(host, None)
        if not task.cancelled():
            task.exception()  # seen, even if nobody waits any more

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                addresses = tuple(await self._resolver(host, port))
        except TimeoutError:
            return self._failed(loop.time(), host, f"no answer within {self._timeout:g} s")
        except (OSError, UnicodeError) as error:
            is_answer = isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME
            return self._failed(loop.time(), host, str(error), is_answer=is_answer)
        if not addresses:
            return self._failed(loop.time(), host, "no address", is_answer=True)
        until = loop.time() + self._ttl
        self._keep(host, _Known(until, addresses, "", until + self._ttl * STALE))
        return addresses

    def _failed(self, now: float, host: str, why: str, *, is_answer: bool = False) -> Sequence[str]:
        """The addresses that are known nevertheless. Raises `DnsError` where there are none."""
        known = self._answers.get(host, _NOTHING)
        until = now + self._ttl / 6
        if not is_answer and known.stale_until > now:
            self._keep(host, known._replace(until=min(until, known.stale_until)))
            return known.addresses
        message = f"{host} cannot be resolved: {why}"
        self._keep(host, _Known(until, (), message, 0.0))
        raise DnsError(message)

    def _keep(self, host: str, known: _Known) -> None:
        if len(self._answers) >= MAX_ANSWERS:
            now = asyncio.get_running_loop().time()
            of_use = [(name, kept) for name, kept in self._answers.items() if max(kept.until, kept.stale_until) > now]
            # A tenth is free then, so that this is not done again with each name of a wide crawl.
            self._answers = dict(of_use[-MAX_ANSWERS * 9 // 10 :])
        self._answers.pop(host, None)  # so that the newest stand last
        self._answers[host] = known


@lru_cache(maxsize=16_384)
def why_refused(text: str, allowed: tuple[Network, ...]) -> str:
    """Why `text` may not be connected to, or an empty string."""
    try:
        address = ip_address(text)
    except ValueError:
        return f"{quoted(text)}, which is not an address"
    forms = _forms(address)
    if any(form.version == network.version and form in network for form in forms for network in allowed):
        return ""
    for form in reversed(forms):
        kind = _kind(form)
        if kind:
            inside = "" if form == address else f", which hides {form}"
            return f"{address}{inside} ({kind} address)"
    return ""


def _forms(address: Address) -> list[Address]:
    """`address`, then the IPv4 addresses that it wraps. NAT64 and mapped ones *are* what they wrap."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.scope_id:
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address in _COMPATIBLE and int(address) > 1:
        return [address, IPv4Address(int(address))]
    if address.sixtofour:
        return [address, address.sixtofour]
    if address.teredo:
        return [address, *address.teredo]
    return [address]


def _kind(address: Address) -> str:
    """What makes `address` special; empty for a public one."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _REFUSED_V4.items() if address in network), "")
    if address.scope_id:
        return "zone-bound"
    kind = next((kind for network, kind in _REFUSED_V6.items() if address in network), "")
    return kind or ("" if address in _GLOBAL_UNICAST else "reserved")


def _is_name(host: str) -> bool:
    """Whether DNS can be asked for a normalised host. (URLs take more than that.)"""
    name = host.removesuffix(".")
    return len(name) <= MAX_NAME and all(0 < len(label) <= MAX_LABEL for label in name.split("."))


def _is_literal(host: str) -> bool:
    if ":" in host:
        return True
    return host[-1:].isdigit() and _parses(host)


def _parses(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
