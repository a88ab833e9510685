"""Crawler traps: what is clear is cut and named, what is not is let through; limits by host and by shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from hashlib import blake2b

import pytest

from crawler.engine import traps as module
from crawler.engine.documents.definition import dump, parse
from crawler.engine.errors import Reason
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, Notice, PageState
from crawler.engine.traps import ODD_DATES, SAME_IN_A_ROW, Quotas, Traps, shape_of, without_session
from crawler.engine.urls import hash_url, normalise
from tests.servers.corpora import corpus

from .crawling import crawl_once, finish, make_crawler, make_definition
from .site import Reply, Seen, Site, page

SITE = "https://site.example"
YEAR = 2026


def walk(traps: Traps, paths: Iterable[str], seen: set[int] | None = None) -> list[str]:
    """The paths that are let through, as a crawl meets them: each is known from then on."""
    known = set() if seen is None else seen
    taken = []
    for path in paths:
        url = normalise(SITE + path)
        if hash_url(url) in known or traps.cuts(url, known):
            continue
        known.add(hash_url(url))
        taken.append(path)
    return taken


@pytest.mark.parametrize(
    "path",
    [
        "/a/b/a/b/a/b/",
        "/x/en/shop/en/shop/en/shop/y",
        "/a/a/a/a/index.html",
        "/a/b/c/a/b/c/a/b/c",
        "/" + "/".join(f"p{n}" for n in range(41)),
        "/a/b/c/b/a/c/a/b/b/c/a/c",
        "/list?a=1&a=1&a=1&a=1",
        "/list?" + "&".join(f"p{n}=1" for n in range(61)),
    ],
)
def test_urls_that_grow_are_cut(path: str) -> None:
    traps = Traps(YEAR)
    assert walk(traps, [path]) == []
    (notice,) = traps.drain()
    assert notice.reason == Reason.TRAP
    assert notice.detail.startswith("growing ")


@pytest.mark.parametrize(
    "path",
    [
        "/a/b/a/b",
        "/tiles/0/0/0/0.png",
        "/0/0/0/0/0",
        "/a/a/a",
        "/docs/en/latest/en/latest/index.html",
        "/foo/foo/tree/main/foo/src/main/java/org/foo/foo/Foo.java",
        "/search?tag=a&tag=b&tag=c&tag=d&tag=e",
        "/2026/11/12/title",
        "/2028/01/01/",
        "/1850/04/15/the-news",
        "/calendar/2027/12",
        "/part/9780/12",
        "/part/4501/03/",
        "/x?sid=12",
        "/story?sid=some-long-name-of-a-story",
        "/item/550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_only_looks_like_a_trap_is_let_through(path: str) -> None:
    assert walk(Traps(YEAR), [path]) == [path]


def test_a_shop_with_very_many_products_and_pages_is_no_trap() -> None:
    paths = [f"/product/{number}" for number in range(100_000)]
    paths += [f"/list/{kind}?page={number}&sort=name" for kind in range(100) for number in range(100)]
    paths += [f"/{year}/{month:02}/{day:02}/{n}" for year in (2024, 2025) for month in range(1, 13) for day in (1, 2)
              for n in range(50)]  # fmt: skip
    paths += [f"/c/{category}/{number}" for category in range(2_000, 2_300) for number in range(1, 13)]
    traps = Traps(YEAR)
    assert walk(traps, paths) == paths
    for path in paths:
        traps.read(SITE + path, blake2b(path.encode(), digest_size=16).digest())
    assert walk(traps, ["/product/new"]) == ["/product/new"]


@pytest.mark.parametrize(
    "form",
    [
        "/p{};jsessionid={}",
        "/p{};jsessionid={}?x=1",
        "/p{}?PHPSESSID={}",
        "/p{}?x=1&PHPSESSID={}",
        "/p{}?sid={}&x=1",
        "/p{}?sessionid={}",
        "/p{}?CFID={}",
    ],
)
def test_a_page_under_another_session_is_the_same_page(form: str) -> None:
    sessions = [blake2b(str(number).encode(), digest_size=16).hexdigest() for number in range(50)]
    traps = Traps(YEAR)
    taken = walk(traps, [form.format(number, session) for session in sessions for number in range(20)])
    assert taken == [form.format(number, sessions[0]) for number in range(20)]
    assert all(notice.detail.startswith("session id: ") for notice in traps.drain())


def test_a_session_in_the_path_and_a_page_known_without_one() -> None:
    ids = ["f5v2d3e1a4b6c7d8e9f0a1b2", "a1b2c3d4e5f6a7b8c9d0e1f2"]
    traps = Traps(YEAR)
    assert walk(traps, [f"/(S({one}))/shop" for one in ids]) == [f"/(S({ids[0]}))/shop"]
    seen = {hash_url(SITE + "/plain")}
    assert walk(traps, [f"/plain;jsessionid={ids[0]}"], seen) == []


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("/a;jsessionid=12AB.node1?x=1", "/a?x=1"),
        ("/a?PHPSESSID=abc&x=1", "/a?x=1"),
        ("/a?x=1&phpsessid=abc", "/a?x=1"),
        ("/a?sid=0123456789abcdef0123456789abcdef", "/a"),
        ("/a?sid=0123456789ABCDEF", "/a?sid=0123456789ABCDEF"),
        ("/a?session=summer-2026", "/a?session=summer-2026"),
        ("/a?sessionid=5", "/a?sessionid=5"),
        ("/aside=x?id=1", "/aside=x?id=1"),
        ("/", "/"),
    ],
)
def test_sessions_are_taken_out_of_urls(url: str, bare: str) -> None:
    assert without_session(SITE + url) == SITE + bare


def test_the_same_parameters_in_another_order_are_the_same_page() -> None:
    traps = Traps(YEAR)
    orders = ["/l?c=1&a=2&b=3", "/l?a=2&b=3&c=1", "/l?b=3&a=2&c=1", "/l?a=2&c=1&b=3"]
    assert walk(traps, orders) == orders[:1]
    assert walk(traps, ["/l?a=9&b=3&c=1", "/l?a=2&a=3&b=1", "/l?a=3&a=2&b=1"]) == [
        "/l?a=9&b=3&c=1",
        "/l?a=2&a=3&b=1",
        "/l?a=3&a=2&b=1",
    ]
    assert [notice.detail for notice in traps.drain()] == [f"query order: {SITE}/l?a&b&c"]


@pytest.mark.parametrize(
    "form", ["/calendar/{:04}/{}", "/events?year={:04}&month={}", "/day/{:04}-{:02}-01", "/x?date={:04}{:02}"]
)
def test_a_calendar_without_end_is_cut_after_some_odd_dates(form: str) -> None:
    traps = Traps(YEAR)
    dates = [form.format(year, month) for year in range(2020, 2300) for month in range(1, 13)]
    good = 12 * (YEAR + module.YEARS_AHEAD - 2020 + 1)
    assert walk(traps, dates) == dates[: good + ODD_DATES]
    (notice,) = traps.drain()
    assert notice.detail.startswith("endless calendar: ")
    assert notice.url == normalise(SITE + dates[good + ODD_DATES])


def test_the_present_year_is_the_clocks() -> None:
    ahead = date.today().year + module.YEARS_AHEAD
    dates = [f"/calendar/{ahead}/{month}?v={version}" for month in range(1, 13) for version in range(20)]
    assert walk(Traps(), dates) == dates


def read_all(traps: Traps, paths: Iterable[str], content: bytes = b"s" * 16) -> None:
    for path in paths:
        traps.read(SITE + path, content)


def test_a_shape_whose_pages_are_all_the_same_is_cut_and_the_crawl_says_that_it_is_not_sure() -> None:
    traps = Traps(YEAR)
    read_all(traps, [f"/room/{n}" for n in range(2 * SAME_IN_A_ROW + module.SUSPECT_AFTER)])
    assert traps.is_unsure is False
    assert walk(traps, [f"/room/{n}" for n in range(10_000, 10_100)]) == []
    assert walk(traps, ["/hall/1", "/room/x/1"]) == ["/hall/1", "/room/x/1"]
    assert traps.is_unsure is True


def test_one_in_some_is_let_through_and_other_content_clears_the_shape() -> None:
    traps = Traps(YEAR)
    read_all(traps, [f"/room/{n}" for n in range(SAME_IN_A_ROW + module.SUSPECT_AFTER)])
    taken = walk(traps, [f"/room/{n}" for n in range(10_000, 11_000)])
    assert 20 < len(taken) < 150
    traps.read(f"{SITE}/room/77777", b"other content 16")
    assert len(walk(traps, [f"/room/{n}" for n in range(20_000, 20_100)])) == 100


def test_same_pages_here_and_there_are_no_trap() -> None:
    traps = Traps(YEAR)
    for number in range(2_000):
        same = number % 100 != 0
        traps.read(f"{SITE}/product/{number}", b"s" * 16 if same else number.to_bytes(16, "little"))
    assert walk(traps, ["/product/5000"]) == ["/product/5000"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_REMEMBERED", "MAX_SHAPES", "MAX_CONTENTS", "MAX_NAMED"):
        monkeypatch.setattr(module, name, 10)
    traps = Traps(YEAR)
    walk(traps, [f"/{n}?PHPSESSID=abcd&b=1&a={n}" for n in range(500)])
    walk(traps, [f"/s{chr(97 + n % 26)}{chr(97 + n // 26)}/2050-01-0{n % 9 + 1}" for n in range(500)])
    walk(traps, ["/" + f"x{chr(97 + n)}/" * 4 for n in range(26)])
    for number in range(500):
        traps.read(f"{SITE}/{number}", number.to_bytes(16, "little"))
    kept = (traps._bare, traps._sorted, traps._dates, traps._contents, traps._suspects, *traps._named.values())
    assert max(map(len, kept)) <= 10
    assert len(traps.drain()) == 10


@pytest.mark.parametrize(
    ("url", "shape"),
    [
        ("/product/12", "/product/#"),
        ("/product/12?size=9&color=red", "/product/#?color&size"),
        ("/p1/c22-33.html?p1=a&p2=b", "/p#/c#-#.html?p#"),
        ("/x/550e8400-e29b-41d4-a716-446655440000/y", "/x/*/y"),
        ("/a-title-of-many-words/", "/a-title-of-many-words/"),
        ("/f/d41d8cd98f00b204e9800998ecf8427e", "/f/*"),
        ("/?q=1", "/?q"),
    ],
)
def test_shapes_of_urls(url: str, shape: str) -> None:
    assert shape_of(SITE + url) == SITE + shape


def test_quotas_count_by_host_and_by_shape() -> None:
    quotas = Quotas(per_host=3, per_pattern=2)
    asked = [quotas.refuse(f"{SITE}{path}") for path in ("/p/1", "/p/2", "/p/3", "/x", "/y")]
    assert asked == [
        None,
        None,
        (Reason.PATTERN_LIMIT, f"{SITE}/p/#"),
        None,
        (Reason.HOST_LIMIT, "site.example"),
    ]
    assert quotas.refuse("https://other.example/p/1") is None


# -- real crawls -------------------------------------------------------------------------------------------------------


def notices(storage: MemoryStorage) -> list[Notice]:
    return [notice for batch in storage.checkpoints for notice in batch.notices]


async def test_an_endless_site_is_crawled_to_its_end_and_its_traps_are_named() -> None:
    def growing(seen: Seen) -> Reply:
        return page(seen.path + "down/", seen.path + "up/")

    pages: dict[str, object] = {}

    class Endless(dict[str, object]):
        def get(self, path: str, default: object = None) -> object:
            if path.startswith("/maze/"):
                return growing
            if path.startswith("/day/"):
                day = date.fromisoformat(path[5:])
                return page(f"/day/{day.replace(year=day.year + 1)}")
            return super().get(path, default)

    async with Site() as site:
        site.pages = Endless(pages | {"/": page("/maze/", "/day/2020-05-01", "/real"), "/real": page()})  # type: ignore[assignment]
        storage = MemoryStorage()
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        named = {notice.detail.partition(":")[0]: notice for notice in notices(storage)}
        assert named.keys() == {"growing path", "endless calendar"}
        assert named["endless calendar"].detail == f"endless calendar: {site.url}/day/#-#-#"
        assert site.asked["/real"] == 1
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.reasons["trap"] > len(named)
    assert outcome.counts.pages < 2_000


async def test_a_crawl_that_goes_on_remembers_that_it_is_not_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not seen everything: nothing may be called gone, whichever attempt left links out."""
    monkeypatch.setattr(module, "SAME_IN_A_ROW", 10)
    monkeypatch.setattr(module, "SUSPECT_AFTER", 5)
    async with Site() as site, make_crawler() as crawler:
        rooms = {f"/room/{number}": page() for number in range(60)}
        site.pages = {"/": page(*rooms, "/more"), **rooms, "/more": page(*(f"/room/{n}" for n in range(1000, 1100)))}
        for number in range(1000, 1100):
            site.pages[f"/room/{number}"] = page()
        definition = make_definition(site.url + "/", manners={"concurrency_per_host": 1})
        storage = MemoryStorage()
        whole = await finish(crawler.crawl(definition, storage))
        assert whole.ending is Ending.LIMITED
        # As after a kill right before the end: all pages are through, and their results stored.
        again = await finish(crawler.crawl(definition, storage))
    assert (again.ending, again.message) == (whole.ending, whole.message)


