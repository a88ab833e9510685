"""Start pages that are asked for by POST: what goes out, what is followed, what is tried again."""

from __future__ import annotations

import asyncio
import json

import pytest

from crawler.engine.documents.definition import SpiderDefinition
from crawler.engine.errors import Reason
from crawler.engine.fetching.requests import Post
from crawler.engine.fetching.session import SessionValues
from crawler.engine.manners import slots
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, PageState
from crawler.engine.urls import hash_url
from tests.servers.misbehaving import MisbehavingServer

from .crawling import crawl_once, finish, make_crawler, make_definition
from .site import Handler, Reply, Seen, Site, page, redirect

LAMP, TORCH = {"q": "lamp"}, {"q": "torch"}


def search(seen: Seen) -> Reply:
    return page(f"/found/{seen.body.decode().partition('=')[2]}", text=seen.body.decode())


def start(site: Site, *bodies: dict[str, object], path: str = "/search", **sections: object) -> SpiderDefinition:
    return make_definition(*({"url": site.url + path, **body} for body in bodies), **sections)


async def test_two_bodies_for_one_url_are_two_pages_whose_links_are_followed() -> None:
    storage = MemoryStorage()
    found: dict[str, Reply | Handler] = {"/search": search, "/found/lamp": page(), "/found/torch": page()}
    async with Site(found) as site:
        rule = {"type": "hit", "match": "/search", "key": ["q"], "fields": {"q": {"css": "p"}}}
        outcome = await crawl_once(start(site, {"form": LAMP}, {"form": TORCH}, items=[rule]), storage)
        posts = [seen for seen in site.seen if seen.method == "POST"]
        assert {page.url for page in storage.pages.values()} == {f"{site.url}{path}" for path in found}
    assert (outcome.ending, outcome.counts.pages) == (Ending.COMPLETED, 4)
    assert sorted(seen.body for seen in posts) == [b"q=lamp", b"q=torch"]
    assert {seen.headers["content-type"] for seen in posts} == {"application/x-www-form-urlencoded"}
    assert {item.data["q"] for item in storage.items.values()} == {"q=lamp", "q=torch"}


async def test_json_goes_out_as_json_and_the_spiders_own_type_gives_way() -> None:
    body = {"query": "lamp", "n": [1, 2.5, None, "ü"]}
    async with Site({"/search": page()}) as site:
        await crawl_once(start(site, {"json": body}, manners={"headers": {"Content-Type": "x/y"}}), MemoryStorage())
        (seen,) = [seen for seen in site.seen if seen.method == "POST"]
    assert json.loads(seen.body) == body
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["content-length"] == str(len(seen.body))


async def test_a_get_of_the_same_url_is_another_page() -> None:
    storage = MemoryStorage()
    async with Site({"/search": search, "/found/": page("/search"), "/found/lamp": page("/search")}) as site:
        definition = make_definition(site.url + "/search", {"url": site.url + "/search", "form": LAMP})
        outcome = await crawl_once(definition, storage)
        asked = [(seen.method, seen.path) for seen in site.seen if seen.path == "/search"]
        assert hash_url(site.url + "/search") in storage.pages
    assert outcome.counts.pages_done == 4
    assert sorted(asked) == [("GET", "/search"), ("POST", "/search")]


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", b""),
        (302, "GET", b""),
        (303, "GET", b""),
        (307, "POST", b"q=lamp"),
        (308, "POST", b"q=lamp"),
    ],
)
async def test_a_redirect_keeps_the_method_where_the_standard_says_so(status: int, method: str, body: bytes) -> None:
    storage = MemoryStorage()
    pages: dict[str, Reply | Handler] = {
        "/search": redirect("/b", status),
        "/b": redirect("/c", status),
        "/c": page(),
    }
    async with Site(pages) as site:
        outcome = await crawl_once(start(site, {"form": LAMP}), storage)
        asked = [(seen.method, seen.path, seen.body) for seen in site.seen if seen.path != "/robots.txt"]
        types = [seen.headers.get("content-type") for seen in site.seen if seen.path in ("/b", "/c")]
    assert outcome.ending is Ending.COMPLETED
    assert asked == [("POST", "/search", b"q=lamp"), (method, "/b", body), (method, "/c", body)]
    assert types == ["application/x-www-form-urlencoded" if body else None] * 2


async def test_a_redirect_that_keeps_the_body_stays_in_scope() -> None:
    async with Site({"/there": page()}, host="127.0.0.2") as other, Site() as site:
        site.pages["/search"] = redirect(other.url + "/there", 307)
        storage = MemoryStorage()
        outcome = await crawl_once(start(site, {"form": LAMP}), storage)
    assert other.seen == []
    assert outcome.counts.reasons[Reason.OUT_OF_SCOPE] == 1


async def test_a_secret_in_a_form_goes_to_its_own_origin_and_no_other() -> None:
    form = {"user": "me", "pw": {"secret": "pw"}}
    async with Site({"/there": page()}) as other, Site({"/login": redirect("/here", 307), "/here": page()}) as site:
        definition = start(site, {"form": form}, path="/login")
        (login,) = definition.start_posts
        values = SessionValues(bodies={Post.of(login): Post.of(login, {"pw": "hunter2"})})
        async with make_crawler() as crawler:
            await finish(crawler.crawl(definition, MemoryStorage(), session=values))
            bodies = [seen.body for seen in site.seen if seen.method == "POST"]
            assert bodies == [b"user=me&pw=hunter2"] * 2
            site.pages["/login"] = redirect(other.url + "/there", 307)
            outcome = await finish(crawler.crawl(definition, MemoryStorage(), session=values))
    assert [seen.path for seen in other.seen] == ["/robots.txt"]
    assert outcome.counts.reasons == {Reason.REDIRECT_INVALID: 1}


