"""Two crawls of one spider side by side in the admin."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crawler.models import CrawlTask, ItemVersion, Spider, TaskFailure

from .making import make_item, make_page, make_run, make_spider, make_task, make_user, make_version

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
COMPARE = "/admin/crawler/crawltask/compare/"
NOW = timezone.now()


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def crawled(spider: Spider, hours: float, **fields: Any) -> CrawlTask:
    run = make_run(code_version="1.4.0")
    at = hours_ago(hours)
    return make_task(
        spider, run=run, started_at=at - timedelta(minutes=2), finished_at=at, **{"spider_version": 1, **fields}
    )


def make_change(spider: Spider, key: str, hours: float, before: dict[str, object], after: dict[str, object]) -> None:
    """An item that had another value until so many hours ago."""
    item = make_item(spider, key, data=after, first_seen_at=hours_ago(48), changed_at=hours_ago(hours))
    version = make_version(item, 1, hours_ago(hours), **before)
    ItemVersion.objects.filter(pk=version.pk).update(valid_from=hours_ago(48))


def text_of(web: Client, query: str = "") -> str:
    answer = web.get(f"{COMPARE}{query}")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def test_two_crawls_are_told_with_the_likeliest_reason_and_their_items(web: Client) -> None:
    spider = make_spider()
    before = crawled(spider, 24, pages=1_238, items=1_204)
    after = crawled(
        spider, 1, pages=1_240, items=37, items_rejected=1_191, items_new=1, items_changed=1,
        reasons={"missing_required": 1_191}, rules={"book": {"pages": 1_240, "bare": 0, "missing": {"price": 1_191}}},
    )  # fmt: skip
    url = "https://shop.example/ramen"
    TaskFailure.objects.create(task=after, url=url, reason="missing_required", detail="book.price", at=NOW)
    make_change(spider, "pad thai", 1.01, {"time": 25}, {"time": 30})
    make_item(
        spider, "ramen", first_seen_at=hours_ago(48), changed_at=hours_ago(48), gone_at=hours_ago(1.01), page=None
    )
    make_item(spider, "pho", first_seen_at=hours_ago(1.01), changed_at=hours_ago(1.01))
    make_item(spider, "laksa", first_seen_at=hours_ago(48), changed_at=hours_ago(48), returned_at=hours_ago(1.01))
    failed = make_page(spider, "tacos", task=after, state="failed", reason="http_500", status_code=500)
    make_item(spider, "tacos", first_seen_at=hours_ago(48), changed_at=hours_ago(48), page=failed)
    query = f"?a={before.pk}&b={after.pk}"
    page = web.get(f"{COMPARE}{query}").content.decode()
    text = text_of(web, query)
    for said in (
        "1,167 items fewer, and the definition is the same",
        "“price” had no value on 96% of them: the site has changed its markup",
        "Both ran version 1: nothing differs.",
        "Code 1.4.0 in both.",
        "Items read 1,204 37 −1,167",
        "Items without a required field 0 1,191 +1,191",
        "pad thai time 25 30",
        "ramen Its page was read and gives it no more.",
        "tacos Its page failed: The site's server failed (500).",
        "pho book",
        "Came back 1 laksa book",
    ):
        assert said in text
    assert "<del>25</del> <ins>30</ins>" in page
    assert re.search(r'class="n is-bad">−1,167<', page)
    assert re.search(r'class="n ll-quiet">\+2<', page)
    assert f'href="/admin/crawler/spider/{spider.pk}/change/?url=https%3A%2F%2Fshop.example%2Framen"' in page
    assert text == text_of(web, f"?a={after.pk}&b={before.pk}"), "in any order"


def test_a_key_that_is_cut_says_so(web: Client) -> None:
    spider = make_spider()
    before, after = crawled(spider, 24), crawled(spider, 1)
    make_item(spider, "a" * 130, first_seen_at=hours_ago(1.01), changed_at=hours_ago(1.01))
    assert f" {'a' * 119}… " in text_of(web, f"?a={before.pk}&b={after.pk}")


def test_of_items_that_came_back_it_is_not_said_that_none_came(web: Client) -> None:
    spider = make_spider()
    before, after = crawled(spider, 24), crawled(spider, 1)
    make_item(spider, "ramen", first_seen_at=hours_ago(72), changed_at=hours_ago(72))  # gone, and here again
    assert "No item came that was not known before." in text_of(web, f"?a={before.pk}&b={after.pk}")


def test_a_changed_definition_is_told_value_by_value(web: Client) -> None:
    spider = make_spider()
    before = crawled(spider, 24, pages=10)
    spider = make_spider(manners={"delay": 2})
    after = crawled(spider, 1, pages=10, spider_version=2)
    CrawlTask.objects.filter(pk=after.pk).update(run=make_run(code_version="1.5.0"))
    text = text_of(web, f"?a={before.pk}&b={after.pk}")
    assert "Version 1, then version 2:" in text
    assert "+ manners" in text
    assert "The code differs: 1.4.0, then 1.5.0." in text
    spider = make_spider(manners={"delay": 3})
    lost = crawled(spider, 0.5, pages=10, spider_version=99)
    assert "not kept any more" in text_of(web, f"?a={before.pk}&b={lost.pk}")


def test_without_a_choice_it_is_the_last_two_of_the_newest(web: Client) -> None:
    assert "No spider has been crawled yet" in text_of(web)
    other = make_spider("other")
    crawled(other, 72)
    spider = make_spider()
    crawled(spider, 48)
    before, after = crawled(spider, 24), crawled(spider, 1)
    crawled(spider, 0.5, task_type="urls")
    pair = web.get(COMPARE).context["pair"]
    assert (pair.before, pair.after) == (before, after)
    assert "Two crawls of one spider are needed" in text_of(web, f"?spider={other.pk}")
    pair = web.get(f"{COMPARE}?b={before.pk}").context["pair"]
    assert (pair.before, pair.after) == (CrawlTask.objects.get(pk=before.pk - 1), before)


def test_crawls_of_one_minute_are_told_apart_by_their_seconds(web: Client) -> None:
    spider, minute = make_spider(), timezone.localtime(NOW).replace(hour=12, minute=30, second=0) - timedelta(days=2)
    for seconds in (5, 40, 90):
        make_task(spider, started_at=minute + timedelta(seconds=seconds))
    times = [choice.text.partition(" ·")[0].split()[-1] for choice in web.get(COMPARE).context["choices"]]
    assert times == ["12:31", "12:30:40", "12:30:05"]


def test_what_cannot_be_compared_is_told_why(web: Client) -> None:
    one, other = crawled(make_spider(), 2), crawled(make_spider("other"), 1)
    assert "crawls of different spiders" in text_of(web, f"?a={one.pk}&b={other.pk}")
    assert "one and the same" in text_of(web, f"?a={one.pk}&b={one.pk}")
    parent = make_task(None)
    assert "several spiders" in text_of(web, f"?a={parent.pk}&b={other.pk}")
    for wrong in ("0", "x", "9" * 40, "<b>"):
        assert "There is no crawl task with the number" in text_of(web, f"?a={wrong}&b={other.pk}")


@pytest.mark.parametrize("status", ["pending", "running", "failed", "cancelled"])
def test_a_crawl_that_has_not_come_to_its_end_is_compared_too(web: Client, status: str) -> None:
    spider = make_spider()
    before = crawled(spider, 24)
    after = make_task(spider, status=status, started_at=None, spider_version=None)
    assert "Which versions they ran is not kept" in text_of(web, f"?a={before.pk}&b={after.pk}")


def test_of_a_sample_it_says_at_least_and_of_nothing_found_in_one_not_that_there_is_none(
    web: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.items.contrast.LOOKED_AT", 2)
    spider = make_spider()
    before = crawled(spider, 24)
    after = crawled(spider, 1, items_changed=3)
    for number in range(3):
        make_change(spider, f"{number}", 1.01, {"title": "before"}, {"title": "after"})
        make_page(spider, task=before)
    query = f"?a={before.pk}&b={after.pk}"
    assert "Changed 3 0 title" in text_of(web, query), "as the crawl has counted"
    assert "Not seen in the later crawl – None among those that were looked at" in text_of(web, query)
    CrawlTask.objects.filter(pk=after.pk).update(items_changed=0)
    assert "Changed at least 2 0 title" in text_of(web, query)


def test_a_crawl_of_given_addresses_lies_between_two_others_too(web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.items.contrast.LOOKED_AT", 2)
    spider = make_spider()
    before, _given, after = (
        crawled(spider, 24),
        crawled(spider, 3, task_type="urls"),
        crawled(spider, 1, items_changed=2),
    )
    for number in range(3):
        make_change(spider, f"{number}", 2, {"title": "before"}, {"title": "after"})
    assert "Changed at least 2 0 title" in text_of(web, f"?a={before.pk}&b={after.pk}")


def test_what_items_hold_stays_text(web: Client) -> None:
    spider = make_spider()
    before, after = crawled(spider, 24), crawled(spider, 1)
    hostile = "<script>alert(1)</script>"
    make_change(spider, hostile, 2, {hostile: "before"}, {hostile: hostile})
    page = web.get(f"{COMPARE}?a={before.pk}&b={after.pk}").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_who_may_see_crawls_alone_sees_no_items_and_no_link_to_the_spider(client: Client) -> None:
    spider = make_spider()
    before, after = crawled(spider, 24), crawled(spider, 1)
    make_item(spider, "pho", first_seen_at=hours_ago(1.01), changed_at=hours_ago(1.01))
    client.force_login(make_user("ada", "crawler.view_crawltask"))
    page = client.get(f"{COMPARE}?a={before.pk}&b={after.pk}").content.decode()
    assert "pho" not in page
    assert "/admin/crawler/spider/" not in page
    client.force_login(make_user("eve"))
    assert client.get(COMPARE).status_code == 403


def test_the_page_costs_the_same_for_many_items(web: Client) -> None:
    spider = make_spider()
    before, after = crawled(spider, 24), crawled(spider, 1)
    counts: list[int] = []
    for _round in range(2):
        for number in range(20):
            make_change(spider, f"{len(counts)}-{number}", 1.01, {"title": "before"}, {"title": "after"})
            gone_at = hours_ago(1.01) if number % 2 else None
            make_item(spider, first_seen_at=hours_ago(48), changed_at=hours_ago(48), gone_at=gone_at)
        path = f"{COMPARE}?a={before.pk}&b={after.pk}"
        with CaptureQueriesContext(connection) as queries:
            assert web.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