async def test_a_page_that_answers_at_every_path_below_it_is_left_after_some_echoes() -> None:
    """The trap that is met most: links without a slash in front, on a server that takes any path."""
    nav = page("news/", "shop/", "about/", "help/", "jobs/", "/real/")

    class Anything(dict[str, object]):
        def get(self, path: str, default: object = None) -> object:
            return nav if path.startswith("/app/") else super().get(path, default)

    async with Site() as site:
        site.pages = Anything({"/": page("/app/"), "/real/": page()})  # type: ignore[assignment]
        storage = MemoryStorage()
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert site.asked["/real/"] == 1
    assert outcome.ending is Ending.COMPLETED
    assert outcome.counts.pages < 5_000
    assert "echo" in {notice.detail.partition(":")[0] for notice in notices(storage)}


def test_the_same_page_in_many_folders_beside_each_other_is_no_echo() -> None:
    traps = Traps(YEAR)
    for number in range(500):
        assert traps.read(f"{SITE}/docs/{number}/index.html", b"f" * 16) is False
        assert traps.read(f"{SITE}/docs/index.html?{number}", b"f" * 16) is False


async def test_limits_by_host_and_by_shape_leave_pages_out_and_say_so() -> None:
    pages = {"/": page(*[f"/p/{n}" for n in range(30)], "/a", "/b")}
    pages |= {f"/p/{n}": page() for n in range(30)} | {"/a": page(), "/b": page()}
    async with Site(pages) as site:
        limits = {"max_pages_per_pattern": 5}
        storage = MemoryStorage()
        outcome = await crawl_once(make_definition(site.url + "/", limits=limits), storage)
        assert (len(site.asked), outcome.counts.pages_refused) == (8, 25)
        assert (outcome.ending, outcome.message) == (
            Ending.LIMITED,
            "Pages beyond max_pages_per_pattern = 5 were left out",
        )
        assert outcome.counts.reasons["pattern_limit"] == 25
        site.seen.clear()
        outcome = await crawl_once(make_definition(site.url + "/", limits={"max_pages_per_host": 10}), MemoryStorage())
        assert len(site.asked) == 10
        assert outcome.ending is Ending.LIMITED
        assert outcome.counts.reasons["host_limit"] == 23


