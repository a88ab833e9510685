from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import httpx
import pytest
import trustme

from crawler.engine.errors import (
    AddressRefused,
    BodyTooLarge,
    BodyTruncated,
    BodyUndecodable,
    ConnectFailed,
    ConnectionLost,
    DnsError,
    EngineError,
    ProtocolViolation,
    Reason,
    TimedOut,
    TlsFailed,
)
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.wire import Request, Timeouts, encode_headers
from crawler.engine.records import Answer
from crawler.engine.urls import normalise
from tests.servers.misbehaving import PAGE, MisbehavingServer
from tests.unit.engine.network import LOOPBACK, QUICK, make_client, resolves_to

HEADERS = {"User-Agent": "test", "Accept-Encoding": "gzip, deflate, br, zstd"}
LIMIT = 1_000_000
PATIENCE = 60.0
"""Seconds for what must come."""


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[CrawlClient]:
    async with make_client() as (made, _):
        yield made


async def fetch(client: CrawlClient, url: str, *, timeouts: Timeouts = QUICK, max_bytes: int = LIMIT) -> Answer:
    return await client.fetch(Request(url, encode_headers(tuple(HEADERS.items())), timeouts, max_bytes))


@pytest.mark.parametrize(
    "path",
    [
        "/ok",
        "/chunked",
        "/until-close",
        "/trailer",
        "/offer-upgrade",
        "/informational/3",
        "/close-idle",
        "/encoded/gzip",
        "/encoded/deflate",
        "/encoded/raw-deflate",
        "/encoded/br",
        "/encoded/zstd",
        "/encoded/gzip,br",
        "/encoded/gzip?behind=9",
        "/encoded/deflate?behind=9",
        "/encoded/br?behind=9",
        "/encoded/br?behind=70000",
        "/encoded/zstd?behind=9",
        "/encoded/zstd,deflate,gzip",
        "/second-answer",
        "/delay/0.01",
    ],
)
async def test_page_arrives_whole(server: MisbehavingServer, client: CrawlClient, path: str) -> None:
    for _ in range(3):
        answer = await fetch(client, server.url + path)

        assert answer.status_code == 200
        assert answer.body == PAGE
        assert "x-evil" not in answer.headers
        assert answer.content_type in ("text/html", "")


