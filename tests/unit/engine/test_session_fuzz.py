"""Whatever servers and people write: nothing is raised but what is named, and nothing can end a header."""

from __future__ import annotations

import re
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from crawler.engine.documents.definition import dump, parse
from crawler.engine.errors import DefinitionError
from crawler.engine.fetching.cookie_dates import parse_date
from crawler.engine.fetching.cookies import MAX_PER_SITE, MAX_SENT, MAX_SITE_BYTES, CookieJar, header
from crawler.engine.fetching.proxy import ProxyError, parse_proxy
from crawler.engine.pages.directives import Directives
from crawler.engine.pages.page import PageTree
from crawler.engine.spider import Manners

BYTES = st.text(st.characters(max_codepoint=255), max_size=200)
"""As headers are read: each byte a character."""
ATTRIBUTES = st.sampled_from(
    ["Path=/", "Domain=shop.example", "Domain=.example", "Secure", "Max-Age=9", "Expires=", "="]
)
LINES = st.one_of(
    BYTES, st.builds(lambda pair, rest: "; ".join([pair, *rest]), BYTES, st.lists(st.one_of(ATTRIBUTES, BYTES)))
)
URLS = st.sampled_from(
    ["http://shop.example/", "https://www.shop.example/a/b?c", "http://127.0.0.1/", "https://[::1]/x"]
)
FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@given(st.lists(st.tuples(URLS, LINES), max_size=80))
@example([("http://shop.example/", "a=b\r\nX: y")])
@example([("http://shop.example/", f"{n}={'x' * 900}; Domain=shop.example") for n in range(80)])
def test_no_cookie_breaks_a_request_or_the_limits(received: list[tuple[str, str]]) -> None:
    jar = CookieJar(lambda: 1_800_000_000.0)
    for url, line in received:
        jar.receive(url, [line])
    for url in ("http://shop.example/", "https://www.shop.example/a/b?c", "http://127.0.0.1/", "https://[::1]/x"):
        pairs = jar.matching(url)
        sent = header(pairs)
        assert len(sent) <= MAX_SENT + len("Cookie: \r\n")
        assert sent == b"" or (sent.endswith(b"\r\n") and not FORBIDDEN.search(sent[:-2]))
        assert len(pairs) <= MAX_PER_SITE
        assert sum(len(name) + len(value) for name, value in pairs) <= MAX_SITE_BYTES
    assert len(jar) <= 3 * MAX_PER_SITE


@given(st.one_of(BYTES, st.from_regex(r"[A-Z][a-z]{2}, \d{1,4}[- ][A-Za-z]{3}[- ]\d{1,6} \d{1,3}:\d{1,3}:\d{1,3} GMT")))
def test_any_text_is_a_date_or_none(text: str) -> None:
    moment = parse_date(text)
    assert moment is None or -11_644_473_600 <= moment < 253_402_300_800


@given(st.one_of(st.text(), st.from_regex(r"(https?|socks5h?)://[^/]{0,20}(@[^/]{0,20})?:\d{0,6}/?")))
def test_any_text_is_a_proxy_or_refused(text: str) -> None:
    with suppress(ProxyError):
        proxy = parse_proxy(text)
        assert proxy.url.isascii()
        assert not FORBIDDEN.search(proxy.head.removesuffix(b"\r\n"))
        assert parse_proxy(proxy.url).url == proxy.url


@given(st.text(max_size=100))
def test_any_refresh_leads_nowhere_or_to_a_url(content: str) -> None:
    body = b'<meta http-equiv="refresh" content="' + content.replace('"', "&quot;").encode("utf-8", "replace") + b'">'
    target = Directives(Manners(), "").of_page(PageTree("https://shop.example/", body, "utf-8")).refresh
    assert target == "" or target.startswith(("http://", "https://"))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
SESSIONS = st.dictionaries(st.sampled_from(["cookies", "set_cookies", "auth", "proxy", "verify_tls"]), JSON)
REQUESTS = st.fixed_dictionaries(
    {"url": st.one_of(st.just("https://shop.example/s"), JSON)},
    optional={"method": st.one_of(st.sampled_from(["GET", "POST"]), JSON), "form": JSON, "json": JSON},
)


@given(SESSIONS, st.lists(st.one_of(REQUESTS, JSON), max_size=3))
def test_any_session_and_start_page_is_read_and_written_back_or_refused(session: object, starts: list[object]) -> None:
    document = {"name": "s", "start_urls": ["https://shop.example/", *starts], "session": session}
    with suppress(DefinitionError):
        definition = parse(document)
        assert parse(dump(definition)) == definition
