"""Pages, links, counters: what one checkpoint stores, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crawler.engine.errors import Reason
from crawler.engine.records import Batch, PageResult, PageState, ValueProblem
from crawler.engine.urls import hash_url
from crawler.models import CrawlTask, Item, Page, TaskFailure
from crawler.rawsql import fetch, pack, unpack
from crawler.storing import headway
from crawler.storing.checkpoint import CrawlMemory, CrawlScope, add_seeds, store_batch
from crawler.storing.pending import PENDING_COLUMNS, pending_page
from scheduling.exceptions import ClaimLost
from scheduling.lanes import Lane
from tests.db.scheduling.making import make_run

from .making import Crawl, lose_answers, make_item, make_link, make_spider, make_task, nobody_else, states, url_of, wait

pytestmark = pytest.mark.django_db(transaction=True)


def lost() -> None:
    raise ClaimLost(1, 1)


def test_a_fresh_crawl_begins_with_its_seeds(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    opening = crawl.open("/", "/other")
    assert [page.url for page in opening.pending] == [url_of("/"), url_of("/other")]
    assert set(opening.seen) == {hash_url(url_of("/")), hash_url(url_of("/other"))}
    assert (opening.resumed, opening.pages_done, opening.pending_dropped) == (False, 0, 0)


def test_new_links_join_the_frontier_in_document_order(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open()
    paths = [f"/{number}" for number in (5, 3, 9, 1)]
    answer = crawl.store(crawl.read("/", links=paths))
    assert [page.url for page in answer.pending] == [url_of(path) for path in paths]
    assert {page.depth for page in answer.pending} == {1}
    page = Page.objects.get(url=url_of("/"))
    assert page.state == "done"
    assert unpack(page.links) == tuple(hash_url(url_of(path)) for path in paths)
    assert page.extracted_version == crawl.spider.version


def test_a_link_that_two_pages_give_is_stored_once(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a", "/b")
    one, two = crawl.read("/a", links=["/c"]), crawl.read("/b")
    two.links.append(make_link("/c", 7))
    answer = crawl.store(one, two)
    assert [(page.url, page.depth) for page in answer.pending] == [(url_of("/c"), 1)]


def test_a_page_that_this_task_knows_does_not_become_pending_again(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a", "/b")
    crawl.store(crawl.read("/a"))
    late = crawl.read("/b")
    late.links.append(make_link("/a", 1))
    assert crawl.store(late).pending == []
    assert states() == {"/a": "done", "/b": "done"}


def test_more_links_than_room_wait_in_the_database(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open()
    answer = crawl.store(crawl.read("/", links=[f"/{number}" for number in range(10)]), room=3)
    assert len(answer.pending) == 3
    assert answer.pending_dropped == 7
    held = [page.page_id for page in answer.pending]
    window = wait(crawl.storage.window(room=4, held=held))
    assert [page.url for page in window] == [url_of(f"/{number}") for number in range(3, 7)]


def test_a_crawl_goes_on_where_its_last_checkpoint_was(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/", [make_item("k")], links=["/a", "/b"]))
    first.store(first.read("/a"))
    second = Crawl(first.spider, lane, task=first.task)
    opening = second.open()
    assert opening.resumed
    assert [page.url for page in opening.pending] == [url_of("/b")]
    assert set(opening.seen) == {hash_url(url_of(path)) for path in ("/", "/a", "/b")}
    assert opening.pages_done == 2


def test_a_crawl_that_goes_on_knows_how_long_it_took_so_far(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    assert crawl.open().seconds_spent == 0.0
    crawl.task.run = make_run(execution_time=30.0, started_at=timezone.now() - timedelta(seconds=12))
    crawl.task.save(update_fields=["run"])
    assert crawl.open().seconds_spent == pytest.approx(42, abs=5)


@pytest.mark.parametrize(
    ("code", "reason", "answered"),
    [(200, "", True), (404, "http_404", False), (304, "http_304", False), (None, "dns_error", False)],
)
def test_a_crawl_that_goes_on_knows_whether_a_start_page_answered(
    lane: Lane, code: int | None, reason: str, answered: bool
) -> None:
    first = Crawl(make_spider(), lane)
    assert not first.open("/", "/late").start_answered
    first.store(first.read("/", links=["/a"]) if code == 200 else first.failed("/", code, reason))
    second = Crawl(first.spider, lane, task=first.task)
    assert second.open("/", "/late").start_answered is answered


def test_a_page_that_is_not_a_start_page_is_none_when_the_crawl_goes_on(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/", links=["/a"]))
    other = Crawl(first.spider, lane)
    other.open("/gone")
    missing = other.failed("/gone", 404)
    missing.links.append(make_link("/a", 1))
    other.store(missing)
    other.store(other.read("/a"))
    assert not Crawl(first.spider, lane, task=other.task).open("/gone").start_answered


@pytest.mark.parametrize("is_walked", [False, True], ids=["by a new link", "by a stored link"])
def test_links_that_were_cut_are_read_again_when_their_page_comes_nearer(lane: Lane, is_walked: bool) -> None:
    spider = make_spider()
    deep = Crawl(spider, lane, max_depth=2)
    deep.open("/", "/hub")
    deep.store(deep.read("/", links=["/a"]))
    deep.store(deep.read("/a", links=["/b"]))
    hub = deep.read("/hub")
    hub.link_hashes = pack([hash_url(url_of("/b"))])
    deep.store(hub, deep.read("/b"))
    near = Crawl(spider, lane, max_depth=2)
    near.open("/hub")
    answer = near.store(near.unchanged("/hub") if is_walked else near.read("/hub", links=["/b"]))
    (page,) = answer.pending
    assert (page.url, page.depth, page.may_revalidate) == (url_of("/b"), 1, False)


def test_a_page_that_stays_as_deep_as_it_was_is_not_read_again(lane: Lane) -> None:
    spider = make_spider()
    for _ in range(2):
        crawl = Crawl(spider, lane, max_depth=1)
        crawl.open()
        answer = crawl.store(crawl.read("/", links=["/a"], version=str(crawl.task.pk)))
        assert crawl.store(crawl.read("/a")).links_cut == 0
    assert answer.pending[0].may_revalidate


def test_links_beyond_max_depth_are_counted_and_stay_out(lane: Lane) -> None:
    spider = make_spider()
    wide = Crawl(spider, lane)
    wide.open()
    wide.store(wide.read("/", links=["/a", "/b"]))
    wide.store(wide.read("/a"), wide.read("/b"))
    crawl = Crawl(spider, lane, max_depth=0)
    crawl.open()
    answer = crawl.store(crawl.unchanged("/"))
    assert (answer.pending, answer.links_cut) == ([], 2)
    crawl.task.refresh_from_db()
    assert crawl.task.reasons == {"depth_limit": 2}
    assert Crawl(spider, lane, task=crawl.task, max_depth=0).open().depth_limited


def test_a_lost_claim_writes_nothing(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open()
    result = crawl.read("/", [make_item("k")], links=["/a"])
    thief = Crawl(crawl.spider, lane, task=crawl.task, guard=lost)
    before = list(Page.objects.values()), list(CrawlTask.objects.values())
    with pytest.raises(ClaimLost):
        thief.store(result)
    with pytest.raises(ClaimLost):
        thief.open("/new")
    assert (list(Page.objects.values()), list(CrawlTask.objects.values())) == before
    assert not Item.objects.exists()


@pytest.mark.parametrize("is_committed", [True, False], ids=["after the commit", "before the commit"])
def test_a_checkpoint_whose_answer_is_lost_is_stored_once_and_answered_whole(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open()
    monkeypatch.setattr(crawl.storage, "_lane_run", lane.run_patiently)
    page = crawl.read("/", [make_item("k")], links=["/a", "/b"])
    lose_answers(monkeypatch, is_committed=is_committed)
    answer = crawl.store(page)

    assert [pending.url for pending in answer.pending] == [url_of("/a"), url_of("/b")]
    assert (answer.items_new, answer.pending_dropped) == (1, 0)
    crawl.store(crawl.read("/a"))
    task = CrawlTask.objects.get(pk=crawl.task.pk)
    assert (task.pages, task.items, task.items_new, task.requests) == (2, 1, 1, 2)
    seen = headway.read(task.headway)
    assert seen is not None
    assert seen.waiting == 1


def test_the_guard_comes_before_every_other_statement() -> None:
    spider = make_spider()
    task = make_task(spider, "t")
    said: list[int] = []
    scope = CrawlScope(
        task_id=task.pk,
        spider_id=spider.pk,
        spider_version=1,
        guard=lambda: said.append(len(captured.captured_queries)),
    )
    with CaptureQueriesContext(connection) as captured:
        add_seeds(scope, [make_link("/")])
    # SQLite's BEGIN is captured, too.
    assert said[0] <= 1


@pytest.mark.parametrize(("count", "pieces"), [(1, 1), (256, 4), (300, 7)])
def test_a_checkpoint_takes_few_statements_whatever_its_pages(count: int, pieces: int) -> None:
    """One for each kind of row; SQLite, which is no journey away, takes them in pieces."""
    spider = make_spider()
    task = make_task(spider, "t")
    scope = CrawlScope(task_id=task.pk, spider_id=spider.pk, spider_version=1, guard=nobody_else)
    add_seeds(scope, [make_link(f"/{number}") for number in range(count)])
    pages = [pending_page(row, 1) for row in fetch(f"SELECT {PENDING_COLUMNS} FROM crawler_page", [])]
    batch = Batch(
        results=[
            PageResult(
                page=page,
                state=PageState.DONE,
                status_code=200,
                content_hash=b"x" * 16,
                extracted=True,
                items=[make_item(f"{number}")],
                links=[make_link(f"/sub/{number}", 1)],
            )
            for number, page in enumerate(pages)
        ]
    )
    with CaptureQueriesContext(connection) as captured:
        store_batch(scope, batch, CrawlMemory())
    statements = [
        q["sql"] for q in captured.captured_queries if not q["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT"))
    ]
    # What is stored under the keys, the counts, the sums of the hour and of what is present; pages, links and items.
    # PostgreSQL also locks the task's row.
    expected = 4 + 3 * pieces if connection.vendor == "sqlite" else 8
    assert len(statements) == expected, statements
    assert (Item.objects.count(), Page.objects.count()) == (count, 2 * count)


def test_counters_are_added_to_the_task(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a", "/b", "/c", "/d", "/e")
    unreadable = ValueProblem("book", "price", Reason.UNREADABLE_VALUE.value, "N/A")
    crawl.store(
        crawl.read("/a", [make_item("1"), make_item("2", problems=[unreadable])]),
        crawl.failed("/b", 404),
        crawl.refused("/c"),
        crawl.redirected("/d", "/f"),
    )
    result = crawl.read("/e", [make_item("3")])
    result.reasons["out_of_scope"] += 2
    crawl.store(result)
    task = CrawlTask.objects.get()
    assert (task.pages, task.pages_failed, task.pages_refused, task.pages_redirected) == (3, 1, 1, 1)
    assert (task.items, task.items_new, task.items_incomplete, task.bytes, task.requests) == (3, 3, 1, 200, 4)
    assert task.reasons == {"http_404": 1, "robots_disallowed": 1, "out_of_scope": 2}


def test_failures_are_kept_with_their_reason(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a", "/b")
    missing = ValueProblem("book", "upc", Reason.MISSING_KEY.value)
    crawl.store(crawl.failed("/a", 503, "http_503"), crawl.read("/b", problems=[missing]))
    rows = TaskFailure.objects.order_by("id").values_list("url", "reason", "status_code", "detail")
    assert list(rows) == [
        (url_of("/a"), "http_503", 503, "no"),
        (url_of("/b"), "missing_key", 200, "book.upc"),
    ]


def test_a_task_keeps_a_thousand_failures_also_over_attempts(lane: Lane) -> None:
    """And two hundred of one reason at most, so that others have examples too."""
    crawl = Crawl(make_spider(), lane)
    paths = [f"/{number}" for number in range(1350)]
    crawl.open(*paths)
    crawl.store(*[crawl.failed(path, 404) for path in paths[:190]])
    again = Crawl(crawl.spider, lane, task=crawl.task)
    again.open(*paths)
    again.store(*[again.failed(path, 404) for path in paths[190:300]])
    assert TaskFailure.objects.count() == 200
    for status in range(500, 505):
        first = 300 + 210 * (status - 500)
        again.store(*[again.failed(path, status, f"http_{status}") for path in paths[first : first + 210]])
    kept = TaskFailure.objects.order_by().values_list("reason").annotate(Count("pk"))
    assert dict(kept) == {"http_404": 200, **{f"http_{status}": 200 for status in range(500, 504)}}
    task = CrawlTask.objects.get()
    assert task.pages_failed == 1350
    assert task.reasons == {"http_404": 300, **{f"http_{status}": 210 for status in range(500, 505)}}


def test_a_redirects_target_knows_its_chain(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a")
    crawl.store(crawl.redirected("/a", "/b"))
    crawl.store(crawl.redirected("/b", "/c"))
    page = crawl.frontier["/c"]
    assert page.chain == (hash_url(url_of("/a")), hash_url(url_of("/b")))
    assert (page.depth, page.hops) == (0, 2)
    assert Page.objects.get(url=url_of("/a")).redirected_to == url_of("/b")
    resumed = Crawl(crawl.spider, lane, task=crawl.task)
    assert resumed.open("/a").pending[0].chain == page.chain


def test_text_that_a_database_refuses_is_stored_without_what_it_refuses(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open()
    item = make_item("a\0b", title="x\0y \ud800 雪", nested=["\0", {"q\0": "\0r"}])
    result = crawl.read("/", [item])
    result.etag, result.last_modified = '"\0e"', "Mon\0" * 100
    crawl.store(result)
    stored = Item.objects.get()
    assert stored.data == {"key": "ab", "title": "xy \ufffd 雪", "nested": ["", {"q": "r"}]}
    assert stored.key == '["a\\u0000b"]'
    assert Page.objects.get().etag == '"e"'


def test_a_revalidated_page_is_the_only_row_that_is_written(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/", [make_item("k", price="1")], links=["/a"]))
    first.store(first.read("/a", [make_item("j", price="1")]))
    first.mark_gone()
    items, pages = list(Item.objects.order_by("id").values()), Page.objects.in_bulk()

    second = Crawl(first.spider, lane)
    second.open()
    second.store(second.unchanged("/"))
    assert list(second.frontier) == ["/a"]
    second.store(second.unchanged("/a"))
    assert second.mark_gone() == 0
    assert list(Item.objects.order_by("id").values()) == items
    for page in Page.objects.all():
        assert (page.state, page.task_id) == ("unchanged", second.task.pk)
        before = pages[page.pk]
        assert (page.etag, page.content_hash, page.links) == (before.etag, before.content_hash, before.links)
        assert page.changed_at == before.changed_at
    task = CrawlTask.objects.get(pk=second.task.pk)
    assert (task.pages, task.pages_unchanged, task.items, task.items_changed) == (2, 2, 0, 0)


def test_another_version_of_the_spider_reads_every_page_again(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/"))
    first.spider.version = 2
    assert not Crawl(first.spider, lane).open().pending[0].may_revalidate


def test_stored_links_join_one_level_deeper_whatever_the_limit(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/", links=["/a"]))
    first.store(first.read("/a", links=["/a/b"]))
    first.store(first.read("/a/b"))
    second = Crawl(first.spider, lane)
    second.open("/a")
    assert [(page.url, page.depth) for page in second.store(second.unchanged("/a")).pending] == [(url_of("/a/b"), 1)]


def test_a_page_whose_extraction_failed_keeps_no_new_validators(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/", [make_item("k")]))
    etag = Page.objects.get().etag
    second = Crawl(first.spider, lane)
    second.open()
    result = second.failed("/", 200, "extraction_error")
    result.etag = '"new"'
    second.store(result)
    assert second.mark_gone() == 0
    assert Page.objects.get().etag == etag


def test_a_crawl_of_given_urls_leaves_links_and_the_rest_of_the_site_alone(lane: Lane) -> None:
    first = Crawl(make_spider(), lane)
    first.open()
    first.store(first.read("/", links=["/a", "/b"]))
    first.store(first.read("/a", [make_item("a", price="1")]), first.read("/b", [make_item("b", price="1")]))

    single = Crawl(first.spider, lane, follows_links=False)
    single.open("/", "/a")
    single.store(single.read("/"), single.read("/a", [make_item("a", price="2")]))
    assert single.frontier == {}
    assert single.mark_gone() == 0
    assert Item.objects.get(key='["b"]').gone_at is None
    page = Page.objects.get(url=url_of("/"))
    assert unpack(page.links) == tuple(hash_url(url_of(path)) for path in ("/a", "/b"))
    # It was not read with the follow rules: the next whole crawl reads it again.
    assert page.extracted_version is None


def test_a_big_batch_is_stored_in_pieces_on_sqlite_and_answers_as_one(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    paths = [f"/{number}" for number in range(4)]
    crawl.open(*paths)
    links = [[f"{path}/{number}" for number in range(1000)] for path in paths]
    answer = crawl.store(*[crawl.read(path, links=own) for path, own in zip(paths, links, strict=True)])
    assert [page.url for page in answer.pending] == [url_of(link) for own in links for link in own]
    assert CrawlTask.objects.get().pages == 4


def test_what_item_rules_found_is_counted_in_pages_also_over_attempts(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a", "/b", "/c")
    bare = crawl.read("/a")
    bare.taken, bare.missed = ("book",), [("book", "")]
    crawl.store(bare)
    assert CrawlTask.objects.get().rules == {"book": {"pages": 1, "bare": 1, "given": 0, "missing": {}}}
    again = Crawl(crawl.spider, lane, task=crawl.task)
    again.open("/a", "/b", "/c")
    poor, list_page = again.read("/b"), again.read("/c")
    poor.taken, poor.missed = ("book", "shelf"), [("book", "price")]
    again.store(poor, list_page)
    assert CrawlTask.objects.get().rules == {
        "book": {"pages": 2, "bare": 1, "given": 0, "missing": {"price": 1}},
        "shelf": {"pages": 1, "bare": 0, "given": 0, "missing": {}},
    }


def test_a_wall_in_a_pages_place_leaves_its_items_alone(lane: Lane) -> None:
    crawl = Crawl(make_spider(), lane)
    crawl.open("/a")
    crawl.store(crawl.read("/a", [make_item("1")]))
    again = Crawl(crawl.spider, lane)
    again.open("/a")
    again.store(again.failed("/a", 200, "login_wall"))
    assert again.mark_gone() == 0
    assert Item.objects.get().gone_at is None
