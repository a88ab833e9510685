"""A crawl is explained: how it ended, what is missing and why, with examples."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone, translation
from pytest_django import DjangoAssertNumQueries, Settings

from crawler.account import comparison
from crawler.account.amounts import percent
from crawler.account.explaining import at_a_glance, explain
from crawler.account.explanation import Explanation, Found, Verdict
from crawler.causes import Severity, Unit
from crawler.definitions import save_spider
from crawler.models import CrawlTask, Item, Page, Spider, TaskFailure
from crawler.secrets import SecretMissing
from scheduling.runner import run_in_foreground
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .making import make_spider, make_task, url_of

pytestmark = pytest.mark.django_db(transaction=True)

LAMP = '<h1 class="name">{}</h1><b class="price">{}</b><p>A lamp that burns the whole night.</p>'
SHELL = "<div id=app></div><script src=/app.js></script>"
RULE = {
    "type": "lamp",
    "match": r"/lamp/\d+$",
    "fields": {
        "name": {"css": ".name", "required": True},
        "price": {"css": ".price", "type": "decimal"},
        "colour": {"css": ".colour"},
    },
}


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Iterator[SiteServer]:
    """A list and twelve lamps."""
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    server = SiteServer(tmp_path)
    links = "".join(f"<a href=/lamp/{number}>{number}</a> " for number in range(12))
    server.replace("/", f"<h1>Lamps</h1>{links}".encode())
    for number in range(12):
        server.replace(f"/lamp/{number}", LAMP.format(number, f"{number}.50").encode())
    with serve_in_thread(server):
        yield server


def crawl(site: SiteServer, **sections: object) -> Explanation:
    save_spider({"name": "lamps", "start_urls": [f"{site.url}/"], "follow": [{}], "items": [RULE], **sections})
    run = run_in_foreground("crawl", {"type": "spider", "target": "lamps"})
    return explain(CrawlTask.objects.get(run=run))


def causes(explanation: Explanation) -> dict[str, Found]:
    return {found.cause.key: found for found in explanation.causes}


# --- real crawls ------------------------------------------------------------------------------------------------------


def test_a_crawl_without_a_fault_is_well(site: SiteServer) -> None:
    rule = {**RULE, "fields": {"name": {"css": ".name"}, "price": {"css": ".price"}}}
    explanation = crawl(site, items=[rule])
    assert (explanation.verdict, explanation.causes, explanation.comparison) == (Verdict.WELL, (), None)
    assert explanation.sentence == "All is well: 13 pages and 12 readings of items."
    again = crawl(site, items=[rule])
    assert again.sentence == "All is well: 13 pages, all as they were, and so are the items that they gave."
    assert again.comparison is not None
    assert not again.comparison.is_bad


def test_a_field_that_matches_nothing_is_named_with_its_pages(site: SiteServer) -> None:
    for number in range(8):
        site.replace(f"/lamp/{number}", b"<h1>One</h1><p>A lamp that burns the whole night.</p>")
    explanation = crawl(site)
    assert explanation.verdict is Verdict.LACKING
    found = causes(explanation)["missing_required"]
    assert found.details == ("“name” of “lamp” had no value on 8 of 12 pages.",)
    assert (found.count, found.unit, found.share) == (8, Unit.ITEMS, 8 / 12)
    assert found.examples[0].url == f"{site.url}/lamp/0"
    assert explanation.sentence == (
        "13 pages and 4 readings of items, but something is missing: Items without a required field (67%)."
    )


def test_a_field_that_is_empty_in_all_items_is_named(site: SiteServer) -> None:
    found = causes(crawl(site))["empty_field"]
    assert found.details == ("“colour” of “lamp” has no value in 12 of the newest 12 items.",)
    assert found.severity is Severity.WATCH


def test_a_rule_that_finds_nothing_is_named(site: SiteServer) -> None:
    rule = {"type": "lamp", "each": ".card", "key": ["name"], "fields": {"name": {"css": ".name"}}}
    claimed = crawl(site, items=[{**rule, "match": "/lamp/"}])
    found = causes(claimed)["nothing_matched"]
    assert found.details == ("“lamp” found nothing on any of 12 pages.",)
    assert (found.count, len(found.examples)) == (12, 3)
    assert claimed.sentence == "13 pages and not one item: Rules that found nothing (92%)."
    for_every_page = crawl(site, items=[rule])
    assert causes(for_every_page)["nothing_matched"].details == ("“lamp” found nothing on any of 13 pages.",)


def test_pages_that_need_javascript_are_the_cause_and_not_the_rule(site: SiteServer) -> None:
    for number in range(12):
        site.replace(f"/lamp/{number}", SHELL.encode())
    explanation = crawl(site)
    found = causes(explanation)
    assert list(found) == ["javascript"]
    assert found["javascript"].examples[0].detail == "the element that scripts fill is empty"
    assert explanation.sentence == "13 pages and not one item: Pages that need JavaScript (92%)."


def test_a_start_page_that_fails_is_the_reason_of_the_whole(site: SiteServer) -> None:
    site.remove("/")
    explanation = crawl(site)
    assert explanation.verdict is Verdict.FAILED
    assert explanation.causes[0].severity is Severity.TROUBLE
    assert explanation.sentence == (
        "The crawl failed: Pages that are gone. The site says that there is no such page (404 or 410)."
    )


def test_robots_that_close_the_start_page_are_told_first(site: SiteServer) -> None:
    site.replace("/robots.txt", b"User-agent: *\nDisallow: /", content_type="text/plain")
    explanation = crawl(site)
    assert explanation.verdict is Verdict.FAILED
    assert explanation.sentence.startswith("The crawl failed: Closed by robots.txt.")
    assert str(explanation.causes[0].cause.remedy).startswith("Choose a start page that robots.txt allows")
    glance = at_a_glance(CrawlTask.objects.get(), None)
    assert (glance.sentence, glance.troubles) == (explanation.sentence, glance.causes), "as the dashboard has it"


def test_an_address_that_is_not_allowed_is_told(site: SiteServer, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    explanation = crawl(site)
    assert list(causes(explanation)) == ["address_refused"]
    assert "CRAWLER_ALLOWED_NETWORKS" in str(explanation.causes[0].cause.remedy)


def test_a_limit_is_no_fault(site: SiteServer) -> None:
    rule = {**RULE, "fields": {"name": {"css": ".name"}}}
    explanation = crawl(site, items=[rule], limits={"max_pages": 5})
    assert explanation.verdict is Verdict.LIMITED
    assert explanation.sentence == "Page limit reached: 5 pages read, 4 readings of items."
    assert causes(explanation)["limit_pages"].count == 8


def test_a_rule_that_takes_no_page_is_no_crawl_that_went_well(site: SiteServer) -> None:
    nowhere, named = {**RULE, "match": "/product/"}, {"type": "page", "fields": {"name": {"css": ".name"}}}
    explanation = crawl(site, items=[nowhere])
    assert explanation.sentence == "13 pages and not one item: Rules that took no page (100%)."
    assert all("/lamp/" in example.url for example in causes(explanation)["idle_rule"].examples)
    assert len(causes(explanation)["idle_rule"].examples) == 3
    assert causes(explanation)["idle_rule"].details == ("“lamp” was tried on none of the 13 pages that were read.",)
    again = crawl(site, items=[nowhere])
    assert (again.verdict, list(causes(again))) == (Verdict.LACKING, ["idle_rule"])
    assert len(causes(again)["idle_rule"].examples) == 3
    beside = crawl(site, items=[nowhere, named])
    assert (beside.verdict, causes(beside)["idle_rule"].severity) == (Verdict.WELL, Severity.WATCH)


def test_a_rule_that_the_crawl_before_has_tried_is_not_idle_where_a_crawl_goes_on(site: SiteServer) -> None:
    for _day in range(2):
        explanation = crawl(site, manners={"pages_per_day": 5})
        assert set(causes(explanation)) == {"day_budget"}


def test_rules_for_links_that_found_none_are_worth_a_look(site: SiteServer) -> None:
    rule = {"type": "page", "fields": {"title": {"css": "h1"}}}
    explanation = crawl(site, items=[rule], follow=[{"css": "a.nowhere"}])
    assert explanation.sentence == "All is well: 1 page and 1 reading of an item. Worth a look: No link was followed."
    assert [example.url for example in causes(explanation)["nothing_followed"].examples] == [f"{site.url}/"]
    first = CrawlTask.objects.get()
    again = crawl(site, items=[rule], follow=[{"css": "a.nowhere"}])
    assert again.sentence == (
        "All is well: 1 page, all as they were, and so are the items that they gave. "
        "Worth a look: No link was followed."
    )
    assert causes(again)["nothing_followed"].examples[0].url == f"{site.url}/"
    assert "nothing_followed" not in causes(explain(first))  # its pages are those of the second one now
    well: tuple[dict[str, object], ...] = ({"follow": []}, {"limits": {"max_depth": 0}}, {})
    for sections in well:
        assert "nothing_followed" not in causes(crawl(site, items=[rule], **sections))


def test_a_crawl_that_found_nothing_but_files_did_not_go_well(site: SiteServer) -> None:
    site.replace("/", b"%PDF-1.4", content_type="application/pdf")
    explanation = crawl(site)
    assert explanation.sentence == "1 page and not one item: Not a web page (100%)."


def test_what_pages_ask_for_is_shown_at_a_page_each(site: SiteServer) -> None:
    canonicals = [f"<link rel=canonical href={path}>" for path in ("/lamp/5", "/away")]
    asks = ["<meta name=robots content=noindex>", "<a rel=nofollow href=/x>x</a>", *canonicals]
    for number, asked in enumerate(asks):
        site.replace(f"/lamp/{number}", (asked + LAMP.format(number, "1")).encode())
    explanation = crawl(site, manners={"obey_noindex": True, "canonical": "follow"})
    found = causes(explanation)
    for number, key in enumerate(("noindex", "nofollow", "canonical", "canonical_failed")):
        assert f"{site.url}/lamp/{number}" in [example.url for example in found[key].examples]
    assert f"its canonical page is {site.url}/lamp/5" in [example.detail for example in found["canonical"].examples]
    assert (found["canonical_failed"].severity, found["noindex"].severity) == (Severity.WATCH, Severity.AS_ASKED)


def test_half_a_site_that_is_gone_is_told_beside_the_crawl_before(site: SiteServer) -> None:
    rule = {**RULE, "fields": {"name": {"css": ".name"}}}
    crawl(site, items=[rule])
    site.replace("/", b"<h1>Lamps</h1><a href=/lamp/1>1</a>")
    explanation = crawl(site, items=[rule])
    assert explanation.verdict is Verdict.LACKING
    assert explanation.comparison is not None
    assert explanation.comparison.sentences == (
        "2 pages, where the crawl before read 13.",
        "The spider's definition is the same: it is the site that has changed.",
    )
    assert (
        explanation.sentence
        == "2 pages and 0 readings of items (of new or changed pages alone): far fewer than the crawl before."
    )


def test_an_edit_between_two_crawls_is_named_as_the_likely_reason(site: SiteServer) -> None:
    crawl(site)
    explanation = crawl(site, follow=[{"allow": ["/lamp/1$"]}])
    assert explanation.comparison is not None
    assert explanation.comparison.sentences[-1] == (
        "The spider's definition was changed in between (version 1, now 2)."
    )


def test_what_unchanged_pages_lack_is_not_forgotten(site: SiteServer) -> None:
    for number in range(8):
        site.replace(f"/lamp/{number}", b"<h1>One</h1><p>A lamp that burns the whole night.</p>")
    first = crawl(site)
    again = crawl(site)
    found = causes(again)["missing_required"]
    assert again.verdict is Verdict.LACKING
    assert (found.count, found.share) == (8, 8 / 12)
    assert found.details[-1] == f"So it was found by crawl {first.task_id}: the pages have not changed since."
    for number in range(8):
        site.replace(f"/lamp/{number}", LAMP.format(number, "1").encode())
    assert "missing_required" not in causes(crawl(site))
    assert "missing_required" not in causes(crawl(site))


# --- hand-made tasks --------------------------------------------------------------------------------------------------


def completed(spider: Spider, task_id: str = "crawl_1", **fields: object) -> CrawlTask:
    return make_task(spider, task_id, status="completed", **fields)


def test_causes_are_told_the_weightiest_first() -> None:
    reasons = {"out_of_scope": 900, "http_404": 3, "http_500": 20, "dns_error": 60, "of_tomorrow": 1}
    explanation = explain(completed(make_spider(), pages=200, items=100, reasons=reasons))
    assert [found.cause.key for found in explanation.causes] == [
        "dns", "server_error", "not_found", "other", "out_of_scope",
    ]  # fmt: skip
    dns = explanation.causes[0]
    assert (dns.count, dns.share, dns.reasons) == (60, 60 / 260, {"dns_error": 60})


def test_statuses_of_one_family_are_one_cause() -> None:
    task = completed(make_spider(), pages=10, reasons={"http_429": 2, "http_503": 3})
    found = causes(explain(task))["overloaded"]
    assert (found.count, found.reasons) == (5, {"http_429": 2, "http_503": 3})


def test_a_small_share_is_worth_a_look_and_no_alarm() -> None:
    explanation = explain(completed(make_spider(), pages=1_000, items=900, reasons={"http_500": 3}))
    assert explanation.verdict is Verdict.WELL
    assert causes(explanation)["server_error"].severity is Severity.WATCH


@pytest.mark.parametrize(("dead", "severity"), [(3, Severity.WATCH), (60, Severity.TROUBLE)])
def test_dead_links_are_trouble_where_they_are_many(dead: int, severity: Severity) -> None:
    explanation = explain(completed(make_spider(), pages=100, items=40, reasons={"http_404": dead}))
    assert causes(explanation)["not_found"].severity is severity


def test_three_pages_are_named_and_no_page_twice() -> None:
    task = completed(make_spider(), pages=10, reasons={"unreadable_value": 9})
    for path in ("/a", "/a", "/b", "/c", "/d"):
        TaskFailure.objects.create(
            task=task, url=url_of(path), reason="unreadable_value", detail="book.price: x", at=timezone.now()
        )
    found = causes(explain(task))["unreadable_value"]
    assert [example.url for example in found.examples] == [url_of("/a"), url_of("/b"), url_of("/c")]
    assert (found.unit, found.share) == (Unit.VALUES, None)


def test_a_page_is_the_example_where_no_failure_was_kept() -> None:
    spider = make_spider()
    task = completed(spider, pages=10, reasons={"http_500": 2})
    Page.objects.create(
        spider=spider, task=task, url=url_of("/x"), url_hash=1, state="failed", status_code=500, reason="http_500"
    )
    assert [example.url for example in causes(explain(task))["server_error"].examples] == [url_of("/x")]


def test_the_limit_before_which_no_page_answered_is_a_cause() -> None:
    task = make_task(make_spider(), "slow", status="failed", message="Stopped at max_seconds = 4")
    assert list(causes(explain(task))) == ["limit_time"]


def test_a_host_that_wants_a_long_rest_limits_a_crawl() -> None:
    explanation = explain(completed(make_spider(), pages=1, items=1, reasons={"host_rest": 1}))
    assert explanation.verdict is Verdict.LIMITED
    assert explanation.sentence == "The host asked for a long rest: 1 page read, 1 reading of an item."


def test_a_crawl_of_several_spiders_is_explained_with_examples_of_all() -> None:
    parent = make_task(None, "crawl_all", status="completed", message="2 of 2 spiders completed.", pages=10, items=4,
                       reasons={"http_500": 5})  # fmt: skip
    child = make_task(make_spider(), "crawl_all-books", parent=parent, status="completed")
    TaskFailure.objects.create(task=child, url=url_of("/x"), reason="http_500", status_code=500, at=timezone.now())
    explanation = explain(parent)
    assert explanation.sentence.startswith(
        "2 of 2 spiders completed. 10 pages and 4 readings of items, but something is missing"
    )
    assert causes(explanation)["server_error"].examples[0].url == url_of("/x")


@pytest.mark.parametrize(
    ("fields", "verdict", "sentence"),
    [
        ({"status": "pending"}, "waiting", "The crawl has not begun."),
        ({"status": "pending", "message": "Handed back."}, "waiting", "Handed back."),
        ({"status": "running", "pages": 1_200, "items": 3}, "running",
         "The crawl is at work: 1,200 pages and 3 readings of items so far."),
        ({"status": "cancelled"}, "cancelled", "The crawl was cancelled after 0 pages and 0 readings of items."),
        ({"status": "failed", "message": "Timed out.\nmore"}, "failed", "The crawl failed: Timed out."),
        ({"status": "failed"}, "failed", "The crawl failed."),
        ({"status": "completed", "pages": 214, "pages_unchanged": 213}, "well",
         "All is well: 214 pages, 213 of them as they were, and so are the items that they gave."),
        ({"status": "completed", "pages": 214, "pages_unchanged": 212, "items": 1}, "well",
         "All is well: 214 pages, 212 of them as they were, and so are the items that they gave; "
         "1 reading of an item on the others."),
        ({"status": "running", "pages": 9, "pages_unchanged": 8}, "running",
         "The crawl is at work: 9 pages and 0 readings of items (of new or changed pages alone) so far."),
    ],
)  # fmt: skip
def test_a_crawl_in_any_state_has_its_sentence(fields: dict[str, object], verdict: str, sentence: str) -> None:
    explanation = explain(make_task(make_spider(), "crawl_1", **fields))
    assert (explanation.verdict, explanation.sentence) == (verdict, sentence)


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_why_a_crawl_did_not_begin_is_told_in_the_language_of_the_reader(status: str) -> None:
    message = str(SecretMissing(["token"]))
    task = make_task(make_spider(), "crawl_1", status=status, message=message)
    with translation.override("zh-hans"):
        sentence = explain(task).sentence
    assert "没有保存名为" in sentence
    assert message not in sentence


def test_items_are_compared_only_where_all_pages_were_read() -> None:
    spider = make_spider()
    completed(spider, "crawl_1", pages=100, items=100)
    task = completed(spider, "crawl_2", pages=100, items=2, pages_unchanged=98)
    assert explain(task).verdict is Verdict.WELL
    worse = completed(spider, "crawl_3", pages=100, items=2)
    CrawlTask.objects.filter(task_id="crawl_2").delete()
    told = explain(worse).comparison
    assert told is not None
    assert told.sentences[0] == "2 items, where the crawl before found 100."


def test_the_last_reading_is_looked_for_behind_many_that_found_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_BETWEEN", 2)
    monkeypatch.setattr(comparison, "MOST_BEFORE", 6)
    spider = make_spider()
    base = completed(spider, "crawl_0", pages=100, spider_version=1)
    completed(spider, "crawl_of_another_version", pages=100, spider_version=2)
    make_task(spider, "crawl_that_failed", status="failed", pages=100, spider_version=1)
    found = []
    for number in range(1, 6):
        task = completed(spider, f"crawl_{number}", pages=100, pages_unchanged=100, spider_version=1)
        found.append(comparison.last_reading(task))
    # The sixth crawl before the fourth is the base; that of the fifth is out of sight.
    assert found == [base, base, base, base, None]


def test_a_crawl_is_compared_with_the_last_that_completed_however_many_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "EARLIER", 2)
    spider = make_spider()
    completed(spider, "crawl_0", pages=100)
    for number in range(1, 4):
        make_task(spider, f"crawl_{number}", status="failed")
    told = comparison.compare(completed(spider, "crawl_4", pages=10))
    assert told is not None
    assert (told.task_id, told.is_bad) == ("crawl_0", True)


@pytest.mark.parametrize(
    "fields",
    [{"reasons": {"day_budget": 90}}, {"message": "Stopped at max_pages = 10; pages were left in the frontier"}],
)
def test_a_crawl_that_left_pages_for_later_is_compared_with_none(fields: dict[str, object]) -> None:
    spider = make_spider()
    completed(spider, "crawl_1", pages=100, items=100)
    part = completed(spider, "crawl_2", pages=10, items=10, **fields)
    rest = completed(spider, "crawl_3", pages=4, items=4)
    assert [explain(task).verdict for task in (part, rest)] == [Verdict.LIMITED, Verdict.WELL]


def test_pages_that_a_sitemap_calls_unchanged_count_as_pages() -> None:
    spider = make_spider()
    completed(spider, "crawl_1", pages=100, items=100)
    reasons = {"lastmod_unchanged": 95, "sitemap_invalid": 1}
    explanation = explain(completed(spider, "crawl_2", pages=5, pages_unchanged=95, items=5, reasons=reasons))
    assert not explanation.comparison or not explanation.comparison.is_bad
    assert "100 pages" in explanation.sentence
    found = causes(explanation)
    assert (found["lastmod"].share, found["sitemap"].amount) == (0.95, "1 sitemap")


def test_an_older_crawl_says_nothing_of_todays_items() -> None:
    spider = make_spider()
    task = completed(spider, pages=10)
    now = timezone.now()
    for number in range(6):
        Item.objects.create(
            spider=spider, type="lamp", key=str(number), key_hash=number, data={"price": None}, data_hash=b"",
            first_seen_at=now, changed_at=now,
        )  # fmt: skip
    assert list(causes(explain(task))) == ["empty_field"]
    completed(spider, "crawl_2", pages=10)
    assert not explain(task).causes


def test_explaining_asks_a_handful_of_questions(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    spider = make_spider()
    completed(spider, "crawl_1", pages=500)
    task = completed(spider, "crawl_2", pages=500, reasons={f"http_{status}": 2 for status in range(400, 440)})
    task = CrawlTask.objects.get(pk=task.pk)
    with django_assert_max_num_queries(8):
        document = explain(task).to_json()
    assert document["verdict"] == "lacking"


@pytest.mark.parametrize(("count", "severity"), [(3, Severity.WATCH), (30, Severity.TROUBLE)])
def test_a_few_unreadable_values_are_no_alarm(count: int, severity: Severity) -> None:
    explanation = explain(completed(make_spider(), pages=900, items=900, reasons={"unreadable_value": count}))
    assert causes(explanation)["unreadable_value"].severity is severity


def test_what_is_worth_a_look_is_named_in_the_sentence() -> None:
    explanation = explain(completed(make_spider(), pages=900, items=900, reasons={"http_404": 3}))
    assert (
        explanation.sentence == "All is well: 900 pages and 900 readings of items. Worth a look: Pages that are gone."
    )


@pytest.mark.parametrize(("share", "shown"), [(0.92, "92%"), (0.004, "0.4%"), (0.0001, "<0.1%"), (0.0, "0.0%")])
def test_a_share_is_never_shown_as_nothing(share: float, shown: str) -> None:
    assert percent(share) == shown
