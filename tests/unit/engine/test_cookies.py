from __future__ import annotations

import pytest

from crawler.engine.fetching import cookies
from crawler.engine.fetching.cookies import CookieJar, header

SHOP = "https://www.shop.example/a/b?q"
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def make_jar(*lines: str, url: str = SHOP, clock: Clock | None = None) -> CookieJar:
    jar = CookieJar(clock or Clock())
    jar.receive(url, lines)
    return jar


@pytest.mark.parametrize(
    ("line", "url", "is_sent"),
    [
        pytest.param("a=1", SHOP, True, id="same-host"),
        pytest.param("a=1", "https://shop.example/a/b", False, id="host-only-parent"),
        pytest.param("a=1", "https://x.www.shop.example/a/b", False, id="host-only-child"),
        pytest.param("a=1; Domain=shop.example", "https://shop.example/a/b", True, id="domain-parent"),
        pytest.param("a=1; Domain=.shop.example", "https://img.shop.example/a/b", True, id="domain-sibling"),
        pytest.param("a=1; Domain=shop.example", "https://evilshop.example/a/b", False, id="end-of-text-is-no-domain"),
        pytest.param("a=1; Domain=other.example", "https://other.example/a/b", False, id="domain-of-others"),
        pytest.param("a=1; Domain=example", "https://other.example/a/b", False, id="unknown-suffix"),
        pytest.param("a=1; Domain=sh\xf6p.example", SHOP, False, id="domain-not-ascii"),
        pytest.param("a=1", "https://www.shop.example/c", False, id="default-path-is-the-folder"),
        pytest.param("a=1; Path=/", "https://www.shop.example/c", True, id="path-root"),
        pytest.param("a=1; Secure; Path=/", "https://www.shop.example/", True, id="secure"),
        pytest.param("a=1; Secure; Path=/", "http://www.shop.example/", False, id="secure-not-over-http"),
        pytest.param("a=1; HttpOnly; SameSite=Strict", SHOP, True, id="nothing-else-keeps-it"),
        pytest.param("__Secure-a=1; Secure", SHOP, True, id="secure-prefix"),
        pytest.param("__secure-a=1", SHOP, False, id="secure-prefix-broken"),
        pytest.param("__Host-a=1; Secure; Path=/", SHOP, True, id="host-prefix"),
        pytest.param("__Host-a=1; Secure", SHOP, False, id="host-prefix-without-path"),
        pytest.param("__Host-a=1; Secure; Path=/; Domain=www.shop.example", SHOP, False, id="host-prefix-domain"),
        pytest.param("a=1\x01", SHOP, False, id="control-character"),
        pytest.param("a=1; Max-Age=never", SHOP, True, id="max-age-unread"),
        pytest.param("a=1; Max-Age=60; Max-Age=never", SHOP, True, id="an-unread-attribute-takes-no-place"),
        pytest.param("a=1; Max-Age=-1", SHOP, False, id="max-age-negative"),
        pytest.param("a=1; Max-Age=60; Expires=Thu, 10 Apr 1980 16:33:12 GMT", SHOP, True, id="max-age-wins"),
        pytest.param(f"a=1; Path=/{'x' * 1024}", SHOP, True, id="attribute-too-long-is-none"),
    ],
)
def test_a_cookie_goes_where_it_belongs(line: str, url: str, is_sent: bool) -> None:
    assert bool(make_jar(line).matching(url)) is is_sent


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.shop.co.uk", "co.uk"),
        ("shop.github.io", "github.io"),
        ("a.b.kobe.jp", "b.kobe.jp"),
        ("xn--fiqs8s.xn--55qx5d.cn", "xn--55qx5d.cn"),
        ("127.0.0.1", "0.0.1"),
        ("127.0.0.1", "1"),
    ],
)
def test_no_cookie_is_set_for_all_who_live_under_a_suffix(host: str, domain: str) -> None:
    jar = make_jar(f"a=1; Domain={domain}; Path=/", url=f"http://{host}/")
    assert not len(jar)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "github.io"])
def test_a_host_without_subdomains_keeps_its_cookies_to_itself(host: str) -> None:
    jar = make_jar(f"a=1; Domain={host.strip('[]')}; Path=/", url=f"http://{host}/")
    assert jar.matching(f"http://{host}:8080/") == [("a", "1")]
    assert not jar.matching(f"http://x.{host}/" if host[0].isalpha() else "http://1.1.1.1/")


def test_an_insecure_answer_takes_no_secure_cookies_place() -> None:
    jar = make_jar("a=secret; Secure; Path=/; Domain=shop.example")
    jar.receive("http://www.shop.example/", ["a=evil; Path=/", "b=1; Secure"])
    jar.receive("http://shop.example/", ["a=evil; Path=/x"])
    assert jar.matching("https://www.shop.example/x/y") == [("a", "secret")]
    assert not jar.matching("http://www.shop.example/")


def test_a_cookie_ends_when_its_time_is_over() -> None:
    clock = Clock()
    jar = make_jar("a=1; Max-Age=60", "b=1; Expires=Wed, 01 Jan 2200 00:00:00 GMT", "c=1", clock=clock)
    assert [name for name, _ in jar.matching(SHOP)] == ["a", "b", "c"]
    clock.now += 61
    assert [name for name, _ in jar.matching(SHOP)] == ["b", "c"]
    clock.now += cookies.LONGEST_LIFE
    assert [name for name, _ in jar.matching(SHOP)] == ["c"]
    assert len(jar) == 1


def test_changes_are_counted_and_repetitions_are_none() -> None:
    jar = make_jar("a=1")
    assert jar.changes == 1
    jar.receive(SHOP, ["a=1", "gone=; Max-Age=0", "rubbish"])
    assert jar.changes == 1
    assert jar.receive(SHOP, ["a=2", "a=; Max-Age=0"]) == {"a"}
    assert (jar.changes, len(jar)) == (3, 0)


def test_a_bomb_of_cookies_fills_neither_memory_nor_a_request() -> None:
    jar = CookieJar(Clock())
    for number in range(2_000):
        host = f"h{number % 500}.shop.example"
        jar.receive(f"https://{host}/", [f"c{number}={'x' * 3_000}; Domain=shop.example; Path=/"])
    assert len(jar) == cookies.MAX_SITE_BYTES // 3_005
    line = header(jar.matching("https://www.shop.example/"))
    assert 0 < len(line) <= cookies.MAX_SENT + len("Cookie: \r\n")
    for number in range(300):
        for name in range(60):
            jar.receive(f"https://site{number}.example/", [f"{name}=1"])
    assert len(jar.matching("https://site299.example/")) == cookies.MAX_PER_SITE
    assert len(jar) <= cookies.MAX_COOKIES
    assert not jar.matching("https://site0.example/"), "the site that was used longest ago goes first"


def test_of_a_full_site_the_cookie_that_was_used_longest_ago_goes() -> None:
    jar = make_jar("old=1; Path=/a", *(f"c{number}=1; Path=/x" for number in range(cookies.MAX_PER_SITE - 1)))
    jar.matching(SHOP)
    jar.receive(SHOP, ["new=1; Path=/a"])
    assert [name for name, _ in jar.matching(SHOP)] == ["old", "new"]
    assert len(jar) == cookies.MAX_PER_SITE


def test_bytes_go_back_as_they_came() -> None:
    raw = b"n=" + "春".encode() + b"\xff"
    assert header(make_jar(raw.decode("latin-1")).matching(SHOP)) == b"Cookie: " + raw + b"\r\n"
    assert header([]) == b""
