"""Cookies and credentials of a crawl: to whom they go, and to whom never, over redirects and links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from crawler.engine.errors import Reason
from crawler.engine.fetching.client import CrawlClient
from crawler.engine.fetching.fetcher import Fetcher
from crawler.engine.fetching.guard import Guard
from crawler.engine.fetching.session import SessionValues
from crawler.engine.fetching.transport import CrawlTransport
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Batch, CheckpointAnswer, CrawlOutcome, Ending, PageState
from crawler.engine.spider import SpiderDefinition
from crawler.engine.visit import Fetchers

from .crawling import crawl_once, finish, make_crawler, make_definition, page_of
from .site import Reply, Seen, Site, page, redirect

COOKIES = {"cookies": True}


def setting(*cookies: str, links: tuple[str, ...] = (), to: str = "", status: int = 302) -> Reply:
    """A page, or a redirect, that sets cookies."""
    answer = redirect(to, status) if to else page(*links)
    answer.headers = {**answer.headers, "Set-Cookie": list(cookies)}
    return answer


def sent(site: Site, path: str) -> list[str | None]:
    return [seen.headers.get("cookie") for seen in site.seen if seen.path == path]


async def crawl(definition: SpiderDefinition, session: SessionValues | None = None) -> CrawlOutcome:
    async with make_crawler() as crawler:
        return await finish(crawler.crawl(definition, MemoryStorage(), session=session))


@asynccontextmanager
async def three_sites() -> AsyncIterator[tuple[Site, Site, Site]]:
    """Two origins of one host, and one of another."""
    async with Site() as home, Site() as port, Site(host="127.0.0.2") as far:
        yield home, port, far


async def test_what_a_server_sets_comes_back_to_it_and_a_later_crawl_knows_nothing_of_it() -> None:
    async with Site({"/": setting("sid=1; Path=/", "local=2; Path=/in", links=("/a", "/in/b"))}) as site:
        site.pages |= {"/a": page(), "/in/b": page()}
        definition = make_definition(site.url + "/", session=COOKIES)
        for _ in range(2):
            site.seen.clear()
            await crawl_once(definition, MemoryStorage())
            assert sent(site, "/") == [None]
            assert sent(site, "/a") == ["sid=1"]
            assert sent(site, "/in/b") == ["local=2; sid=1"]


async def test_without_the_section_no_cookie_is_kept() -> None:
    async with Site({"/": setting("sid=1; Path=/", links=("/a",)), "/a": page()}) as site:
        await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert sent(site, "/a") == [None]


async def test_two_crawls_in_one_process_share_no_cookie() -> None:
    def own(seen: Seen) -> Reply:
        return setting(f"who={seen.headers['user-agent']}; Path=/", links=("/next",))

    async with Site({"/": own, "/next": page()}) as site, make_crawler() as crawler:
        for name in ("one", "two"):
            definition = make_definition(site.url + "/", session=COOKIES, manners={"user_agent": name})
            await finish(crawler.crawl(definition, MemoryStorage()))
        assert sent(site, "/") == [None, None]
        assert sent(site, "/next") == ["who=one", "who=two"]


async def test_cookies_follow_a_redirect_only_to_where_they_belong() -> None:
    async with three_sites() as (home, _, other):
        home.pages["/"] = setting("sid=1; Path=/", to="/here")
        home.pages["/here"] = redirect(other.url + "/there")
        other.pages["/there"] = setting("theirs=2; Path=/", "stolen=3; Domain=127.0.0.1; Path=/", to="/again")
        other.pages["/again"] = page(home.url + "/back")
        home.pages["/back"] = page()
        definition = make_definition(
            home.url + "/", allowed_domains=["127.0.0.1", "127.0.0.2"], session=COOKIES, follow=[{}]
        )
        outcome = await crawl(definition)
        assert outcome.ending is Ending.COMPLETED
        assert sent(home, "/here") == ["sid=1"]
        assert sent(other, "/there") == [None]
        assert sent(other, "/again") == ["theirs=2"]
        assert sent(home, "/back") == ["sid=1"]


async def test_given_cookies_go_to_the_start_pages_origins_alone_until_the_server_takes_them_over() -> None:
    async with Site() as home, Site() as other:  # one host, two ports: a jar alone would not tell them apart
        home.pages = {"/": page("/login", other.url + "/")}
        home.pages["/login"] = setting("sid=fresh; Path=/", links=("/after",))
        home.pages["/after"] = page()
        other.pages["/"] = page()
        session = {"set_cookies": {"sid": {"secret": "sid"}, "consent": "yes"}}
        values = SessionValues(cookies={"sid": "old", "consent": "yes"})
        await crawl(make_definition(home.url + "/", session=session), values)
        assert sent(home, "/after") == ["sid=old; consent=yes"], "nothing that is set is kept"
        assert sent(other, "/") == [None]
        home.seen.clear()
        await crawl(make_definition(home.url + "/", session={**session, **COOKIES}), values)
        assert sent(home, "/") == ["sid=old; consent=yes"]
        assert sent(home, "/after") == ["consent=yes; sid=fresh"]


@pytest.mark.parametrize("refused", ["sid=x; Secure", "sid=x; Domain=other.example", "__Host-sid=x; Path=/"])
async def test_a_cookie_that_a_server_has_no_right_to_set_takes_no_given_ones_place(refused: str) -> None:
    async with Site() as site:
        site.pages = {"/": setting(refused, links=("/after",)), "/after": page()}
        name = refused.partition("=")[0]
        session = {"set_cookies": {name: "given"}, **COOKIES}
        await crawl(make_definition(site.url + "/", session=session), SessionValues(cookies={name: "given"}))
        assert sent(site, "/after") == [f"{name}=given"]


async def test_a_page_that_sends_us_to_itself_for_a_cookie_is_asked_again() -> None:
    def check(seen: Seen) -> Reply:
        return page("/next") if "checked=1" in seen.headers.get("cookie", "") else setting("checked=1", to="/")

    async with Site({"/": check, "/next": page()}) as site:
        outcome = await crawl_once(make_definition(site.url + "/", session=COOKIES), MemoryStorage())
        assert site.asked == {"/": 2, "/next": 1}
    assert (outcome.ending, outcome.counts.pages_done) == (Ending.COMPLETED, 2)


@pytest.mark.parametrize("detour", [("/check",), ("/check", "/set")], ids=["one", "two"])
async def test_a_page_that_sends_us_round_for_a_cookie_is_read_in_the_end(detour: tuple[str, ...]) -> None:
    def guarded(seen: Seen) -> Reply:
        return page("/next", text="in") if "ok=1" in seen.headers.get("cookie", "") else redirect("/check")

    storage = MemoryStorage()
    rule = {"type": "page", "fields": {"text": {"css": "p"}}}
    async with Site({"/": guarded, "/next": page(text="next")}) as site, make_crawler() as crawler:
        for path, following in zip(detour, [*detour[1:], "/"], strict=True):
            site.pages[path] = setting("ok=1; Path=/", to=following) if following == "/" else redirect(following)
        definition = make_definition(site.url + "/", session=COOKIES, items=[rule])
        for _ in range(2):
            outcome = await finish(crawler.crawl(definition, storage, checkpoint_pages=1))
            assert site.asked == {"/": 2, "/next": 1} | dict.fromkeys(detour, 1)
            assert (outcome.ending, outcome.counts.reasons) == (Ending.COMPLETED, {})
            assert page_of(storage, site.url + "/").state is PageState.DONE
            assert {item.data["text"] for item in storage.items.values() if not item.gone} == {"in", "next"}
            site.seen.clear()
            storage.begin()


@pytest.mark.parametrize("detour", [("/check",), ("/check", "/set")], ids=["one", "two"])
@pytest.mark.parametrize("leads_to", ["first", "last"])
@pytest.mark.parametrize("last_is_late", [False, True], ids=["together", "late"])
async def test_pages_that_are_sent_over_one_check_at_once_are_all_read(
    leads_to: str, last_is_late: bool, detour: tuple[str, ...]
) -> None:
    sent: list[str] = []
    is_over = asyncio.Event()

    async def guarded(seen: Seen) -> Reply:
        if "ok=1" in seen.headers.get("cookie", ""):
            is_over.set()
            return page(text=seen.path)
        sent.append(seen.path)
        if seen.path == "/c" and last_is_late:
            await is_over.wait()
        return redirect("/check")

    async def check(seen: Seen) -> Reply:
        while len(sent) < 3:
            await asyncio.sleep(0)
        together = [path for path in sent if not (last_is_late and path == "/c")]
        return setting("ok=1; Path=/", to=together[0 if leads_to == "first" else -1])

    storage = MemoryStorage()
    rule = {"type": "page", "fields": {"text": {"css": "p"}}}
    names = ("/a", "/b", "/c")
    async with Site(dict.fromkeys(names, guarded)) as site, make_crawler() as crawler:
        site.pages |= dict(zip(detour, [*(redirect(way) for way in detour[1:]), check], strict=True))
        site.pages["/"] = page(*names, text="/")
        definition = make_definition(site.url + "/", session=COOKIES, items=[rule])
        outcome = await finish(crawler.crawl(definition, storage, checkpoint_pages=1))
        assert site.asked == {"/": 1} | dict.fromkeys(names, 2) | dict.fromkeys(detour, 1)
        assert {page_of(storage, site.url + name).state for name in names} == {PageState.DONE}
    assert (outcome.ending, outcome.counts.reasons) == (Ending.COMPLETED, {})
    assert {item.data["text"] for item in storage.items.values()} == {"/", *names}


async def test_a_page_that_is_not_read_again_after_its_detour_is_left_and_not_gone() -> None:
    def guarded(seen: Seen) -> Reply:
        if "ok=1" in seen.headers.get("cookie", ""):
            return Reply(status=503, headers={"Retry-After": "3600"}) if is_tired else page(text="in")
        return redirect("/check")

    is_tired = False
    storage = MemoryStorage()
    rule = {"type": "page", "fields": {"text": {"css": "p"}}}
    async with Site({"/other": page(text="other"), "/guarded": guarded}) as site, make_crawler() as crawler:
        site.pages["/check"] = setting("ok=1; Path=/", to="/guarded")
        site.pages["/"] = page("/guarded", "/other")
        definition = make_definition(site.url + "/", session=COOKIES, items=[rule])
        first = await finish(crawler.crawl(definition, storage, checkpoint_pages=1))
        assert first.ending is Ending.COMPLETED
        is_tired = True
        storage.begin()
        outcome = await finish(crawler.crawl(definition, storage, checkpoint_pages=1))
    assert outcome.ending is Ending.LIMITED
    assert not any(item.gone for item in storage.items.values())


class Dying(MemoryStorage):
    """Its process dies after so many checkpoints."""

    def __init__(self, lives: int) -> None:
        super().__init__()
        self.lives = lives

    async def checkpoint(self, batch: Batch, *, room: int) -> CheckpointAnswer:
        self.lives -= 1
        if self.lives < 0:
            raise ConnectionAbortedError
        return await super().checkpoint(batch, room=room)


@pytest.mark.parametrize("lives", range(1, 6))
async def test_a_crawl_that_goes_on_without_its_cookies_goes_round_again(lives: int) -> None:
    def guarded(seen: Seen) -> Reply:
        return page(text=seen.path) if "ok=1" in seen.headers.get("cookie", "") else redirect(f"/check{seen.path}")

    storage = Dying(999)
    rule = {"type": "page", "fields": {"text": {"css": "p"}}}
    async with Site({"/": page("/one", "/two", text="/"), "/one": guarded, "/two": guarded}) as site:
        for name in ("/one", "/two"):
            site.pages[f"/check{name}"] = redirect(f"/set{name}")
            site.pages[f"/set{name}"] = setting("ok=1; Path=/", to=name)
        definition = make_definition(site.url + "/", session=COOKIES, items=[rule])
        for attempt in (999, lives, 999):
            storage.lives = attempt
            async with make_crawler() as crawler:
                crawl = crawler.crawl(definition, storage, checkpoint_pages=1, max_concurrency=1)
                if attempt == lives:
                    with pytest.raises(ConnectionAbortedError):
                        await finish(crawl)
                else:
                    outcome = await finish(crawl)
                    assert outcome.ending is Ending.COMPLETED
                    assert {name: page_of(storage, site.url + name).state for name in ("/one", "/two")} == {
                        "/one": PageState.DONE,
                        "/two": PageState.DONE,
                    }
                    assert {item.data["text"] for item in storage.items.values() if not item.gone} == {
                        "/",
                        "/one",
                        "/two",
                    }
            if attempt == 999 and storage.task == 1:
                storage.begin()


async def test_a_detour_that_brings_no_cookie_is_a_loop() -> None:
    async with Site({"/": redirect("/check"), "/check": redirect("/")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/", session=COOKIES), MemoryStorage())
        assert site.asked == {"/": 1, "/check": 1}
        assert outcome.counts.reasons == {Reason.REDIRECT_LOOP: 1}
        site.seen.clear()
        count = iter(range(100))
        site.pages["/check"] = lambda seen: setting(f"n={next(count)}; Path=/", to="/")
        outcome = await crawl_once(make_definition(site.url + "/", session=COOKIES), MemoryStorage())
        assert site.asked == {"/": 2, "/check": 1}, "asked again once, and then left"
    assert outcome.ending is Ending.FAILED


async def test_a_page_that_sets_another_cookie_each_time_is_a_loop_all_the_same() -> None:
    count = iter(range(100))
    async with Site({"/": lambda seen: setting(f"n={next(count)}", to="/")}) as site:
        outcome = await crawl_once(make_definition(site.url + "/", session=COOKIES), MemoryStorage())
        assert site.asked == {"/": 3}
    assert outcome.counts.reasons[Reason.REDIRECT_LOOP] == 1


async def test_a_bomb_of_cookies_stops_no_crawl_and_no_request_grows() -> None:
    def bomb(seen: Seen) -> Reply:
        return setting(*(f"{seen.path[1:]}c{n}={'x' * 2_000}; Path=/" for n in range(25)), links=("/b", "/c"))

    async with Site({"/": bomb, "/b": bomb, "/c": bomb}) as site:
        outcome = await crawl_once(make_definition(site.url + "/", session=COOKIES), MemoryStorage())
        assert outcome.counts.pages_done == 3
        assert max(len(seen.headers.get("cookie", "")) for seen in site.seen) <= 8_000


AUTH = {"auth": {"basic": {"username": "me", "password": {"secret": "pw"}}}}
VALUES = SessionValues(headers={"Authorization": "Basic bWU6cHc="})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_credentials_stay_with_the_origins_of_the_start_pages(status: int) -> None:
    async with three_sites() as (home, port, far):
        home.pages = {"/": page("/away", port.url + "/link", far.url + "/link"), "/back": page()}
        home.pages["/away"] = redirect(port.url + "/port", status)
        port.pages = {"/port": redirect(far.url + "/host", status), "/link": page()}
        far.pages = {"/host": redirect(home.url + "/back", status), "/link": page()}
        domains = ["127.0.0.1", "127.0.0.2"]
        outcome = await crawl(make_definition(home.url + "/", allowed_domains=domains, session=AUTH), VALUES)
        at_home = [seen.headers.get("authorization") for seen in home.seen]
        elsewhere = {seen.path: seen.headers.get("authorization") for seen in (*port.seen, *far.seen)}
    assert outcome.counts.pages_done == 4
    assert set(at_home) == {"Basic bWU6cHc="}
    assert elsewhere == dict.fromkeys(["/robots.txt", "/port", "/host", "/link"])


@pytest.mark.parametrize(
    ("origin", "is_home"),
    [
        ("https://shop.example", True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://www.shop.example", False),
        ("https://shop.example.evil.example", False),
        ("https://post.example", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(origin: str, is_home: bool) -> None:
    definition = make_definition("https://shop.example/a", {"url": "https://post.example/", "form": {}}, session=AUTH)
    plain = Fetcher(CrawlClient(CrawlTransport(Guard())), user_agent="t", headers=VALUES.headers)
    fetcher = Fetchers(definition, plain).for_origin(origin)
    assert (fetcher is plain) is is_home


async def test_given_urls_take_no_credentials_to_their_own_origins() -> None:
    from crawler.crawling import only

    async with Site({"/": page()}) as home, Site({"/x": page()}) as other:
        definition = only(make_definition(home.url + "/", session=AUTH), (home.url + "/", other.url + "/x"))
        await crawl(definition, VALUES)
        assert {seen.headers.get("authorization") for seen in other.seen} == {None}
        assert {seen.headers.get("authorization") for seen in home.seen} == {"Basic bWU6cHc="}
