"""A redirect ends its page; its target is another page, judged like any other."""

from __future__ import annotations

import pytest

from crawler.engine.fetching.redirects import MAX_HOPS
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, PageState

from .crawling import crawl_once, finish, make_crawler, make_definition, page_of
from .site import Handler, Reply, Site, page, redirect


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_target_is_another_page_at_the_same_depth(status: int) -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/old"), "/old": redirect("new?a=1#part", status), "/new?a=1": page("/deeper")}) as site:
        await crawl_once(make_definition(site.url + "/"), storage)
        old, new = page_of(storage, site.url + "/old"), page_of(storage, site.url + "/new?a=1")
        deeper = page_of(storage, site.url + "/deeper")
    assert (old.state, old.redirected_to, old.status_code) == (PageState.REDIRECTED, new.url, status)
    assert (new.state, new.depth, new.hops) == (PageState.DONE, old.depth, 1)
    assert (deeper.depth, deeper.hops) == (new.depth + 1, 0)


async def test_a_target_that_is_known_is_not_asked_for_again() -> None:
    async with Site({"/": page("/a", "/b", "/c"), "/a": redirect("/c"), "/b": redirect("/c"), "/c": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert set(site.asked.values()) == {1}
    assert outcome.counts.pages_redirected == 2


@pytest.mark.parametrize(
    "pages",
    [
        {"/loop": redirect("/loop")},
        {"/loop": redirect("/b"), "/b": redirect("/loop")},
        {"/loop": redirect("/b"), "/b": redirect("/c"), "/c": redirect("/d"), "/d": redirect("/b")},
    ],
    ids=["to itself", "two", "a circle behind a tail"],
)
async def test_a_circle_is_cut_and_counted_once(pages: dict[str, Reply | Handler]) -> None:
    async with Site({"/": page("/loop"), **pages}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert set(site.asked.values()) == {1}
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.reasons == {"redirect_loop": 1}


async def test_a_circle_whose_pages_are_linked_too_is_found() -> None:
    async with Site({"/": page("/a", "/b"), "/a": redirect("/b"), "/b": redirect("/a")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.reasons == {"redirect_loop": 1}


async def test_an_endless_chain_ends_after_ten_hops() -> None:
    pages: dict[str, Reply | Handler] = {f"/{n}": redirect(f"/{n + 1}") for n in range(100)}
    async with Site({"/": page("/0"), **pages}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert site.asked.total() == 1 + 1 + MAX_HOPS
    assert outcome.counts.reasons == {"redirect_loop": 1}


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "data:text/html,x",
        "javascript:alert(1)",
        "http://",
        "http://[::1/",
        "",
    ],
)
async def test_what_cannot_be_fetched_is_no_target(location: str) -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/odd"), "/odd": redirect(location)}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert page_of(storage, site.url + "/odd").state is PageState.FAILED
    assert outcome.counts.reasons == {"redirect_invalid": 1}


async def test_a_target_outside_the_allowed_domains_is_out_of_scope() -> None:
    storage = MemoryStorage()
    async with Site({"/": page("/away"), "/away": redirect("http://elsewhere.example/")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        away = page_of(storage, site.url + "/away")
    assert (away.state, away.redirected_to) == (PageState.REDIRECTED, "http://elsewhere.example/")
    assert outcome.counts.reasons == {"out_of_scope": 1}
    assert len(storage.pages) == 2


async def test_a_start_page_that_leads_out_of_scope_fails_the_crawl_and_says_where_to() -> None:
    async with Site({"/": redirect("http://elsewhere.example/")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.ending is Ending.FAILED
    assert "out_of_scope" in outcome.message
    assert "http://elsewhere.example/" in outcome.message


async def test_a_target_at_a_private_address_is_refused_by_the_guard() -> None:
    storage = MemoryStorage()
    target = "http://169.254.169.254/latest/meta-data/"
    async with Site({"/": page("/trap"), "/trap": redirect(target)}) as site:
        definition = make_definition(site.url + "/", allowed_domains=["127.0.0.1", "169.254.169.254"])
        outcome = await crawl_once(definition, storage)
    assert outcome.counts.reasons == {"address_refused": 1}
    assert page_of(storage, target).state is PageState.REFUSED


async def test_private_headers_stay_with_the_origins_of_the_start_pages() -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "a=b", "Proxy-Authorization": "Basic eDp5", "X-Key": "secret"}
    headers |= {"X-Plain": "1", "Accept-Language": "de"}
    declared = {**headers, "Authorization": {"secret": "token"}, "X-Key": {"secret": "key"}}
    async with Site({"/": page("/away")}) as home, Site({"/there": page("/on"), "/on": page()}) as other:
        home.pages["/away"] = redirect(other.url + "/there")
        definition = make_definition(home.url + "/", manners={"headers": declared})
        async with make_crawler() as crawler:
            outcome = await finish(crawler.crawl(definition, MemoryStorage(), headers=headers))
        at_home, elsewhere = [seen.headers for seen in home.seen], [seen.headers for seen in other.seen]
    assert outcome.counts.pages == 3
    private = {"authorization", "cookie", "proxy-authorization", "x-key"}
    assert all(private <= set(seen) for seen in at_home)
    assert not any(private & set(seen) for seen in elsewhere)
    assert len(elsewhere) == 3, "robots.txt too"
    assert all(seen["x-plain"] == "1" and seen["accept-language"] == "de" for seen in elsewhere)


async def test_private_headers_do_not_follow_robots_txt_to_another_origin() -> None:
    async with Site({"/robots.txt": Reply("")}) as other:
        pages: dict[str, Reply | Handler] = {"/robots.txt": redirect(other.url + "/robots.txt"), "/": page()}
        async with Site(pages) as site, make_crawler() as crawler:
            headers = {"Authorization": "Bearer x", "X-Key": "secret", "X-Plain": "1"}
            definition = make_definition(site.url + "/", manners={"headers": {**headers, "X-Key": {"secret": "key"}}})
            await finish(crawler.crawl(definition, MemoryStorage(), headers=headers))
            assert [seen.headers["x-key"] for seen in site.seen] == ["secret", "secret"]
        (asked,) = other.seen
    assert asked.headers["x-plain"] == "1"
    assert not {"authorization", "x-key"} & set(asked.headers)
