"""Clients and guards for tests of what goes over the wire."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.guard import Guard, Resolver
from crawler.engine.fetching.transport import CrawlTransport
from crawler.engine.fetching.wire import Timeouts

LOOPBACK = [ip_network("127.0.0.0/8")]
QUICK = Timeouts(connect=60, read=60, total=120)


def resolves_to(*addresses: str) -> Resolver:
    """A resolver that knows one answer."""

    async def resolver(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolver


@asynccontextmanager
async def make_client(
    guard: Guard | None = None,
    *,
    ssl_context: ssl.SSLContext | None = None,
    max_bytes: int = 1_000_000,
    total_timeout: float = 10.0,
    keep_seconds: float = 15.0,
    max_idle: int = 256,
) -> AsyncIterator[tuple[CrawlClient, CrawlTransport]]:
    """A client that may go to loopback, and its transport; both are closed, and must leave no connection open."""
    guard = guard or Guard(LOOPBACK)
    transport = CrawlTransport(
        guard,
        ssl_context=ssl_context,
        max_bytes=max_bytes,
        total_timeout=total_timeout,
        keep_seconds=keep_seconds,
        max_idle=max_idle,
    )
    async with CrawlClient(transport, timeouts=QUICK) as client:
        yield client, transport
    guard.close()
    assert transport.connections_open == 0
