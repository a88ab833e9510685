"""The politeness report of a task, for programs and for people."""

from __future__ import annotations

import json

import pytest

from crawler.account.politeness import report
from crawler.engine.manners.politeness import HostManners, merged
from crawler.models import CrawlTask

from .making import make_spider, make_task

pytestmark = pytest.mark.django_db


def with_hosts(task: CrawlTask, **hosts: HostManners) -> CrawlTask:
    task.hosts = merged({}, {f"https://{name}.example": manners for name, manners in hosts.items()})
    task.save(update_fields=["hosts"])
    task.refresh_from_db()
    return task


def test_a_task_without_hosts_has_an_empty_report() -> None:
    told = report(make_task(make_spider(), "crawl_1"))
    assert told.hosts == ()
    assert told.total.figures["requests"] == 0
    assert told.total.figures["smallest_gap"] is None


def test_the_report_names_each_figure_and_says_it_in_sentences() -> None:
    manners = HostManners(
        requests=1_234,
        peak_rate=10,
        peak_concurrency=2,
        delay=60.0,
        delay_by="robots",
        rules_delay=86_400.0,
        too_many=3,
        rests=2,
        rested=31.5,
        retry_after=1,
        longest_retry_after=30.0,
        robots_refused=7,
        not_modified=5,
        bytes_saved=123_456,
    )
    told = report(with_hosts(make_task(make_spider(), "crawl_1"), a=manners, b=HostManners(requests=2)))
    assert [host.host for host in told.hosts] == ["https://a.example", "https://b.example"]
    assert told.hosts[0].sentences == (
        "1,234 requests, at most 10 in a second and 2 at once.",
        "Requests began at least 60 s apart, as robots.txt asks.",
        "robots.txt asks for 86,400 s between requests; longer than 60 s is not waited.",
        "Answers 429 (too many requests): 3; 503 (overloaded): 0.",
        "The whole host was left alone 2 times, for 31.5 s together.",
        "Retry-After was named once, and kept: 30 s.",
        "Pages left alone because robots.txt forbids them: 7.",
        "Unchanged since the last crawl (304): 5 pages, 123,456 bytes saved.",
    )
    assert told.total.figures["requests"] == 1_236
    assert set(told.to_json()) == {"total", "hosts"}
    json.dumps(told.to_json(), allow_nan=False)


def test_one_is_told_as_one_and_moments_on_the_clock_of_the_installation() -> None:
    manners = HostManners(requests=1, robots_requests=1, peak_rate=2, peak_concurrency=1)
    manners.throttle_limit = manners.throttle_lowest = 1
    manners.throttle_cuts = 1
    manners.closed_by, manners.closed_until = "day_budget", "2027-01-01T16:00:00+00:00"
    (told,) = report(with_hosts(make_task(make_spider(), "crawl_1"), a=manners)).hosts
    assert told.sentences == (
        "1 request and 1 for robots.txt, at most 2 in a second and 1 at once.",
        "The adaptive throttle slowed down once, to 1 at once; last 1.",
        "Its other pages were left: pages_per_day is used up; from 2027-01-02 00:00 (Asia/Shanghai) on it may be "
        "asked again.",
    )
    assert told.figures["closed_until"] == "2027-01-01T16:00:00+00:00"


def test_what_other_crawls_asked_of_the_host_is_not_told_as_ones_own() -> None:
    manners = HostManners(requests=1, peak_rate=8, peak_concurrency=5)
    [told] = report(with_hosts(make_task(make_spider(), "crawl_1"), a=manners)).hosts
    assert told.sentences[0] == "1 request; with other crawls the host had at most 8 in a second and 5 at once."


def test_a_throttle_that_slowed_nothing_down_says_so() -> None:
    manners = HostManners(requests=2, throttle_limit=2, throttle_lowest=2)
    (told,) = report(with_hosts(make_task(make_spider(), "crawl_1"), a=manners)).hosts
    assert told.sentences[1:] == ("The adaptive throttle had no reason to slow down; last 2 at once.",)


def test_a_crawl_of_several_spiders_reports_what_its_children_did() -> None:
    parent = make_task(None, "crawl_all")
    for name in ("one", "two"):
        child = make_task(make_spider(name), f"crawl_all-{name}", parent=parent)
        with_hosts(child, shared=HostManners(requests=3, peak_rate=2), **{name: HostManners(requests=1)})
    told = report(parent)
    assert {host.host: host.figures["requests"] for host in told.hosts} == {
        "https://shared.example": 6,
        "https://one.example": 1,
        "https://two.example": 1,
    }
    assert told.total.figures["requests"] == 8
