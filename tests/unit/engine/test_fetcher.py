from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import httpx
import pytest

from crawler.engine.errors import AddressRefused, FetchError, UrlError
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.fetcher import Fetcher, is_retriable_status, retry_after
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.wire import read_content_type
from crawler.engine.records import Answer
from tests.servers.misbehaving import PAGE, MisbehavingServer
from tests.unit.engine.network import QUICK, make_client

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[CrawlClient]:
    async with make_client() as (made, _):
        yield made


def make_fetcher(
    client: CrawlClient, *, headers: Mapping[str, str] | None = None, max_bytes: int = 1_000_000
) -> Fetcher:
    return Fetcher(client, user_agent="Lamplighter", headers=headers, timeouts=QUICK, max_bytes=max_bytes)


async def test_answer_tells_all_that_a_crawl_asks(server: MisbehavingServer, client: CrawlClient) -> None:
    answer = await make_fetcher(client).fetch(server.url + "/encoded/gzip")

    assert (answer.url, answer.status_code, answer.body) == (server.url + "/encoded/gzip", 200, PAGE)
    assert (answer.content_type, answer.charset) == ("text/html", "utf-8")
    assert answer.headers["content-encoding"] == "gzip"
    assert 0 < answer.wire_bytes != len(PAGE)
    assert 0 < answer.seconds < 5


async def test_request_says_who_asks_and_what_is_understood(server: MisbehavingServer, client: CrawlClient) -> None:
    await make_fetcher(client).fetch(server.url + "/ok")

    assert server.log[0].headers == {
        "host": server.url.removeprefix("http://"),
        "user-agent": "Lamplighter",
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br, zstd",
    }


async def test_given_headers_win_over_ours_whatever_their_case(server: MisbehavingServer, client: CrawlClient) -> None:
    fetcher = make_fetcher(client, headers={"accept": "text/plain", "X-Key": "k"})
    await fetcher.fetch(server.url + "/ok")

    assert server.log[0].headers["accept"] == "text/plain"
    assert server.log[0].headers["x-key"] == "k"


@pytest.mark.parametrize("path", ["/etag/v7", "/last-modified"])
async def test_unchanged_page_is_a_304_without_a_body(
    server: MisbehavingServer, client: CrawlClient, path: str
) -> None:
    fetcher = make_fetcher(client)
    first = await fetcher.fetch(server.url + path)
    second = await fetcher.fetch(
        server.url + path,
        etag=first.headers.get("etag", ""),
        last_modified=first.headers.get("last-modified", ""),
    )

    assert (first.status_code, first.body) == (200, PAGE)
    assert (second.status_code, second.body) == (304, b"")
    assert server.connections == 1


async def test_validators_that_cannot_be_sent_are_left_out(server: MisbehavingServer, client: CrawlClient) -> None:
    await make_fetcher(client).fetch(server.url + "/ok", etag='"a"\r\nX-Evil: 1', last_modified="\x00")

    assert server.log[0].headers.keys() == {"host", "user-agent", "accept", "accept-encoding"}


@pytest.mark.parametrize("status", [200, 204, 301, 304, 404, 410, 429, 500, 503])
async def test_status_is_an_answer_and_no_error(server: MisbehavingServer, client: CrawlClient, status: int) -> None:
    answer = await make_fetcher(client).fetch(f"{server.url}/status/{status}")

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/redirect/3", "/redirect-loop", "/redirect-to?url=http://10.0.0.1/"])
async def test_redirects_are_answers_and_never_followed(
    server: MisbehavingServer, client: CrawlClient, path: str
) -> None:
    answer = await make_fetcher(client).fetch(server.url + path)
    response = await client.get(server.url + path)

    assert answer.status_code == response.status_code == 302
    assert answer.headers["location"] == response.headers["location"] != ""
    assert len(server.log) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522, 524])
def test_status_that_may_pass_is_retriable(status: int) -> None:
    assert is_retriable_status(status)


@pytest.mark.parametrize("status", [200, 301, 304, 400, 401, 403, 404, 410, 451, 501, 505])
def test_status_that_will_not_change_is_not(status: int) -> None:
    assert not is_retriable_status(status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", None),
        ("999999999999999999999", 86_400.0),
        ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
        ("Tuesday, 24-Nov-26 12:01:30 GMT", 90.0),
        ("Tue Nov 24 12:01:30 2026", 90.0),
        ("Tue, 24 Nov 2026 13:01:30 +0100", 90.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 -2300", 86_400.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Tue, 99 Nov 2026 12:01:30 GMT", None),
        ("Tue, 24 Nov 99999999999999999999 12:01:30 GMT", None),
        ("Tue, 24 Nov 2026 12:01:30 +99999999999999999999", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    answer = Answer("http://a.example/", 503, {"retry-after": value}, b"", 0, 0.0)

    assert retry_after(answer, NOW) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 01 Jan 2001 00:00:00 GMT", 90.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", None),
        ("yesterday", 90.0),
        ("", 90.0),
    ],
    ids=["a clock that is late", "a date before the answer's own", "no date", "empty"],
)
def test_retry_after_as_a_date_is_a_span_by_the_servers_own_clock(date: str, seconds: float | None) -> None:
    until = "Mon, 01 Jan 2001 00:01:30 GMT" if "2001" in date else "Tue, 24 Nov 2026 12:01:30 GMT"
    answer = Answer("http://a.example/", 503, {"retry-after": until, "date": date}, b"", 0, 0.0)

    assert retry_after(answer, NOW) == seconds


