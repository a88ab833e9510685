"""Cookies, their dates and public suffixes as independent conformance cases say; every difference is named here."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypedDict, cast

import pytest

from crawler.engine.fetching.cookie_dates import parse_date
from crawler.engine.fetching.cookies import CookieJar, is_public_suffix, site_of
from crawler.engine.urls import host_of, normalise
from tests.servers.corpora import Case, cases

pytestmark = pytest.mark.corpora

NOW = datetime(2011, 1, 1, tzinfo=UTC).timestamp()
SERVER = "http://home.example.org:8888"

DIFFERENCES = {
    "http_state_cookies-0087": "a NUL in a cookie: RFC 6265bis drops the whole cookie, RFC 6265 said nothing",
}


class CookieInput(TypedDict):
    set_cookie: list[str]
    request_path_hint: str | None


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases("http_state_cookies")])
def test_cookies_go_back_as_the_http_state_cases_say(case: Case) -> None:
    given = cast("CookieInput", case["input"])
    expected = cast("list[dict[str, str]]", case["expected"])
    jar = CookieJar(clock=lambda: NOW)
    for line in given["set_cookie"]:
        jar.receive(f"{SERVER}/cookie-parser?case", [as_read(line)])
    sent = jar.matching(normalise(given["request_path_hint"] or "/cookie-parser-result?case", SERVER + "/"))
    same = sent == [(as_read(cookie["name"]), as_read(cookie["value"])) for cookie in expected]
    assert same is (case["id"] not in DIFFERENCES), sent


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases("http_state_dates")])
def test_dates_of_cookies_are_read_as_the_http_state_cases_say(case: Case) -> None:
    expected = case["expected"]
    moment = None if expected is None else parsedate_to_datetime(cast(str, expected)).timestamp()
    assert parse_date(cast(str, case["input"])) == moment


SUFFIX_DIFFERENCES = {
    "psl-043": "the list says `!city.kobe.jp`, and the domain of an exception is the exception itself, not kobe.jp",
}
SUFFIX_CASES = [
    pytest.param(case, id=case["id"])
    for case in cases("publicsuffix")
    if not str(case["input"]).startswith(".")  # no host of a URL does, and a cookie's domain has lost its dot by then
]


@pytest.mark.parametrize("case", SUFFIX_CASES)
def test_registrable_domains_are_those_of_the_public_suffix_list(case: Case) -> None:
    host = as_host(cast(str, case["input"]))
    expected = cast("str | None", case["expected"])
    found = None if is_public_suffix(host) else site_of(host)
    same = found == (None if expected is None else as_host(expected))
    assert same is (case["id"] not in SUFFIX_DIFFERENCES), found
    assert site_of(host) == (found or host)


def as_host(name: str) -> str:
    return host_of(normalise(f"http://{name}/"))


def as_read(text: str) -> str:
    """As it comes over the wire: bytes, each taken for one character."""
    return text.encode().decode("latin-1")
