"""Pages that are kept for the workshop: whose, for how long, how many, and what became of the fetch."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.engine.spider import SpiderDefinition
from crawler.workshop.busy import WorkshopBusy
from crawler.workshop.samples import FetchGoesOn, RobotsVerdict, Samples, manner_of
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

ADA, BEN = 1, 2


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteServer]:
    server = SiteServer(tmp_path)
    for name in "abcdef":
        server.replace(f"/{name}", f"<h1>{name}</h1>".encode() + b" " * 10_000)
    with serve_in_thread(server):
        yield server


@pytest.fixture
def bad() -> Iterator[MisbehavingServer]:
    server = MisbehavingServer()
    with serve_in_thread(server):
        yield server


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def spider(url: str, **changes: object) -> SpiderDefinition:
    return parse({"name": "a", "start_urls": [f"{url}/a"], **changes})


def test_a_sample_is_the_answer_and_what_was_seen_on_the_way(site: SiteServer) -> None:
    site.redirect("/old", "/a")
    sample = Samples().fetch(ADA, spider(site.url), f"{site.url}/old#top")
    assert (sample.url, sample.final_url) == (f"{site.url}/old", f"{site.url}/a")
    assert (sample.status, sample.reason, sample.page.redirects) == ("200 OK", "", [f"{site.url}/old"])
    assert sample.answer is not None
    assert sample.answer.body.startswith(b"<h1>a</h1>")
    assert sample.headers["content-type"] == "text/html; charset=utf-8"
    assert sample.robots == RobotsVerdict(state="absent")


def test_a_page_that_is_kept_is_not_asked_for_again_and_a_fetch_asks_anew(site: SiteServer) -> None:
    samples, definition, url = Samples(), spider(site.url), f"{site.url}/b"
    first = samples.fetch(ADA, definition, url)
    assert samples.find(ADA, definition, url) is first
    assert samples.get(ADA, first.key) is first
    assert site.targets().count("/b") == 1
    second = samples.fetch(ADA, definition, url)
    assert site.targets().count("/b") == 2
    assert samples.find(ADA, definition, url) is second
    assert samples.get(ADA, first.key) is None


def test_a_sample_is_its_users_alone(site: SiteServer) -> None:
    samples, definition, url = Samples(), spider(site.url), f"{site.url}/b"
    sample = samples.fetch(ADA, definition, url)
    assert samples.find(BEN, definition, url) is None
    assert samples.get(BEN, sample.key) is None


def test_what_does_not_matter_to_a_fetch_finds_the_same_sample_and_other_manners_the_nearest(site: SiteServer) -> None:
    samples, url = Samples(), f"{site.url}/b"
    sample = samples.fetch(ADA, spider(site.url), url)
    edited = spider(site.url, name="other", items=[{"type": "x", "fields": {"y": {"css": "h1"}}}], follow=[{}])
    found = samples.find(ADA, edited, url)
    assert found is sample
    assert found.manner == manner_of(edited, url)
    rude = spider(site.url, manners={"user_agent": "Else/1.0"})
    assert samples.find(ADA, rude, url) is sample
    assert manner_of(rude, url) != sample.manner
    own = samples.fetch(ADA, rude, url)
    assert samples.find(ADA, rude, url) is own
    assert samples.find(ADA, spider(site.url), url) is sample


@pytest.mark.parametrize(
    "changes",
    [
        {"manners": {"obey_robots": False}},
        {"manners": {"headers": {"X-A": "1"}}},
        {"session": {"cookies": True}},
        {"session": {"auth": {"bearer": {"secret": "token"}}}},
        {"session": {"proxy": "http://proxy.example:8080"}},
        {"limits": {"max_bytes_per_page": 1000}},
        {"allowed_domains": ["else.example"]},
        {"start_urls": [{"url": "http://127.0.0.1:9/b", "form": {"q": "1"}}]},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_all_that_matters_to_a_fetch_is_in_its_manner(changes: dict[str, object]) -> None:
    plain, other = spider("http://127.0.0.1:9"), spider("http://127.0.0.1:9", **changes)
    assert manner_of(plain, "http://127.0.0.1:9/b") != manner_of(other, "http://127.0.0.1:9/b")


def test_two_bodies_for_one_address_are_two_manners() -> None:
    url = "http://127.0.0.1:9/b"
    one, two = (spider("", start_urls=[{"url": url, "form": {"q": q}}]) for q in ("1", "2"))
    assert manner_of(one, url) != manner_of(two, url)


def test_the_least_recently_used_go_when_there_are_too_many_bytes(site: SiteServer) -> None:
    samples, definition = Samples(most_bytes=45_000), spider(site.url)
    a, b, c = (samples.fetch(ADA, definition, f"{site.url}/{name}") for name in "abc")
    assert samples.get(ADA, a.key) is a
    samples.fetch(ADA, definition, f"{site.url}/d")
    assert samples.get(ADA, b.key) is None
    assert samples.get(ADA, a.key) is a
    assert samples.get(ADA, c.key) is c


def test_the_rules_that_a_sample_has_seen_count_too(site: SiteServer) -> None:
    site.replace("/robots.txt", b"User-agent: *\nDisallow: /x\n" + b"# more\n" * 5_000, content_type="text/plain")
    samples, definition = Samples(most_bytes=200_000), spider(site.url)
    first = samples.fetch(ADA, definition, f"{site.url}/a")
    assert first.size > 3 * 35_000
    second = samples.fetch(ADA, definition, f"{site.url}/b")
    assert (samples.get(ADA, first.key), samples.get(ADA, second.key)) == (None, second)


def test_a_sample_that_nobody_uses_is_forgotten(site: SiteServer) -> None:
    clock = Clock()
    samples, definition = Samples(kept_seconds=900, clock=clock), spider(site.url)
    sample = samples.fetch(ADA, definition, f"{site.url}/a")
    clock.now += 800
    assert samples.get(ADA, sample.key) is sample
    clock.now += 800
    assert samples.get(ADA, sample.key) is sample
    clock.now += 901
    assert samples.get(ADA, sample.key) is None


# --- what goes wrong --------------------------------------------------------------------------------------------------
def test_a_page_that_hangs_ends_with_its_reason(bad: MisbehavingServer) -> None:
    samples = Samples(fetch_seconds=0.3)
    sample = samples.fetch(ADA, spider(bad.url), f"{bad.url}/stall-in-body")
    assert (sample.reason, sample.answer) == ("total_timeout", None)
    assert "0.3 seconds" in sample.page.detail
    assert sample.final_url == f"{bad.url}/stall-in-body"


@pytest.mark.parametrize("path", ["/endless", "/bomb/gzip"])
def test_a_page_without_end_is_cut_off(bad: MisbehavingServer, path: str) -> None:
    definition = spider(bad.url, limits={"max_bytes_per_page": 100_000})
    sample = Samples().fetch(ADA, definition, bad.url + path)
    assert (sample.reason, sample.answer) == ("body_too_large", None)


def test_a_spider_may_not_have_the_workshop_keep_what_does_not_fit(
    bad: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.workshop.samples.MAX_PAGE_BYTES", 50_000)
    definition = spider(bad.url, limits={"max_bytes_per_page": 1_000_000_000})
    assert Samples().fetch(ADA, definition, f"{bad.url}/endless").reason == "body_too_large"


def test_the_rule_of_robots_that_refuses_is_named(site: SiteServer) -> None:
    robots = b"User-agent: *\nDisallow: /b*x$\nDisallow: /c\nAllow: /cc\n"
    site.replace("/robots.txt", robots, content_type="text/plain")
    refused = Samples().fetch(ADA, spider(site.url), f"{site.url}/c")
    assert (refused.reason, refused.answer) == ("robots_disallowed", None)
    assert refused.robots == RobotsVerdict(state="refused", rule="Disallow: /c")
    assert Samples().fetch(ADA, spider(site.url), f"{site.url}/bax").robots.rule == "Disallow: /b*x$"
    allowed = Samples().fetch(ADA, spider(site.url), f"{site.url}/cc")
    assert allowed.robots == RobotsVerdict(state="allowed", rule="Allow: /cc")
    ignoring = spider(site.url, manners={"obey_robots": False})
    assert Samples().fetch(ADA, ignoring, f"{site.url}/c").robots == RobotsVerdict(state="ignored")


def test_a_redirect_to_a_page_that_robots_forbid_is_refused_there(site: SiteServer) -> None:
    site.replace("/robots.txt", b"User-agent: *\nDisallow: /c\n", content_type="text/plain")
    site.redirect("/old", "/c")
    sample = Samples().fetch(ADA, spider(site.url), f"{site.url}/old")
    assert (sample.reason, sample.final_url) == ("robots_disallowed", f"{site.url}/c")
    assert sample.robots.rule == "Disallow: /c"


def test_an_address_inside_is_refused_before_anything_is_asked(site: SiteServer, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    sample = Samples().fetch(ADA, spider(site.url), f"{site.url}/a")
    assert (sample.reason, site.connections) == ("address_refused", 0)


def test_a_page_outside_the_spiders_domains_is_not_asked_for(site: SiteServer) -> None:
    sample = Samples().fetch(ADA, spider(site.url), "https://else.example/")
    assert (sample.reason, sample.robots) == ("out_of_scope", RobotsVerdict(state=""))


def test_an_error_is_a_sample_too(bad: MisbehavingServer) -> None:
    sample = Samples().fetch(ADA, spider(bad.url), f"{bad.url}/status/404")
    assert (sample.status, sample.reason) == ("404 Not Found", "http_404")


def test_what_is_no_address_is_refused_by_its_place() -> None:
    with pytest.raises(DefinitionError) as caught:
        Samples().fetch(ADA, spider("http://127.0.0.1:9"), "nope")
    assert [problem.place for problem in caught.value.problems] == ["url"]


def test_so_many_fetches_at_once_and_no_more(site: SiteServer) -> None:
    samples, server = Samples(places=2), MisbehavingServer()
    with serve_in_thread(server) as url:
        definition = spider(url, manners={"obey_robots": False})
        threads = [
            threading.Thread(target=samples.fetch, args=(user, definition, f"{url}/stall")) for user in (ADA, BEN)
        ]
        for thread in threads:
            thread.start()
        while server.counts.get("/stall", 0) < 2:
            threading.Event().wait(0.01)
        with pytest.raises(WorkshopBusy):
            samples.fetch(ADA, definition, f"{url}/ok")
    # The server's end is that of the fetches.
    for thread in threads:
        thread.join(20)
    assert samples.fetch(ADA, spider(site.url), f"{site.url}/a").reason == ""


def test_a_page_is_asked_for_once_at_a_time(site: SiteServer) -> None:
    """By the same user and in the same way; whoever asks otherwise waits for nobody."""
    samples, server = Samples(), MisbehavingServer()
    with serve_in_thread(server) as url:
        definition = spider(url, manners={"obey_robots": False})
        stalled = f"{url}/stall"
        first = threading.Thread(target=samples.fetch, args=(ADA, definition, stalled))
        first.start()
        while server.counts.get("/stall", 0) < 1:
            threading.Event().wait(0.01)
        edited = spider(url, manners={"obey_robots": False}, follow=[{"css": "a"}])
        with pytest.raises(FetchGoesOn):
            samples.fetch(ADA, edited, stalled)
        assert samples.is_coming(ADA, edited, stalled)
        rude = spider(url, manners={"obey_robots": False, "user_agent": "Else/1.0"})
        assert not samples.is_coming(ADA, rude, stalled)
        assert not samples.is_coming(BEN, definition, stalled)
        assert samples.fetch(ADA, definition, f"{url}/ok").reason == ""
        assert server.counts["/stall"] == 1
    first.join(20)
    assert not samples.is_coming(ADA, definition, stalled)


def test_many_threads_may_use_them_together(site: SiteServer) -> None:
    samples, definition = Samples(most_bytes=40_000, places=8), spider(site.url)
    failures: list[BaseException] = []

    def use(user: int) -> None:
        try:
            for name in "abcdef":
                sample = samples.fetch(user, definition, f"{site.url}/{name}")
                found = samples.find(user, definition, f"{site.url}/{name}")
                assert found is None or found.key == sample.key
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(user,)) for user in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