@pytest.mark.parametrize(
    ("path", "error", "reason"),
    [
        ("/reset", ConnectionLost, Reason.CONNECTION_LOST),
        ("/reset-in-body", ConnectionLost, Reason.CONNECTION_LOST),
        ("/close", ConnectionLost, Reason.CONNECTION_LOST),
        ("/close-in-headers", ConnectionLost, Reason.CONNECTION_LOST),
        ("/garbage", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/bad-status", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/two-lengths", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/length-and-chunks", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/switch-protocol", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/huge-header", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/huge-header?bytes=70000", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/many-headers", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/many-headers?count=300", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/endless-headers", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/informational/11", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/chunk-error", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/endless-trailer", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/endless-extension", ProtocolViolation, Reason.PROTOCOL_ERROR),
        ("/short-body", BodyTruncated, Reason.BODY_TRUNCATED),
        ("/chunk-cut", BodyTruncated, Reason.BODY_TRUNCATED),
        ("/truncated-gzip", BodyTruncated, Reason.BODY_TRUNCATED),
        ("/bad-gzip", BodyUndecodable, Reason.BODY_UNDECODABLE),
        ("/unknown-coding", BodyUndecodable, Reason.BODY_UNDECODABLE),
        ("/huge-length", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/endless", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/endless-chunks", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/endless-bomb", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/endless-nothing/gzip", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/endless-nothing/zstd", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/bomb/gzip", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/bomb/deflate", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/bomb/br", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/bomb/zstd", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/bomb/gzip,gzip", BodyTooLarge, Reason.BODY_TOO_LARGE),
        ("/bomb/zstd,gzip,br", BodyTooLarge, Reason.BODY_TOO_LARGE),
    ],
)
async def test_fault_has_its_own_name_and_ends_its_connection(
    server: MisbehavingServer, client: CrawlClient, path: str, error: type[EngineError], reason: Reason
) -> None:
    with pytest.raises(error) as caught:
        await fetch(client, server.url + path)

    assert getattr(caught.value, "reason", None) is reason
    assert (await fetch(client, server.url + "/ok")).body == PAGE
    assert server.connections == 2
    assert len(server.log) == 2


@pytest.mark.parametrize(
    ("path", "timeouts", "reason"),
    [
        ("/stall", Timeouts(connect=5, read=0.1, total=10), Reason.READ_TIMEOUT),
        ("/stall-in-body", Timeouts(connect=5, read=0.1, total=10), Reason.READ_TIMEOUT),
        ("/stall", Timeouts(connect=5, read=10, total=0.1), Reason.TOTAL_TIMEOUT),
        ("/drip?seconds=0.02", Timeouts(connect=5, read=10, total=0.2), Reason.TOTAL_TIMEOUT),
        ("/slow-headers?seconds=0.02", Timeouts(connect=5, read=10, total=0.2), Reason.TOTAL_TIMEOUT),
    ],
)
async def test_slow_server_is_given_up_by_the_limit_that_it_breaks(
    server: MisbehavingServer, client: CrawlClient, path: str, timeouts: Timeouts, reason: Reason
) -> None:
    begin = asyncio.get_running_loop().time()
    with pytest.raises(TimedOut) as caught:
        await fetch(client, server.url + path, timeouts=timeouts)

    assert caught.value.reason is reason
    assert asyncio.get_running_loop().time() - begin < 3
    await asyncio.wait_for(server.wait_until_idle(), PATIENCE)


async def test_shorter_limits_of_a_later_request_hold_on_a_kept_connection(
    server: MisbehavingServer, client: CrawlClient
) -> None:
    await fetch(client, server.url + "/ok", timeouts=Timeouts(connect=5, read=60, total=60))
    with pytest.raises(TimedOut):
        await fetch(client, server.url + "/stall", timeouts=Timeouts(connect=5, read=0.1, total=60))

    assert server.connections == 1


async def test_longer_limits_of_a_later_request_hold_on_a_kept_connection(
    server: MisbehavingServer, client: CrawlClient
) -> None:
    await fetch(client, server.url + "/ok", timeouts=Timeouts(connect=5, read=0.1, total=0.1))
    answer = await fetch(client, server.url + "/delay/0.3")

    assert answer.body == PAGE
    assert server.connections == 1


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
async def test_limit_on_bytes_is_exact(server: MisbehavingServer, client: CrawlClient, size: int) -> None:
    if size <= LIMIT:
        answer = await fetch(client, f"{server.url}/bytes/{size}")
        assert (len(answer.body), answer.wire_bytes) == (size, size)
        return
    with pytest.raises(BodyTooLarge):
        await fetch(client, f"{server.url}/bytes/{size}")


async def test_connection_is_kept_and_used_again(server: MisbehavingServer, client: CrawlClient) -> None:
    for _ in range(5):
        await fetch(client, server.url + "/ok")

    assert server.connections == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_length_of_an_answer_without_a_body_is_not_waited_for(
    server: MisbehavingServer, client: CrawlClient, status: int
) -> None:
    for _ in range(2):
        answer = await fetch(client, f"{server.url}/bodiless/{status}")
        assert (answer.status_code, answer.body) == (status, b"")
    assert server.connections == 1


async def test_requests_at_once_use_a_connection_each(server: MisbehavingServer, client: CrawlClient) -> None:
    await asyncio.gather(*(fetch(client, server.url + "/delay/0.05") for _ in range(5)))
    await asyncio.gather(*(fetch(client, server.url + "/ok") for _ in range(5)))

    assert server.connections == 5


async def test_stale_connection_is_noticed_and_the_request_goes_out_once_more(server: MisbehavingServer) -> None:
    async with make_client() as (client, transport):
        for _ in range(3):
            assert (await fetch(client, server.url + "/close-on-reuse")).body == PAGE

        assert transport.connections_made == 3
    assert len(server.log) == 5  # the second and the third time first on a connection that ends without a byte


async def test_a_post_goes_out_on_a_new_connection_and_once(server: MisbehavingServer, client: CrawlClient) -> None:
    for _ in range(2):  # a kept connection would be closed under the second: nobody could say what came of it
        assert (await client.post(server.url + "/close-on-reuse")).status_code == 200
    with pytest.raises(Exception, match="before an answer") as caught:
        await client.post(server.url + "/close")

    assert isinstance(caught.value.__cause__, ConnectionLost)
    assert len(server.log) == 3


async def test_fresh_connection_that_ends_without_a_byte_is_not_tried_again(
    server: MisbehavingServer, client: CrawlClient
) -> None:
    with pytest.raises(ConnectionLost):
        await fetch(client, server.url + "/close")

    assert len(server.log) == 1


async def test_half_closed_idle_connection_is_not_used(server: MisbehavingServer) -> None:
    async with make_client() as (client, transport):
        await fetch(client, server.url + "/close-idle")
        await asyncio.wait_for(_until(lambda: transport.connections_open == 0), PATIENCE)

        assert (await fetch(client, server.url + "/ok")).body == PAGE


@pytest.mark.parametrize("path", ["/second-answer", "/late-answer"])
async def test_a_connection_that_answers_what_nobody_asked_is_dropped(server: MisbehavingServer, path: str) -> None:
    async with make_client(keep_seconds=1_000) as (client, transport):
        assert (await fetch(client, server.url + path)).body == PAGE
        await asyncio.wait_for(_until(lambda: transport.connections_open == 0), PATIENCE)

        assert (await fetch(client, server.url + "/ok")).body == PAGE
        assert server.connections == 2


async def test_idle_connection_is_closed_after_its_time(server: MisbehavingServer) -> None:
    async with make_client(keep_seconds=0.05) as (client, _):
        await fetch(client, server.url + "/ok", timeouts=Timeouts(connect=5, read=0.1, total=5))
        await asyncio.wait_for(server.wait_until_idle(), PATIENCE)


async def test_no_more_idle_connections_are_kept_than_allowed(server: MisbehavingServer) -> None:
    async with make_client(max_idle=2) as (client, transport):
        await asyncio.gather(*(fetch(client, server.url + "/delay/0.05") for _ in range(5)))
        await asyncio.wait_for(_until(lambda: transport.connections_open == 2), PATIENCE)


async def test_longest_idle_connection_makes_room_for_the_next() -> None:
    async with MisbehavingServer() as first, MisbehavingServer() as second, make_client(max_idle=1) as (client, _):
        for server in (first, second, second):
            await fetch(client, server.url + "/ok")
        await asyncio.wait_for(first.wait_until_idle(), PATIENCE)

        assert second.connections == 1


async def test_pool_remembers_no_server_whose_connections_are_gone() -> None:
    async with make_client(max_idle=8) as (client, transport):
        for _ in range(3):
            async with MisbehavingServer() as server:
                await fetch(client, server.url + "/ok")
                await fetch(client, server.url + "/until-close")
        assert transport._idle == {}
        assert transport._idle_order == {}


@pytest.mark.parametrize(
    ("sent", "read"),
    [("/%C3%83%C2%A4", "/ä"), ("/%C3%A4", "/ä"), ("/a%25C3%25A4", "/a%C3%A4")],
    ids=["utf-8", "latin-1", "escaped"],
)
async def test_location_is_read_in_what_servers_write(
    server: MisbehavingServer, client: CrawlClient, sent: str, read: str
) -> None:
    answer = await fetch(client, f"{server.url}/redirect-to?url={sent}")

    assert answer.headers["location"] == read


async def test_cancelled_request_drops_its_connection(server: MisbehavingServer, client: CrawlClient) -> None:
    task = asyncio.create_task(fetch(client, server.url + "/stall"))
    await asyncio.wait_for(_until(lambda: bool(server.log)), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.wait_for(server.wait_until_idle(), PATIENCE)


async def test_cookies_are_neither_kept_nor_handed_on(server: MisbehavingServer, client: CrawlClient) -> None:
    answer = await fetch(client, server.url + "/cookies")
    response = await client.get(server.url + "/cookies")
    await client.get(server.url + "/ok")

    assert "set-cookie" not in answer.headers
    assert "set-cookie" not in response.headers
    assert "cookie" not in server.log[-1].headers


async def test_environment_proxies_are_not_read(server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with MisbehavingServer() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
        async with make_client() as (client, _):
            await fetch(client, server.url + "/ok")
            await client.get(server.url + "/ok")

        assert proxy.connections == 0
        # They are such as others read.
        async with httpx.AsyncClient() as stock:
            await stock.get(server.url + "/ok")
        assert proxy.connections == 1
    assert len(server.log) == 2


async def test_request_carries_the_names_that_the_url_says(server: MisbehavingServer) -> None:
    async with make_client(Guard(LOOPBACK, resolves_to("127.0.0.1"))) as (client, _):
        answer = await fetch(client, f"http://shop.example:{server.port}/echo-headers?q=%C3%A4")

    assert answer.content_type == "application/json"
    assert server.log[0].target == "/echo-headers?q=%C3%A4"
    assert server.log[0].headers == {
        "host": f"shop.example:{server.port}",
        "user-agent": "test",
        "accept-encoding": "gzip, deflate, br, zstd",
    }


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("127.0.0.1", []),
        ("localhost", []),
        ("[::ffff:127.0.0.1]", []),
        ("2130706433", []),
        ("127.1", []),
        ("rebound.example", ["127.0.0.1"]),
        ("hidden.example", ["::ffff:127.0.0.1"]),
        ("several.example", ["10.0.0.1", "127.0.0.1"]),
    ],
)
async def test_loopback_is_refused_before_a_connection(
    server: MisbehavingServer, host: str, answers: list[str]
) -> None:
    guard = Guard(resolver=resolves_to(*answers) if answers else None)
    async with make_client(guard) as (client, transport):
        with pytest.raises(AddressRefused, match="CRAWLER_ALLOWED_NETWORKS"):
            await fetch(client, normalise(f"http://{host}:{server.port}/ok"))
        with pytest.raises(AddressRefused):
            await client.get(f"http://{host}:{server.port}/ok")

        assert transport.connections_made == 0
    assert server.connections == 0


async def test_resolver_that_changes_its_answer_gains_nothing(server: MisbehavingServer) -> None:
    """Harmless at first, the server's address from then on: the look-up that was checked is the one that counts.

    127.0.0.2 stands for a public address, so that no test leaves this machine; nothing listens there.
    """
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    async with make_client(Guard([ip_network("127.0.0.2/32")], resolver, ttl=0.0)) as (client, _):
        url = f"http://rebinding.example:{server.port}/ok"
        with pytest.raises((ConnectFailed, TimedOut)):
            await fetch(client, url, timeouts=Timeouts(connect=1, read=1, total=1))
        with pytest.raises(AddressRefused):
            await fetch(client, url)

    assert len(asked) == 2
    assert server.connections == 0


async def test_next_address_is_tried_where_the_first_does_not_answer(server: MisbehavingServer) -> None:
    async with MisbehavingServer() as gone:
        closed_port = gone.port
    async with make_client(Guard(LOOPBACK, resolves_to("127.0.0.2", "127.0.0.1"))) as (client, _):
        for _ in range(2):
            assert (await fetch(client, f"http://two.example:{server.port}/close-idle")).body == PAGE
        with pytest.raises(ConnectFailed, match=r"two\.example"):
            await fetch(client, f"http://two.example:{closed_port}/ok")


async def test_unused_port_is_a_connect_error(client: CrawlClient) -> None:
    async with MisbehavingServer() as gone:
        url = gone.url
    with pytest.raises(ConnectFailed, match=rf"^nobody answers at 127\.0\.0\.1, port {gone.port}: "):
        await fetch(client, url + "/ok")


async def test_unknown_host_is_a_dns_error(client: CrawlClient) -> None:
    with pytest.raises(DnsError):
        await fetch(client, "http://no-such-host.invalid/")


async def test_silent_resolver_ends_with_the_connect_limit() -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with make_client(Guard(resolver=resolver)) as (client, _):
        with pytest.raises(DnsError, match="no answer"):
            await fetch(client, "http://slow.example/", timeouts=Timeouts(connect=0.1, read=5, total=5))


@asynccontextmanager
async def tls_server(*identities: str) -> AsyncIterator[tuple[MisbehavingServer, ssl.SSLContext]]:
    """A server with a certificate for `identities`, and a client's context that trusts its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*identities).configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with MisbehavingServer(tls=context) as server:
        yield server, trusting


@pytest.mark.parametrize("host", ["shop.example", "shop.example.", "127.0.0.1"])
async def test_valid_certificate_is_accepted_for_the_name_of_the_url(host: str) -> None:
    guard = Guard(LOOPBACK, resolves_to("127.0.0.1"))
    async with tls_server("shop.example", "127.0.0.1") as (server, trusting):
        async with make_client(guard, ssl_context=trusting) as (client, _):
            for path in ("/ok", "/chunked", "/until-close"):
                assert (await fetch(client, f"https://{host}:{server.port}{path}")).body == PAGE
        assert server.connections == 1


@pytest.mark.parametrize("path", ["/reset", "/short-body"])
async def test_faults_keep_their_names_over_tls(path: str) -> None:
    guard = Guard(LOOPBACK, resolves_to("127.0.0.1"))
    async with (
        tls_server("shop.example") as (server, trusting),
        make_client(guard, ssl_context=trusting) as (client, _),
    ):
        with pytest.raises((ConnectionLost, BodyTruncated)):
            await fetch(client, f"https://shop.example:{server.port}{path}")


async def test_certificate_for_another_name_is_refused() -> None:
    guard = Guard(LOOPBACK, resolves_to("127.0.0.1"))
    async with (
        tls_server("other.example") as (server, trusting),
        make_client(guard, ssl_context=trusting) as (client, _),
    ):
        with pytest.raises(TlsFailed, match=r"shop\.example.*not valid"):
            await fetch(client, f"https://shop.example:{server.port}/ok")
        assert server.log == []


async def test_certificate_of_an_unknown_authority_is_refused_by_default() -> None:
    async with tls_server("127.0.0.1") as (server, _), make_client() as (client, _):
        with pytest.raises(TlsFailed) as caught:
            await fetch(client, f"https://127.0.0.1:{server.port}/ok")
        assert not caught.value.retriable
        assert server.log == []


async def test_expired_certificate_is_refused() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)).configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with MisbehavingServer(tls=context) as server, make_client(ssl_context=trusting) as (client, _):
        with pytest.raises(TlsFailed, match="expired"):
            await fetch(client, f"https://127.0.0.1:{server.port}/ok")
        assert server.log == []


async def test_plain_server_behind_https_is_a_tls_error(client: CrawlClient) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        with pytest.raises(TlsFailed, match="cannot speak TLS"):
            await fetch(client, f"https://127.0.0.1:{port}/ok")


async def test_silent_server_behind_https_ends_with_the_connect_limit(
    server: MisbehavingServer, client: CrawlClient
) -> None:
    with pytest.raises(TimedOut) as caught:
        await fetch(client, f"https://127.0.0.1:{server.port}/ok", timeouts=Timeouts(connect=0.2, read=5, total=5))

    assert caught.value.reason is Reason.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nX-Evil: 1"),
        ("X-A", "b\nc"),
        ("X-A", "b\x00"),
        ("X-A", "b\x7f"),
        ("X-A\r\nX-Evil", "1"),
        ("X A", "1"),
        ("", "1"),
        ("Host", "evil.example"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_header_that_could_split_a_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        encode_headers(((name, value),))

    assert value not in str(caught.value) or value == "1"


def test_headers_are_written_line_by_line() -> None:
    assert encode_headers((("A", " b "), ("C", "d\te"))) == b"A: b\r\nC: d\te\r\n"


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)
