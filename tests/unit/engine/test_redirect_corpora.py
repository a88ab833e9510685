"""Redirects as Scrapy's own tests have them; every difference is named here with its reason."""

from __future__ import annotations

from typing import TypedDict, cast

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.fetching.requests import Post, Posts
from crawler.engine.known import KnownHashes
from crawler.engine.pages.directives import Directives
from crawler.engine.pages.page import PageTree
from crawler.engine.reading import PageReader
from crawler.engine.records import Answer, PageState, PendingPage
from crawler.engine.scope import Scope
from crawler.engine.spider import Manners, StartPost
from crawler.engine.urls import hash_url, normalise
from tests.servers.corpora import Case, cases

pytestmark = pytest.mark.corpora

_LOOP = "leads to a URL of its own chain: a loop here, where each URL is fetched once; Scrapy counts to a limit"
_METHOD = "no page of a crawl is asked for by this method"
DIFFERENCES = {
    "redirect-0023": _LOOP,
    "redirect-0024": _LOOP,
    "redirect-0027": _LOOP,
    "redirect-0032": _LOOP,
    "redirect-0033": _LOOP,
    "redirect-0037": _LOOP,
    "redirect-0039": _LOOP,
    "redirect-0041": _LOOP,
    "redirect-0046": _LOOP,
    "redirect-0058": _METHOD,
    "redirect-0064": _METHOD,
    "redirect-0079": _METHOD,
    "redirect-0080": _METHOD,
    "redirect-0083": "a switch of Scrapy's hands this redirect to the spider unfollowed; we follow it",
    "redirect-0084": "Location's bytes are read as UTF-8, as browsers do, not as Latin-1",
}
DOMAINS = ["example.com", "example.org", "a.example", "attacker.example", "scrapytest.org", "i8n.example2.com"]


class Request(TypedDict):
    method: str
    url: str
    meta: dict[str, object]


class Response(TypedDict):
    status: int
    headers: dict[str, list[str]]
    body: str


class Redirect(TypedDict):
    middleware: str
    request: Request
    response: Response


def of_middleware(name: str) -> list[object]:
    return [
        pytest.param(case, id=case["id"])
        for case in cases("scrapy_redirect")
        if cast("Redirect", case["input"])["middleware"] == name
    ]


@pytest.mark.parametrize("case", of_middleware("RedirectMiddleware"))
def test_redirects_lead_where_scrapys_do(case: Case) -> None:
    given = cast("Redirect", case["input"])
    expected = cast("dict[str, dict[str, str]]", case["expected"]).get("redirect")
    wanted = None if expected is None else (expected["method"], normalise(expected["url"]))
    found = follow(given["request"], given["response"])
    assert (found == wanted) is (case["id"] not in DIFFERENCES), found


def follow(request: Request, response: Response) -> tuple[str, str] | None:
    """Method and URL of what the crawl asks for next; None where it does not follow."""
    url = normalise(request["url"])
    start = StartPost(url=url, form={"a": "b"})
    posts = Posts([start] if request["method"] in ("POST", "PUT", "DELETE") else [])
    post = Post.of(start) if posts.first else None
    before = tuple(hash_url(normalise(each)) for each in cast("list[str]", request["meta"].get("redirect_urls", [])))
    page = PendingPage(1, url, post.hash_at(url) if post else hash_url(url), depth=0, hops=len(before), chain=before)
    scope = Scope(parse({"name": "t", "start_urls": [url], "allowed_domains": DOMAINS}))
    reader = PageReader(scope, max_depth=None, seen=KnownHashes())
    reader.posts = posts
    headers = {name.lower(): ", ".join(values) for name, values in response["headers"].items()}
    result = reader.judge(page, Answer(url, response["status"], headers, b"", 0, 0.0))
    if result.state is not PageState.REDIRECTED or not result.links:
        return None
    (link,) = result.links
    return ("GET" if link.url_hash == hash_url(link.url) else "POST", link.url)


_SAME = "leads to the page itself, which is read as it is; Scrapy asks again until a limit"
REFRESH_DIFFERENCES = {
    "redirect-0109": "a switch of Scrapy's leaves this one unfollowed",
    "redirect-0127": _SAME,
    "redirect-0131": _SAME,
    "redirect-0143": _SAME,
    "redirect-0146": _SAME,
}


@pytest.mark.parametrize("case", of_middleware("MetaRefreshMiddleware"))
def test_pages_that_send_their_readers_on_lead_where_scrapys_do(case: Case) -> None:
    given = cast("Redirect", case["input"])
    expected = cast("dict[str, dict[str, str]]", case["expected"]).get("redirect")
    url = given["request"]["url"]
    if not url.startswith("http"):
        assert expected is None, "no page of a crawl has another scheme"
        return
    url, body = normalise(url), given["response"]["body"].encode()
    found = Directives(Manners(), "").of_page(PageTree(url, body, "utf-8")).refresh
    same = found == ("" if expected is None else normalise(expected["url"]))
    assert same is (case["id"] not in REFRESH_DIFFERENCES), found
