"""Proxies: what goes to them, what is refused before they are asked, and what their refusals are called."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import trustme

from crawler.engine.errors import AddressRefused, DnsError, FetchError, ProxyFailed, Reason, TlsFailed
from crawler.engine.fetching import proxy_transport
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.proxy import Proxy, ProxyError, parse_proxy
from crawler.engine.fetching.proxy_transport import ProxyTransport
from crawler.engine.fetching.requests import Post
from crawler.engine.fetching.wire import Request, Timeouts
from crawler.engine.records import Answer
from tests.servers.misbehaving import PAGE, MisbehavingServer
from tests.servers.proxies import ProxyServer

LOOPBACK = [ip_network("127.0.0.0/8")]
NAMES = {"shop.test": ["192.0.2.1"], "inner.test": ["10.0.0.1"], "proxy.test": ["127.0.0.1"], "ok.test": ["1.1.1.1"]}
PUBLIC = [*LOOPBACK, ip_network("192.0.2.0/24")]


async def resolver(host: str, port: int) -> Sequence[str]:
    """What this machine knows of names; the proxy makes of all of them itself."""
    if host not in NAMES:
        raise OSError("unknown here")
    return NAMES[host]


@asynccontextmanager
async def client_through(
    server: ProxyServer | str,
    *,
    scheme: str = "",
    credentials: str = "",
    ssl_context: ssl.SSLContext | None = None,
    allowed: Sequence[object] = PUBLIC,
) -> AsyncIterator[CrawlClient]:
    url = server if isinstance(server, str) else server.url
    scheme = scheme or url.partition(":")[0]
    proxy = parse_proxy(f"{scheme}://{credentials and credentials + '@'}{url.partition('://')[2]}")
    guard = Guard(allowed, resolver)  # type: ignore[arg-type]  # networks of both versions
    transport = ProxyTransport(guard, proxy, ssl_context=ssl_context)
    async with CrawlClient(transport) as client:
        yield client
    guard.close()
    assert transport.connections_open == 0


async def fetch(client: CrawlClient, url: str, post: Post | None = None) -> Answer:
    limits = Timeouts(connect=2, read=5, total=10)
    method = "GET" if post is None else "POST"
    return await client.fetch(Request(url, b"User-Agent: t\r\n", limits, 1_000_000, post, method))


@asynccontextmanager
async def tls_server(*names: str) -> AsyncIterator[tuple[MisbehavingServer, ssl.SSLContext]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with MisbehavingServer(tls=context) as server:
        yield server, trusting


# --- the ways ---------------------------------------------------------------------------------------------------------


async def test_http_goes_to_the_proxy_in_absolute_form() -> None:
    async with MisbehavingServer() as server, ProxyServer() as proxy, client_through(proxy) as client:
        answer = await fetch(client, f"http://shop.test:{server.port}/ok?a=b")
        assert (answer.body, answer.url) == (PAGE, f"http://shop.test:{server.port}/ok?a=b")
        await fetch(client, f"http://shop.test:{server.port}/ok", Post(b"q=1", "x/y"))
        assert [(line.method, line.target) for line in proxy.log] == [
            ("GET", f"http://shop.test:{server.port}/ok?a=b"),
            ("POST", f"http://shop.test:{server.port}/ok"),
        ]
        assert server.log[0].headers["host"] == f"shop.test:{server.port}"
        assert "proxy-authorization" not in proxy.log[0].headers


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_https_goes_through_a_tunnel_and_the_certificate_is_the_servers(scheme: str) -> None:
    async with (
        tls_server("shop.test") as (server, trusting),
        ProxyServer() as proxy,
        client_through(proxy, scheme=scheme, ssl_context=trusting) as client,
    ):
        for path in ("/ok", "/chunked"):
            assert (await fetch(client, f"https://shop.test:{server.port}{path}")).body == PAGE
        asked = {"http": "shop.test", "socks5h": "shop.test", "socks5": "192.0.2.1"}[scheme]
        assert [line.target for line in proxy.log] == [f"{asked}:{server.port}"], "one tunnel for both"
        assert server.log[0].headers["host"] == f"shop.test:{server.port}"
        with pytest.raises(TlsFailed, match=r"ok\.test:\d+ shows a certificate that is not valid"):
            await fetch(client, f"https://ok.test:{server.port}/ok")


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_http_goes_through_socks_as_to_the_server_itself(scheme: str) -> None:
    async with MisbehavingServer() as server, ProxyServer() as proxy, client_through(proxy, scheme=scheme) as client:
        assert (await fetch(client, f"http://shop.test:{server.port}/ok")).body == PAGE
        assert server.targets() == ["/ok"]
        assert (await fetch(client, f"http://127.0.0.1:{server.port}/ok")).body == PAGE
        assert proxy.log[-1].target == f"127.0.0.1:{server.port}"


async def test_a_proxy_may_itself_be_reached_by_tls() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "shop.test").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        MisbehavingServer() as plain,
        MisbehavingServer(tls=context) as secure,
        ProxyServer(tls=context) as proxy,
        client_through(proxy, ssl_context=trusting) as client,
    ):
        assert (await fetch(client, f"http://shop.test:{plain.port}/ok")).body == PAGE
        assert (await fetch(client, f"https://shop.test:{secure.port}/ok")).body == PAGE


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("is_secure", [True, False])
async def test_credentials_go_to_the_proxy_and_no_further(scheme: str, is_secure: bool) -> None:
    async with (
        tls_server("shop.test") as (secure, trusting),
        MisbehavingServer() as plain,
        ProxyServer(credentials="me:p@ss w:rd") as proxy,
        client_through(proxy, scheme=scheme, credentials="me:p%40ss%20w:rd", ssl_context=trusting) as client,
    ):
        server = secure if is_secure else plain
        answer = await fetch(client, f"http{'s' if is_secure else ''}://shop.test:{server.port}/ok")
        assert answer.body == PAGE
        assert "proxy-authorization" not in server.log[0].headers


# --- the guard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "https://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "http://[::1]/",
        "http://inner.test/",
        "https://inner.test/",
    ],
)
async def test_a_private_target_is_refused_before_the_proxy_is_asked(scheme: str, target: str) -> None:
    async with ProxyServer() as proxy, client_through(proxy, scheme=scheme) as client:
        with pytest.raises(AddressRefused):
            await fetch(client, target)
        assert proxy.connections == 0


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("name", ["localhost", "printer", "nas.local", "db.internal.", "x.localhost", "a.home.arpa"])
async def test_a_name_of_a_local_network_is_no_question_for_a_proxy(scheme: str, name: str) -> None:
    async with ProxyServer() as proxy, client_through(proxy, scheme=scheme) as client:
        with pytest.raises(AddressRefused, match="local network"):
            await fetch(client, f"http://{name}/")
        assert proxy.connections == 0


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("host", ["a..example", ".a.example", f"{'a' * 64}.example", "a." * 130 + "example"])
@pytest.mark.parametrize("target", ["http", "https"])
async def test_what_no_name_can_be_is_a_failure_of_its_page_and_no_proxy_is_asked(
    scheme: str, host: str, target: str
) -> None:
    async with ProxyServer() as proxy, client_through(proxy, scheme=scheme) as client:
        with pytest.raises(DnsError, match="no name has"):
            await fetch(client, f"{target}://{host}:{proxy.port}/")
        assert proxy.connections == 0


async def test_a_name_that_only_the_proxy_knows_is_left_to_it_but_not_with_socks5() -> None:
    async with MisbehavingServer() as server, ProxyServer() as proxy:
        for scheme in ("http", "socks5h"):
            async with client_through(proxy, scheme=scheme) as client:
                assert (await fetch(client, f"http://unknown.example:{server.port}/ok")).body == PAGE
        async with client_through(proxy, scheme="socks5") as client:
            with pytest.raises(DnsError):
                await fetch(client, f"http://unknown.example:{server.port}/ok")


async def test_socks5_tries_the_addresses_of_a_name_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "two.test", ["192.0.2.9", "192.0.2.1"])
    unreachable = bytes([5, 4, 0, 1, 0, 0, 0, 0, 0, 0])
    async with MisbehavingServer() as server, ProxyServer(faults={"192.0.2.9": unreachable}) as proxy:
        async with client_through(proxy, scheme="socks5") as client:
            assert (await fetch(client, f"http://two.test:{server.port}/ok")).body == PAGE
        assert [line.target.partition(":")[0] for line in proxy.log] == ["192.0.2.9", "192.0.2.1"]


async def test_names_that_are_never_answered_do_not_hold_a_proxied_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(proxy_transport, "LOOK_UP_SECONDS", 0.05)
    guard = Guard(LOOPBACK, silent)
    async with (
        MisbehavingServer() as server,
        ProxyServer() as proxy,
        CrawlClient(ProxyTransport(guard, parse_proxy(proxy.url))) as client,
    ):
        assert (await fetch(client, f"http://unknown.example:{server.port}/ok")).body == PAGE
    guard.close()


async def test_a_proxy_in_a_private_network_wants_leave() -> None:
    async with ProxyServer() as proxy, client_through(proxy, allowed=[ip_network("192.0.2.0/24")]) as client:
        with pytest.raises(AddressRefused, match=r"the proxy http://127.* may not be used.*ALLOWED_NETWORKS") as caught:
            await fetch(client, "http://shop.test/")
        assert caught.value.proxy == "127.0.0.1"
        assert proxy.connections == 0


# --- its errors -------------------------------------------------------------------------------------------------------


async def failure(client: CrawlClient, url: str) -> FetchError:
    with pytest.raises(ProxyFailed) as caught:
        await fetch(client, url)
    assert caught.value.reason is Reason.PROXY_ERROR
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("target", ["http://shop.test/", "https://shop.test/"])
@pytest.mark.parametrize("given", ["", "me:hunter2"], ids=["none", "wrong"])
async def test_a_refused_password_is_the_proxys_error(scheme: str, target: str, given: str) -> None:
    async with (
        ProxyServer(credentials="me:right") as proxy,
        client_through(proxy, scheme=scheme, credentials=given) as client,
    ):
        error = await failure(client, target)
        assert not error.retriable
        assert "407" in str(error) or "password" in str(error)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
async def test_a_proxy_that_is_not_there_is_the_proxys_error(scheme: str) -> None:
    unused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    for url in (f"{scheme}://127.0.0.1:{port}", f"{scheme}://unknown.example:{port}"):
        async with client_through(url, credentials="me:hunter2") as client:
            error = await failure(client, "https://shop.test/")
            assert error.retriable
            assert "cannot be" in str(error)


@pytest.mark.parametrize(
    ("answer", "said", "is_retriable"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden for shop.test:443", False),
        (b"HTTP/1.0 502 Bad Gateway\r\nX: y\r\n\r\n", "502 Bad Gateway for shop.test:443", True),
        (b"HTTP/1.1 429\r\n\r\n", "429 for shop.test:443", True),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP", False),
        (b"", "closed the connection before it answered", True),
        (b"x" * 20_000, "more than 16384 bytes", True),
        (b"HTTP/1.1 200 OK\r\n\r\nsmuggled", "sent more than its answer", True),
    ],
    ids=["forbidden", "bad-gateway", "no-words", "not-http", "closed", "endless", "more-than-asked"],
)
async def test_a_refused_tunnel_is_the_proxys_error(answer: bytes, said: str, is_retriable: bool) -> None:
    async with ProxyServer(faults={"shop.test:443": answer}) as proxy, client_through(proxy) as client:
        error = await failure(client, "https://shop.test/")
        assert said in str(error)
        assert error.retriable is is_retriable


@pytest.mark.parametrize(
    ("code", "said", "is_retriable"), [(2, "not allowed", False), (5, "refused", True), (99, "99", False)]
)
async def test_what_socks_refuses_is_the_proxys_error(code: int, said: str, is_retriable: bool) -> None:
    answer = bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
    async with ProxyServer(faults={"shop.test": answer}) as proxy, client_through(proxy, scheme="socks5h") as client:
        error = await failure(client, "http://shop.test/")
        assert said in str(error)
        assert error.retriable is is_retriable


@pytest.mark.parametrize("target", ["http://shop.test/", "https://shop.test/"])
async def test_a_proxy_that_says_nothing_is_given_up_in_time(target: str) -> None:
    over = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        over.set()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client_through(f"socks5h://127.0.0.1:{port}") as client:
            limits = Timeouts(connect=0.2, read=5, total=10)
            with pytest.raises(ProxyFailed, match="in time"):
                await client.fetch(Request(target, timeouts=limits, max_bytes=1))
        await over.wait()


# --- the URL ----------------------------------------------------------------------------------------------------------


def test_a_proxys_url_is_read_and_its_credentials_are_never_shown() -> None:
    proxy = parse_proxy("http://me%3A:hunter2%20%40@Proxy.Example:3128/")
    assert (proxy.username, proxy.password) == ("me:", "hunter2 @")
    assert proxy.url == "http://proxy.example:3128"
    assert "hunter2" not in repr(proxy) + str(proxy) + proxy.url
    assert parse_proxy("socks5://[::1]:1080") == Proxy(scheme="socks5", host="::1", port=1080)


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "http://hunter2",
        "http://hunter2:0",
        "http://a:hunter2@b:1/path",
        "http://a:hunter2@b:1?q",
        "socks4://hunter2:1",
        "http://a:hunter2%0d%0a@b:1",
        f"http://a:hunter2{'x' * 250}@b:1",
        "http://hunter2 x:1",
        "http://[hunter2]:1",
    ],
)
def test_what_is_no_proxys_url_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ProxyError) as caught:
        parse_proxy(text)
    assert "hunter2" not in str(caught.value)