async def test_a_post_that_leads_to_itself_is_a_loop_and_to_its_own_get_is_none() -> None:
    async with Site({"/search": redirect("/search", 308)}) as site:
        outcome = await crawl_once(start(site, {"form": LAMP}), MemoryStorage())
        assert site.asked["/search"] == 1
    assert outcome.counts.reasons[Reason.REDIRECT_LOOP] == 1

    def see_other(seen: Seen) -> Reply:
        return redirect("/search", 303) if seen.method == "POST" else page()

    async with Site({"/search": see_other}) as site:
        outcome = await crawl_once(start(site, {"form": LAMP}), MemoryStorage())
    assert (outcome.ending, outcome.counts.pages_done) == (Ending.COMPLETED, 1)


async def test_no_validators_are_sent_and_equal_bytes_are_unchanged() -> None:
    storage = MemoryStorage()
    answer = page("/found/lamp")
    answer.headers = {**answer.headers, "ETag": '"1"', "Last-Modified": "Thu, 10 Apr 1980 16:33:12 GMT"}
    async with Site({"/search": answer, "/found/lamp": page()}) as site:
        await crawl_once(start(site, {"form": LAMP}), storage)
        storage.begin()
        outcome = await crawl_once(start(site, {"form": LAMP}), storage)
        posts = [seen for seen in site.seen if seen.method == "POST"]
    assert len(posts) == 2
    assert not any(seen.headers.keys() & {"if-none-match", "if-modified-since"} for seen in posts)
    assert outcome.counts.pages_unchanged == 2


@pytest.mark.parametrize(
    ("status", "times"), [(500, 1), (502, 1), (504, 1), (404, 1), (429, 3), (503, 3), (408, 3)], ids=str
)
async def test_a_status_brings_a_second_post_only_where_the_first_was_not_acted_on(
    status: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "FIRST_BACKOFF", 0.01)
    async with Site({"/search": Reply(status=status)}) as site:
        outcome = await crawl_once(start(site, {"form": LAMP}), MemoryStorage())
        assert site.asked["/search"] == times
    assert outcome.counts.pages_failed == 1


async def test_a_post_whose_connection_is_lost_is_not_sent_again() -> None:
    async with MisbehavingServer() as server, make_crawler() as crawler:
        definition = make_definition(
            {"url": server.url + "/close", "form": LAMP}, server.url + "/close", manners={"obey_robots": False}
        )
        outcome = await finish(crawler.crawl(definition, MemoryStorage()))
        assert [line.method for line in server.log].count("POST") == 1
        assert [line.method for line in server.log].count("GET") == 3, "a GET is"
    assert outcome.counts.reasons[Reason.CONNECTION_LOST] == 2


async def test_a_post_that_found_no_server_is_tried_again() -> None:
    unused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    definition = make_definition({"url": f"http://127.0.0.1:{port}/", "form": LAMP}, manners={"obey_robots": False})
    outcome = await crawl_once(definition, MemoryStorage())
    assert (outcome.counts.requests, outcome.counts.retries) == (3, 2)
    assert outcome.counts.reasons[Reason.CONNECT_ERROR] == 1


@pytest.mark.parametrize("remaining", [[], [{"form": TORCH}]], ids=["none-left", "another-left"])
async def test_a_body_that_an_edit_took_away_is_refused_when_the_crawl_goes_on(
    remaining: list[dict[str, object]],
) -> None:
    storage = MemoryStorage()
    async with Site({"/search": search, "/": page(), "/found/torch": page()}) as site, make_crawler() as crawler:
        before = start(site, {"form": LAMP})
        first = crawler.crawl(before, storage)
        first.request_stop()
        await finish(first)
        assert [page.state for page in storage.pages.values()] == [PageState.PENDING]
        after = make_definition(site.url + "/", *({"url": site.url + "/search", **body} for body in remaining))
        outcome = await finish(crawler.crawl(after, storage))
        bodies = [seen.body for seen in site.seen if seen.path == "/search"]
    assert bodies == [b"q=torch"][: len(remaining)], "the lost POST went out neither as such nor as a GET"
    assert outcome.counts.reasons[Reason.BODY_FORGOTTEN] == 1


async def test_a_redirected_post_finds_its_body_again_after_a_stop() -> None:
    storage = MemoryStorage()
    async with Site({"/search": redirect("/b", 307), "/b": search, "/found/lamp": page()}) as site:
        async with make_crawler() as crawler:
            definition = start(site, {"form": LAMP})
            first = crawler.crawl(definition, storage)

            def stop(seen: Seen) -> Reply:
                first.request_stop()
                return redirect("/b", 307)

            site.pages["/search"] = stop
            await finish(first)
            assert site.asked == {"/search": 1}
            outcome = await finish(crawler.crawl(definition, storage))
        assert [(seen.method, seen.body) for seen in site.seen if seen.path == "/b"] == [("POST", b"q=lamp")]
    assert outcome.ending is Ending.COMPLETED
