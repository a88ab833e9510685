"""No socket that is not allowed is ever connected to: judged at listening sockets, which count what they accept.

127.0.0.1 stands for the public network and is the one address that is allowed; 127.0.0.2 for an inner one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from ipaddress import ip_network

import pytest

from crawler.engine.errors import AddressRefused, FetchError, UrlError
from crawler.engine.fetching.fetcher import Timeouts
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.names import ThreadedResolver
from crawler.engine.fetching.wire import Request
from crawler.engine.memory import MemoryStorage
from crawler.engine.urls import host_of, normalise
from crawler.engine.visit import RetryRule
from tests.servers.corpora import cases, corpus
from tests.servers.names import Name, NameServer
from tests.unit.engine.crawling import finish, make_crawler, make_definition
from tests.unit.engine.network import QUICK, make_client
from tests.unit.engine.site import Reply, Site, redirect
from tests.unit.engine.test_names import asking

PUBLIC = [ip_network("127.0.0.1/32")]


DISGUISES = (
    *("127.0.0.2", "127.0.0.2.", "127.2", "127.0.2", "2130706434", "0x7f000002", "0x7f.0.0.2", "017700000002"),
    *("0177.0.0.2", "①②⑦.0.0.2", "127。0。0。2", "[::1]", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[::127.0.0.2]"),
    *("[64:ff9b::7f00:2]", "[2002:7f00:2::]", "ok@127.0.0.2", "127.0.0.1@127.0.0.2", "localhost", "inner.test"),
)


def hosts_of(urls: Iterable[str]) -> set[str]:
    """As `allowed_domains` wants them."""
    hosts = set()
    for url in urls:
        try:
            host = host_of(normalise(url))
        except UrlError:
            continue
        hosts.add(f"[{host}]" if ":" in host else host)
    return hosts


class Inner:
    """The inner network: every loopback address but 127.0.0.1, IPv6's too, on one port each."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self._servers: list[asyncio.Server] = []
        self.port = 0

    async def open(self, port: int) -> None:
        for address in ("127.0.0.2", "127.0.0.3", "::1"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                listening = socket.create_server((address, port), family=family)
            except OSError:  # a machine without IPv6, or with 127.0.0.1 alone
                continue
            self._servers.append(await asyncio.start_server(self._accept, sock=listening))
        assert self._servers

    async def close(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(str(writer.get_extra_info("sockname")[0]))
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as made:
        yield made


@pytest.fixture
async def inner(site: Site) -> AsyncIterator[Inner]:
    made = Inner()
    await made.open(site.port)
    yield made
    await made.close()


async def test_the_inner_sockets_can_be_reached(site: Site, inner: Inner) -> None:
    """Else the counts below would say nothing."""
    async with make_client(Guard([ip_network("127.0.0.0/8")])) as (client, _):
        with pytest.raises(FetchError):
            await client.fetch(Request(f"http://127.0.0.2:{site.port}/", timeouts=QUICK))
    assert inner.accepted == ["127.0.0.2"]


async def test_a_name_that_changes_its_mind_leads_nowhere_else(site: Site, inner: Inner) -> None:
    """Real answers of a real name server: harmless at first, then inner, then harmless again, then both."""
    names = {"rebinding.test": Name(("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.1"))}
    site.pages["/"] = Reply("ok", headers={"Connection": "close"})
    async with NameServer(names) as server:
        resolver = ThreadedResolver(lookup=asking(server))
        async with make_client(Guard(PUBLIC, resolver, ttl=0.0), keep_seconds=0.0) as (client, _):
            refused = 0
            for _ in range(10):
                try:
                    url = f"http://rebinding.test:{site.port}/"
                    await client.fetch(Request(url, timeouts=QUICK))
                except AddressRefused:
                    refused += 1
        resolver.close()
    assert server.asked["rebinding.test"] == 10
    assert (refused, len(site.seen), inner.accepted) == (2, 8, [])


async def test_every_disguise_of_an_inner_address_is_refused_wherever_a_page_leads(site: Site, inner: Inner) -> None:
    """Links, redirects, canonicals and refreshes to all address forms of the cases, and every name an inner one."""
    corpus("cases")
    targets = []
    for case in cases("ssrf_urls"):
        url = str(case["input"])
        if case["expected"] != "allow" and url.isprintable():
            targets.append(url)
    assert len(targets) > 500
    own = [f"http://{host}:{site.port}/x" for host in DISGUISES]
    paths = {f"/r{number}": redirect(url) for number, url in enumerate([*own, *targets]) if url.isascii()}
    links = "".join(f"<a href='{path}'>x</a>" for path in paths)
    links += "".join(f"<a href='{url.replace(chr(39), '')}'>x</a>" for url in [*own, *targets])
    site.pages |= paths
    site.pages["/"] = Reply(f"<base href='/'>{links}", headers={"Content-Type": "text/html; charset=utf-8"})

    async def resolver(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2"]

    async with make_crawler(guard=Guard(PUBLIC, resolver)) as crawler:
        storage = MemoryStorage()
        definition = make_definition(
            f"{site.url}/",
            allowed_domains=sorted(hosts_of([*own, *targets, site.url + "/"])),
            manners={"obey_robots": False},
        )
        timeouts = Timeouts(connect=20, read=60, total=60)
        outcome = await finish(crawler.crawl(definition, storage, timeouts=timeouts, retry=RetryRule(times=0)))
    assert outcome.counts.pages_redirected + outcome.counts.reasons["redirect_invalid"] > 300
    assert outcome.counts.reasons["address_refused"] > 30
    assert set(site.asked) == {"/", *paths}
    assert inner.accepted == []