def test_answer_without_retry_after_asks_for_no_wait() -> None:
    assert retry_after(Answer("http://a.example/", 503, {}, b"", 0, 0.0), NOW) is None


@pytest.mark.parametrize("form", ["", "&date=1"])
async def test_servers_retry_after_is_understood(server: MisbehavingServer, client: CrawlClient, form: str) -> None:
    answer = await make_fetcher(client).fetch(f"{server.url}/retry-after/429?seconds=60{form}")
    wait = retry_after(answer, datetime.now(UTC))

    assert answer.status_code == 429
    assert wait is not None
    assert 50 <= wait <= 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/html; charset=utf-8", ("text/html", "utf-8")),
        ('TEXT/HTML;Charset="Shift_JIS"', ("text/html", "Shift_JIS")),
        ("text/html;charset=", ("text/html", "")),
        ("text/html; boundary=x; charset = gbk ; q=1", ("text/html", "gbk")),
        ("text/html", ("text/html", "")),
        ("", ("", "")),
        ("text/html, text/html; charset=gbk", ("text/html", "gbk")),
        ("text/html; charset=gbk, text/html", ("text/html", "gbk")),
        ("text/plain; charset=gbk, text/html", ("text/html", "")),
        ("text/html; charset=gbk, */*", ("text/html", "gbk")),
        ("text/html, ", ("text/html", "")),
    ],
)
def test_content_type_is_taken_apart(value: str, expected: tuple[str, str]) -> None:
    assert read_content_type(value) == expected


# the ordinary httpx way


async def test_ordinary_get_goes_through_the_same_transport(server: MisbehavingServer) -> None:
    async with make_client() as (client, transport):
        await make_fetcher(client).fetch(server.url + "/ok")
        response = await client.get(server.url + "/encoded/gzip,br", params={"q": "ä"})

        assert (response.status_code, response.content) == (200, PAGE)
        assert "content-encoding" not in response.headers
        assert transport.connections_made == 1
    assert server.targets() == ["/ok", "/encoded/gzip,br?q=%C3%A4"]


async def test_ordinary_post_sends_its_body(server: MisbehavingServer, client: CrawlClient) -> None:
    response = await client.post(server.url + "/echo-headers", json={"a": 1}, headers={"X-Own": "1"})

    assert json.loads(response.content)["content-type"] == "application/json"
    assert server.log[0].headers["content-length"] == str(len(b'{"a":1}'))
    assert server.log[0].headers["x-own"] == "1"


async def test_head_brings_headers_and_no_body(server: MisbehavingServer, client: CrawlClient) -> None:
    response = await client.head(server.url + "/ok")

    assert (response.status_code, response.content) == (200, b"")
    assert (await client.get(server.url + "/ok")).content == PAGE


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/reset", httpx.ReadError),
        ("/garbage", httpx.RemoteProtocolError),
        ("/short-body", httpx.RemoteProtocolError),
        ("/bad-gzip", httpx.DecodingError),
        ("/bomb/gzip", httpx.DecodingError),
        ("/endless", httpx.DecodingError),
    ],
)
async def test_faults_are_httpx_errors_there_with_ours_as_the_cause(
    server: MisbehavingServer, client: CrawlClient, path: str, expected: type[httpx.RequestError]
) -> None:
    with pytest.raises(expected) as caught:
        await client.get(server.url + path)

    assert isinstance(caught.value.__cause__, FetchError)
    assert str(caught.value.request.url) == server.url + path


async def test_times_that_run_out_are_httpx_time_outs(server: MisbehavingServer) -> None:
    async with make_client(total_timeout=0.2) as (client, _):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(server.url + "/stall", timeout=0.1)
        with pytest.raises(httpx.ReadTimeout, match="whole answer"):
            await client.get(server.url + "/drip?seconds=0.02", timeout=None)


async def test_refusals_are_no_transport_errors_that_somebody_would_retry(server: MisbehavingServer) -> None:
    async with make_client(Guard()) as (client, _):
        with pytest.raises(AddressRefused):
            await client.get(server.url + "/ok")
    async with make_client() as (client, _):
        with pytest.raises(UrlError, match="user name"):
            await client.get(server.url.replace("//", "//user:secret@") + "/ok")
    assert server.connections == 0


async def test_unreachable_server_is_httpx_connect_error(client: CrawlClient) -> None:
    async with MisbehavingServer() as gone:
        url = gone.url
    with pytest.raises(httpx.ConnectError):
        await client.get(url)
    with pytest.raises(httpx.ConnectError):
        await client.get("http://no-such-host.invalid/")
