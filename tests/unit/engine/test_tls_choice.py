"""`session.verify_tls`: certificates that are refused by default are taken where a spider says so, and there alone."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from crawler.engine.errors import TlsFailed
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.proxy import parse_proxy
from crawler.engine.fetching.session import open_client
from crawler.engine.fetching.transport import CrawlTransport
from crawler.engine.fetching.wire import Request, Timeouts
from tests.servers.misbehaving import PAGE, MisbehavingServer
from tests.servers.proxies import ProxyServer

from .network import LOOPBACK, resolves_to

LIMITS = Timeouts(connect=5, read=5, total=10)


def bad_certificate(kind: str) -> ssl.SSLContext:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificate = {
        "expired": lambda: authority.issue_cert("shop.example", not_after=yesterday),
        "self-signed": lambda: authority.issue_cert("shop.example"),
        "wrong-host": lambda: authority.issue_cert("other.example"),
    }[kind]()
    certificate.configure_cert(context)
    return context


async def fetch(client: CrawlClient, port: int) -> bytes:
    url = f"https://shop.example:{port}/ok"
    return (await client.fetch(Request(url, timeouts=LIMITS))).body


@pytest.mark.parametrize("is_proxied", [False, True], ids=["direct", "proxied"])
@pytest.mark.parametrize("kind", ["expired", "self-signed", "wrong-host"])
async def test_a_bad_certificate_is_taken_only_where_the_spider_says_so(kind: str, is_proxied: bool) -> None:
    guard = Guard(LOOPBACK, resolves_to("127.0.0.1"))
    async with MisbehavingServer(tls=bad_certificate(kind)) as server, ProxyServer() as proxy_server:
        proxy = parse_proxy(proxy_server.url) if is_proxied else None
        async with open_client(guard, proxy=proxy, verify_tls=False) as lenient:
            assert await fetch(lenient, server.port) == PAGE
            # What one client took opens the door for no other, though host and port are the same.
            async with CrawlClient(CrawlTransport(guard)) as shared:
                with pytest.raises(TlsFailed):
                    await fetch(shared, server.port)
        async with open_client(guard, proxy=parse_proxy(proxy_server.url), verify_tls=True) as strict:
            with pytest.raises(TlsFailed, match="shows a certificate that is not valid"):
                await fetch(strict, server.port)
        assert len(server.log) == 1
    guard.close()


async def test_who_speaks_no_tls_at_all_is_refused_all_the_same() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    guard = Guard(LOOPBACK, resolves_to("127.0.0.1"))
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as plain,
        open_client(guard, proxy=None, verify_tls=False) as client,
    ):
        with pytest.raises(TlsFailed, match="cannot speak TLS"):
            await fetch(client, plain.sockets[0].getsockname()[1])
    guard.close()
