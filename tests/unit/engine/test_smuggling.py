"""What a page writes makes one request of our own form or none: judged by what a server saw."""

from __future__ import annotations

import re
from urllib.parse import unquote

from crawler.engine.memory import MemoryStorage
from tests.unit.engine.crawling import finish, make_crawler, make_definition
from tests.unit.engine.site import Reply, Seen, Site

EVIL = "GET /smuggled HTTP/1.1"
ENDS = (
    "%0d%0a",
    "%0D%0A%0D%0A",
    "%0a",
    "%00",
    "%E5%98%8D%E5%98%8A",
    "\u560d\u560a",
    "\u2028",
    "\u0085",
    "\u010d\u010a",
)
"""Line ends, and what becomes one where characters are cut to bytes."""
RAW = ("\r\n", "\n", "\r", "&#13;&#10;", "&#10;", "\t", "&#0;", "\x0b", "\x0c")
CONTROL = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f]")
"""A tab may stand in a cookie."""
OURS = frozenset({"host", "user-agent", "accept", "accept-encoding", "cookie", "if-none-match"})


def urls(ends: tuple[str, ...]) -> list[str]:
    places = ("/p{n}{end}X-Evil: 1{end}{end}" + EVIL, "/q{n}?q=x HTTP/1.1{end}X-Evil: 1", "/f{n}#a{end}X-Evil: 1")
    return [place.format(n=number, end=end) for number, end in enumerate(ends) for place in places]


def answer(seen: Seen) -> Reply:
    """Every page sends such words where a crawler repeats them: a cookie and both marks of its version."""
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/html; charset=utf-8",
        "Set-Cookie": ["a=1%0d%0aX-Evil:%201; Path=/", "b=2\tX-Evil: 1; Path=/", "c=\xe9\x8a\x8d; Path=/"],
        "ETag": '"1%0d%0aX-Evil: 1"',
        "Last-Modified": "Tue, 01 Dec 2026 00:00:00 GMT\tX-Evil: 1",
    }
    return Reply("<p>A page that links to nothing</p>", headers=headers)


class Anything(dict[str, object]):
    """Answers at every address."""

    def get(self, path: str, default: object = None) -> object:
        return super().get(path, Reply("", 404) if path == "/robots.txt" else answer)


async def test_no_line_end_of_a_page_reaches_a_request() -> None:
    redirects = {
        f"/r{number}": Reply(status=302, headers={"Location": url})
        for number, url in enumerate(urls(tuple(end for end in ENDS if end.isascii())) + urls(("\t", "\x85", "\xe9")))
    }
    links = [*urls(ENDS), *urls(RAW), *redirects]
    start = Reply(
        "<base href='/'>" + "".join(f"<a href='{url}'>x</a>" for url in links),
        headers={"Content-Type": "text/html; charset=utf-8"},
    )
    async with Site() as site, make_crawler() as crawler:
        site.pages = Anything({"/": start, **redirects})  # type: ignore[assignment]
        storage = MemoryStorage()
        definition = make_definition(site.url + "/", session={"cookies": True})
        await finish(crawler.crawl(definition, storage))
        first = len(site.seen)
        storage.begin()
        await finish(crawler.crawl(definition, storage))
        seen = list(site.seen)
    assert {f"/r{number}" for number in range(len(redirects))} <= {each.path for each in seen}
    # They are asked for, each as one address: nothing was left out for its looks.
    assert len({each.path for each in seen if "X-Evil" in unquote(each.path)}) > len(ENDS)
    again = seen[first:]
    assert any("if-none-match" in each.headers for each in again)
    assert not any("if-modified-since" in each.headers for each in again), "it holds a tab"
    assert any("cookie" in each.headers for each in seen)
    for each in seen:
        assert each.method == "GET"
        assert each.path != "/smuggled"
        assert set(each.headers) <= OURS
        assert each.path.isascii()
        assert each.path.isprintable()
        assert not any(CONTROL.search(value) for value in each.headers.values())