async def test_limits_go_on_counting_after_a_stop() -> None:
    pages = {"/": page(*[f"/p/{n}" for n in range(30)])} | {f"/p/{n}": page() for n in range(30)}
    async with Site(pages) as site, make_crawler() as crawler:
        definition = make_definition(
            site.url + "/", limits={"max_pages_per_pattern": 12}, manners={"concurrency_per_host": 1}
        )
        storage = MemoryStorage()
        crawl = crawler.crawl(definition, storage, checkpoint_pages=1)

        def stop_soon(seen: Seen) -> Reply:
            if len(site.seen) > 7:
                crawl.request_stop()
            return page()

        site.pages |= {f"/p/{n}": stop_soon for n in range(30)}
        assert (await finish(crawl)).ending is Ending.STOPPED
        asked = len(site.asked)
        assert asked < 13
        outcome = await finish(crawler.crawl(definition, storage))
        assert len(site.asked) == 13
        assert (outcome.ending, outcome.message) == (
            Ending.LIMITED,
            "Pages beyond max_pages_per_pattern = 12 were left out",
        )
        assert sum(page.state is PageState.REFUSED for page in storage.pages.values()) == 18


def test_limits_are_read_and_written() -> None:
    limits = {"max_pages_per_host": 5, "max_pages_per_pattern": 7}
    document = {"name": "a", "start_urls": [SITE + "/"], "limits": limits}
    assert dump(parse(document)) == document


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["shop", "quotes", "sqlite-doc", "django-doc", "fpc-doc", "books-lists"])
def test_no_page_of_a_real_site_is_taken_for_a_trap(name: str) -> None:
    folder = corpus(name)
    manifest = folder / "site" / "manifest.json"
    if manifest.exists():
        paths = list(json.loads(manifest.read_text(encoding="utf-8")))
    else:
        paths = ["/" + file.relative_to(folder / "site").as_posix() for file in (folder / "site").rglob("*.html")]
    hrefs = re.compile(r'href="([^"]+)"')
    for file in list((folder / "site").rglob("*.html"))[:300]:
        for href in hrefs.findall(file.read_text(encoding="utf-8", errors="replace")):
            if not href.startswith(("http:", "https:", "mailto:", "javascript:", "ftp:", "#")) and ":" not in href:
                paths.append(normalise(href, f"{SITE}/{file.relative_to(folder / 'site').as_posix()}")[len(SITE) :])
    paths = list(dict.fromkeys(paths))
    traps = Traps(YEAR)
    known = walk(traps, paths)
    assert traps.drain() == []
    assert len(known) == len({normalise(SITE + path) for path in paths})
