"""RFC 9309: what the rules say (pure, judged by others' verdicts), and how the file is fetched (a real server)."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import time
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.fetching.wire import Timeouts
from crawler.engine.manners.robots import MAX_BYTES, RobotsRules, product_token
from crawler.engine.manners.robotstxt import MAX_DELAY
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending, PageState
from crawler.engine.urls import normalise
from tests.servers.corpora import Case, cases, corpus

from .crawling import LONGEST, crawl_once, finish, make_crawler, make_definition, page_of
from .site import Handler, Reply, Seen, Site, page, redirect

FORBID_ALL = "User-agent: *\nDisallow: /\n"

PROTEGO_DIFFERS = {
    "0035 0146 0148 0363 0365": "a URL that is not percent-encoded never reaches us",
    "0261 0262 0366 0383 0387 0394": "Google compares escapes as they stand, and so do site owners who test with it",
    "0221": "a User-agent line without a value ends no group",
    "0310": "Google: what is no rule ends no group",
    "0319 0322": "the first word of a User-agent line counts, and it ends before an asterisk",
    "0396": "a rule that is no path forbids nothing",
    "0431 0432 0434 0435 0439 0440": "RFC 9309, 2.2.1: the whole product token is compared, not its beginning",
    "0441": "the token is taken out of the User-Agent by `product_token`",
}
"""Cases that are decided otherwise than Protego decides them, by the end of their ids."""
UNENCODED = 4
"""Real URLs with blanks, braces or quotes that are not percent-encoded: such a URL never reaches us."""


class _Question(TypedDict, total=False):
    robots_txt: str
    op: str
    args: list[str]
    url: str
    user_agent: str


class _Verdict(TypedDict):
    input: dict[str, str]
    expected: bool | None


def _question(case: Case) -> _Question:
    return cast("_Question", case["input"])


@pytest.mark.parametrize("case", cases("google_robots"), ids=lambda case: case["id"])
def test_rules_are_read_as_google_reads_them(case: Case) -> None:
    question = _question(case)
    rules = RobotsRules.parse(question["robots_txt"].encode())
    assert rules.allows(question["url"], question["user_agent"]) is case["expected"]


@pytest.mark.parametrize(
    "case", [c for c in cases("protego") if _question(c)["op"] in ("can_fetch", "crawl_delay")], ids=lambda c: c["id"]
)
def test_rules_are_read_as_protego_promises(case: Case) -> None:
    question = _question(case)
    rules = RobotsRules.parse(question["robots_txt"].encode())
    if question["op"] == "crawl_delay":
        assert rules.crawl_delay(*question["args"]) == case["expected"]
    else:
        url, agent = question["args"]
        is_ours = any(case["id"][-4:] in ids for ids in PROTEGO_DIFFERS)
        expected = not case["expected"] if is_ours else case["expected"]
        assert rules.allows(f"http://site.local{url}" if url.startswith("/") else url, agent) is expected


@pytest.mark.corpora
def test_every_verdict_on_real_files_is_googles() -> None:
    folder = corpus("robots_real")
    rules: dict[str, RobotsRules] = {}
    for line in (folder / "robots.jsonl").read_text(encoding="utf-8").splitlines():
        file = json.loads(line)
        rules[file["host"]] = RobotsRules.parse(base64.b64decode(file["body_b64"]))
    wrong, judged = [], 0
    for line in (folder / "verdicts.jsonl").read_text(encoding="utf-8").splitlines():
        verdict = cast("_Verdict", json.loads(line))
        asked = verdict["input"]
        if verdict["expected"] is None:
            continue
        judged += 1
        if rules[asked["host"]].allows(asked["url"], asked["user_agent"]) is not verdict["expected"]:
            wrong.append(verdict)
    assert judged > 25_000
    assert len(wrong) == UNENCODED
    assert all(normalise(verdict["input"]["url"]) != verdict["input"]["url"] for verdict in wrong)


@pytest.mark.parametrize(
    "body",
    [FORBID_ALL.encode(), b"\xef\xbb\xbf" + FORBID_ALL.encode(), b"# caf\xe9 \xff\n" + FORBID_ALL.encode()],
    ids=["plain", "byte order mark", "wrong charset in a comment"],
)
def test_bytes_before_the_rules_do_not_hide_them(body: bytes) -> None:
    assert not RobotsRules.parse(body).allows("http://a.example/x", "Lamplighter")


def test_the_line_that_the_limit_cuts_is_dropped() -> None:
    head = b"User-agent: *\nDisallow: /kept\n"
    filler = b"#" * (MAX_BYTES - len(head) - len("Disallow: /") - 1) + b"\n"
    rules = RobotsRules.parse(head + filler + b"Disallow: /private\nDisallow: /late\n")
    assert not rules.allows("http://a.example/kept", "Lamplighter")
    assert rules.allows("http://a.example/other", "Lamplighter"), "half a rule would forbid everything"
    assert rules.allows("http://a.example/late", "Lamplighter")


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("Lamplighter/0.1 (+https://x.example/)", "Lamplighter"),
        ("Mozilla/5.0 (compatible; Lamplighter/1.0; +https://x.example)", "Lamplighter"),
        ("my-bot", "my-bot"),
        ("Bot2000/3", "Bot2000"),
        ("*", "*"),
    ],
)
def test_the_name_in_robots_txt_is_the_product_token(user_agent: str, token: str) -> None:
    assert product_token(user_agent) == token


# -- fetched ----------------------------------------------------------------------------------------------------------


def site_with(robots: Reply | Handler, **more: Reply | Handler) -> Site:
    return Site({"/robots.txt": robots, "/": page("/a", "/private/b"), "/a": page(), "/private/b": page(), **more})


async def test_what_is_disallowed_is_never_asked_for_and_is_counted() -> None:
    storage = MemoryStorage()
    async with site_with(Reply("User-agent: Lamplighter\nDisallow: /private/")) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert set(site.asked) == {"/", "/a"}
        refused = page_of(storage, site.url + "/private/b")
    assert (refused.state, refused.reason) == (PageState.REFUSED, "robots_disallowed")
    assert outcome.counts.reasons == {"robots_disallowed": 1}
    assert outcome.ending is Ending.COMPLETED


async def test_a_spider_may_be_told_not_to_ask() -> None:
    async with site_with(Reply(FORBID_ALL)) as site:
        await crawl_once(make_definition(site.url + "/", manners={"obey_robots": False}), MemoryStorage())
        assert not site.times("/robots.txt")
        assert set(site.asked) == {"/", "/a", "/private/b"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
async def test_a_client_error_allows_everything(status: int) -> None:
    async with site_with(Reply(FORBID_ALL, status)) as site:
        await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert set(site.asked) == {"/", "/a", "/private/b"}


@pytest.mark.parametrize("status", [429, 503])
async def test_robots_txt_is_not_asked_for_again_before_its_retry_after_is_over(status: int) -> None:
    answers = [Reply("", status, {"Retry-After": "1"}), Reply("User-agent: *\nDisallow: /private/")]
    async with site_with(lambda _: answers.pop(0)) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        first, second = site.times("/robots.txt")
    assert second - first >= 0.99
    assert outcome.ending is Ending.COMPLETED


async def test_a_long_retry_after_of_robots_txt_is_kept_by_all_crawls() -> None:
    async with site_with(Reply("", 503, {"Retry-After": "3600"})) as site, make_crawler() as crawler:
        for _ in range(2):
            outcome = await finish(crawler.crawl(make_definition(site.url + "/"), MemoryStorage()))
            assert outcome.counts.reasons == {"robots_unreachable": 1}
        assert [seen.path for seen in site.seen] == ["/robots.txt"]
        rules = crawler.robots.known(site.url)
        assert rules is not None
        assert rules.expires_at - time.monotonic() > 3_500


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_error_refuses_everything_for_now(status: int) -> None:
    storage = MemoryStorage()
    async with site_with(Reply("", status)) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), storage)
        assert not site.asked
        assert len(site.times("/robots.txt")) == 3
        assert page_of(storage, site.url + "/").state is PageState.REFUSED
    assert outcome.ending is Ending.FAILED
    assert outcome.counts.reasons == {"robots_unreachable": 1}
    assert f"/robots.txt answered {status}" in outcome.message


async def test_a_robots_txt_that_does_not_come_refuses_everything_for_now() -> None:
    async def silent(seen: Seen) -> Reply:
        await asyncio.Event().wait()
        return Reply()

    async with site_with(silent) as site, make_crawler() as crawler:
        timeouts = Timeouts(connect=5, read=0.1, total=5)
        definition = make_definition(site.url + "/")
        outcome = await finish(crawler.crawl(definition, MemoryStorage(), timeouts=timeouts))
        assert not site.asked
    assert outcome.counts.reasons == {"robots_unreachable": 1}
    assert "/robots.txt: silent for 0.1 s" in outcome.message


async def test_a_huge_robots_txt_in_any_charset_is_read_up_to_the_limit() -> None:
    head = b"\xef\xbb\xbf# caf\xe9 \xff\xfe\nUser-agent: *\nDisallow: /private/\n"
    huge = head + b"# " + b"\xe9" * MAX_BYTES + b"\nDisallow: /\n"
    headers = {"Content-Type": "text/plain; charset=shift_jis"}
    async with site_with(Reply(huge, headers=headers)) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert set(site.asked) == {"/", "/a"}
    assert outcome.counts.reasons == {"robots_disallowed": 1}


async def test_a_host_that_is_away_is_told_as_such_and_not_as_a_fault_of_its_robots_txt() -> None:
    async with Site() as site:
        url = site.url
    storage = MemoryStorage()
    outcome = await crawl_once(make_definition(url + "/", "http://nowhere.invalid/"), storage)
    assert outcome.counts.reasons == {"connect_error": 1, "dns_error": 1}
    assert (outcome.counts.pages_failed, outcome.counts.pages_refused) == (2, 0)
    assert page_of(storage, "http://nowhere.invalid/").state is PageState.FAILED


async def test_a_host_without_tls_is_told_as_such() -> None:
    async def answer_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer_plainly, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        outcome = await crawl_once(make_definition(url), MemoryStorage())
    assert outcome.counts.reasons == {"tls_error": 1}


async def test_a_redirect_of_robots_txt_to_a_host_that_is_away_is_no_word_about_the_host_itself() -> None:
    async with site_with(redirect("http://nowhere.invalid/robots.txt")) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.reasons == {"robots_unreachable": 1}
    assert "redirected to http://nowhere.invalid/robots.txt" in outcome.message


async def test_one_bad_moment_does_not_refuse_the_site() -> None:
    replies = [Reply("", 503), Reply("")]

    def flaky(_: Seen) -> Reply:
        return replies.pop(0)

    async with site_with(flaky) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.pages == 3


async def test_a_small_limit_on_pages_is_none_on_robots_txt() -> None:
    async with site_with(Reply("#" * 5_000 + "\nUser-agent: *\nDisallow: /private/")) as site:
        definition = make_definition(site.url + "/", limits={"max_bytes_per_page": 1_000})
        await crawl_once(definition, MemoryStorage())
        assert set(site.asked) == {"/", "/a"}


@pytest.mark.parametrize(("hops", "is_read"), [(5, True), (6, False)])
async def test_five_redirects_are_followed_and_a_sixth_means_no_rules(hops: int, is_read: bool) -> None:
    chain: dict[str, Reply | Handler] = {f"/r{n}": redirect(f"/r{n + 1}") for n in range(1, hops)}
    chain[f"/r{hops}"] = Reply(FORBID_ALL)
    async with Site({"/robots.txt": redirect("/r1"), "/": page(), **chain}) as site:
        await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        assert bool(site.times("/")) is not is_read


async def test_a_redirect_to_what_cannot_be_fetched_means_no_rules() -> None:
    async with site_with(redirect("file:///etc/passwd")) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.pages == 3


async def test_a_redirect_to_a_private_address_refuses_for_now() -> None:
    async with site_with(redirect("http://169.254.169.254/")) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage())
    assert outcome.counts.reasons == {"robots_unreachable": 1}
    assert "169.254.169.254" in outcome.message


async def test_the_guards_refusal_is_not_hidden_behind_robots_txt() -> None:
    async with site_with(Reply("")) as site:
        outcome = await crawl_once(make_definition(site.url + "/"), MemoryStorage(), allow_loopback=False)
        assert not site.seen
    assert outcome.counts.reasons == {"address_refused": 1}


async def test_each_port_has_its_own_rules() -> None:
    async with Site({"/robots.txt": Reply(FORBID_ALL), "/": page()}) as closed, Site({"/": page()}) as open_site:
        outcome = await crawl_once(make_definition(closed.url + "/", open_site.url + "/"), MemoryStorage())
        assert not closed.asked
        assert set(open_site.asked) == {"/"}
    assert outcome.counts.reasons == {"robots_disallowed": 1}


async def test_crawl_delay_spaces_the_very_first_requests() -> None:
    async with site_with(Reply("User-agent: *\nCrawl-delay: 0.15\n")) as site:
        begin = asyncio.get_running_loop().time()
        await crawl_once(make_definition(site.url + "/"), MemoryStorage())
        times = [seen.at for seen in site.seen]
    assert len(times) == 4
    # Each counted from the beginning: a request may come late, but none before its turn.
    assert all(at - begin >= 0.15 * number for number, at in enumerate(times))


async def test_the_file_is_fetched_once_for_all_crawls_even_if_the_first_is_cancelled() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Seen) -> Reply:
        arrived.set()
        await go.wait()
        return Reply("User-agent: *\nDisallow: /private/")

    async with site_with(slow) as site, make_crawler() as crawler:
        definition = make_definition(site.url + "/")
        first = asyncio.create_task(crawler.crawl(definition, MemoryStorage()).run())
        second = asyncio.create_task(finish(crawler.crawl(definition, MemoryStorage())))
        await arrived.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        outcome = await second
        assert len(site.times("/robots.txt")) == 1
    assert outcome.counts.pages == 2


async def test_a_file_that_no_crawl_waits_for_any_more_is_not_fetched_to_its_end() -> None:
    arrived = asyncio.Event()

    async def silent(_: Seen) -> Reply:
        arrived.set()
        await asyncio.Event().wait()
        return page()

    async with site_with(silent) as site, make_crawler() as crawler:
        crawl = crawler.crawl(make_definition(site.url + "/"), MemoryStorage())
        running = asyncio.create_task(finish(crawl))
        await arrived.wait()
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == f"robots {site.url}")
        crawl.request_stop()
        await running
        await asyncio.wait([task], timeout=LONGEST / 10)
        assert task.cancelled()
        site.pages["/robots.txt"] = Reply("User-agent: *\nDisallow: /private/")
        assert (await finish(crawler.crawl(make_definition(site.url + "/"), MemoryStorage()))).counts.pages == 2


async def test_disallowed_pages_cost_no_delay() -> None:
    links = [f"/private/{n}" for n in range(200)]
    pages: dict[str, Reply | Handler] = {
        "/robots.txt": Reply("User-agent: *\nDisallow: /private/"),
        "/": page(*links),
    }
    async with Site(pages) as site:
        outcome = await crawl_once(make_definition(site.url + "/", manners={"delay": 0.05}), MemoryStorage())
    assert outcome.counts.pages_refused == 200
    assert outcome.seconds < 2.0


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 2.5\n", 2.5),
        ("User-agent: *\nRequest-rate: 1/5\n", 5.0),
        ("User-agent: *\nRequest-rate: 30/1m 0100-0800\n", 2.0),
        ("User-agent: *\nRequest-rate: 1/5\nCrawl-delay: 2\n", 2.0),
        ("User-agent: *\nCrawl-delay: 2\nRequest-rate: 1/5\n", 2.0),
        ("User-agent: *\nCrawl-delay: -1\n", None),
        ("User-agent: *\nCrawl-delay: nan\n", None),
        ("User-agent: *\nRequest-rate: 0/5\n", None),
        (f"User-agent: *\nRequest-rate: {'9' * 5_000}/1\n", None),
        (f"User-agent: *\nRequest-rate: 1/{'9' * 5_000}\n", MAX_DELAY),
        ("User-agent: *\nCrawl-delay: 1e300\n", MAX_DELAY),
        ("User-agent: *\nCrawl-delay: soon\n", None),
        ("User-agent: other\nCrawl-delay: 9\n", None),
        ("User-agent: test\nDisallow: /x\n\nUser-agent: *\nCrawl-delay: 9\n", None),
    ],
)
def test_delays_and_rates_are_seconds_between_requests(text: str, delay: float | None) -> None:
    assert RobotsRules.parse(text.encode()).crawl_delay("test") == delay


def test_a_delay_ends_the_list_of_crawlers_that_it_is_for() -> None:
    rules = RobotsRules.parse(b"User-agent: *\nCrawl-delay: 10\nUser-agent: evil\nDisallow: /\n")

    assert rules.crawl_delay("test") == 10.0
    assert rules.allows("http://a.example/", "test")
    assert not rules.allows("http://a.example/", "evil")


def test_sitemaps_are_named_wherever_they_stand() -> None:
    rules = RobotsRules.parse(b"Sitemap: /a.xml\nUser-agent: x\nDisallow: /\nSitemap: https://b.example/b.xml\n")

    assert rules.sitemaps == ("/a.xml", "https://b.example/b.xml")


@given(st.text(alphabet="ab/*$?", max_size=12), st.text(alphabet="ab/?", max_size=12))
def test_a_pattern_fits_what_its_expression_fits(pattern: str, path: str) -> None:
    rules = RobotsRules.parse(f"User-agent: *\nDisallow: /{pattern}\n".encode())
    body = f"/{pattern}".removesuffix("$")
    expression = ".*".join(re.escape(piece) for piece in body.split("*")) + ("$" if pattern.endswith("$") else "")

    assert rules.allows(f"http://a.example/{path}", "test") is not bool(re.match(expression, f"/{path}"))


def test_a_pattern_of_many_asterisks_takes_no_time() -> None:
    pattern = "/" + "*a" * 5_000 + "b"
    rules = RobotsRules.parse(f"User-agent: *\nDisallow: {pattern}\n".encode())

    assert rules.allows("http://a.example/" + "a" * 8_000, "test")


def test_hosts_with_the_same_file_share_its_rules() -> None:
    body = b"User-agent: *\nDisallow: /private/\n"
    one, other = RobotsRules.parse(body), RobotsRules.parse(body, expires_at=5.0)
    assert one._text is other._text
    assert RobotsRules.parse(body + b"Disallow: /more\n")._text is not one._text
    assert (one.expires_at, other.expires_at) == (math.inf, 5.0)
